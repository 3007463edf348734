/**
 * Keeps every peer's paths: makes them, proves them by challenge, withdraws them when their link is gone, and says by which one
 * handshakes leave (`peer.pathAt`, the home path). Stock WireGuard peers have one path at a time, which follows them.
 */

import { lifeState } from '../../bonding/life/path-life-states.ts';
import { controlKind } from '../../contract/frames.ts';
import { path, pathState } from '../../contract/peer-tables.ts';
import { transportName, transportOf } from '../../rings/carriers.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import { challengeToken, controlKindOf, pathWish } from '../../wire/control-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import { Challenges } from './challenges.ts';
import { HomeKeeper } from './home-keeper.ts';
import type { LinkBook } from './link-book.ts';
import { lostPaths } from './lost-paths.ts';
import { NameDesk } from './name-desk.ts';
import type { Outbox } from './outbox.ts';
import type { PathBook, Route } from './path-book.ts';
import { PathRegistry, type PeerPaths } from './path-registry.ts';
import { isDead, originOf, type PathTrack, standingOf } from './path-track.ts';
import type { Peer, PeerBook } from './peer-book.ts';
import { isSamePlace, keyOf, textOf } from './routes.ts';

/** A disabled link lives on for so long, to tell the peers. */
const farewellUs = 200_000;
/** A frame from an unknown place and the record that says which place belong together. */
const pairingUs = 1_000_000;
/** Of the budget for challenges: left for asking those again that have been asked once. */
const keptTokens = 4;
/** All rows are in use, and may yet answer. */
const crowdedUs = 250_000;
const never = Number.POSITIVE_INFINITY;

export interface PathDeskParts {
  readonly context: Pick<ActorContext, 'emit'>;
  readonly sessions: SessionTable;
  readonly peerTable: RowTable;
  readonly peers: PeerBook;
  readonly paths: PathBook;
  readonly links: LinkBook;
  readonly outbox: Outbox;
  readonly failbackUs: number;
}

export class PathDesk {
  readonly #parts: PathDeskParts;
  readonly #home: HomeKeeper;
  readonly #challenges: Challenges;
  readonly #names: NameDesk;
  readonly #registry: PathRegistry;

  constructor(parts: PathDeskParts) {
    this.#parts = parts;
    this.#home = new HomeKeeper(parts);
    this.#challenges = new Challenges(parts);
    this.#names = new NameDesk(parts, this.#challenges);
    this.#registry = new PathRegistry(parts);
  }

  /** A handshake finished on `route`: the peer is there, and what we send first goes there. */
  handleSession(peer: Peer, route: Route, nowUs: number): void {
    const { peers, paths } = this.#parts;
    const before = peers.pathOf(peer);
    const row = this.#registry.rowFor(peer, route, nowUs);
    if (row < 0) return;
    paths.move(row, route);
    for (const track of this.#registry.of(peer).tracks.values()) {
      // A peer that was restarted has forgotten it.
      track.notice = undefined;
    }
    const track = this.#registry.track(peer, row);
    track.proof.end();
    if (!track.isProven) this.#prove(peer, track, nowUs);
    this.#follow(peer);
    peers.setHome(peer, row);
    if (before === undefined || !isSamePlace(before, route)) peers.remember(peer);
  }

  /** `wireBytes` that are authentic came from somewhere we do not know. True when the peer is there now, as WireGuard has it. */
  handleRoamed(peer: Peer, route: Route, wireBytes: number, nowUs: number): boolean {
    if (!peer.hasPaths) return this.#home.follow(peer, route, nowUs);
    const state = this.#registry.of(peer);
    const known = this.#registry.find(peer, route);
    if (known >= 0) {
      this.#parts.paths.move(known, route);
      this.#pair(peer, known, state.pending, nowUs);
    } else {
      state.newcomers.handleHeard(keyOf(route), { route, challenge: state.pending }, wireBytes, nowUs);
    }
    state.pending = undefined;
    this.poll(peer, nowUs);
    return false;
  }

  /** Gives rows to new addresses and asks each once, as the budget allows; returns when more can be asked. */
  #admit(peer: Peer, nowUs: number): number {
    const { budget, newcomers } = this.#registry.of(peer);
    while (newcomers.size > 0 && budget.has(nowUs, keptTokens)) {
      const next = newcomers.take(nowUs);
      if (next === undefined || this.#registry.find(peer, next.place.route) >= 0) continue;
      const { route, challenge } = next.place;
      const row = this.#registry.rowForNewcomer(peer, route, nowUs);
      if (row < 0) return nowUs + crowdedUs;
      const track = this.#registry.track(peer, row);
      track.heardBytes = next.heardBytes;
      track.proof.begin(nowUs);
      this.#pair(peer, row, challenge, nowUs);
      this.#challenges.ask(peer, track, budget, nowUs);
    }
    return newcomers.size > 0 ? budget.wakeUs(keptTokens) : never;
  }

