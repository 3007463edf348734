/**
 * One look at a peer: reads what the data path left in shared memory since the last, lets the timers judge it, does what they ask for, and
 * says when the next look is due. Nobody tells of each packet: whatever a packet starts takes 10 s at least, so looks may be seconds apart.
 */
import { RowNumbers } from '../../base/row-numbers.ts';
import { peer as peerLayout, session } from '../../contract/peer-tables.ts';
import { type PeerActivity, sessionTimes } from '../../protocols/session/peer-session.ts';
import { sessionManagerCounters as counted } from '../../rings/counter-names.ts';
import type { HandshakeDesk } from './handshake-desk.ts';
import type { Peer } from './peer-book.ts';
import { textOf } from './routes.ts';
import type { WatchParts } from './watch-parts.ts';

/** A peer whose keys are fresh is looked at often, then more and more rarely: a fourth of the age of its keys later. */
const leastUs = 1000;
const ageShare = 1 / 4;
/** One that had packets since the last look, and one that had none or has no keys. Shorter than the shortest of WireGuard's timers. */
const activeUs = 1_000_000;
const asleepUs = 5_000_000;
/** Looks that are far off are put together: a wake-up costs more than a look. */
const gridUs = 100_000;
/** REKEY-AFTER-MESSAGES, 2^60 (whitepaper 6.1), as the high word of the counter. */
const wornHighWord = 2 ** 28;
const never = Number.POSITIVE_INFINITY;

