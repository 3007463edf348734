/**
 * Follows every peer's session: says who is looked at when (`PeerLook` says what becomes of it), and what in the world is a reason to look.
 * Also takes over what a session-manager that died left in the tables.
 */
import { isDeepStrictEqual } from 'node:util';
import { DueQueue } from '../../base/due-queue.ts';
import { parseCidr } from '../../config/address.ts';
import type { EndpointText } from '../../config/config.ts';
import { capability } from '../../contract/frames.ts';
import { peer as peerLayout, session, slotState } from '../../contract/peer-tables.ts';
import type { KeySlot } from '../../protocols/session/key-generations.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import { challengeCheckLength, namesCheckLength } from '../../wire/control-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import { CallQueue } from './call-queue.ts';
import type { Crowds } from './crowds.ts';
import type { EnrolDesk } from './enrol-desk.ts';
import type { HandshakeDesk } from './handshake-desk.ts';
import type { HelloDesk } from './hello-desk.ts';
import type { LimitDesk } from './limit-desk.ts';
import type { LinkBook } from './link-book.ts';
import type { Outbox } from './outbox.ts';
import type { Route } from './path-book.ts';
import type { PathDesk } from './path-desk.ts';
import type { Peer, PeerBook } from './peer-book.ts';
import { PeerLook } from './peer-look.ts';
import type { OpenedFrame } from './records.ts';
import type { Refusals } from './refusals.ts';
import { isSamePlace, textOf } from './routes.ts';
import type { LinkStateCommand, OutsideChange, PeerSettings, PeersCommand } from './settings.ts';
import type { SlotBook } from './slot-book.ts';
import type { StateFiles } from './state-files.ts';

/** Looks come in batches, so that no turn is long, and no more often than this: 5 % of a core at 20 µs each. */
const mostLooks = 64;
const pollSpacingUs = 1000;
const spacingPerLookUs = 20;
/** Peers that are taken in in one turn, at 50 µs each. */
const mostComing = 100;
/** A gap between turns that no park explains: the machine slept, or we were stopped. */
const sleptUs = 10_000_000;
/** By then every source of peers has spoken. */
const tidyAfterUs = 60_000_000;
/** After an address is gone another one comes within this, or a person brings it. */
const astrayUs = 60_000_000;

export interface SessionWatchParts {
  readonly context: Pick<ActorContext, 'emit' | 'wakeAt'>;
  readonly sessions: SessionTable;
  readonly peerTable: RowTable;
  readonly peers: PeerBook;
  readonly slots: SlotBook;
  readonly outbox: Outbox;
  readonly files: StateFiles;
  readonly hello: HelloDesk;
  readonly limits: LimitDesk;
  readonly enrol: EnrolDesk;
  readonly count: (counter: number) => void;
  readonly refusals: Refusals;
  readonly crowds: Crowds;
  readonly links: LinkBook;
  readonly paths: PathDesk;
  /** One source of peers may be late: the store of clients, which somebody has to mend first. */
  readonly hasClientStore: boolean;
}

export class SessionWatch {
  readonly #parts: SessionWatchParts;
  readonly #looks: PeerLook;
  #handshakes: HandshakeDesk | undefined;
  #lastTurnUs = 0;
  #polledUs = Number.NEGATIVE_INFINITY;
  /** Who was reached from an address that is gone, and until when it hears of each that comes. */
  readonly #astrayUntilUs = new Map<Peer, number>();
  /** By row: when each peer must be looked at, if nothing else happens. */
  readonly #due = new DueQueue();
  readonly #calls = new CallQueue();
  #tidyUs = Number.POSITIVE_INFINITY;
  /** The store of clients had spoken at the last look. */
  #wereClientsKnown = false;
  /** By row: peers that were announced, and not taken in yet. */
  readonly #coming = new Map<number, PeerSettings>();
  #spacingUs = pollSpacingUs;
  /** What operators and health-checker last said of the links. */
  #verdicts = '';

  constructor(parts: SessionWatchParts) {
    this.#parts = parts;
    this.#looks = new PeerLook(parts);
  }

  /** The desk that initiates; set once, since the two know each other. */
  set handshakes(desk: HandshakeDesk) {
    this.#handshakes = desk;
    this.#looks.handshakes = desk;
  }

