/** What the session-manager knows of one path beside its row, and which of a peer's paths shall carry data. */
import { lifeState } from '../../bonding/life/path-life-states.ts';
import { path, pathState } from '../../contract/peer-tables.ts';
import type { AddressCredit } from '../../protocols/session/address-credit.ts';
import type { PathProof } from '../../protocols/session/path-proof.ts';
import { transportOf } from '../../rings/carriers.ts';
import type { RowTable } from '../../rings/table.ts';
import { pathWish } from '../../wire/control-frame.ts';

export interface PathTrack {
  readonly row: number;
  /** Row of the carrier table, and of its link. */
  readonly carrier: number;
  readonly link: number;
  /** The configuration (or its host names) leads there; others were learnt from authenticated packets. */
  isConfigured: boolean;
  proof: PathProof;
  /** Of an address that was only learnt, until it is proven; `heardBytes` came from there before it had the row. */
  readonly credit: AddressCredit;
  heardBytes: number;
  /** The peer answered a challenge, or finished a handshake, since the link last came back. */
  isProven: boolean;
  /** What the peer wants of this path, of `pathWish`. */
  peerWish: number;
  /** What we last told the peer that we want of it; undefined = nothing in this session. */
  notice: Notice | undefined;
  /** Our name of the link, as the peer was told under the keys in `slot`; `isHeard`: it has answered. */
  named: { readonly slot: number; readonly name: string; isHeard: boolean; tries: number; nextUs: number } | undefined;
  /** When the peer last gave its link another name. */
  renamedUs: number;
  /** The operator took the link out: withdrawn then, once the peer has been told. */
  withdrawAtUs: number;
  /** Of the link's interface, when we looked last. */
  addresses: string;
  /** Why it is withdrawn. */
  refusal: string | undefined;
}

/** A short challenge that says what we want of a path; again until it is answered. */
export interface Notice {
  readonly wish: number;
  /** The same each time: an answer to any of them will do, however long it was under way. */
  readonly token: Buffer;
  tries: number;
  /** When it is said again; infinite once the peer has answered. */
  nextUs: number;
}

export function isDead(table: RowTable, row: number): boolean {
  return table.int(row, path.lifeAt) === lifeState.dead;
}

/** Shorter is better; microseconds. What feedback measures is better than the round trip of a challenge. */
export function roundTripUs(table: RowTable, track: PathTrack): number {
  const smoothedUs = table.number(track.row, path.smoothedRttUsAt);
  return smoothedUs > 0 ? smoothedUs : track.proof.roundTripUs;
}

/**
 * One of several paths that share a link: the one that carries data already, the nearest of those of one transport, and another than the
 * one that carries only if that is of a worse transport, or is in doubt where one of another transport lives. One that was dead and answers
 * again does not live until it has been stable.
 */
function choosePath(table: RowTable, among: readonly PathTrack[]): PathTrack | undefined {
  const isLive = (track: PathTrack): boolean => table.int(track.row, path.lifeAt) === lifeState.live;
  const worth = (track: PathTrack): number => transportOf(track.carrier);
  const carrying = among.find((track) => table.int(track.row, path.stateAt) === pathState.up);
  const isDoubtful = carrying !== undefined && table.int(carrying.row, path.lifeAt) === lifeState.suspect;
  const isBetter = (track: PathTrack): boolean => {
    if (carrying === undefined) return true;
    if (!isLive(track) || track.carrier === carrying.carrier) return false;
    return isDoubtful || worth(track) < worth(carrying);
  };
  const [best] = among
    .filter(isBetter)
    .sort(
      (a, b) =>
        Number(isLive(b)) - Number(isLive(a)) || worth(a) - worth(b) || roundTripUs(table, a) - roundTripUs(table, b),
    );
  return best ?? carrying;
}

export interface Verdict {
  /** Of `pathState`. */
  readonly state: number;
  /** Of `pathWish`: what the peer shall know. */
  readonly wish: number;
}

/**
 * What becomes of every track, in their order. Endpoints of one link share its bottleneck, so each link has one configured path that
 * carries data (`choosePath`). The peer may know better: its two links may both lead to one of ours. What it holds in reserve carries only
 * when nothing else is alive. Learnt paths are the peer's to judge.
 */
export function electPaths(table: RowTable, tracks: readonly PathTrack[]): Verdict[] {
  const isAble = (track: PathTrack): boolean => track.isProven && track.withdrawAtUs === 0 && !isDead(table, track.row);
  const winners = new Set<PathTrack>();
  for (const link of new Set(tracks.map((track) => track.link))) {
    const rivals = tracks.filter((track) => track.isConfigured && track.isProven && track.link === link);
    // A dead one stays in its place while there is none to take it. What the peer wants does not count here: two ends that followed
    // each other's wish would change places for ever.
    const winner = choosePath(table, rivals.filter(isAble)) ?? choosePath(table, rivals);
    if (winner !== undefined) winners.add(winner);
  }
  const wishOf = (track: PathTrack): number => {
    if (track.withdrawAtUs !== 0) return pathWish.reserve;
    if (!track.isConfigured) return pathWish.none;
    return winners.has(track) || track.peerWish === pathWish.carry ? pathWish.carry : pathWish.reserve;
  };
  const carriers = new Set(
    tracks.filter(
      (track) => track.isProven && track.peerWish !== pathWish.reserve && wishOf(track) !== pathWish.reserve,
    ),
  );
  if (![...carriers].some(isAble)) {
    const spare = choosePath(table, tracks.filter(isAble));
    if (spare !== undefined) carriers.add(spare);
  }
  return tracks.map((track) => {
    const wish = wishOf(track);
    if (track.refusal !== undefined) return { state: pathState.down, wish };
    if (!track.isProven) return { state: pathState.unproven, wish: pathWish.none };
    return { state: carriers.has(track) ? pathState.up : pathState.standby, wish };
  });
}
