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
 * would have fitted the faster ones alone.
 */
import type { Demand, PathView, Scheduler } from '../scheduler.ts';
import { activeTier, isCandidate, isUrgent, rttOf } from './candidates.ts';
import { NearestPath } from './nearest-path.ts';

/** Delays this close are one delay: the receiver's shortest wait covers it, and samples vary by as much. */
const marginUs = 3_000;
const marginShare = 0.125;
/** A loss is repaired a round trip and a report later; only then does the flow go on. */
const reportUs = 10_000;
const packetBytes = 1_400;
/** The loss at which health calls a path bad (`path-quality.ts`): one that loses so much is used only when no better one is there. */
const mostLoss = 0.2;
/** The load must have fitted the faster paths for so many of the slowest round trips, within these bounds, before it is dropped. */
const judgeRoundTrips = 4;
const leastJudgeUs = 300_000;
const mostJudgeUs = 2_000_000;
/**
 * From here on it is a long transfer. It then sees the same delay whether it has much to send or little, because the slowest
 * path is filled first: BBR takes its minimum over a fifth of a second of near silence (PROBE_RTT) for the round trip to fill.
 */
const settledPasses = 2;
const settledFails = 2;
/** Rates are estimates. */
const enoughLoad = 0.97;
/**
 * The queue must show it for so many round trips: one that a slow start leaves at its end is gone in the next, and a longer delay in
 * the middle of a slow start would end it early (HyStart) with half the window that one path alone gives.
 */
const patientRoundTrips = 2;
/** A path that was dropped soon after it was recruited rests: this long, doubling up to the last. */
const firstRestUs = 500_000;
const mostRestUs = 30_000_000;
/** A window that is cut by 30 % (RFC 9438) goes on filling the paths if about this share of a round trip waits before the cut. */
const queueShare = 0.25;
/** CoDel must let the queue grow beyond what recruits a path, but no flow is worth a longer one than this. */
const mostQueueTargetUs = 250_000;

export class AdaptiveScheduler implements Scheduler {
  readonly #nearest = new NearestPath();
  /** Longest delay in use; paths up to it are all used. */
  #horizonUs = 0;
  #judgedUs = -1;
  #judgedBytes = 0;
  #recruitedUs = -1;
  #restUs = 0;
  #restsUntilUs = 0;
  /** Judgements in a row that found the slowest path in use needed. */
  #passes = 0;
  /** Judgements in a row that found it was not. */
  #fails = 0;
  /** Since when there was always something that no path in use had credit for; -1 = there is not. */
  #standingSinceUs = -1;
  /** Since when what waits was always enough to recruit the next path; -1 = it is not. */
  #enoughSinceUs = -1;
  #queueTargetUs = 0;

  get queueTargetUs(): number {
    return this.#queueTargetUs;
  }

