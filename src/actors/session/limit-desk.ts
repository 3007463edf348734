/**
 * The rates of peers: what the sealer sends them at most and the opener takes from them stands in their rows. A Hawser is told how fast it
 * may send (LIMITS of docs/wire-format.md) and sends no faster, so that nothing of it is dropped here; whoever does not read that, or does
 * not obey, is policed.
 */
import { capability } from '../../contract/frames.ts';
import { peer as layout, session } from '../../contract/peer-tables.ts';
import { TokenBucket } from '../../protocols/session/token-bucket.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import { limitsBps, limitsCheckLength, limitsEmit, limitsHasHeard, limitsNumber } from '../../wire/control-frame.ts';
import { ClientDevices } from './client-devices.ts';
import type { Outbox } from './outbox.ts';
import type { Peer } from './peer-book.ts';

/** What was not answered is said again after this long, then twice as long; a few times in a session. */
const firstRetryUs = 1_000_000;
const mostTries = 5;
/** In a new session what was told before holds for so long: who told it says it again by then, or has no limit any more. */
const graceUs = 10_000_000;
/**
 * What a policed sender may send at once after a pause. TCP that loses a whole window waits for 200 ms at least (RFC 6298 2.4 has a
 * second, Linux 200 ms): with less saved, that time is lost. With more, the rate over ten seconds is not the limit's.
 */
const burstUs = 250_000;
const leastBurstBytes = 32 * 1024;
/** Who shapes is not policed by the jitter of its paths, and by what order holds back. */
const shapedMargin = 1.1;
const shapedBurstUs = 1_000_000;
const leastShapedBurstBytes = 256 * 1024;
const never = Number.POSITIVE_INFINITY;
/** LIMITS of one peer that are read: one a second is said, by some paths, and again. What comes beyond that costs handshakes of others. */
const reading = { perSecond: 10, burst: 20 } as const;

/** A share of the server's rate sways: it is said when it is another by so much, and not more often. */
const shareTolerance = 0.1;
const shareSpacingUs = 1_000_000;
/** Who is told its share shall not be dropped by the jitter of what it sends. */
const shareMargin = 0.97;

interface Said {
  /** Key slot under which it was said. */
  readonly slot: number;
  readonly bps: number;
  readonly sinceUs: number;
  readonly number: number;
  isHeard: boolean;
  tries: number;
  nextUs: number;
}

interface Told {
  slot: number;
  number: number;
  /** When it is forgotten, unless it is told again. */
  untilUs: number;
}

export interface LimitDeskParts {
  readonly sessions: SessionTable;
  readonly peers: RowTable;
  readonly outbox: Pick<Outbox, 'sendFrame'>;
}

export class LimitDesk {
  readonly #parts: LimitDeskParts;
  /** By peer row. */
  readonly #said = new Map<number, Said>();
  readonly #told = new Map<number, Told>();
  readonly #reading = new Map<number, TokenBucket>();
  /** Rows of peers that have answered a LIMITS, and are taken to obey the next ones. */
  readonly #shaping = new Set<number>();
  readonly #devices: ClientDevices;
  #number = 0;

  constructor(parts: LimitDeskParts) {
    this.#parts = parts;
    this.#devices = new ClientDevices(parts.peers);
  }

  /** The peer is there, or its limits are others than before. */
  apply(peer: Peer): void {
    const { peers } = this.#parts;
    const { row } = peer;
    const { upBps, downBps, priority } = peer.settings.limits;
    const toldBps = peers.number(row, layout.toldBpsAt);
    if (toldBps > 0 && !this.#told.has(row)) {
      // A predecessor of this actor was told.
      this.#told.set(row, { slot: peers.int(row, layout.sendSlotAt), number: 0, untilUs: never });
    }
    const sendBps = Math.min(downBps || never, toldBps || never);
    peers.setNumber(row, layout.sendBpsAt, sendBps === never ? 0 : sendBps);
    peers.setNumber(row, layout.takeBpsAt, upBps);
    peers.setNumber(row, layout.giveBpsAt, downBps);
    this.#devices.enter(row, peer.settings.client);
    peers.setInt(row, layout.priorityAt, priority);
    peers.setInt(row, layout.isMeteredAt, peer.settings.isMetered === true ? 1 : 0);
    const isShaped = this.#shaping.has(row);
    const policeBps = isShaped ? upBps * shapedMargin : upBps;
    const burst = isShaped
      ? Math.max(leastShapedBurstBytes, (upBps / 8e6) * shapedBurstUs)
      : Math.max(leastBurstBytes, (upBps / 8e6) * burstUs);
    peers.setNumber(row, layout.policeBurstBytesAt, burst);
    peers.setNumber(row, layout.policeBpsAt, policeBps);
    peers.tell(row);
  }

  forget(peer: Peer): void {
    this.#said.delete(peer.row);
    this.#told.delete(peer.row);
    this.#reading.delete(peer.row);
    this.#shaping.delete(peer.row);
    this.#devices.leave(peer.row);
  }

