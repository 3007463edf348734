/** What the session-manager knows of one path beside its row, and what becomes of it. */
import { lifeState } from '../../bonding/life/path-life-states.ts';
import { path, pathOrigin, pathState, pathVote } from '../../contract/peer-tables.ts';
import type { AddressCredit } from '../../protocols/session/address-credit.ts';
import type { PathProof } from '../../protocols/session/path-proof.ts';
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

export interface Standing {
  /** Of `pathState`. */
  readonly state: number;
  /** Of `pathWish`: what the peer shall know. */
  readonly wish: number;
}

/**
 * What becomes of a path that the sealer's last election (`bonding/life/election.ts`) has judged so. Those that we have made we name to the
 * peer: it may know better, and so carries on what it asks for, too. Learnt paths are the peer's to judge.
 */
export function standingOf(table: RowTable, track: PathTrack): Standing {
  if (track.refusal !== undefined) return { state: pathState.down, wish: pathWish.none };
  if (!track.isProven) return { state: pathState.unproven, wish: pathWish.none };
  const vote = table.int(track.row, path.voteAt);
  const state = (vote & pathVote.carries) === 0 ? pathState.standby : pathState.up;
  if (track.withdrawAtUs !== 0) return { state, wish: pathWish.reserve };
  if (!track.isConfigured) return { state, wish: pathWish.none };
  // What nobody has judged yet it need not know.
  if (table.number(track.row, path.changedUsAt) === 0) return { state, wish: pathWish.none };
  const isWanted = (vote & pathVote.chosen) !== 0 || table.int(track.row, path.wishAt) === pathWish.carry;
  return { state, wish: isWanted ? pathWish.carry : pathWish.reserve };
}

/** Of `pathOrigin`, for the sealer. */
export function originOf({ isConfigured, withdrawAtUs }: PathTrack): number {
  if (withdrawAtUs !== 0) return pathOrigin.leaving;
  return isConfigured ? pathOrigin.configured : pathOrigin.learnt;
}
