/** Much that is read for one answer, without the thread being deaf meanwhile, or in the way of packets. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';

/** At 10 to 20 µs each, half a millisecond. */
export const partSize = 32;
/** Of what is read at a glance: 1 µs each. */
export const glanceSize = 512;

/** What `read` makes of each. Between two parts the heartbeat has its turn, and whoever asks for less; `pause` is called there. */
export async function inParts<Item, Result>(
  items: readonly Item[],
  read: (item: Item) => Result,
  pause: () => void,
  size = partSize,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    if (results.length > 0 && results.length % size === 0) {
      pause();
      await eventLoopTurn();
    }
    results.push(read(item));
  }
  return results;
}