  /** Takes over what is in the tables, and calls those who wait to hear from us after a restart: who was there before it comes first. */
  start(nowUs: number): void {
    const { slots, peers, peerTable } = this.#parts;
    for (let row = 0; row < peerTable.used(); row += 1) {
      if (peerTable.int(row, peerLayout.inUseAt) === 1 && peers.get(row) === undefined) peers.clearRow(row);
    }
    const ready = slots.readySlots();
    for (const [row, left] of ready) if (peers.get(row) === undefined) for (const { slot } of left) slots.retire(slot);
    for (const peer of peers.all()) this.#takeOver(peer, this.#left(peer, ready.get(peer.row) ?? []), nowUs);
    for (const isKnown of [true, false])
      for (const peer of peers.all()) if (peer.isHawser === isKnown) this.#callIfExpected(peer);
    this.#lastTurnUs = nowUs;
    this.#tidyUs = nowUs + tidyAfterUs;
    this.#touchAll();
    this.#poll(nowUs);
  }

  /**
   * Peers came, are others than before, or went. One that is another begins anew from what the tables know of it, as all do when a
   * successor of this actor starts: its keys and paths stay.
   */
  changePeers({ put, remove, isAll }: PeersCommand, nowUs: number): void {
    const { peers, slots } = this.#parts;
    const kept = new Set(put.map(({ row }) => row));
    const others = isAll ? [...peers.all()].filter(({ row }) => !kept.has(row)) : [];
    const gone = [...remove.flatMap((row) => peers.get(row) ?? []), ...others];
    for (const row of isAll ? [...this.#coming.keys()] : remove) this.#coming.delete(row);
    for (const settings of put) this.#coming.set(settings.row, settings);
    const ready = gone.length > 0 ? slots.readySlots() : new Map<number, KeySlot[]>();
    for (const peer of gone) {
      for (const { slot } of ready.get(peer.row) ?? []) slots.retire(slot);
      this.#forget(peer);
      this.#parts.refusals.forget(peer);
      peers.remove(peer);
    }
    this.#takeComing(nowUs);
  }

  /** Thousands that come at once have their turns one after the other: nobody else shall wait for that. */
  #takeComing(nowUs: number): void {
    const { peers, slots } = this.#parts;
    const ready = slots.readySlots();
    let taken = 0;
    for (const [row, settings] of this.#coming) {
      if (taken === mostComing) break;
      taken += 1;
      this.#coming.delete(row);
      const before = peers.get(settings.row);
      if (before !== undefined && isOnlyLimited(before.settings, settings)) {
        before.settings = settings;
        this.#parts.limits.apply(before);
        this.#touch(before);
        continue;
      }
      if (before !== undefined) this.#forget(before);
      const peer = peers.add(settings);
      this.#takeOver(peer, this.#left(peer, ready.get(peer.row) ?? []), nowUs);
      this.#callIfExpected(peer);
      this.#touch(peer);
    }
    if (this.#coming.size > 0) this.#parts.context.wakeAt(nowUs + pollSpacingUs);
  }

  /** Whoever may have no session has none from now on. */
  #left({ settings }: Peer, ready: readonly KeySlot[]): readonly KeySlot[] {
    if (settings.refusal === undefined) return ready;
    for (const { slot } of ready) this.#parts.slots.retire(slot);
    return [];
  }

  #forget(peer: Peer): void {
    this.#handshakes?.forget(peer);
    this.#parts.paths.forget(peer);
    this.#parts.limits.forget(peer);
    this.#parts.crowds.forget(peer);
    this.#parts.enrol.forget(peer);
    this.#astrayUntilUs.delete(peer);
    this.#calls.delete(peer);
    this.#due.delete(peer.row);
  }

  /** When it has its turn. */
  #callIfExpected(peer: Peer): void {
    if (peer.session.keys.current === undefined && this.#isExpected(peer)) this.#calls.add(peer);
  }

