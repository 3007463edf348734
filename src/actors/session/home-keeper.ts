/**
 * Keeps a peer's home path where the peer can be reached: handshakes leave by it, and all packets to a stock WireGuard peer, whose
 * endpoint moves with each authentic packet, so that one link emits at a time.
 */
import { pathState } from '../../contract/peer-tables.ts';
import { carrierOf, transportName } from '../../rings/carriers.ts';
import type { Route } from './path-book.ts';
import type { PathDeskParts } from './path-desk.ts';
import { isDead, type PathTrack, roundTripUs } from './path-track.ts';
import type { Peer } from './peer-book.ts';
import { isSameCarrier, isSamePlace, routeTo, textOf } from './routes.ts';

const reasons = { failover: 'link is dead', failback: 'stable again', forced: 'wanted by the operator' } as const;

/** Who was moved away from a link is looked at so often until it may return. */
const returnLookUs = 500_000;
const never = Number.POSITIVE_INFINITY;

export class HomeKeeper {
  readonly #parts: PathDeskParts;
  /** Row of a stock peer → links that it was moved away from because they failed, and may return to. */
  readonly #left = new Map<number, Set<number>>();

  constructor(parts: PathDeskParts) {
    this.#parts = parts;
  }

  /** A stock peer was heard from `route`, where it was not before: it is there now. Returns true when that is news. */
  follow(peer: Peer, route: Route, nowUs: number): boolean {
    const { paths, peers } = this.#parts;
    const before = peers.pathOf(peer);
    // What we call answers where we called from; a late packet by the link before is no reason to go back.
    if (before !== undefined && before.link !== route.link && peer.places.length > 0) return false;
    const known = paths.findAny(peer.row, route);
    const home = peers.homeOf(peer);
    const carrier = carrierOf(route.link, route.transport);
    const isMove = before !== undefined && isSameCarrier(before, route);
    const reused = isMove ? home : paths.rowsOf(peer.row).find((row) => paths.carrier(row) === carrier);
    const row = known >= 0 ? known : (reused ?? paths.claim(peer.row, route, nowUs));
    if (row < 0) return false;
    paths.move(row, route);
    peers.setHome(peer, row);
    const isNews = before === undefined || !isSamePlace(before, route);
    if (isNews) peers.remember(peer);
    return isNews;
  }

  forget(peer: Peer): void {
    this.#left.delete(peer.row);
  }

  /** Looks whether the home path still is the right one; returns when it must look again because a link may have been fit for long enough. */
  keep(peer: Peer, tracks: readonly PathTrack[], nowUs: number): number {
    const home = this.#parts.peers.homeOf(peer);
    if (peer.hasPaths && tracks.some((track) => track.isProven)) this.#keepProven(peer, home, tracks);
    else this.#keepFit(peer, home, tracks, nowUs);
    return (this.#left.get(peer.row)?.size ?? 0) > 0 ? nowUs + returnLookUs : never;
  }

  /** Of a peer with many paths: one that carries data, or at least is proven. */
  #keepProven(peer: Peer, home: number, tracks: readonly PathTrack[]): void {
    const { paths, peers, links } = this.#parts;
    const grade = (track: PathTrack): number => {
      if (!track.isProven || track.refusal !== undefined) return 0;
      if (isDead(paths.table, track.row)) return 1;
      return paths.state(track.row) === pathState.up ? 3 : 2;
    };
    const best = [...tracks].sort(
      (a, b) =>
        grade(b) - grade(a) ||
        links.rank(a.link) - links.rank(b.link) ||
        roundTripUs(paths.table, a) - roundTripUs(paths.table, b),
    )[0];
    const current = tracks.find((track) => track.row === home);
    if (best === undefined || best.row === home) return;
    if (current !== undefined && grade(current) >= grade(best)) return;
    peers.setHome(peer, best.row);
    peers.remember(peer);
  }

