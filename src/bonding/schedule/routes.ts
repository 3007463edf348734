/** By which of a peer's paths something leaves: a train, its copies, a frame, or what was lost before. */
import { trafficClass } from '../../contract/records.ts';
import type { BondSettings } from '../bond-settings.ts';
import type { Activity } from '../life/activity.ts';
import { pathHold } from '../path-hold.ts';
import type { PathSet } from '../path-set.ts';
import { chooseForRepair } from '../repair/repair-choice.ts';
import type { RepairRoutes, Repairs } from '../repair/repairs.ts';
import type { SendingPath } from '../sending-path.ts';
import { hasCredit } from './candidates.ts';
import { createScheduler, type Demand, type Scheduler } from './scheduler.ts';

/** A path's share is cut into what it drains in this time, so that no path is behind by more. */
const quantumUs = 2_000;
const leastQuantumBytes = 3_000;
/** A control frame, sealed, at most about. */
const frameBytes = 200;
/** Modes in which one flow uses all paths. */
const spreading: ReadonlySet<string> = new Set(['adaptive', 'round-robin', 'weighted', 'least-used']);

export interface RoutesParts {
  readonly settings: BondSettings;
  readonly paths: PathSet;
  readonly repairs: Repairs;
  readonly activity: Activity;
}

export class Routes implements RepairRoutes {
  /** If the last `choose` found no path, or too little credit, only this machine's own threads are behind. */
  isMerelyBehind = false;
  readonly #settings: BondSettings;
  readonly #paths: PathSet;
  readonly #repairs: Repairs;
  readonly #activity: Activity;
  readonly #schedulers: readonly Scheduler[];
  /** The mode of bulk may spread one flow. */
  readonly maySpread: boolean;
  readonly #demand: Demand = { trafficClass: 0, flow: 0, bytes: 0, backlogBytes: 0 };

  constructor(parts: RoutesParts) {
    const { modes } = parts.settings;
    this.#settings = parts.settings;
    this.#paths = parts.paths;
    this.#repairs = parts.repairs;
    this.#activity = parts.activity;
    this.maySpread = spreading.has(modes[trafficClass.bulk] ?? '');
    this.#schedulers = modes.map((mode) => createScheduler(mode));
  }

  /** A flow of bulk is spread over several paths: nobody else can say when they are full. */
  get isSpreading(): boolean {
    const paths = this.#paths;
    return paths.isBonded && paths.usable > 1 && this.maySpread;
  }

  /** Each flow keeps its path: trains of different flows are chosen for one by one. */
  isPerFlow(kind: number): boolean {
    return this.#settings.modes[kind] === 'per-flow';
  }

  /** How long bulk may wait while its scheduler would recruit a farther path (`Scheduler.queueTargetUs`). */
  get queueTargetUs(): number {
    return this.#schedulers[trafficClass.bulk]?.queueTargetUs ?? 0;
  }

  /** Why the path in this place carries no bulk: of `pathHold`. `sealedBytes`: of the longest packet. */
  holdOf(place: number, sealedBytes: number, nowUs: number): number {
    const path = this.#paths.all[place] as SendingPath;
    const hold = this.#paths.holdOf(path, sealedBytes);
    if (hold !== pathHold.none || !this.isSpreading) return hold;
    return this.#schedulers[trafficClass.bulk]?.holdOf?.(path, place, nowUs) ?? hold;
  }

  refresh(nowUs: number): void {
    this.#paths.refresh(this.#repairs.waitingBytes + this.#demand.backlogBytes, nowUs);
  }