  turn(nowUs: number): void {
    if (nowUs - this.#lastTurnUs > sleptUs) this.#handleSleep();
    this.#lastTurnUs = nowUs;
    if (this.#coming.size > 0) this.#takeComing(nowUs);
    const verdicts = this.#parts.links.verdicts(nowUs);
    if (verdicts !== this.#verdicts) this.#touchAll();
    this.#verdicts = verdicts;
    const allowedUs = this.#polledUs + this.#spacingUs;
    if (nowUs >= allowedUs) this.#poll(nowUs);
    else if (this.#nextUs <= allowedUs) this.#parts.context.wakeAt(allowedUs);
  }

  /** It is looked at as soon as may be. */
  #touch(peer: Peer): void {
    this.#due.set(peer.row, 0);
    this.#looks.disturb(peer.row);
  }

  #touchAll(): void {
    for (const peer of this.#parts.peers.all()) this.#touch(peer);
  }

  /**
   * New keys: an initiator seals with them at once, a responder waits for the peer to do so. Only then it knows that the peer was where
   * the response went, as an initiator knows it of where it called; elsewhere a peer is only heard. One that knows no challenges is
   * believed at once, as WireGuard does it.
   */
  handleSession(peer: Peer, slot: number, isInitiator: boolean, route: Route, nowUs: number): void {
    const { hello, paths, outbox, crowds } = this.#parts;
    this.#touch(peer);
    crowds.enter(peer, route);
    hello.handleSession(slot, this.#parts.peerTable.int(peer.row, peerLayout.sendSlotAt));
    const wasCalled = isInitiator && peer.called.some((one) => isSamePlace(one, route));
    peer.answered = !isInitiator && peer.hasPaths ? { slot, route } : undefined;
    if (!peer.hasPaths || wasCalled) paths.handleSession(peer, route, nowUs);
    if (isInitiator) {
      this.#calls.handleAnswered();
      this.#looks.establish(peer, slot, nowUs);
      // Tells the responder that its response arrived.
      outbox.sendKeepalive(peer.row, slot);
    }
  }

  /** The first packet under the keys of a slot has come: who answered with them may use them from now on. */
  handleKeysUsed(slot: number): void {
    const peer = this.#peerOf(slot);
    if (peer !== undefined) this.#touch(peer);
  }

  /** Whose keys a slot holds. */
  #peerOf(slot: number): Peer | undefined {
    const { sessions, peers } = this.#parts;
    if (slot < 0 || slot >= sessions.rows || sessions.int(slot, session.stateAt) !== slotState.ready) return undefined;
    return peers.get(sessions.int(slot, session.peerAt));
  }

  /** An authentic packet came from elsewhere than we knew; true when that is news. */
  handleRoamed(slot: number, route: Route, wireBytes: number, nowUs: number): boolean {
    const { paths, context } = this.#parts;
    const peer = this.#peerOf(slot);
    if (peer === undefined) return false;
    this.#touch(peer);
    if (!paths.handleRoamed(peer, route, wireBytes, nowUs)) return false;
    this.#parts.crowds.enter(peer, route);
    context.emit({ kind: 'roamed', peer: peer.settings.name, endpoint: textOf(route) });
    return true;
  }

  handleFrame({ peerRow, slot, pathRow, bytes }: OpenedFrame, nowUs: number): void {
    const { sessions, peers, hello, limits, paths, enrol } = this.#parts;
    const peer = peers.get(peerRow);
    if (peer === undefined || sessions.int(slot, session.stateAt) !== slotState.ready) return;
    if (challengeCheckLength(bytes, 0, bytes.length)) paths.handleFrame(peer, slot, pathRow, bytes, nowUs);
    if (namesCheckLength(bytes, 0, bytes.length)) paths.handleNames(peer, slot, pathRow, bytes, nowUs);
    limits.handleFrame(peer, slot, bytes, nowUs);
    enrol.handleFrame(peer, slot, bytes, nowUs);
    this.#touch(peer);
    if (!hello.handleFrame(peer, slot, bytes)) return;
    this.#look(peer, nowUs);
    if (peer.isHawser) return;
    peer.isHawser = true;
    peers.remember(peer);
  }

  /** The kernel says something about a link: paths over it are withdrawn at once, or tried. */
  handleLinkState(command: LinkStateCommand): void {
    const { links, peers } = this.#parts;
    const change = links.handleState(command);
    if (change === 'same') return;
    this.#touchAll();
    const row = links.find(command.link)?.row;
    if (change === 'moved') for (const peer of peers.all()) this.#tellMoved(peer, row);
  }

  /**
   * This host is elsewhere by one link: no peer shall wait for a packet that nobody has a reason to send, in the middle of a download.
   * A peer with many paths is challenged by each of that link (`PathDesk`), and one without a session called.
   */
  #tellMoved(peer: Peer, linkRow: number | undefined): void {
    const { peers, outbox } = this.#parts;
    const { current } = peer.session.keys;
    if (current === undefined) this.#callIfExpected(peer);
    else if (!peer.hasPaths && peers.pathOf(peer)?.link === linkRow) {
      peers.forgetLocal(peer);
      outbox.sendKeepalive(peer.row, current.slot);
    }
  }

  /** It shall have a session even while there is nothing to send. */
  #isExpected(peer: Peer): boolean {
    if (peer.settings.mayEnrol === true) return false;
    // A client has no endpoint but the one that an earlier process wrote down.
    const isKnown = peer.settings.isClient === true && this.#parts.peers.homeOf(peer) >= 0;
    return peer.isHawser || peer.settings.keepaliveMs > 0 || isKnown;
  }

  setEndpoints(keyOrName: string, endpoints: readonly EndpointText[]): void {
    const { peers, paths } = this.#parts;
    const peer = peers.find(keyOrName);
    if (peer === undefined || !peers.setEndpoints(peer, endpoints)) return;
    paths.handleChange(peer);
    if (peer.session.isAttempting) peer.session.handleWanted();
    else if (peer.session.keys.current === undefined && peer.settings.keepaliveMs > 0) this.#calls.add(peer);
    this.#touch(peer);
  }

  rekey(keyOrName: string): void {
    const peer = this.#parts.peers.find(keyOrName);
    if (peer === undefined) return;
    peer.session.handleWanted();
    this.#touch(peer);
  }

  forgetClock(keyOrName: string): void {
    const { peers } = this.#parts;
    const peer = peers.find(keyOrName);
    if (peer !== undefined) peers.forgetClock(peer);
  }

  /** Writes down for a successor where everybody is, and with which stamps. */
  close(): void {
    const { peers } = this.#parts;
    for (const peer of peers.all()) peers.remember(peer);
  }

  /**
   * Our own address in a path binds its packets to that address. One that is gone would keep them from leaving; after a change
   * of the default route it may be another link's, for peers we know how to call. They hear at once where we are, and again when an
   * address or a default route comes: what was said before had perhaps no way out.
   */
  handleNetworkChange(change: OutsideChange, nowUs: number): void {
    // Containers come and go on a host by the hundred: an address that came concerns nobody else.
    if (change.kind !== 'address-came')
      this.#leaveLocal(change.kind === 'address-gone' ? change.address : undefined, nowUs);
    for (const [peer, untilUs] of this.#astrayUntilUs) {
      const { current } = peer.session.keys;
      if (nowUs >= untilUs) this.#astrayUntilUs.delete(peer);
      else if (current !== undefined) this.#parts.outbox.sendKeepalive(peer.row, current.slot);
      else {
        peer.session.handleWanted();
        this.#touch(peer);
      }
    }
  }

  /** `address`: that is gone; undefined = the default route changed. */
  #leaveLocal(address: string | undefined, nowUs: number): void {
    const { peers, paths } = this.#parts;
    const gone = address === undefined ? undefined : Buffer.from(parseCidr(address)?.addressHex ?? '', 'hex');
    for (const peer of peers.all()) {
      if (gone === undefined && peer.places.length === 0) continue;
      if (paths.handleLocalGone(peer, gone, nowUs)) this.#astrayUntilUs.set(peer, nowUs + astrayUs);
    }
    this.#touchAll();
  }

