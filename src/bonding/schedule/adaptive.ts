/**
 * Adaptive: bulk leaves by the path of the earliest predicted arrival among those worth using, urgent traffic by the nearest.
 *
 * The receiver puts packets back in order, so a flow sees the delay of the *slowest* path in use as its own. A path whose delay
 * is D longer than that of the paths in use therefore helps a flow only if the flow's window is large enough to fill the faster
 * paths at the longer round trip; and a flow shows that by its queue: at window W over faster paths of rate R, the queue here is
 * worth W/R - RTT. So the rule of ECF (Lim et al., CoNEXT 2017) - use the slow path only when the backlog would keep the fast
 * ones busy for longer than the slow one is slower - is also the point from which the slower path no longer costs the flow
 * anything (BLEST, Ferlin et al., IFIP Networking 2016). Once there, waiting for a queue to build again would only add to the
 * delay: all paths up to the *horizon* (the longest delay in use) send whenever they have credit, until what is sent in a while
 * would have fitted the faster ones alone. The horizon never falls below the *floor* (`bulk-survey.ts`).
 */

import { doubleZero, never } from '../../base/double.ts';
import { pathHold } from '../path-hold.ts';
import { BulkSurvey, isFit } from './bulk-survey.ts';
import { activeTier, isUrgent } from './candidates.ts';
import { NearestPath } from './nearest-path.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

/** A path in use may get this much farther before it must be recruited anew. */
const marginUs = 3_000;
const marginShare = 0.125;
/** The load must have fitted the faster paths for so many of the slowest round trips, within these bounds, before it is dropped. */
const judgeRoundTrips = 4;
const leastJudgeUs = 300_000;
const mostJudgeUs = 2_000_000;
/** From here on it is a long transfer, and given a second chance. */
const settledPasses = 2;
const settledFails = 2;
/** With no more than this under way and waiting, a transfer is over: the next shall not begin with packets far behind. */
const restBytes = 8 * 1_500;
/** Rates are estimates. */
const enoughLoad = 0.97;
/**
 * The queue must show it for so many round trips: one that a slow start leaves at its end is gone in the next, and a longer delay in
 * the middle of a slow start would end it early (HyStart) with half the window that one path alone gives.
 */
const patientRoundTrips = 2;
/** While a path in use is still looking for its rate, the queue says nothing of it; but not for ever. */
const mostStartUs = 1_000_000;
const mostEnoughUs = 1_000_000;
/** The longer the queue, the less patience it takes, down to half a round trip. */
const mostHaste = 4;
const mostStepUs = 50_000;
/**
 * A path whose rate is being found may lose a queue full of packets; the flow that waits for them says nothing of its use. For so
 * many of its round trips, within these bounds.
 */
const trialRoundTrips = 4;
const leastTrialUs = 300_000;
const mostTrialUs = 3_000_000;
/** A path that was dropped soon after it was recruited rests: this long, doubling up to the last. */
const firstRestUs = 500_000;
const mostRestUs = 30_000_000;
/** A window that is cut by 30 % (RFC 9438) goes on filling the paths if about this share of a round trip waits before the cut. */
const queueShare = 0.25;
/** CoDel must let the queue grow beyond what recruits a path, but no flow is worth a longer one than this. */
const mostQueueTargetUs = 250_000;

export class AdaptiveScheduler implements Scheduler {
  readonly #nearest = new NearestPath();
  readonly #survey = new BulkSurvey();
  #horizonUs = doubleZero;
  #judgedUs = never;
  #judgedBytes = doubleZero;
  #recruitedUs = Number.NEGATIVE_INFINITY;
  #recruitRow = -1;
  #trialUs = doubleZero;
  #restUs = doubleZero;
  #restsUntilUs = doubleZero;
  /** Judgements in a row that found the slowest path in use needed, and that found it was not. */
  #passes = 0;
  #fails = 0;
  /** Since when there was always something that no path in use had credit for; -1 = there is not. */
  #standingSinceUs = never;
  /** For how long that was enough to recruit the next path, less the time for which it was not. */
  #enoughUs = doubleZero;
  #notedUs = doubleZero;
  #queueTargetUs = doubleZero;

  get queueTargetUs(): number {
    return this.#queueTargetUs;
  }

