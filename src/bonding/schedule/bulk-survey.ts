/** What a flow of bulk would see on each path, and from which path a transfer is best begun. Refreshed before each decision. */

import { doubleZero } from '../../base/double.ts';
import { isCandidate, maxPaths, rttOf } from './candidates.ts';
import type { PathView } from './scheduler.ts';

/** A loss is repaired a round trip of the nearest path and a report later; only then does the flow go on. */
const reportUs = 10_000;
const packetBytes = 1_400;
/** A rate that was found so low is not believed. */
const mostSendUs = 50_000;
/** The loss at which health calls a path bad (`path-quality.ts`): one that loses so much is used only when no better one is there. */
const mostLoss = 0.2;
/**
 * A transfer of this size decides which path is begun on: it takes about so many round trips of slow start. Half a megabyte is a
 * large web page; what is smaller goes by the nearest path anyway if that has a fair rate.
 */
const typicalBytes = 512 * 1024;
const typicalRoundTrips = 6;
/** Of a path whose rate is not known yet, while no other is known either; else it is taken for as fast as the fastest known. */
const unknownBytesPerUs = 1.25;
/** A rate says nothing any more when nothing was sent for so long: it may have been found too low by little traffic. */
const staleUs = 5_000_000;
/** Another path must shorten the typical transfer by this to become the first. */
const clearGain = 0.8;
/** Delays this close are one delay. HyStart takes 4 ms, or an eighth of the round trip, for the end of a slow start: half of it. */
const alikeUs = 2_000;
const alikeShare = 0.125;
/** Of the round trip: what a path whose rate is being found is taken to vary by at most. */
const startingShare = 0.125;
/** Nor can a flow tell them apart within what the nearer one's delay varies by; less than this is our own queue's doing. */
const notableJitterUs = 4_000;

export class BulkSurvey {
  /** One-way delay by index, microseconds; Infinity = may not be used. */
  readonly delaysUs = new Float64Array(maxPaths);
  /** All paths up to this delay are used from the beginning. */
  floorUs = doubleZero;
  readonly #rows = new Int32Array(maxPaths).fill(-1);
  readonly #sentBytes = new Float64Array(maxPaths);
  readonly #usedUs = new Float64Array(maxPaths);
  #anchorRow = -1;

  update(paths: readonly PathView[], count: number, tier: number, nowUs: number): void {
    const { delaysUs } = this;
    this.#noteUse(paths, count, nowUs);
    let isAnyFit = false;
    let nearestUs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier)) continue;
      if (isFit(path)) isAnyFit = true;
      nearestUs = Math.min(nearestUs, rttOf(path));
    }
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      const mayBeUsed = isCandidate(path, tier) && (isFit(path) || !isAnyFit);
      delaysUs[index] = mayBeUsed ? flowDelayUs(path, nearestUs) : Number.POSITIVE_INFINITY;
    }
    const anchor = this.#anchor(paths, count);
    const anchorUs = anchor < 0 ? 0 : (delaysUs[anchor] as number);
    const jitterUs = anchor < 0 ? 0 : (paths[anchor] as PathView).jitterUs;
    const variesUs = jitterUs > notableJitterUs ? jitterUs : 0;
    this.floorUs = anchorUs + Math.max(alikeUs, anchorUs * alikeShare, variesUs);
  }

  /** What the last look found for this path in this place; 0 if another one was there. */
  delayOf(path: PathView, index: number): number {
    return this.#rows[index] === path.row ? (this.delaysUs[index] as number) : 0;
  }

  /** The rate of path `index` if it is known and was so lately, else 0. */
  freshRate(path: PathView, index: number, nowUs: number): number {
    return !isKnown(path) || nowUs - (this.#usedUs[index] as number) > staleUs ? 0 : path.rateBytesPerUs;
  }

  #fastestKnown(paths: readonly PathView[], count: number): number {
    let fastest = unknownBytesPerUs;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (isKnown(path) && this.delaysUs[index] !== Number.POSITIVE_INFINITY)
        fastest = Math.max(fastest, path.rateBytesPerUs);
    }
    return fastest;
  }

  #noteUse(paths: readonly PathView[], count: number, nowUs: number): void {
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (this.#rows[index] === path.row && this.#sentBytes[index] === path.sentBytes) continue;
      this.#rows[index] = path.row;
      this.#sentBytes[index] = path.sentBytes;
      this.#usedUs[index] = nowUs;
    }
  }

  /** The path that would finish a typical transfer first; the present one unless another is clearly better. */
  #anchor(paths: readonly PathView[], count: number): number {
    let best = -1;
    let bestUs = Number.POSITIVE_INFINITY;
    let present = -1;
    let presentUs = Number.POSITIVE_INFINITY;
    const hoped = this.#fastestKnown(paths, count);
    for (let index = 0; index < count; index += 1) {
      const delayUs = this.delaysUs[index] as number;
      if (delayUs === Number.POSITIVE_INFINITY) continue;
      const path = paths[index] as PathView;
      const finishUs = typicalBytes / (isKnown(path) ? path.rateBytesPerUs : hoped) + typicalRoundTrips * 2 * delayUs;
      if (path.row === this.#anchorRow) {
        present = index;
        presentUs = finishUs;
      }
      if (best >= 0 && finishUs >= bestUs) continue;
      best = index;
      bestUs = finishUs;
    }
    if (present >= 0 && bestUs > presentUs * clearGain) return present;
    if (best >= 0) this.#anchorRow = (paths[best] as PathView).row;
    return best;
  }
}

/** A search for the rate ends with an overflow: its losses are our own. */
export function isFit(path: PathView): boolean {
  return path.loss < mostLoss || path.isStarting;
}

function isKnown(path: PathView): boolean {
  return path.rateBytesPerUs > 0 && !path.isStarting;
}

/**
 * One way, a packet on a slow link, what varies, and the repair of losses, weighted by how likely one is within a repair's time: the peer
 * misses the packet when the next has come by the same path, says so by the nearest, and there it goes out again.
 */
function flowDelayUs(path: PathView, nearestUs: number): number {
  const rttUs = rttOf(path);
  const repairUs = nearestUs + reportUs;
  const losses = (path.loss * path.rateBytesPerUs * repairUs) / packetBytes;
  const sendUs = isKnown(path) ? Math.min(mostSendUs, packetBytes / path.rateBytesPerUs) : 0;
  // The queue of a search swells and goes, and a path that is not used would keep that for its jitter.
  const jitterUs = path.isStarting ? Math.min(path.jitterUs, rttUs * startingShare) : path.jitterUs;
  return rttUs / 2 + sendUs + jitterUs + repairUs * Math.min(1, losses);
}