  /** Whoever went while no process ran is forgotten, once all sources have said who there is: a store says it of all its clients at once, though it has none. */
  #tidy(nowUs: number): void {
    const { files, peers, peerTable, hasClientStore } = this.#parts;
    const isKnown = !hasClientStore || peerTable.headNumber(peerLayout.clientsKnownAt) === 1;
    const wasKnown = !hasClientStore || this.#wereClientsKnown;
    this.#wereClientsKnown = isKnown;
    // What it said may still be on its way at the first sight of that.
    if (!isKnown || !wasKnown || this.#coming.size > 0) {
      this.#tidyUs = nowUs + tidyAfterUs;
      return;
    }
    this.#tidyUs = Number.POSITIVE_INFINITY;
    files.keepOnly([...peers.all()].map(({ settings }) => settings.publicKey));
  }

  /** Whoever is due, the first of them first: a hub has thousands of peers, and nobody is looked at before its time. */
  #poll(nowUs: number): void {
    const { peers, slots, files, context } = this.#parts;
    let count = 0;
    for (; count < mostLooks; count += 1) {
      const row = this.#due.take(nowUs);
      if (row < 0) break;
      const peer = peers.get(row);
      if (peer !== undefined) this.#setDue(peer, this.#looks.lookAgain(peer, nowUs), nowUs);
    }
    for (let peer = this.#calls.next(nowUs); peer !== undefined; peer = this.#calls.next(nowUs)) {
      peer.session.handleWanted();
      this.#look(peer, nowUs);
    }
    slots.sweep(nowUs);
    if (nowUs >= this.#tidyUs) this.#tidy(nowUs);
    files.flush(nowUs);
    this.#polledUs = nowUs;
    this.#spacingUs = Math.max(pollSpacingUs, count * spacingPerLookUs);
    const wakeUs = this.#nextUs;
    if (wakeUs < Number.POSITIVE_INFINITY) context.wakeAt(Math.max(wakeUs, nowUs + this.#spacingUs));
  }

  /** How many peers wait for their turn to be called. */
  get waiting(): number {
    return this.#calls.size;
  }

  get #nextUs(): number {
    return Math.min(this.#due.nextUs, this.#calls.nextUs);
  }

  #look(peer: Peer, nowUs: number): void {
    this.#setDue(peer, this.#looks.look(peer, nowUs), nowUs);
  }

  #setDue(peer: Peer, dueUs: number, nowUs: number): void {
    this.#due.set(peer.row, Math.max(dueUs, nowUs + 1));
  }

  /** The sealer says that something about the peer is new: data waits for keys, or is the first under them, or a path was judged. */
  handleRequest(row: number): void {
    const peer = this.#parts.peers.get(row);
    if (peer !== undefined) this.#touch(peer);
  }

  /** Ages include the sleep (CLOCK_BOOTTIME), but the peer and every NAT between us may have forgotten us. */
  #handleSleep(): void {
    for (const peer of this.#parts.peers.all()) {
      if (peer.session.keys.current !== undefined) peer.session.handleWanted();
      else if (peer.settings.keepaliveMs > 0) this.#calls.add(peer);
    }
    this.#touchAll();
  }

  #takeOver(peer: Peer, left: readonly KeySlot[], nowUs: number): void {
    const { peerTable, peers, slots, sessions, limits } = this.#parts;
    const sendSlot = peerTable.int(peer.row, peerLayout.sendSlotAt);
    const current = left.find((one) => one.slot === sendSlot);
    if (current === undefined) peers.setSendSlot(peer, -1);
    const others = left.filter((one) => one !== current).sort((a, b) => b.birthUs - a.birthUs);
    const birthUs = current?.birthUs ?? 0;
    const next = others.find((one) => !one.isInitiator && one.birthUs > birthUs);
    const previous = others.find((one) => one !== next && one.birthUs <= birthUs);
    const said = left.map((one) => sessions.int(one.slot, session.capabilitiesAt));
    if (said.some((bits) => (bits & capability.paths) !== 0)) peer.hasPaths = true;
    peer.session.restore({ previous, current, next }, peerTable.int(peer.row, peerLayout.handshakeWantedAt));
    for (const one of others) if (one !== next && one !== previous) slots.linger(one.slot, nowUs);
    limits.apply(peer);
    const place = left.length > 0 ? peers.pathOf(peer) : undefined;
    if (place !== undefined) this.#parts.crowds.enter(peer, place);
  }
}

/** The same peer in all but its rates: nothing of its session has changed. */
function withoutLimits(settings: PeerSettings): Omit<PeerSettings, 'limits' | 'isMetered'> {
  const { limits: _, isMetered: __, ...rest } = settings;
  return rest;
}

function isOnlyLimited(before: PeerSettings, after: PeerSettings): boolean {
  return isDeepStrictEqual(withoutLimits(before), withoutLimits(after));
}