  choose(paths: readonly PathView[], count: number, demand: Demand, nowUs: number): number {
    const tier = activeTier(paths, count);
    if (isUrgent(demand)) return this.#nearest.choose(paths, count, tier);
    this.#survey.update(paths, count, tier, nowUs);
    this.#keepRecruit(paths, count, nowUs);
    this.#noteRest(paths, count, demand);
    this.#judge(paths, count, nowUs);
    const chosen = this.#earliest(paths, count, demand);
    if (chosen < 0) {
      if (this.#standingSinceUs < 0) this.#standingSinceUs = nowUs;
      return this.#recruit(paths, count, demand, nowUs);
    }
    if (demand.backlogBytes <= demand.bytes) {
      this.#standingSinceUs = never;
      this.#noteEnough(0, nowUs);
    }
    return chosen;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }

  holdOf(path: PathView, place: number, nowUs: number): number {
    const delayUs = this.#survey.delayOf(path, place);
    if (delayUs <= this.#horizonUs) return pathHold.none;
    // The last look may be long ago: it could not be used then.
    if (delayUs === Number.POSITIVE_INFINITY) return isFit(path) ? pathHold.none : pathHold.loss;
    return nowUs < this.#restsUntilUs ? pathHold.unneeded : pathHold.far;
  }

  /**
   * Of the paths in use that have credit, the one where the train would arrive first; -1 = none has. Below the floor all delays
   * count as one, so that a slow start sees one delay from its first packet on, and the path it was begun for comes first.
   */
  #earliest(paths: readonly PathView[], count: number, demand: Demand): number {
    const { delaysUs, floorUs } = this.#survey;
    let best = -1;
    let bestUs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      const delayUs = delaysUs[index] as number;
      if (delayUs > this.#horizonUs || path.allowedBytes <= 0) continue;
      const sendUs = path.rateBytesPerUs > 0 ? demand.bytes / path.rateBytesPerUs : 0;
      const arrivalUs = path.readyInUs + sendUs + Math.max(delayUs, floorUs);
      if (best >= 0 && arrivalUs >= bestUs) continue;
      bestUs = arrivalUs;
      best = index;
    }
    return best;
  }

  /** The nearest path beyond the horizon that is worth its delay, if the backlog shows that it is now and it has credit; else -1. */
  #recruit(paths: readonly PathView[], count: number, demand: Demand, nowUs: number): number {
    const { delaysUs } = this.#survey;
    const presentUs = this.#slowestInUseUs(count, this.#horizonUs);
    const rate = this.#rateUpTo(paths, count, this.#horizonUs);
    if (nowUs - this.#recruitedUs > 2 * leastJudgeUs) this.#queueTargetUs = presentUs * 2 * queueShare;
    let next = -1;
    for (let index = 0; index < count; index += 1) {
      const delayUs = delaysUs[index] as number;
      if (delayUs === Number.POSITIVE_INFINITY || delayUs <= this.#horizonUs) continue;
      if (!isWorth(this.#survey.freshRate(paths[index] as PathView, index, nowUs), rate, delayUs - presentUs)) continue;
      if (next < 0 || delayUs < (delaysUs[next] as number)) next = index;
    }
    if (next < 0 || nowUs < this.#restsUntilUs) return -1;
    const delayUs = delaysUs[next] as number;
    const slowerUs = delayUs - presentUs;
    this.#queueTargetUs = Math.max(this.#queueTargetUs, Math.min(mostQueueTargetUs, slowerUs * 1.5 + marginUs));
    if (!this.#isEnough(rate, this.#isAnyStarting(paths, count, 0), demand, slowerUs, presentUs, nowUs)) return -1;
    if ((paths[next] as PathView).allowedBytes <= 0) return -1;
    this.#horizonUs = withMargin(delayUs);
    this.#recruitedUs = nowUs;
    this.#recruitRow = (paths[next] as PathView).row;
    this.#trialUs = Math.min(mostTrialUs, Math.max(leastTrialUs, 2 * delayUs * trialRoundTrips));
    this.#passes = 0;
    this.#fails = 0;
    this.#enoughUs = 0;
    this.#startJudging(paths, count, nowUs);
    return next;
  }

  #isTrial(nowUs: number): boolean {
    return nowUs - this.#recruitedUs < this.#trialUs;
  }

  /** The start of a path fills its queue and loses packets: what that adds to its delay is no reason to be rid of it at once. */
  #keepRecruit(paths: readonly PathView[], count: number, nowUs: number): void {
    if (!this.#isTrial(nowUs) || this.#horizonUs <= this.#survey.floorUs) return;
    for (let index = 0; index < count; index += 1) {
      if ((paths[index] as PathView).row !== this.#recruitRow) continue;
      const delayUs = this.#survey.delaysUs[index] as number;
      if (delayUs !== Number.POSITIVE_INFINITY) this.#horizonUs = Math.max(this.#horizonUs, delayUs);
    }
  }

  /** ECF's condition, and for long enough. Of paths whose rate is not known, the time for which something waited says as much. */
  #isEnough(
    rate: number,
    isStarting: boolean,
    demand: Demand,
    slowerUs: number,
    presentUs: number,
    nowUs: number,
  ): boolean {
    const standingUs = nowUs - this.#standingSinceUs;
    const queueUs = rate > 0 ? demand.backlogBytes / rate : standingUs;
    const isEnough = queueUs >= slowerUs && (!isStarting || standingUs >= mostStartUs);
    this.#noteEnough(isEnough ? Math.min(mostHaste, queueUs / Math.max(1, slowerUs)) : 0, nowUs);
    return isEnough && this.#enoughUs >= patientRoundTrips * 2 * presentUs;
  }

  #noteRest(paths: readonly PathView[], count: number, demand: Demand): void {
    if (this.#horizonUs <= this.#survey.floorUs) return;
    let bytes = demand.backlogBytes;
    for (let index = 0; index < count; index += 1) bytes += (paths[index] as PathView).inFlightBytes;
    if (bytes <= restBytes) this.#horizonUs = this.#survey.floorUs;
  }

  /**
   * Most of the time is enough: a flow that waits for repairs now and then comes in bursts, and so does its queue. `haste`: how many
   * times what is needed waits now; 0 = it is not enough.
   */
  #noteEnough(haste: number, nowUs: number): void {
    const elapsedUs = Math.min(nowUs - this.#notedUs, mostStepUs);
    this.#notedUs = nowUs;
    this.#enoughUs = Math.min(mostEnoughUs, Math.max(0, this.#enoughUs + (haste > 0 ? haste * elapsedUs : -elapsedUs)));
  }

  /** Keeps the horizon at the floor at least, and takes it back when the faster paths could have carried the load. */
  #judge(paths: readonly PathView[], count: number, nowUs: number): void {
    const { floorUs } = this.#survey;
    const slowestUs = this.#slowestInUseUs(count, this.#horizonUs);
    if (slowestUs <= floorUs || this.#judgedUs < 0) {
      this.#horizonUs = floorUs;
      this.#passes = 0;
      this.#startJudging(paths, count, nowUs);
      return;
    }
    const periodUs = Math.max(leastJudgeUs, Math.min(mostJudgeUs, 2 * slowestUs * judgeRoundTrips));
    const elapsedUs = nowUs - this.#judgedUs;
    if (elapsedUs < periodUs) return;
    const load = (sentOf(paths, count) - this.#judgedBytes) / elapsedUs;
    this.#startJudging(paths, count, nowUs);
    if (this.#isTrial(nowUs) && this.#isAnyStarting(paths, count, floorUs)) return;
    const belowUs = Math.max(floorUs, slowestUs - Math.max(marginUs, slowestUs * marginShare));
    const rate = this.#rateUpTo(paths, count, belowUs);
    const gained = this.#rateUpTo(paths, count, this.#horizonUs) - rate;
    const costUs = slowestUs - this.#slowestInUseUs(count, belowUs);
    // Half of what it takes to be recruited: it was a trial, or has become slow.
    const isGain = isWorth(2 * gained, rate, costUs) || this.#isAnyStarting(paths, count, belowUs);
    if (isGain && this.#isNeeded(load, rate)) return;
    this.#passes = 0;
    this.#recruitRow = -1;
    this.#horizonUs = Math.max(floorUs, withMargin(this.#slowestInUseUs(count, belowUs)));
    if (nowUs - this.#recruitedUs > 2 * periodUs) return;
    this.#restUs = Math.min(mostRestUs, Math.max(firstRestUs, this.#restUs * 2));
    this.#restsUntilUs = nowUs + this.#restUs;
  }

  /** Whether `load` did not fit the paths below, of rate `rate`; a long transfer is given a second chance. */
  #isNeeded(load: number, rate: number): boolean {
    if (load >= rate * enoughLoad) {
      this.#restUs = 0;
      this.#passes += 1;
      this.#fails = 0;
      return true;
    }
    this.#fails += 1;
    if (this.#passes >= settledPasses && this.#fails < settledFails) return true;
    this.#passes = 0;
    this.#fails = 0;
    return false;
  }

  #slowestInUseUs(count: number, limitUs: number): number {
    let slowestUs = 0;
    for (let index = 0; index < count; index += 1) {
      const delayUs = this.#survey.delaysUs[index] as number;
      if (delayUs <= limitUs && delayUs > slowestUs) slowestUs = delayUs;
    }
    return slowestUs;
  }

  #rateUpTo(paths: readonly PathView[], count: number, limitUs: number): number {
    let rate = 0;
    for (let index = 0; index < count; index += 1)
      if ((this.#survey.delaysUs[index] as number) <= limitUs) rate += (paths[index] as PathView).rateBytesPerUs;
    return rate;
  }

  /** Whether a path in use, of a longer delay than `beyondUs`, is still looking for its rate. */
  #isAnyStarting(paths: readonly PathView[], count: number, beyondUs: number): boolean {
    for (let index = 0; index < count; index += 1) {
      const delayUs = this.#survey.delaysUs[index] as number;
      if (delayUs > beyondUs && delayUs <= this.#horizonUs && (paths[index] as PathView).isStarting) return true;
    }
    return false;
  }

  #startJudging(paths: readonly PathView[], count: number, nowUs: number): void {
    this.#judgedUs = nowUs;
    this.#judgedBytes = sentOf(paths, count);
  }
}

function withMargin(delayUs: number): number {
  return delayUs + Math.max(marginUs, delayUs * marginShare);
}

/** One per cent of more rate is worth ten milliseconds of more delay; a rate that is not known yet is worth a try. */
function isWorth(rate: number, present: number, slowerUs: number): boolean {
  return rate === 0 || rate >= (present * slowerUs) / 1e6;
}

function sentOf(paths: readonly PathView[], count: number): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += (paths[index] as PathView).sentBytes;
  return sum;
}
