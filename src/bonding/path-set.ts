/** A peer's paths together: how many of them carry data now, and which of them serves for what is not the scheduler's to choose. */

import { lifeState } from './life/path-life-states.ts';
import { pathHold } from './path-hold.ts';
import { activeTier, isOfTier } from './schedule/candidates.ts';
import type { SendingPath } from './sending-path.ts';
import { fit } from './size/path-size.ts';

/** `PathLife.rank` of a path that answers and waits for its stability, and of one that carries nothing. */
const lastAnswering = 3;
const carriesNothing = 4;
const mostRetryUs = 2_000;
const firstReportIntervalUs = 10_000;

export class PathSet {
  readonly all: SendingPath[] = [];
  /** The peer reads reports and may be reached by many paths; else it is a stock WireGuard, and there is one path. */
  isBonded = false;
  /** What its only path has lost goes out again, too. */
  isRepairedAlone = false;
  /** What is too long for its paths may go in pieces. */
  mayCut = false;
  /** Smoothed. */
  reportIntervalUs = firstReportIntervalUs;
  /** How many carried data at the last `refresh`. */
  usable = 0;
  /** When fewer did than before, or one proved too narrow for what it had carried. */
  brokenUs = Number.NEGATIVE_INFINITY;

  /** What is lost goes out again and is waited for. */
  get isRepaired(): boolean {
    return this.isBonded && (this.isRepairedAlone || this.usable > 1);
  }

  /** Refreshes what schedulers look at; the paths of the best rank carry data. `waitingBytes` want to leave by any of them. */
  refresh(waitingBytes: number, nowUs: number): void {
    let best = carriesNothing;
    for (const path of this.all) best = Math.min(best, path.rank);
    let usable = 0;
    for (const path of this.all) {
      path.refresh(nowUs, this.isBonded, best, waitingBytes);
      if (path.isUsable) usable += 1;
    }
    if (usable < this.usable) this.brokenUs = nowUs;
    this.usable = usable;
    const { isRepaired } = this;
    for (const path of this.all) path.repairUs = isRepaired ? path.rttUs + this.reportIntervalUs : 0;
  }

  /**
   * Paths that a packet does not fit are no choice for it, nor those that it may fit while it surely fits others. Returns how many were
   * left out; then `takeBack`.
   */
  leaveOut(sealedBytes: number): number {
    if (!this.isBonded) return 0;
    let best: number = fit.no;
    let isMixed = false;
    for (const path of this.all) {
      if (!path.isUsable) continue;
      const passes = path.fit.passes(sealedBytes);
      isMixed ||= passes !== fit.yes;
      best = Math.max(best, passes);
    }
    if (!isMixed) return 0;
    let left = 0;
    for (const path of this.all) {
      path.isLeftOut = path.isUsable && (best === fit.no || path.fit.passes(sealedBytes) < best);
      if (!path.isLeftOut) continue;
      path.isUsable = false;
      left += 1;
    }
    return left;
  }

  takeBack(): void {
    for (const path of this.all) {
      if (!path.isLeftOut) continue;
      path.isLeftOut = false;
      path.isUsable = true;
    }
  }

  /** Nothing but this machine's own threads keeps all that carry data from taking more. */
  areAllBehind(): boolean {
    for (const path of this.all) if (path.isUsable && !path.isMerelyBehind) return false;
    return true;
  }

  /** Microseconds after which asking again is worth while. */
  retryUs(): number {
    let leastUs = mostRetryUs;
    for (const path of this.all) if (path.isUsable) leastUs = Math.min(leastUs, path.retryUs(this.isBonded));
    return leastUs;
  }

  /** What is longer is not sent again as it was: it fits no path that is there, or, where it may be cut, none that is in use for sure. */
  get longestBytes(): number {
    let most = 0;
    if (this.mayCut) for (const path of this.all) if (path.isUsable) most = Math.max(most, path.fit.usableBytes);
    if (most > 0) return most;
    for (const path of this.all) if (path.rank < carriesNothing) most = Math.max(most, path.fit.longest(fit.maybe));
    return most;
  }

