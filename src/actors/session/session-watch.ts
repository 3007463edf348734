/**
 * Follows every peer's session: what the data path, the peers and operators say of it. `PeerSchedule` says who is looked at when, `PeerIntake`
 * takes peers in and over, `OutsideWatch` hears what happens to this host.
 */
import type { EndpointText } from '../../config/config.ts';
import { peer as peerLayout, session, slotState } from '../../contract/peer-tables.ts';
import { challengeCheckLength, namesCheckLength } from '../../wire/control-frame.ts';
import type { HandshakeDesk } from './handshake-desk.ts';
import { OutsideWatch } from './outside-watch.ts';
import type { Route } from './path-book.ts';
import type { Peer } from './peer-book.ts';
import { PeerIntake } from './peer-intake.ts';
import { PeerSchedule } from './peer-schedule.ts';
import type { OpenedFrame } from './records.ts';
import { isSamePlace, textOf } from './routes.ts';
import type { LinkStateCommand, OutsideChange, PeersCommand } from './settings.ts';
import type { WatchParts } from './watch-parts.ts';

export class SessionWatch {
  readonly #parts: WatchParts;
  readonly #schedule: PeerSchedule;
  readonly #intake: PeerIntake;
  readonly #outside: OutsideWatch;
  #handshakes: HandshakeDesk | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#schedule = new PeerSchedule(parts);
    this.#intake = new PeerIntake({ ...parts, schedule: this.#schedule, forget: (peer) => this.#forget(peer) });
    this.#outside = new OutsideWatch(parts, this.#schedule);
  }

  /** The desk that initiates; set once, since the two know each other. */
  set handshakes(desk: HandshakeDesk) {
    this.#handshakes = desk;
    this.#schedule.handshakes = desk;
  }

  /** How many peers wait for their turn to be called. */
  get waiting(): number {
    return this.#schedule.waiting;
  }

  /** Takes over what is in the tables. */
  start(nowUs: number): void {
    this.#intake.start(nowUs);
    this.#outside.start(nowUs);
    this.#schedule.touchAll();
    this.#look(nowUs);
  }

  turn(nowUs: number): void {
    this.#intake.turn(nowUs);
    this.#outside.turn(nowUs);
    this.#look(nowUs);
  }

  #look(nowUs: number): void {
    const { slots, files } = this.#parts;
    if (!this.#schedule.turn(nowUs)) return;
    slots.sweep(nowUs);
    this.#intake.tidy(nowUs);
    files.flush(nowUs);
  }

  changePeers(command: PeersCommand, nowUs: number): void {
    this.#intake.changePeers(command, nowUs);
  }

  handleLinkState(command: LinkStateCommand): void {
    this.#outside.handleLinkState(command);
  }

  handleNetworkChange(change: OutsideChange, nowUs: number): void {
    this.#outside.handleNetworkChange(change, nowUs);
  }

  #forget(peer: Peer): void {
    const { paths, limits, crowds, enrol } = this.#parts;
    this.#handshakes?.forget(peer);
    for (const each of [paths, limits, crowds, enrol, this.#outside, this.#schedule]) each.forget(peer);
  }

  /**
   * New keys: an initiator seals with them at once, a responder waits for the peer to do so. Only then it knows that the peer was where
   * the response went, as an initiator knows it of where it called; elsewhere a peer is only heard. One that knows no challenges is
   * believed at once, as WireGuard does it.
   */
  handleSession(peer: Peer, slot: number, isInitiator: boolean, route: Route, nowUs: number): void {
    const { hello, paths, outbox, crowds } = this.#parts;
    this.#schedule.touch(peer);
    crowds.enter(peer, route);
    hello.handleSession(slot, this.#parts.peerTable.int(peer.row, peerLayout.sendSlotAt));
    const wasCalled = isInitiator && peer.called.some((one) => isSamePlace(one, route));
    peer.answered = !isInitiator && peer.hasPaths ? { slot, route } : undefined;
    if (!peer.hasPaths || wasCalled) paths.handleSession(peer, route, nowUs);
    if (isInitiator) {
      this.#schedule.handleAnswered(peer, slot, nowUs);
      // Tells the responder that its response arrived.
      outbox.sendKeepalive(peer.row, slot);
    }
  }

  /** The first packet under the keys of a slot has come: who answered with them may use them from now on. */
  handleKeysUsed(slot: number): void {
    const peer = this.#peerOf(slot);
    if (peer !== undefined) this.#schedule.touch(peer);
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
    this.#schedule.touch(peer);
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
    this.#schedule.touch(peer);
    if (!hello.handleFrame(peer, slot, bytes)) return;
    this.#schedule.look(peer, nowUs);
    if (peer.isHawser) return;
    peer.isHawser = true;
    peers.remember(peer);
  }

  setEndpoints(keyOrName: string, endpoints: readonly EndpointText[]): void {
    const { peers, paths } = this.#parts;
    const peer = peers.find(keyOrName);
    if (peer === undefined || !peers.setEndpoints(peer, endpoints)) return;
    paths.handleChange(peer);
    if (peer.session.isAttempting) peer.session.handleWanted();
    else if (peer.session.keys.current === undefined && peer.settings.keepaliveMs > 0) this.#schedule.call(peer);
    this.#schedule.touch(peer);
  }

  rekey(keyOrName: string): void {
    const peer = this.#parts.peers.find(keyOrName);
    if (peer === undefined) return;
    peer.session.handleWanted();
    this.#schedule.touch(peer);
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

  /** The sealer says that something about the peer is new: data waits for keys, or is the first under them, or a path was judged. */
  handleRequest(row: number): void {
    const peer = this.#parts.peers.get(row);
    if (peer !== undefined) this.#schedule.touch(peer);
  }
}
