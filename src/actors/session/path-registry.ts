/** Which rows of the path table each peer has, and what is known of the path in each (`PathTrack`). */

import { pathState } from '../../contract/peer-tables.ts';
import { AddressCredit } from '../../protocols/session/address-credit.ts';
import { Newcomers } from '../../protocols/session/newcomers.ts';
import { PathProof } from '../../protocols/session/path-proof.ts';
import { TokenBucket } from '../../protocols/session/token-bucket.ts';
import { linkOf } from '../../rings/carriers.ts';
import type { Route } from './path-book.ts';
import type { PathDeskParts } from './path-desk.ts';
import type { PathTrack } from './path-track.ts';
import type { Peer } from './peer-book.ts';

export interface PeerPaths {
  /** By row. */
  readonly tracks: Map<number, PathTrack>;
  /** Configured paths have their rows. */
  isLaid: boolean;
  /** A challenge whose path is not known yet. */
  pending: { readonly slot: number; readonly bytes: Uint8Array; readonly atUs: number } | undefined;
  /** The last path that was learnt. */
  learnt: { readonly row: number; readonly atUs: number } | undefined;
  readonly newcomers: Newcomers<NewPlace>;
  /** Challenges to addresses that nobody has proven. */
  readonly budget: TokenBucket;
}

export interface NewPlace {
  readonly route: Route;
  /** It came from there. */
  readonly challenge: PeerPaths['pending'];
}

/** A peer may show so many paths at once, and thousands of false addresses draw 600 bytes a second. */
const challengeBudget = { perSecond: 8, burst: 32 } as const;
/** An address may answer for so long before another one gets its row. */
const answerUs = 1_000_000;

export class PathRegistry {
  readonly #parts: Pick<PathDeskParts, 'paths' | 'peers' | 'links'>;
  readonly #peers = new Map<number, PeerPaths>();

  constructor(parts: Pick<PathDeskParts, 'paths' | 'peers' | 'links'>) {
    this.#parts = parts;
  }

  of(peer: Peer): PeerPaths {
    const { paths, peers } = this.#parts;
    const known = this.#peers.get(peer.row);
    if (known !== undefined) {
      // The peer book gives home rows of its own.
      const home = peers.homeOf(peer);
      const isInUse = home >= 0 && paths.state(home) !== pathState.free;
      if (isInUse && !known.tracks.has(home)) known.tracks.set(home, this.#newTrack(peer, home));
      return known;
    }
    const tracks = new Map(paths.rowsOf(peer.row).map((row) => [row, this.#newTrack(peer, row)]));
    const fresh: PeerPaths = {
      tracks,
      isLaid: false,
      pending: undefined,
      learnt: undefined,
      newcomers: new Newcomers(),
      budget: new TokenBucket(challengeBudget),
    };
    this.#peers.set(peer.row, fresh);
    return fresh;
  }

  /** What is known of its paths beside the tables. */
  forget(peer: Peer): void {
    this.#peers.delete(peer.row);
  }

  track(peer: Peer, row: number): PathTrack {
    const { tracks } = this.of(peer);
    const track = tracks.get(row) ?? this.#newTrack(peer, row);
    tracks.set(row, track);
    return track;
  }

  /**
   * Row of a path, -1 = none. Two addresses of ours that a peer writes to are two paths; but on a path that is configured, and to a
   * stock peer, our own address is whatever the kernel makes it, and may change.
   */
  find(peer: Peer, route: Route): number {
    const { paths } = this.#parts;
    const exact = paths.find(peer.row, route);
    if (exact >= 0) return exact;
    const any = paths.findAny(peer.row, route);
    return any >= 0 && (!peer.hasPaths || this.track(peer, any).isConfigured) ? any : -1;
  }

  /** The same, made when there is none; -1 when there is no room. */
  rowFor(peer: Peer, route: Route, nowUs: number): number {
    const known = this.find(peer, route);
    return known >= 0 ? known : this.#make(peer, route, Number.POSITIVE_INFINITY, nowUs);
  }

  /** A row for an address that was only heard; -1 while those that have them may yet answer. */
  rowForNewcomer(peer: Peer, route: Route, nowUs: number): number {
    return this.#make(peer, route, nowUs - answerUs, nowUs);
  }

  /** Without a free row it takes that of an address that never proved itself, if it was last asked by `askedUs`. */
  #make(peer: Peer, route: Route, askedUs: number, nowUs: number): number {
    const { paths, peers } = this.#parts;
    let row = paths.claim(peer.row, route, nowUs);
    if (row < 0) {
      const home = peers.homeOf(peer);
      const [victim] = [...this.of(peer).tracks.values()]
        .filter((track) => !track.isProven && !track.isConfigured && track.row !== home)
        .filter((track) => track.proof.lastSentUs <= askedUs)
        .sort((a, b) => paths.lastReceivedUs(a.row) - paths.lastReceivedUs(b.row));
      if (victim === undefined) return -1;
      this.free(peer, victim.row, nowUs);
      row = paths.claim(peer.row, route, nowUs);
    }
    if (row >= 0) this.of(peer).tracks.set(row, this.#newTrack(peer, row));
    return row;
  }

  free(peer: Peer, row: number, nowUs: number): void {
    this.#parts.paths.free(row, nowUs);
    this.of(peer).tracks.delete(row);
  }

  /**
   * Gives rows to all links × configured endpoints, each by its transport; what is configured no longer counts as learnt, except where nothing
   * ever came from: an endpoint that was corrected, or that a link reaches elsewhere now.
   */
  lay(peer: Peer, nowUs: number): void {
    const { peers, links, paths } = this.#parts;
    const known = this.of(peer);
    known.isLaid = true;
    for (const track of known.tracks.values()) {
      const route = paths.get(track.row);
      const isConfigured = route !== undefined && peers.isConfigured(peer, route);
      if (isConfigured === track.isConfigured) continue;
      if (!isConfigured && paths.lastReceivedUs(track.row) === 0 && track.row !== peers.homeOf(peer)) {
        this.free(peer, track.row, nowUs);
        continue;
      }
      track.isConfigured = isConfigured;
      track.proof = new PathProof(isConfigured);
      if (!track.isProven) track.proof.begin(nowUs);
    }
    for (const link of links.all) {
      for (const route of peers.configuredRoutes(peer, link.row)) {
        if (paths.findAny(peer.row, route) < 0) this.rowFor(peer, route, nowUs);
      }
    }
  }

  #newTrack(peer: Peer, row: number): PathTrack {
    const { paths, peers, links } = this.#parts;
    const route = paths.get(row);
    const isConfigured = route !== undefined && peers.isConfigured(peer, route);
    const state = paths.state(row);
    const isProven = state === pathState.up || state === pathState.standby;
    const proof = new PathProof(isConfigured);
    if (!isProven) proof.begin(0);
    return {
      row,
      carrier: paths.carrier(row),
      link: linkOf(paths.carrier(row)),
      isConfigured,
      proof,
      credit: new AddressCredit(),
      heardBytes: 0,
      isProven,
      notice: undefined,
      named: undefined,
      renamedUs: Number.NEGATIVE_INFINITY,
      withdrawAtUs: 0,
      addresses: links.addressesOf(linkOf(paths.carrier(row))),
      refusal: undefined,
    };
  }
}