  /** -1 = none. An array asked for its element -1 looks for a property of that name, by a call into the engine's runtime. */
  at(index: number): SendingPath | undefined {
    return index < 0 ? undefined : this.all[index];
  }

  of(row: number): SendingPath | undefined {
    return this.all.find((path) => path.row === row);
  }

  /** The peer's own number of it (`PathRow.number`). */
  numbered(number: number): SendingPath | undefined {
    return this.all.find((path) => path.number === number);
  }

  /**
   * A further path for it: the best that answers and takes so many sealed bytes, though it may have to wait before it carries data
   * again. Without such a one a spare, while the path that carries in its place may be blocked (`SendingPath.mayBear`).
   */
  other(than: SendingPath | undefined, sealedBytes: number, nowUs: number): SendingPath | undefined {
    let found: SendingPath | undefined;
    for (const path of this.all) {
      if (path === than || path.fit.passes(sealedBytes) === fit.no) continue;
      if (path.rank > lastAnswering && !path.mayBear(this.#carrierOf(path), nowUs)) continue;
      const isBetter = found === undefined || path.rank < found.rank;
      if (isBetter || (path.rank === found?.rank && path.rttUs < found.rttUs)) found = path;
    }
    return found;
  }

  /** Index of the nearest that carries data but for one, or where there is none of the nearest that stands by; -1 = neither. */
  nearestBut(than: SendingPath): number {
    let found = -1;
    for (const [index, path] of this.all.entries()) {
      if (path === than || !(path.isUsable || path.isSpare)) continue;
      const best = this.at(found);
      const isBetter = best === undefined || (path.isUsable && !best.isUsable);
      if (isBetter || (path.isUsable === best.isUsable && path.rttUs < best.rttUs)) found = index;
    }
    return found;
  }

  /** Whoever carries by the way of a path that went begins with what was known of their bottleneck. */
  bequeath(from: SendingPath): void {
    const { bottleneckBytesPerUs } = from.controller;
    for (const path of this.all)
      if (path.carries && path.way === from.way && path.way >= 0)
        path.controller.handleBottleneck(bottleneckBytesPerUs);
  }

  #carrierOf(spare: SendingPath): SendingPath | undefined {
    if (spare.way < 0) return undefined;
    for (const path of this.all) if (path.carries && path.way === spare.way) return path;
    return undefined;
  }

  /**
   * The peer has asked by `path`. If that stands by while what carries in its place brings data, the peer may have had no news of what it
   * sends: then that is asked, too. Returns whether it is.
   */
  handleAsked(path: SendingPath, nowUs: number): boolean {
    const carrier = path.carries ? undefined : this.#carrierOf(path);
    if (carrier === undefined || !carrier.bringsData(nowUs)) return false;
    carrier.life.doubt(nowUs);
    return true;
  }

  /** Why a path that lives carries nothing, as far as that is not the scheduler's doing: of `pathHold`. `sealedBytes`: of the longest packet. */
  holdOf(path: SendingPath, sealedBytes: number): number {
    if (path.life.state !== lifeState.live || !path.isProbed || !path.carries) return pathHold.none;
    if (path.isExcluded) return pathHold.forced;
    if (!path.isUsable) return path.life.badness;
    if (!isOfTier(path, activeTier(this.all, this.all.length))) return pathHold.role;
    const passes = path.fit.passes(sealedBytes);
    return this.all.some((one) => one.isUsable && one.fit.passes(sealedBytes) > passes) ? pathHold.size : pathHold.none;
  }

  /** Another one by its way stands by. */
  hasSpareFor(path: SendingPath): boolean {
    if (this.all.length < 2 || path.way < 0) return false;
    for (const other of this.all)
      if (other !== path && other.way === path.way && other.isProbed && !other.carries) return true;
    return false;
  }
}
