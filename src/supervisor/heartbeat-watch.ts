/**
 * Tells a hung actor from a parked one and from a paused machine: it reads the counters blocks that the runners write. When
 * the supervisor's own tick is late (VM pause, SIGSTOP, suspend) everybody was paused, and all baselines start anew.
 */
import { counters, runState } from '../rings/layout.ts';

interface Watched {
  readonly words: Int32Array;
  readonly times: Float64Array;
  readonly limitUs: number;
  baselineUs: number;
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

  /** From now on the actor must beat at least every `limitMs`. */
  watch(id: string, memory: SharedArrayBuffer, limitMs: number, nowUs: number): void {
    this.#watched.set(id, {
      words: new Int32Array(memory),
      times: new Float64Array(memory),
      limitUs: limitMs * 1000,
      baselineUs: nowUs,
    });
  }

  unwatch(id: string): void {
    this.#watched.delete(id);
  }

  /** Ids that have been silent for longer than their limit. */
  tick(nowUs: number): string[] {
    const late = nowUs - this.#lastTickUs > this.#lateUs;
    this.#lastTickUs = nowUs;
    if (late) for (const one of this.#watched.values()) one.baselineUs = nowUs;
    const hung: string[] = [];
    for (const [id, one] of this.#watched) if (silentUs(one, nowUs) > one.limitUs) hung.push(id);
    return hung;
  }

  /** How long the actor has given no sign of life; 0 while it is parked as announced, or not watched. */
  silentMs(id: string, nowUs: number): number {
    const one = this.#watched.get(id);
    return one === undefined ? 0 : Math.max(0, Math.round(silentUs(one, nowUs) / 1000));
  }
}

function silentUs(one: Watched, nowUs: number): number {
  const parked = one.words[counters.stateAt >> 2] === runState.parked;
  const beatUs = one.times[(parked ? counters.parkedUntilAt : counters.beatAt) >> 3] ?? 0;
  return nowUs - Math.max(beatUs, one.baselineUs);
}
