/** How long inner packets to one peer may be now, by what its paths take. */
import { parity } from '../../contract/frames.ts';
import { trafficClass } from '../../contract/records.ts';
import type { BondSettings } from '../bond-settings.ts';
import { activeTier, isOfTier, maxPaths } from '../schedule/candidates.ts';
import type { SchedulerMode } from '../schedule/scheduler.ts';
import type { SendingPath } from '../sending-path.ts';
import { InnerMtu, type SizedPath } from './inner-mtu.ts';

/** Header and tag. */
const dataMessageBytes = 32;
/** Modes in which each packet may come to take each path: one path at a time, or all. */
const forAll: ReadonlySet<SchedulerMode> = new Set(['failover', 'least-latency', 'redundant']);

export class PeerMtu {
  readonly #mtu: number;
  readonly #hasParity: boolean;
  readonly #isForAll: boolean;
  readonly #choice = new InnerMtu();
  readonly #sized: SizedPath[] = Array.from({ length: maxPaths }, () => ({ innerBytes: 0, rateBytesPerUs: 0 }));
  /** The longest inner packet that is sent uncut. */
  bytes: number;
  #chosen: number;

  /** `knownBytes`: what a predecessor chose; 0 or less = nothing. */
  constructor(settings: BondSettings, knownBytes: number) {
    this.#mtu = settings.mtu;
    this.#hasParity = settings.fec !== 'off';
    this.#isForAll = forAll.has(settings.modes[trafficClass.bulk] as SchedulerMode);
    this.bytes = knownBytes > 0 ? knownBytes : settings.mtu;
    this.#chosen = this.bytes;
  }

  /**
   * As `peer.innerMtuAt` says it: 0 = as long as the tunnel's; less than 0 = usable only while a search goes on, which is nobody's business
   * but the cutter's, for hosts would remember it for minutes.
   */
  get limitBytes(): number {
    if (this.bytes < this.#chosen) return -this.bytes;
    return this.bytes < this.#mtu ? this.bytes : 0;
  }

  /** What an inner packet of so many bytes, or what is cut of it where it is too long, becomes at most. */
  sealedBytes(innerBytes: number): number {
    return Math.min((innerBytes + 15) & ~15, this.bytes) + dataMessageBytes;
  }

  follow(paths: readonly SendingPath[], isBonded: boolean, hearsParity: boolean, nowUs: number): void {
    const tier = isBonded ? activeTier(paths, paths.length) : -1;
    let count = 0;
    let mostUsable = 0;
    let leastUsable = this.#mtu;
    for (const path of paths) {
      const isInUse = isBonded ? path.isUsable && (tier < 0 || isOfTier(path, tier)) : true;
      if (!isInUse) continue;
      const one = this.#sized[count] as SizedPath;
      one.innerBytes = this.#innerOf(path, path.fit.expectedBytes, hearsParity);
      one.rateBytesPerUs = path.controller.isStarting ? 0 : path.controller.rateBytesPerUs;
      count += 1;
      const usable = this.#innerOf(path, path.fit.usableBytes, hearsParity);
      mostUsable = Math.max(mostUsable, usable);
      leastUsable = Math.min(leastUsable, usable);
    }
    this.#chosen = this.#choice.choose(this.#sized, count, this.#mtu, this.#isForAll, nowUs) || this.#mtu;
    const usable = this.#isForAll ? leastUsable : mostUsable;
    this.bytes = count > 0 && usable > 0 ? Math.min(this.#chosen, usable) : this.#chosen;
  }

  /** Parity is longer than what it protects, and has to fit as well. */
  #innerOf(path: SendingPath, sealedBytes: number, hearsParity: boolean): number {
    const excess = this.#hasParity && hearsParity ? parity.excessBytes : 0;
    const inner = sealedBytes - dataMessageBytes - (path.fit.isFull ? 0 : excess);
    return Math.min(this.#mtu, Math.max(0, inner));
  }
}
