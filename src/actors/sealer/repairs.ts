/** What was sealed for one peer and lost goes out again, oldest first, by the paths that would bring it soonest. */
import { repairReserveBytes } from '../../bonding/repair/repair-choice.ts';
import { feedback } from '../../contract/columns.ts';
import type { Sealer } from '../../native/data-api.ts';
import type { PathTrack } from './path-track.ts';

/** Sent again in one go. */
const mostBytes = 64 * 1024;
const packetBytes = 1_400;

/** Says by which path a packet of so many sealed bytes leaves, and how much of it at most; undefined = by none now. */
export interface RepairRoutes {
  repairPath(nowUs: number, sealedBytes: number): PathTrack | undefined;
  repairBytes(track: PathTrack): number;
  /** What is longer fits no path. */
  readonly longestBytes: number;
}

export class Repairs {
  /** Lost and not yet sent again; set from what the native flight record says. */
  lostPackets = 0;
  readonly #row: number;
  readonly #native: Pick<Sealer, 'resend' | 'lostBytes' | 'giveUpLonger'>;
  readonly #feedback: Float64Array;

  constructor(row: number, native: Pick<Sealer, 'resend' | 'lostBytes' | 'giveUpLonger'>, cells: Float64Array) {
    this.#row = row;
    this.#native = native;
    this.#feedback = cells;
  }

  get waitingBytes(): number {
    return this.lostPackets * packetBytes;
  }

  /** Returns packets. */
  run(routes: RepairRoutes, nowUs: number): number {
    let total = 0;
    while (this.lostPackets > 0) {
      const longest = this.#native.lostBytes(this.#row);
      if (longest > routes.longestBytes) {
        this.#native.giveUpLonger(this.#row, routes.longestBytes);
        break;
      }
      const track = routes.repairPath(nowUs, longest);
      if (track === undefined) break;
      const room = Math.min(track.allowedBytes + repairReserveBytes, mostBytes, routes.repairBytes(track));
      if (room <= 0) break;
      const packets = this.#resend(track, room, track.fit.longest(track.fit.passes(longest)), nowUs);
      // They are gone from the sealed log, or the link's ring is full: the next tick says which.
      if (packets === 0) this.lostPackets = 0;
      total += packets;
    }
    return total;
  }

  #resend(track: PathTrack, room: number, longest: number, nowUs: number): number {
    const at = track.index * feedback.columns + feedback.resentPackets;
    const before = this.#feedback[at] as number;
    const bytes = this.#native.resend(this.#row, track.port, track.row, room, longest, nowUs);
    if (bytes === 0) return 0;
    const packets = (this.#feedback[at] as number) - before;
    this.lostPackets = Math.max(0, this.lostPackets - packets);
    track.spend(bytes, nowUs);
    track.countResent(packets);
    return packets;
  }
}
