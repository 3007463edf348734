/**
 * A transport that is slowed down and not blocked (UDP that somebody polices) shows by nothing but how little arrives by it. So where a way
 * has a spare, and the path that carries is full though much less arrives than the way has carried, or much of it is lost, the spare
 * carries alone for about a second. It keeps the place if more arrives by it, and the other is tried again ever more rarely.
 */
import type { SendingPath } from '../sending-path.ts';
import { lifeState } from './path-life-states.ts';

/** Bytes that arrive are counted over so long. */
const windowUs = 500_000;
/** Full for so long before a trial; a path was full if its rate could be measured this lately. */
const fullUs = 500_000;
const fullWithinUs = 150_000;
/** Of what the way has carried in the last minutes, or of what is sent: enough to be suspicious. */
const collapsedShare = 0.5;
const bestLastsUs = 600_000_000;
const suspiciousLoss = 0.02;
/** A spare takes so long to find its rate: at least, and in round trips. */
const leastWarmUs = 400_000;
const warmRounds = 8;
/** It keeps the place if it carries so many times as much. */
const keepFrom = 1.3;
/** Between two trials of a spare that did not carry more, and until one that was found slow is used again: doubled each time. */
const leastPauseUs = 10_000_000;
const leastHoldUs = 30_000_000;
const mostPauseUs = 3_600_000_000;

interface Trial {
  readonly slow: SendingPath;
  readonly spare: SendingPath;
  /** What arrived before, bytes a microsecond. */
  readonly before: number;
  readonly beganUs: number;
  /** When the spare took over, and what had been acknowledged when it was warm; -1 = not yet. */
  tookOverUs: number;
  warmUs: number;
  warmBytes: number;
}

interface Way {
  present: SendingPath | undefined;
  /** Since when the present one is full; -1 = it is not. */
  fullSinceUs: number;
  countedUs: number;
  countedBytes: number;
  countedPackets: number;
  countedLost: number;
  /** Of the last window and the one before it, bytes a microsecond; -1 = not counted yet. */
  rate: number;
  rateBefore: number;
  /** Share of packets that were lost, in both. */
  loss: number;
  lossBefore: number;
  /** Most that arrived by any of the way, and when. */
  best: number;
  bestUs: number;
  trial: Trial | undefined;
  nextTrialUs: number;
  pauseUs: number;
  /** Found to be slow, and until when it does without the place. */
  slow: SendingPath | undefined;
  slowUntilUs: number;
  holdUs: number;
}

export class TransportTrials {
  readonly #ways = new Map<number, Way>();

  /** Puts paths before or behind the others of their way (`SendingPath.handicap`); an election follows. */
  run(all: readonly SendingPath[], nowUs: number): void {
    for (const path of all) if (path.carries && hasSpare(all, path)) this.#look(all, path, nowUs);
  }

  #look(all: readonly SendingPath[], path: SendingPath, nowUs: number): void {
    let way = this.#ways.get(path.way);
    if (way === undefined) {
      way = newWay();
      this.#ways.set(path.way, way);
    }
    if (way.slow !== undefined && nowUs >= way.slowUntilUs) {
      way.slow.handicap = 0;
      way.slow = undefined;
    }
    measure(way, path, nowUs);
    if (way.trial !== undefined) this.#judge(way, way.trial, path, nowUs);
    else if (isSuspicious(way, path, nowUs)) begin(way, all, path, nowUs);
  }

  #judge(way: Way, trial: Trial, path: SendingPath, nowUs: number): void {
    const { spare } = trial;
    if (path !== spare) {
      // It does not answer, or it has carried and went silent.
      if (trial.tookOverUs >= 0 || nowUs - trial.beganUs > windowUs) giveUp(way, trial, nowUs);
      return;
    }
    if (trial.tookOverUs < 0) trial.tookOverUs = nowUs;
    if (trial.warmUs < 0) {
      if (nowUs - trial.tookOverUs < Math.max(leastWarmUs, warmRounds * spare.rttUs)) return;
      trial.warmUs = nowUs;
      trial.warmBytes = spare.ackedBytes;
    }
    const spentUs = nowUs - trial.warmUs;
    if (spentUs < windowUs) return;
    const rate = (spare.ackedBytes - trial.warmBytes) / spentUs;
    const wants = rate >= trial.before && !isFull(spare, nowUs);
    if (rate < keepFrom * trial.before && !wants) giveUp(way, trial, nowUs);
    else keep(way, trial, nowUs);
  }
}

