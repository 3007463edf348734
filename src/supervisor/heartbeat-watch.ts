/**
 * Tells a hung actor from a parked one, from a starved one and from a paused machine: it reads the counters blocks that the
 * runners write, and asks the scheduler about threads that fall silent. When the supervisor's own tick is late (VM pause,
 * SIGSTOP, suspend) everybody was paused, and all baselines start anew.
 */

import { counters, runState } from '../contract/rings.ts';
import type { ThreadTimes } from '../io/thread-times.ts';
import { describeRun, isStarved, type Look } from './starvation.ts';

/** What a watch is told of an actor. */
export interface WatchedActor {
  readonly memory: SharedArrayBuffer;
  /** The actor must beat at least this often, while its thread is given a processor. */
  readonly limitMs: number;
  /** Of the actor's thread. */
  readonly readTimes: () => ThreadTimes | undefined;
}

export interface Silence {
  readonly id: string;
  /** `starved` is said once for each silence. */
  readonly verdict: 'hung' | 'starved';
  readonly detail: string;
}

/** Silence from which on the scheduler's account is kept, as a part of the limit: no file is read for an actor that is well. */
const suspiciousPart = 1 / 10;
/**
 * Silence at which somebody looks, as a part of the limit. Late, so that one look serves all whose parks end about then; early enough that
 * what a loop burns until the limit is seen (`allowedPart`).
 */
const lookPart = 4 / 10;
/**
 * CPU time within a silence that makes it a hang, as a part of the limit: 25 ms for the duty cycles, whose turns take a few
 * milliseconds at most. Small, so that a loop is found on time where it gets a tenth of a processor: at a load of 20 on two
 * cores a hang was found after 0.5 to 0.8 s, with twice the time after up to 1.7 s.
 */
const allowedPart = 1 / 20;

interface Watched {
  readonly words: Int32Array;
  readonly times: Float64Array;
  readonly limitUs: number;
  readonly readTimes: () => ThreadTimes | undefined;
  baselineUs: number;
  /** Taken early in the present silence. */
  firstLook: Look | undefined;
  isCalledStarved: boolean;
}

export class HeartbeatWatch {
  readonly #watched = new Map<string, Watched>();
  readonly #lateUs: number;
  #lastTickUs: number;

  /** A tick that comes `lateMs` after the one before says that this process was not running. */
  constructor(lateMs: number, nowUs: number) {
    this.#lateUs = lateMs * 1000;
    this.#lastTickUs = nowUs;
  }

  watch(id: string, { memory, limitMs, readTimes }: WatchedActor, nowUs: number): void {
    this.#watched.set(id, {
      words: new Int32Array(memory),
      times: new Float64Array(memory),
      limitUs: limitMs * 1000,
      readTimes,
      baselineUs: nowUs,
      firstLook: undefined,
      isCalledStarved: false,
    });
  }

  unwatch(id: string): void {
    this.#watched.delete(id);
  }

  /**
   * When the next look is worth its wake-up, between `leastUs` and `mostUs` from now: an actor that runs is looked at again soon, one
   * that is parked when it would be late.
   */
  nextLookUs(nowUs: number, leastUs: number, mostUs: number): number {
    let lookUs = nowUs + mostUs;
    for (const { words, times, limitUs } of this.#watched.values()) {
      if (words[counters.stateAt >> 2] !== runState.parked) return nowUs + leastUs;
      const lateUs = (times[counters.parkedUntilAt >> 3] ?? 0) + limitUs * lookPart;
      if (lateUs < lookUs) lookUs = lateUs;
    }
    return Math.max(lookUs, nowUs + leastUs);
  }

  /** Those that have been silent for longer than their limit; `spacingUs`: this tick was wanted so long after the one before. */
  tick(nowUs: number, spacingUs = 0): Silence[] {
    const late = nowUs - this.#lastTickUs > this.#lateUs + spacingUs;
    this.#lastTickUs = nowUs;
    if (late) for (const one of this.#watched.values()) one.baselineUs = nowUs;
    const silences: Silence[] = [];
    for (const [id, one] of this.#watched) {
      const silence = judge(id, one, nowUs);
      if (silence !== undefined) silences.push(silence);
    }
    return silences;
  }
}

function judge(id: string, one: Watched, nowUs: number): Silence | undefined {
  const silentUs = silenceOf(one, nowUs);
  if (silentUs <= one.limitUs * suspiciousPart) {
    one.firstLook = undefined;
    one.isCalledStarved = false;
    return undefined;
  }
  one.firstLook ??= { atUs: nowUs, times: one.readTimes() };
  if (silentUs <= one.limitUs) return undefined;
  const look = { atUs: nowUs, times: one.readTimes() };
  const silentFor = `no heartbeat for ${Math.round(silentUs / 1000)} ms`;
  if (!isStarved(one.firstLook, look, one.limitUs * allowedPart)) {
    return { id, verdict: 'hung', detail: silentFor + describeRun(one.firstLook, look) };
  }
  if (one.isCalledStarved) return undefined;
  one.isCalledStarved = true;
  return { id, verdict: 'starved', detail: `${silentFor}: its thread waits for a processor` };
}

function silenceOf(one: Watched, nowUs: number): number {
  const parked = one.words[counters.stateAt >> 2] === runState.parked;
  const beatUs = one.times[(parked ? counters.parkedUntilAt : counters.beatAt) >> 3] ?? 0;
  return nowUs - Math.max(beatUs, one.baselineUs);
}