  /** A path has its row: what came by it just before is answered now, and what is still on its way through the rings belongs there. */
  #pair(peer: Peer, row: number, pending: PeerPaths['pending'], nowUs: number): void {
    this.#registry.of(peer).learnt = { row, atUs: nowUs };
    if (pending === undefined || nowUs - pending.atUs >= pairingUs) return;
    this.#challenges.answer(peer, pending.slot, this.#registry.track(peer, row), pending.bytes, nowUs);
  }

  /** A CHALLENGE or RESPONSE that was opened under `slot` and came by the path in `row`, -1 = none we know. */
  handleFrame(peer: Peer, slot: number, row: number, bytes: Uint8Array, nowUs: number): void {
    const state = this.#registry.of(peer);
    const { learnt } = state;
    const isOurs = state.tracks.has(row);
    const fresh = learnt !== undefined && nowUs - learnt.atUs < pairingUs ? learnt.row : -1;
    const by = isOurs ? row : fresh;
    if (controlKindOf(bytes, 0) === controlKind.challenge) {
      if (by >= 0) this.#challenges.answer(peer, slot, this.#registry.track(peer, by), bytes, nowUs);
      else state.pending = { slot, bytes, atUs: nowUs };
    } else if (by >= 0) {
      this.#handleResponse(peer, this.#registry.track(peer, by), bytes, nowUs);
    }
    this.poll(peer, nowUs);
  }

  /** A NAMES that was opened under `slot` and came by the path in `row`. By one that we do not know yet it says nothing; it comes again. */
  handleNames(peer: Peer, slot: number, row: number, bytes: Uint8Array, nowUs: number): void {
    const track = this.#registry.of(peer).tracks.get(row);
    if (track !== undefined) this.#names.handleFrame(peer, slot, track, bytes, nowUs);
  }

  /** The peer's addresses, or what is known of the links, have changed. */
  handleChange(peer: Peer): void {
    this.#registry.of(peer).isLaid = false;
  }

  /** The peer has gone, or is another by the same key. */
  forget(peer: Peer): void {
    this.#registry.forget(peer);
    this.#home.forget(peer);
  }

  /** The address that a path left by has changed, or gone: the peer learns the new one from a challenge. */
  handleLocalGone(peer: Peer, address: Uint8Array | undefined, nowUs: number): boolean {
    const rows = this.#parts.paths.leaveLocal(peer.row, address);
    for (const row of rows) if (peer.hasPaths) this.#registry.track(peer, row).proof.begin(nowUs);
    return rows.length > 0;
  }

  /** No path leads to the peer any more, as the sealer judges those that did: it lets nothing out by them but probes. */
  isCutOff(peer: Peer): boolean {
    if (!peer.hasPaths || this.#challenges.slotOf(peer) < 0) return false;
    let isAnyDead = false;
    for (const track of this.#registry.of(peer).tracks.values()) {
      if (track.refusal !== undefined) continue;
      const life = this.#parts.paths.table.int(track.row, path.lifeAt);
      if (life === lifeState.dead) isAnyDead = true;
      else if (life !== lifeState.unproven && life !== lifeState.withdrawn) return false;
    }
    return isAnyDead;
  }

  /** Does what is due; returns when there will be more. */
  poll(peer: Peer, nowUs: number): number {
    const state = this.#registry.of(peer);
    const slot = this.#challenges.slotOf(peer);
    if (slot >= 0 && !state.isLaid) this.#registry.lay(peer, nowUs);
    for (const track of state.tracks.values()) {
      this.#followLink(peer, track, nowUs);
      // A provider may have taken the address back that the host still has.
      if (track.isConfigured && isDead(this.#parts.paths.table, track.row)) this.#parts.paths.forgetLocal(track.row);
    }
    if (peer.hasPaths) this.#prune(peer, nowUs);
    this.#follow(peer);
    let wakeUs = this.#home.keep(peer, [...state.tracks.values()], nowUs);
    for (const { withdrawAtUs } of state.tracks.values()) wakeUs = Math.min(wakeUs, withdrawAtUs || never);
    if (slot < 0) return wakeUs;
    wakeUs = Math.min(wakeUs, this.#admit(peer, nowUs));
    for (const track of state.tracks.values()) wakeUs = Math.min(wakeUs, this.#ask(peer, track, nowUs));
    return wakeUs;
  }

  /** Withdraws the path when its link cannot carry it, and begins to prove it when the link is back. */
  #followLink(peer: Peer, track: PathTrack, nowUs: number): void {
    const { paths, links } = this.#parts;
    const route = paths.get(track.row);
    if (route === undefined) return;
    const refusal = links.refusal(track.link, route.endpoint);
    const addresses = links.addressesOf(track.link);
    if (addresses !== track.addresses) {
      // The first word about a link is no change. After one, the peer must hear from the new address; data goes on meanwhile.
      if (track.addresses !== '' && refusal === undefined) track.proof.begin(nowUs);
      track.addresses = addresses;
    }
    if (refusal === track.refusal) return;
    const mayTell = links.isDisabled(track.link) && track.isProven && peer.hasPaths;
    if (refusal !== undefined && mayTell && (track.withdrawAtUs === 0 || nowUs < track.withdrawAtUs)) {
      if (track.withdrawAtUs === 0) track.withdrawAtUs = nowUs + farewellUs;
      return;
    }
    track.refusal = refusal;
    track.withdrawAtUs = 0;
    if (refusal !== undefined) {
      track.isProven = false;
      track.notice = undefined;
      paths.setWish(track.row, pathWish.none, nowUs);
      track.proof.end();
      this.#parts.context.emit({ kind: 'path-down', ...this.#placeOf(peer, track), reason: refusal });
    } else {
      track.proof.begin(nowUs);
      this.#parts.context.emit({ kind: 'path-back', ...this.#placeOf(peer, track) });
    }
  }

  /** Asks what is due; returns when there will be more. */
  #ask(peer: Peer, track: PathTrack, nowUs: number): number {
    if (track.refusal !== undefined) return never;
    this.#challenges.ask(peer, track, this.#registry.of(peer).budget, nowUs);
    const noticeUs = this.#challenges.notify(peer, track, nowUs);
    return Math.min(track.proof.wakeUs, noticeUs, this.#names.tell(peer, track, this.#challenges.slotOf(peer), nowUs));
  }

  #handleResponse(peer: Peer, track: PathTrack, bytes: Uint8Array, nowUs: number): void {
    const token = Buffer.from(challengeToken(bytes, 0));
    if (track.notice?.token.equals(token)) track.notice.nextUs = never;
    if (track.refusal !== undefined || !track.proof.handleResponse(token.toString('hex'), nowUs)) return;
    const isNews = !track.isProven;
    this.#prove(peer, track, nowUs);
    if (isNews) this.#supersede(peer, track, nowUs);
  }

  #prove(peer: Peer, track: PathTrack, nowUs: number): void {
    const { paths, peers, context } = this.#parts;
    const isNews = !track.isProven;
    track.isProven = true;
    paths.setProven(track.row, nowUs);
    if (!isNews) return;
    const roundTripMs = Math.round(track.proof.roundTripUs / 1000);
    context.emit({ kind: 'path-up', ...this.#placeOf(peer, track), roundTripMs });
    peers.remember(peer);
  }

  /** Another place by the same carrier: of those that were silent since it appeared it may have taken the place. They prove themselves anew. */
  #supersede(peer: Peer, fresh: PathTrack, nowUs: number): void {
    const { paths } = this.#parts;
    if (fresh.isConfigured) return;
    for (const track of this.#registry.of(peer).tracks.values()) {
      if (track === fresh || track.isConfigured || !track.isProven || track.carrier !== fresh.carrier) continue;
      if (paths.lastReceivedUs(track.row) >= paths.bornUs(fresh.row)) continue;
      track.isProven = false;
      track.proof.begin(nowUs);
    }
  }

  /** Frees learnt paths that lead nowhere any more. */
  #prune(peer: Peer, nowUs: number): void {
    const { paths, context } = this.#parts;
    for (const track of lostPaths(this.#parts, peer, [...this.#registry.of(peer).tracks.values()], nowUs)) {
      const place = this.#placeOf(peer, track);
      const wasProven = paths.provenUs(track.row) > 0;
      this.#registry.free(peer, track.row, nowUs);
      if (!wasProven) continue;
      context.emit({ kind: 'path-gone', ...place });
    }
  }

  /** Lets the sealer elect among the paths that are proven, and the peer know what came of it. */
  #follow(peer: Peer): void {
    const { paths } = this.#parts;
    const tracks = [...this.#registry.of(peer).tracks.values()];
    if (!peer.hasPaths) {
      this.#electHome(peer, tracks);
      return;
    }
    for (const track of tracks) {
      const { state, wish } = standingOf(paths.table, track);
      paths.setOrigin(track.row, originOf(track));
      paths.setState(track.row, state);
      this.#challenges.wish(track, wish);
    }
  }

  /** A stock peer is reached by its home path alone. */
  #electHome(peer: Peer, tracks: readonly PathTrack[]): void {
    const { paths, peers } = this.#parts;
    for (const track of tracks) {
      const isHome = track.row === peers.homeOf(peer);
      const proven = isHome ? pathState.up : pathState.standby;
      paths.setState(
        track.row,
        track.refusal !== undefined ? pathState.down : track.isProven ? proven : pathState.unproven,
      );
    }
  }

  /** Where the path leads, in an event. */
  #placeOf(peer: Peer, track: PathTrack) {
    const { links, paths } = this.#parts;
    const transport = transportName(transportOf(track.carrier)) ?? 'unknown';
    const endpoint = textOf(paths.get(track.row));
    return { peer: peer.settings.name, link: links.nameOf(track.link), transport, endpoint };
  }
}