export class PeerLook {
  readonly #parts: WatchParts;
  readonly #activity: PeerActivity = {
    lastDataSentUs: 0,
    lastSentUs: 0,
    lastDataReceivedUs: 0,
    lastReceivedUs: 0,
    handshakeWanted: 0,
    isWorn: false,
    isCutOff: false,
    hasWaiting: false,
    isOursToCall: false,
  };
  /** By row: until when nothing is due, if nothing moves. */
  readonly #quietUntilUs = new RowNumbers();
  /** The desk that initiates; set once, since the two know each other. */
  handshakes: HandshakeDesk | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Returns when the peer must be looked at again, if nothing else happens. */
  look(peer: Peer, nowUs: number): number {
    const { keys } = peer.session;
    for (const key of keys.all()) {
      if (nowUs - key.birthUs >= sessionTimes.rejectAfterUs) this.#dropKey(peer, key.slot);
    }
    this.#confirm(peer, nowUs);
    this.#readActivity(peer);
    const activity = this.#activity;
    const hasMoved = peer.session.handleActivity(activity, nowUs, Math.random() * sessionTimes.rekeyJitterUs);
    const current = keys.current;
    let helloUs = never;
    if (current !== undefined) {
      const hasData = Math.max(activity.lastDataSentUs, activity.lastDataReceivedUs) >= current.birthUs;
      helloUs = this.#parts.hello.poll(peer, current.slot, hasData, nowUs);
    }
    const provingUs = this.#parts.paths.poll(peer, nowUs);
    const limitsUs = this.#parts.limits.poll(peer, nowUs);
    this.#act(peer, nowUs);
    const dueUs = Math.min(helloUs, limitsUs, provingUs, peer.session.nextWakeUs());
    this.#quietUntilUs.set(peer.row, this.#mayBeQuiet(peer) ? Math.min(dueUs, this.#keysEndUs(peer)) : 0);
    return Math.min(dueUs, this.#againUs(peer, hasMoved, nowUs));
  }

  /**
   * The same for a peer to whom nothing but time has happened: a hub has thousands of stock clients that say a word each 25 s, and of ten
   * looks at one of them nine find nothing, at a tenth of what a look costs. One with many paths is looked at in full.
   */
  lookAgain(peer: Peer, nowUs: number): number {
    const quietUntilUs = this.#quietUntilUs.get(peer.row);
    if (nowUs >= quietUntilUs) return this.look(peer, nowUs);
    this.#readActivity(peer);
    if (!peer.session.isSame(this.#activity)) return this.look(peer, nowUs);
    return Math.min(quietUntilUs, this.#againUs(peer, false, nowUs));
  }

  /** Something else may have happened to the peer in this row: the next look is a full one. */
  disturb(row: number): void {
    this.#quietUntilUs.set(row, 0);
  }

  #mayBeQuiet(peer: Peer): boolean {
    return !peer.hasPaths && peer.session.keys.next === undefined;
  }

  #keysEndUs(peer: Peer): number {
    const { previous, current } = peer.session.keys;
    return Math.min(previous?.birthUs ?? never, current?.birthUs ?? never) + sessionTimes.rejectAfterUs;
  }

  /** The peer knows that we have these keys, and we that it has. */
  establish(peer: Peer, slot: number, nowUs: number): void {
    const { peers, peerTable, context, count, refusals } = this.#parts;
    peers.setSendSlot(peer, slot);
    peer.unusedAnswers = 0;
    refusals.clear(peer);
    // What waited before would else ask for another handshake 5 s later.
    peer.session.handleServed(peerTable.int(peer.row, peerLayout.handshakeWantedAt));
    peerTable.setNumber(peer.row, peerLayout.lastHandshakeAt, nowUs);
    count(counted.established);
    context.emit({ kind: 'session', peer: peer.settings.name, endpoint: textOf(peers.pathOf(peer)) });
  }

  /** When the data path may have left something that matters. */
  #againUs(peer: Peer, hasMoved: boolean, nowUs: number): number {
    const { previous, current, next } = peer.session.keys;
    const newest = next ?? current ?? previous;
    // What shared memory says of links is news to a peer without keys that we know a way to.
    if (newest === undefined) return this.#parts.peers.homeOf(peer) >= 0 ? nowUs + asleepUs : never;
    const ageUs = (nowUs - newest.birthUs) * ageShare;
    const atUs = nowUs + Math.min(Math.max(leastUs, ageUs), hasMoved ? activeUs : asleepUs);
    return ageUs < activeUs ? atUs : Math.ceil(atUs / gridUs) * gridUs;
  }

  #act(peer: Peer, nowUs: number): void {
    for (;;) {
      const action = peer.session.nextAction(nowUs);
      if (action === undefined) return;
      const { current } = peer.session.keys;
      if (action === 'initiate') this.handshakes?.initiate(peer, nowUs);
      else if (action === 'forget-keys') this.#forgetKeys(peer);
      else if (current !== undefined) this.#parts.outbox.sendKeepalive(peer.row, current.slot);
    }
  }

  /** The peer has sealed under the keys we answered with: now we may too. */
  #confirm(peer: Peer, nowUs: number): void {
    const { sessions, slots } = this.#parts;
    const { next } = peer.session.keys;
    if (next === undefined || sessions.number(next.slot, session.firstReceivedAt) === 0) return;
    for (const gone of peer.session.handleConfirmed()) slots.linger(gone.slot, nowUs);
    const { answered } = peer;
    peer.answered = undefined;
    if (answered?.slot === next.slot) this.#parts.paths.handleSession(peer, answered.route, nowUs);
    this.establish(peer, next.slot, nowUs);
  }

  #readActivity(peer: Peer): void {
    const { peerTable, sessions } = this.#parts;
    const activity = this.#activity;
    activity.lastDataSentUs = peerTable.number(peer.row, peerLayout.lastDataSentAt);
    activity.lastSentUs = peerTable.number(peer.row, peerLayout.lastSentAt);
    activity.lastDataReceivedUs = peerTable.number(peer.row, peerLayout.lastDataReceivedAt);
    activity.lastReceivedUs = peerTable.number(peer.row, peerLayout.lastReceivedAt);
    activity.handshakeWanted = peerTable.int(peer.row, peerLayout.handshakeWantedAt);
    const { current } = peer.session.keys;
    activity.isWorn =
      current !== undefined && sessions.int(current.slot, session.sendCounterAt + 4) >>> 0 >= wornHighWord;
    activity.isCutOff = this.#parts.paths.isCutOff(peer);
    activity.hasWaiting = peerTable.int(peer.row, peerLayout.queuedPacketsAt) > 0;
    activity.isOursToCall = peer.places.length > 0;
  }

  #dropKey(peer: Peer, slot: number): void {
    if (peer.session.keys.current?.slot === slot) this.#parts.peers.setSendSlot(peer, -1);
    peer.session.keys.handleGone(slot);
    this.#parts.slots.retire(slot);
  }

  #forgetKeys(peer: Peer): void {
    for (const key of peer.session.keys.all()) this.#dropKey(peer, key.slot);
    this.handshakes?.abandon(peer);
  }
}