  /** Of a stock peer, or one we have no session with: a link that is fit, and the preferred one when it has been fit for a while. */
  #keepFit(peer: Peer, home: number, tracks: readonly PathTrack[], nowUs: number): void {
    const { paths, links } = this.#parts;
    const route = paths.get(home);
    if (route === undefined) return;
    const forced = links.forced()?.row;
    const [wanted] =
      forced === undefined || forced === route.link ? [] : this.#parts.peers.configuredRoutes(peer, forced);
    const isWanted = wanted !== undefined && links.isFit(wanted.link, wanted.endpoint, nowUs);
    if (isWanted || !links.isFit(route.link, route.endpoint, nowUs)) {
      const next = isWanted ? wanted : this.#nextRoute(peer, route, tracks, nowUs);
      if (next === undefined) return;
      const left = this.#left.get(peer.row) ?? new Set();
      this.#left.set(peer.row, left.add(route.link));
      this.#moveTo(peer, route, next, isWanted ? 'forced' : 'failover', nowUs);
      return;
    }
    if (forced !== undefined) return;
    if (peer.places.length === 0) this.#followNewest(peer, home, tracks, nowUs);
    else this.#failBack(peer, route, nowUs);
  }

  #nextRoute(peer: Peer, from: Route, tracks: readonly PathTrack[], nowUs: number): Route | undefined {
    const { links, peers, paths } = this.#parts;
    const configured = links.all.flatMap((link) => peers.configuredRoutes(peer, link.row));
    const learnt = [...tracks]
      .sort((a, b) => paths.lastReceivedUs(b.row) - paths.lastReceivedUs(a.row))
      .flatMap((track) => paths.get(track.row) ?? []);
    return [...configured, ...learnt].find(
      (route) => route.link !== from.link && links.isFit(route.link, route.endpoint, nowUs),
    );
  }

  #failBack(peer: Peer, route: Route, nowUs: number): void {
    const { links, peers, failbackUs } = this.#parts;
    const left = this.#left.get(peer.row);
    if (left === undefined) return;
    for (const link of links.all) {
      if (!left.has(link.row)) continue;
      const [back] = peers.configuredRoutes(peer, link.row);
      const forUs = back === undefined ? 0 : links.fitForUs(link.row, back.endpoint, nowUs);
      if (back === undefined || forUs < failbackUs) continue;
      left.delete(link.row);
      if (links.rank(link.row) < links.rank(route.link)) this.#moveTo(peer, route, back, 'failback', nowUs);
      return;
    }
  }

  /** The sender of the newest packet, among the places that are known. */
  #followNewest(peer: Peer, home: number, tracks: readonly PathTrack[], nowUs: number): void {
    const { paths, peers, links } = this.#parts;
    let newest = home;
    for (const { row } of tracks) {
      const route = paths.get(row);
      if (route === undefined || !links.isFit(route.link, route.endpoint, nowUs)) continue;
      if (paths.lastReceivedUs(row) > paths.lastReceivedUs(newest)) newest = row;
    }
    if (newest === home) return;
    peers.setHome(peer, newest);
    peers.remember(peer);
  }

  /** The session goes on: an authentic packet from there tells the peer. */
  #moveTo(peer: Peer, from: Route, to: Route, kind: keyof typeof reasons, nowUs: number): void {
    const { paths, peers, links, outbox, context } = this.#parts;
    const known = paths.findAny(peer.row, to);
    const row = known >= 0 ? known : paths.claim(peer.row, routeTo(to.link, to.transport, to.endpoint), nowUs);
    if (row < 0) return;
    peers.setHome(peer, row);
    const { current } = peer.session.keys;
    if (current === undefined) peer.session.handleWanted();
    else outbox.sendKeepalive(peer.row, current.slot);
    const reason = links.refusal(from.link, from.endpoint) ?? reasons[kind];
    const [was, now] = [links.nameOf(from.link), links.nameOf(to.link)];
    const told = { peer: peer.settings.name, from: was, endpoint: textOf(to), reason };
    context.emit(
      kind === 'failback'
        ? { kind, ...told, link: now, transport: transportName(to.transport) ?? 'unknown' }
        : { kind: 'failover', ...told, to: now },
    );
    peers.remember(peer);
  }
}