  choose(paths: readonly PathView[], count: number, demand: Demand, nowUs: number): number {
    const tier = activeTier(paths, count);
    if (isUrgent(demand)) return this.#nearest.choose(paths, count, tier);
    this.#judge(paths, count, tier, nowUs);
    const isSettled = this.#passes >= settledPasses;
    const chosen = isSettled
      ? slowest(paths, count, tier, this.#horizonUs)
      : earliest(paths, count, tier, demand, this.#horizonUs);
    if (chosen >= 0) {
      if (demand.backlogBytes > demand.bytes) return chosen;
      this.#standingSinceUs = -1;
      this.#enoughSinceUs = -1;
      return chosen;
    }
    if (this.#standingSinceUs < 0) this.#standingSinceUs = nowUs;
    return this.#recruit(paths, count, tier, demand, nowUs);
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }

  /** The nearest path beyond the horizon that has credit, if the backlog shows that it is worth using now; else -1. */
  #recruit(paths: readonly PathView[], count: number, tier: number, demand: Demand, nowUs: number): number {
    let next = -1;
    let presentUs = 0;
    let knownDelayUs = 0;
    let rate = 0;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier)) continue;
      const delayUs = flowDelayUs(path);
      if (delayUs <= this.#horizonUs) {
        presentUs = Math.max(presentUs, delayUs);
        if (path.rttUs > 0) knownDelayUs = presentUs;
        rate += path.rateBytesPerUs;
      } else if (next < 0 || delayUs < flowDelayUs(paths[next] as PathView)) next = index;
    }
    if (nowUs - this.#recruitedUs > 2 * leastJudgeUs) this.#queueTargetUs = knownDelayUs * 2 * queueShare;
    if (next < 0 || nowUs < this.#restsUntilUs) return -1;
    const path = paths[next] as PathView;
    const delayUs = flowDelayUs(path);
    const slowerUs = delayUs - presentUs;
    if (path.loss >= mostLoss || !isWorth(path.rateBytesPerUs, rate, slowerUs)) return -1;
    this.#queueTargetUs = Math.max(this.#queueTargetUs, Math.min(mostQueueTargetUs, slowerUs * 1.5 + marginUs));
    if (path.allowedBytes <= 0) return -1;
    // Of paths whose rate is not known yet, the time for which something has waited says as much.
    const queueUs = rate > 0 ? demand.backlogBytes / rate : nowUs - this.#standingSinceUs;
    if (queueUs < slowerUs) this.#enoughSinceUs = -1;
    else if (this.#enoughSinceUs < 0) this.#enoughSinceUs = nowUs;
    if (queueUs < slowerUs || nowUs - this.#enoughSinceUs < patientRoundTrips * 2 * presentUs) return -1;
    this.#horizonUs = delayUs + Math.max(marginUs, delayUs * marginShare);
    this.#recruitedUs = nowUs;
    this.#passes = 0;
    this.#fails = 0;
    this.#startJudging(paths, count, nowUs);
    return next;
  }

  /** Keeps the horizon at the nearest path at least, and takes it back when the faster paths could have carried the load. */
  #judge(paths: readonly PathView[], count: number, tier: number, nowUs: number): void {
    let nearestUs = Number.POSITIVE_INFINITY;
    let slowestUs = 0;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier)) continue;
      const delayUs = flowDelayUs(path);
      nearestUs = Math.min(nearestUs, delayUs);
      if (delayUs <= this.#horizonUs) slowestUs = Math.max(slowestUs, delayUs);
    }
    const floorUs = nearestUs + Math.max(marginUs, nearestUs * marginShare);
    if (slowestUs <= floorUs || this.#judgedUs < 0) {
      this.#horizonUs = floorUs;
      this.#startJudging(paths, count, nowUs);
      return;
    }
    const periodUs = Math.max(leastJudgeUs, Math.min(mostJudgeUs, 2 * slowestUs * judgeRoundTrips));
    if (nowUs - this.#judgedUs < periodUs) return;
    const load = (sentOf(paths, count) - this.#judgedBytes) / (nowUs - this.#judgedUs);
    this.#startJudging(paths, count, nowUs);
    this.#shrink(paths, count, tier, slowestUs, floorUs, load, nowUs, periodUs);
  }

  /** Drops the slowest group of paths if `load` fits the others. */
  #shrink(
    paths: readonly PathView[],
    count: number,
    tier: number,
    slowestUs: number,
    floorUs: number,
    load: number,
    nowUs: number,
    periodUs: number,
  ): void {
    const belowUs = slowestUs - Math.max(marginUs, slowestUs * marginShare);
    let nextUs = 0;
    let rate = 0;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      const delayUs = flowDelayUs(path);
      if (!isCandidate(path, tier) || delayUs > belowUs) continue;
      nextUs = Math.max(nextUs, delayUs);
      rate += path.rateBytesPerUs;
    }
    if (load >= rate * enoughLoad) {
      this.#restUs = 0;
      this.#passes += 1;
      this.#fails = 0;
      return;
    }
    this.#fails += 1;
    if (this.#passes >= settledPasses && this.#fails < settledFails) return;
    this.#passes = 0;
    this.#fails = 0;
    this.#horizonUs = Math.max(floorUs, nextUs + Math.max(marginUs, nextUs * marginShare));
    if (nowUs - this.#recruitedUs > 2 * periodUs) return;
    this.#restUs = Math.min(mostRestUs, Math.max(firstRestUs, this.#restUs * 2));
    this.#restsUntilUs = nowUs + this.#restUs;
  }

  #startJudging(paths: readonly PathView[], count: number, nowUs: number): void {
    this.#judgedUs = nowUs;
    this.#judgedBytes = sentOf(paths, count);
  }
}

/** Of the paths up to the horizon that have credit, the one where the train would arrive first; -1 = none has. */
function earliest(paths: readonly PathView[], count: number, tier: number, demand: Demand, horizonUs: number): number {
  let best = -1;
  let bestUs = Number.POSITIVE_INFINITY;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (!isCandidate(path, tier) || path.allowedBytes <= 0) continue;
    const delayUs = flowDelayUs(path);
    if (delayUs > horizonUs) continue;
    const arrivalUs = path.readyInUs + (path.rateBytesPerUs > 0 ? demand.bytes / path.rateBytesPerUs : 0) + delayUs;
    if (best >= 0 && arrivalUs >= bestUs) continue;
    bestUs = arrivalUs;
    best = index;
  }
  return best;
}

/** Of the paths up to the horizon that have credit, the one of the longest delay; -1 = none has. */
function slowest(paths: readonly PathView[], count: number, tier: number, horizonUs: number): number {
  let best = -1;
  let bestUs = -1;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (!isCandidate(path, tier) || path.allowedBytes <= 0) continue;
    const delayUs = flowDelayUs(path);
    if (delayUs > horizonUs || delayUs <= bestUs) continue;
    bestUs = delayUs;
    best = index;
  }
  return best;
}

/**
 * The delay that a flow of bulk sees on this path: one way, variation, and the repair of losses, weighted by how likely one is
 * within a repair's time.
 */
function flowDelayUs(path: PathView): number {
  const rttUs = rttOf(path);
  const repairUs = rttUs + reportUs;
  const losses = (path.loss * path.rateBytesPerUs * repairUs) / packetBytes;
  return rttUs / 2 + path.jitterUs + repairUs * Math.min(1, losses);
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
