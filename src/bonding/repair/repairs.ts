/** What was sealed for one peer and lost goes out again, oldest first, by the paths that would bring it soonest. */
import { feedback } from '../../contract/columns.ts';
import type { FlightRecord } from '../flight-record.ts';
import type { SendingPath } from '../sending-path.ts';
import { repairRoomBytes } from './repair-choice.ts';

/** Sent again in one go. */
const mostBytes = 64 * 1024;
const packetBytes = 1_400;

/** Says by which path a packet of so many sealed bytes leaves, and how much of it at most; undefined = by none now. */
export interface RepairRoutes {
  repairPath(nowUs: number, sealedBytes: number): SendingPath | undefined;
  repairBytes(path: SendingPath): number;
  /** What is longer cannot leave as it was. */
  readonly longestBytes: number;
  /** It may leave in pieces. */
  readonly mayCut: boolean;
}

export class Repairs {
  /** Lost and not yet sent again; set from what the flight record says. */
  lostPackets = 0;
  readonly #flight: FlightRecord;

  constructor(flight: FlightRecord) {
    this.#flight = flight;
  }

  get waitingBytes(): number {
    return this.lostPackets * packetBytes;
  }

  /** Returns packets. */
  run(routes: RepairRoutes, nowUs: number): number {
    let total = 0;
    while (this.lostPackets > 0) {
      const waiting = this.#flight.longestWaiting();
      const most = routes.longestBytes;
      const isCut = waiting > most && routes.mayCut;
      if (waiting > most && !isCut) {
        this.#flight.giveUpLonger(most);
        break;
      }
      const bytes = Math.min(waiting, most);
      const path = routes.repairPath(nowUs, bytes);
      if (path === undefined) break;
      const room = Math.min(repairRoomBytes(path), mostBytes, routes.repairBytes(path));
      if (room <= 0) break;
      const longest = isCut ? bytes : path.fit.longest(path.fit.passes(bytes));
      const packets = this.#resend(path, room, longest, isCut, nowUs);
      // They are gone from the sealed log, or the link's ring is full: the next tick says which.
      if (packets === 0) this.lostPackets = 0;
      total += packets;
    }
    return total;
  }

  #resend(path: SendingPath, room: number, longest: number, isCut: boolean, nowUs: number): number {
    const cells = this.#flight.feedback;
    const at = path.number * feedback.columns + feedback.resentPackets;
    const before = cells[at] as number;
    const flight = this.#flight;
    const bytes = isCut ? flight.resendCut(path, room, longest, nowUs) : flight.resend(path, room, longest, nowUs);
    const packets = (cells[at] as number) - before;
    if (bytes === 0 && packets === 0) return 0;
    this.lostPackets = Math.max(0, this.lostPackets - packets);
    path.spend(bytes, nowUs);
    path.resentPackets += packets;
    return packets;
  }
}