  /**
   * The path that a train of `bytes` leaves by now, whose longest packet has so many sealed; undefined = it must wait, and `retryUs` says
   * how long.
   */
  choose(
    kind: number,
    flow: number,
    bytes: number,
    sealedBytes: number,
    backlogBytes: number,
    nowUs: number,
  ): SendingPath | undefined {
    const paths = this.#paths;
    const { all } = paths;
    const demand = this.#demand;
    demand.trafficClass = kind;
    demand.flow = flow;
    demand.bytes = bytes;
    demand.backlogBytes = backlogBytes;
    this.refresh(nowUs);
    const left = paths.leaveOut(sealedBytes);
    const path = paths.at((this.#schedulers[kind] as Scheduler).choose(all, all.length, demand, nowUs));
    this.isMerelyBehind = path === undefined ? paths.usable > left && paths.areAllBehind() : path.isMerelyBehind;
    if (left > 0) paths.takeBack();
    return path;
  }

  /** Index of a further path that a copy of what was just chosen for leaves by; -1 = none. `usedMask`: a bit for each so far. */
  copyTo(kind: number, usedMask: number, nowUs: number): number {
    const paths = this.#paths;
    const { all } = paths;
    if (all.length < 2) return -1;
    const wanted = (this.#schedulers[kind] as Scheduler).copy(all, all.length, this.#demand, usedMask);
    if (wanted >= 0 || !paths.isBonded) return wanted;
    if (this.#settings.parallel === 'redundant') return this.#spareBeside(usedMask);
    return this.#activity.isWaking(nowUs) ? this.#secondTo(usedMask, nowUs) : wanted;
  }

  /** Bytes that may be sealed for the chosen path in one go. */
  quantumBytes(path: SendingPath): number {
    if (this.#paths.usable < 2 || path.rateBytesPerUs === 0) return path.allowedBytes;
    return Math.min(path.allowedBytes, shareBytes(path));
  }

  retryUs(): number {
    return this.#paths.retryUs();
  }

  /** The nearest live path for a frame; undefined = there is none. */
  best(nowUs: number): SendingPath | undefined {
    return this.choose(trafficClass.control, 0, frameBytes, frameBytes, 0, nowUs);
  }

  /** A further path for a frame: one that answers and takes so many sealed bytes (`PathSet.other`). */
  other(than: SendingPath | undefined, sealedBytes: number, nowUs: number): SendingPath | undefined {
    return this.#paths.other(than, sealedBytes, nowUs);
  }

  /** For a frame when no path is in order. A peer that knows no challenges has one path, proven by every packet. */
  get spare(): SendingPath | undefined {
    const { all, isBonded } = this.#paths;
    return isBonded ? all.find((path) => path.isAddressProven) : all[0];
  }

  /** Where one flow uses all paths its repairs may, too; else they keep to the path that the mode has chosen. */
  repairPath(nowUs: number, sealedBytes: number): SendingPath | undefined {
    const paths = this.#paths;
    const { all } = paths;
    if (paths.usable === 0) return undefined;
    if (!this.isSpreading) return this.choose(trafficClass.latency, 0, leastQuantumBytes, sealedBytes, 0, nowUs);
    this.refresh(nowUs);
    const left = paths.leaveOut(sealedBytes);
    const path = paths.at(chooseForRepair(all, all.length, leastQuantumBytes));
    if (left > 0) paths.takeBack();
    return path;
  }

  get longestBytes(): number {
    return this.#paths.longestBytes;
  }

  get mayCut(): boolean {
    return this.#paths.mayCut;
  }

  /** No more than a share of it at once, so that the next may find another path the earlier one. */
  repairBytes(path: SendingPath): number {
    return this.isSpreading ? shareBytes(path) : Number.POSITIVE_INFINITY;
  }

  /** One that stands by beside the first of the mask, by the same way, and has room; -1 = none. */
  #spareBeside(usedMask: number): number {
    const { all } = this.#paths;
    const first = all[31 - Math.clz32(usedMask & -usedMask)];
    if (first === undefined) return -1;
    for (const [index, path] of all.entries()) {
      const isUsed = (usedMask & (1 << index)) !== 0;
      if (!isUsed && path.way === first.way && path.isSpare && hasCredit(path, this.#demand)) return index;
    }
    return -1;
  }

  /** The nearest other path, while the only one in `usedMask` has not proven itself since the idle time; -1 = none. */
  #secondTo(usedMask: number, nowUs: number): number {
    if ((usedMask & (usedMask - 1)) !== 0) return -1;
    const paths = this.#paths;
    const first = paths.all[31 - Math.clz32(usedMask)];
    if (first === undefined || first.life.isProvenSince(this.#activity.provenFromUs(nowUs))) return -1;
    return paths.nearestBut(first);
  }
}

/** What goes by a path in one go before others are looked at again. */
function shareBytes(path: SendingPath): number {
  return Math.max(leastQuantumBytes, path.rateBytesPerUs * quantumUs);
}
