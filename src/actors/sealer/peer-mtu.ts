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
    this.#bytes = peers.int(row, peer.innerMtuAt) || settings.mtu;
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
    for (const track of bond.tracks) {
      const isInUse = bond.isBonded ? track.isUsable && (tier < 0 || isOfTier(track, tier)) : true;
      if (!isInUse) continue;
      const one = this.#sized[count] as SizedPath;
      one.innerBytes = this.#innerOf(track, bond.parity.isHeard);
      one.rateBytesPerUs = track.controller.isStarting ? 0 : track.controller.rateBytesPerUs;
      count += 1;
    }
    this.#set(this.#choice.choose(this.#sized, count, this.#mtu, this.#isForAll, nowUs) || this.#mtu);
  }

  /** Parity is longer than what it protects, and has to fit as well. */
  #innerOf(track: PathTrack, isParityHeard: boolean): number {
    const { expectedBytes } = track.fit;
    const excess = this.#hasParity && isParityHeard ? parity.excessBytes : 0;
    const inner = expectedBytes - dataMessageBytes - (track.fit.isFull ? 0 : excess);
    return Math.min(this.#mtu, Math.max(0, inner));
  }

  #set(bytes: number): void {
    this.#bytes = bytes;
    const told = bytes < this.#mtu ? bytes : 0;
    if (this.#peers.int(this.#row, peer.innerMtuAt) !== told) this.#peers.setInt(this.#row, peer.innerMtuAt, told);
  }
}

function isOfTier(track: PathTrack, tier: number): boolean {
  return (track.role === 'always' ? 0 : track.role === 'backup' ? 1 : 2) === tier;
}