function newWay(): Way {
  return {
    present: undefined,
    fullSinceUs: -1,
    countedUs: 0,
    countedBytes: 0,
    countedPackets: 0,
    countedLost: 0,
    rate: -1,
    rateBefore: -1,
    loss: 0,
    lossBefore: 0,
    best: 0,
    bestUs: 0,
    trial: undefined,
    nextTrialUs: 0,
    pauseUs: leastPauseUs,
    slow: undefined,
    slowUntilUs: 0,
    holdUs: leastHoldUs,
  };
}

function hasSpare(all: readonly SendingPath[], path: SendingPath): boolean {
  if (path.way < 0) return false;
  for (const other of all)
    if (other !== path && other.way === path.way && other.port !== path.port && !other.carries) return true;
  return false;
}

/** Nothing but the path itself keeps it from taking more. */
function isFull(path: SendingPath, nowUs: number): boolean {
  return nowUs - path.controller.rateUs < fullWithinUs;
}

/** Counts what arrives while the path works: what was lost as it died says nothing about how fast it is. */
function measure(way: Way, path: SendingPath, nowUs: number): void {
  if (way.present !== path || path.life.state !== lifeState.live || path.life.isQuestioned) {
    way.present = path;
    way.fullSinceUs = -1;
    way.rate = -1;
    way.rateBefore = -1;
    beginWindow(way, path, nowUs);
  }
  if (!isFull(path, nowUs)) way.fullSinceUs = -1;
  else if (way.fullSinceUs < 0) way.fullSinceUs = nowUs;
  const spentUs = nowUs - way.countedUs;
  if (spentUs < windowUs) return;
  way.rateBefore = way.rate;
  way.rate = (path.ackedBytes - way.countedBytes) / spentUs;
  const lost = path.samples.lostPackets - way.countedLost;
  way.lossBefore = way.loss;
  way.loss = lost / Math.max(1, lost + path.ackedPackets - way.countedPackets);
  beginWindow(way, path, nowUs);
  if (way.rate < way.best && nowUs - way.bestUs < bestLastsUs) return;
  way.best = way.rate;
  way.bestUs = nowUs;
}

function beginWindow(way: Way, path: SendingPath, nowUs: number): void {
  way.countedUs = nowUs;
  way.countedBytes = path.ackedBytes;
  way.countedPackets = path.ackedPackets;
  way.countedLost = path.samples.lostPackets;
}

function isSuspicious(way: Way, path: SendingPath, nowUs: number): boolean {
  if (nowUs < way.nextTrialUs || way.fullSinceUs < 0 || nowUs - way.fullSinceUs < fullUs) return false;
  if (way.rateBefore < 0 || path.controller.isStarting) return false;
  const isCollapsed = Math.max(way.rate, way.rateBefore) < collapsedShare * way.best;
  return isCollapsed || Math.min(way.loss, way.lossBefore) >= suspiciousLoss;
}

function begin(way: Way, all: readonly SendingPath[], path: SendingPath, nowUs: number): void {
  for (const spare of all) {
    const isOther = spare.way === path.way && spare.port !== path.port && spare !== way.slow;
    if (!isOther || !spare.isProbed || spare.life.state !== lifeState.live) continue;
    const before = Math.min(way.rate, way.rateBefore);
    way.trial = { slow: path, spare, before, beganUs: nowUs, tookOverUs: -1, warmUs: -1, warmBytes: 0 };
    spare.handicap = -1;
    return;
  }
}

function giveUp(way: Way, trial: Trial, nowUs: number): void {
  trial.spare.handicap = 0;
  way.trial = undefined;
  way.nextTrialUs = nowUs + way.pauseUs;
  way.pauseUs = Math.min(mostPauseUs, 2 * way.pauseUs);
}

function keep(way: Way, { slow, spare }: Trial, nowUs: number): void {
  // It has served well since it was last found slow.
  if (nowUs - way.slowUntilUs > 2 * way.holdUs) way.holdUs = leastHoldUs;
  spare.handicap = 0;
  slow.handicap = 1;
  way.trial = undefined;
  way.slow = slow;
  way.slowUntilUs = nowUs + way.holdUs;
  way.holdUs = Math.min(mostPauseUs, 2 * way.holdUs);
  way.pauseUs = leastPauseUs;
}
