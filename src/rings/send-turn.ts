/** Who may send by a carrier's sockets, as the supervisor sees it: it changes them while nobody does (`native/sys/send_turn.h` is the senders' side). */
import { carrier } from '../contract/link-tables.ts';
import type { RowTable } from './table.ts';

/** Others hold a turn for one native call, some microseconds unless their thread loses the processor meanwhile. */
const lookAgainMs = 0.1;
const scratch = new Int32Array(new SharedArrayBuffer(4));

/** A thread that has had its turn for so long stands in a call that does not end. */
const mostLooks = 1_000;

/**
 * Says by which socket of the family a sealer may send beside the carrier from now on; -1 = none. Only while nobody sends; false when somebody did not
 * end, and nothing has changed. `change`: what is done to the socket in the same turn; what it throws leaves all as it was.
 */
export function lendBeside(
  carriers: RowTable,
  row: number,
  family: 4 | 6,
  fd: number,
  change: () => void = () => undefined,
): boolean {
  for (let looks = 0; carriers.replaceInt(row, carrier.turnAt, 0, 1) !== 0; looks += 1) {
    if (looks >= mostLooks) return false;
    Atomics.wait(scratch, 0, 0, lookAgainMs);
  }
  try {
    change();
    carriers.setInt(row, family === 4 ? carrier.beside4At : carrier.beside6At, fd + 1);
    // A socket is lent with the bit set.
    carriers.setInt(row, family === 4 ? carrier.fragmenting4At : carrier.fragmenting6At, 0);
  } finally {
    carriers.setInt(row, carrier.turnAt, 0);
  }
  return true;
}