  /** Says to the peer what is to be said; returns when there is more to do. */
  poll(peer: Peer, nowUs: number): number {
    const slot = peer.session.keys.current?.slot;
    if (slot === undefined) return never;
    return Math.min(this.#keep(peer, slot, nowUs), this.#say(peer, slot, nowUs));
  }

  /** A control frame that was opened under `slot`; what is no LIMITS is passed over. */
  handleFrame(peer: Peer, slot: number, bytes: Uint8Array, nowUs: number): void {
    if (!limitsCheckLength(bytes, 0, bytes.length) || !this.#mayRead(peer, nowUs)) return;
    if (limitsHasHeard(bytes, 0)) this.#handleHeard(peer, limitsNumber(bytes, 0));
    else this.#handleTold(peer, slot, bytes);
  }

  #mayRead(peer: Peer, nowUs: number): boolean {
    const room = this.#reading.get(peer.row) ?? new TokenBucket(reading);
    this.#reading.set(peer.row, room);
    return room.take(nowUs);
  }

  #handleHeard(peer: Peer, number: number): void {
    const said = this.#said.get(peer.row);
    if (said === undefined || said.isHeard || said.number >>> 0 !== number) return;
    said.isHeard = true;
    if (this.#shaping.has(peer.row)) return;
    this.#shaping.add(peer.row);
    this.apply(peer);
  }

  /** By several paths an older one may come later. */
  #handleTold(peer: Peer, slot: number, bytes: Uint8Array): void {
    const { peers, outbox } = this.#parts;
    const bps = limitsBps(bytes, 0);
    const number = limitsNumber(bytes, 0);
    const before = this.#told.get(peer.row);
    if (before !== undefined && before.slot === slot && ((number - before.number) | 0) < 0) return;
    // Said under keys from before those that it was said under since.
    if (before !== undefined && before.slot !== slot && before.slot === peer.session.keys.current?.slot) return;
    this.#told.set(peer.row, { slot, number, untilUs: never });
    if (peers.number(peer.row, layout.toldBpsAt) !== bps) {
      peers.setNumber(peer.row, layout.toldBpsAt, bps);
      this.apply(peer);
    }
    outbox.sendFrame(peer.row, slot, limitsEmit({ bps, number, hasHeard: true }));
  }

  /** What was told in the session before is held for a while. */
  #keep(peer: Peer, slot: number, nowUs: number): number {
    const told = this.#told.get(peer.row);
    if (told === undefined) return never;
    if (told.slot === slot) {
      told.untilUs = never;
      return never;
    }
    if (told.untilUs === never) told.untilUs = nowUs + graceUs;
    if (nowUs < told.untilUs) return told.untilUs;
    this.#told.delete(peer.row);
    this.#parts.peers.setNumber(peer.row, layout.toldBpsAt, 0);
    this.apply(peer);
    return never;
  }

  /** A restarted peer has forgotten it, so it is said under new keys again; that there is none, only to who heard of one. */
  #say(peer: Peer, slot: number, nowUs: number): number {
    const before = this.#said.get(peer.row);
    const bps = this.#rateOf(peer, before?.slot === slot ? before : undefined, nowUs);
    if (bps === 0 && (before === undefined || before.slot !== slot)) {
      this.#said.delete(peer.row);
      this.#parts.peers.setNumber(peer.row, layout.saidBpsAt, 0);
      return never;
    }
    if ((this.#parts.sessions.int(slot, session.capabilitiesAt) & capability.limits) === 0) {
      this.#giveUp(peer);
      return never;
    }
    const said = before?.slot === slot && before.bps === bps ? before : this.#begin(peer, slot, bps, nowUs);
    if (said.isHeard) return never;
    if (nowUs < said.nextUs) return said.nextUs;
    if (said.tries >= mostTries) {
      this.#giveUp(peer);
      return never;
    }
    this.#parts.outbox.sendFrame(peer.row, slot, limitsEmit({ bps, number: said.number, hasHeard: false }));
    said.nextUs = nowUs + firstRetryUs * 2 ** said.tries;
    said.tries += 1;
    return said.nextUs;
  }

  /** What the peer may send: its limit, or its share of the server's rate while that is less; 0 = what it likes. */
  #rateOf(peer: Peer, said: Said | undefined, nowUs: number): number {
    const { upBps } = peer.settings.limits;
    const shareBps = this.#parts.peers.number(peer.row, layout.shareBpsAt) * shareMargin;
    if (shareBps === 0 || (upBps > 0 && upBps <= shareBps)) return upBps;
    if (said === undefined || said.bps === 0) return shareBps;
    const isNear = Math.abs(shareBps - said.bps) < said.bps * shareTolerance;
    return isNear || nowUs - said.sinceUs < shareSpacingUs ? said.bps : shareBps;
  }

  /** Numbers go up over restarts of this actor, too: they are milliseconds at least. */
  #begin(peer: Peer, slot: number, bps: number, nowUs: number): Said {
    this.#number = Math.max(this.#number + 1, Math.floor(nowUs / 1000));
    const said = { slot, bps, sinceUs: nowUs, number: this.#number, isHeard: false, tries: 0, nextUs: 0 };
    this.#said.set(peer.row, said);
    this.#parts.peers.setNumber(peer.row, layout.saidBpsAt, bps);
    return said;
  }

  /** Who listened before has had its time, and is policed now as one that does not. */
  #giveUp(peer: Peer): void {
    this.#parts.peers.setNumber(peer.row, layout.saidBpsAt, 0);
    if (!this.#shaping.delete(peer.row)) return;
    this.apply(peer);
  }
}
