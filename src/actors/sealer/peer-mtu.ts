/** How long inner packets to one peer may be now, by what its paths take: written to the peer table, where the addon reads it. */

import { activeTier } from '../../bonding/schedule/candidates.ts';
import type { SchedulerMode } from '../../bonding/schedule/scheduler.ts';
import { InnerMtu, type SizedPath } from '../../bonding/size/inner-mtu.ts';
import { parity, path, peer, trafficClass } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';
import type { BondSettings } from './bonds.ts';
import type { PathTrack } from './path-track.ts';
import type { PeerParity } from './peer-parity.ts';

/** Header and tag. */
const dataMessageBytes = 32;
/** Modes in which each packet may come to take each path: one path at a time, or all. */
const forAll: ReadonlySet<SchedulerMode> = new Set(['failover', 'least-latency', 'redundant']);

/** What it looks at of a peer's bond. */
export interface SizedBond {
  readonly tracks: readonly PathTrack[];
  readonly isBonded: boolean;
  readonly parity: PeerParity;
}

export class PeerMtu {
  readonly #row: number;
  readonly #peers: RowTable;
  readonly #mtu: number;
  readonly #hasParity: boolean;
  readonly #isForAll: boolean;
  readonly #choice = new InnerMtu();
  readonly #sized: SizedPath[] = Array.from({ length: path.rowsPerPeer }, () => ({ innerBytes: 0, rateBytesPerUs: 0 }));
  #bytes: number;

  constructor(row: number, settings: BondSettings, peers: RowTable) {
    this.#row = row;
    this.#peers = peers;
    this.#mtu = settings.mtu;
    this.#hasParity = settings.fec !== 'off';
    this.#isForAll = forAll.has(settings.modes[trafficClass.bulk] as SchedulerMode);
    // A predecessor knew it.
    const known = peers.int(row, peer.innerMtuAt);
    this.#bytes = known > 0 ? known : settings.mtu;
  }

  /** The longest inner packet that is sent uncut. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What an inner packet of so many bytes, or what is cut of it where it is too long, becomes at most. */
  sealedBytes(innerBytes: number): number {
    return Math.min((innerBytes + 15) & ~15, this.#bytes) + dataMessageBytes;
  }

  follow(bond: SizedBond, nowUs: number): void {
    const tier = bond.isBonded ? activeTier(bond.tracks, bond.tracks.length) : -1;
    let count = 0;
    let mostUsable = 0;
    let leastUsable = this.#mtu;
    for (const track of bond.tracks) {
      const isInUse = bond.isBonded ? track.isUsable && (tier < 0 || isOfTier(track, tier)) : true;
      if (!isInUse) continue;
      const one = this.#sized[count] as SizedPath;
      one.innerBytes = this.#innerOf(track, track.fit.expectedBytes, bond.parity.isHeard);
      one.rateBytesPerUs = track.controller.isStarting ? 0 : track.controller.rateBytesPerUs;
      count += 1;
      const usable = this.#innerOf(track, track.fit.usableBytes, bond.parity.isHeard);
      mostUsable = Math.max(mostUsable, usable);
      leastUsable = Math.min(leastUsable, usable);
    }
    const chosen = this.#choice.choose(this.#sized, count, this.#mtu, this.#isForAll, nowUs) || this.#mtu;
    const usable = this.#isForAll ? leastUsable : mostUsable;
    this.#set(chosen, count > 0 && usable > 0 ? Math.min(chosen, usable) : chosen);
  }

  /** Parity is longer than what it protects, and has to fit as well. */
  #innerOf(track: PathTrack, sealedBytes: number, isParityHeard: boolean): number {
    const excess = this.#hasParity && isParityHeard ? parity.excessBytes : 0;
    const inner = sealedBytes - dataMessageBytes - (track.fit.isFull ? 0 : excess);
    return Math.min(this.#mtu, Math.max(0, inner));
  }

  /** What is usable only while a search goes on is nobody's business but the cutter's: hosts would remember it for minutes. */
  #set(chosen: number, usable: number): void {
    this.#bytes = usable;
    const told = usable < chosen ? -usable : chosen < this.#mtu ? chosen : 0;
    if (this.#peers.int(this.#row, peer.innerMtuAt) !== told) this.#peers.setInt(this.#row, peer.innerMtuAt, told);
  }
}

function isOfTier(track: PathTrack, tier: number): boolean {
  return (track.role === 'always' ? 0 : track.role === 'backup' ? 1 : 2) === tier;
}
