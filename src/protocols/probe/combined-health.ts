/** Several checks of one link as one: it works while enough of them pass. What is measured is that of the first check that passes. */
import { linkHealth, linkHealthReason } from '../../contract/link-tables.ts';
import type { KnownTimes, LinkHealth } from './link-health.ts';

/** What is written of a link's health; `LinkHealth` itself is one. */
export type HealthView = Pick<
  LinkHealth,
  | 'state'
  | 'reason'
  | 'inRow'
  | 'smoothedRttUs'
  | 'jitterUs'
  | 'changedUs'
  | 'probes'
  | 'answers'
  | 'loss'
  | 'minRttUs'
  | 'maxRttUs'
  | 'isFlapping'
  | 'times'
>;

export class CombinedHealth implements HealthView {
  state: number = linkHealth.unknown;
  reason: number = linkHealthReason.none;
  changedUs = 0;
  readonly #parts: readonly LinkHealth[];
  readonly #need: number;
  #knownUs: number;
  #upUs: number;
  #countedToUs = 0;

  /** `need`: so many of `parts` must pass. */
  constructor(parts: readonly LinkHealth[], need: number, before: KnownTimes = { knownUs: 0, upUs: 0 }) {
    this.#parts = parts;
    this.#need = need;
    this.#knownUs = before.knownUs;
    this.#upUs = before.upUs;
  }

  /** After an outcome of any part; true when the state changed. */
  update(nowUs: number): boolean {
    this.times(nowUs);
    const count = (isSo: (part: LinkHealth) => boolean): number => this.#parts.filter(isSo).length;
    const up = count((part) => part.state === linkHealth.up);
    const passing = up + count((part) => part.state === linkHealth.degraded);
    const mayPass = this.#parts.length - count((part) => part.state === linkHealth.down);
    let state: number = linkHealth.unknown;
    if (up >= this.#need) state = linkHealth.up;
    else if (passing >= this.#need) state = linkHealth.degraded;
    else if (mayPass < this.#need) state = linkHealth.down;
    // While one that had passed is asked again, the others decide nothing new.
    else if (this.state !== linkHealth.unknown) state = this.state;
    this.reason = this.#reasonOf(state);
    if (state === this.state) return false;
    this.state = state;
    this.changedUs = nowUs;
    return true;
  }

  get inRow(): number {
    return this.#leading.inRow;
  }

  get smoothedRttUs(): number {
    return this.#leading.smoothedRttUs;
  }

  get jitterUs(): number {
    return this.#leading.jitterUs;
  }

  get loss(): number {
    return this.#leading.loss;
  }

  get minRttUs(): number {
    return this.#leading.minRttUs;
  }

  get maxRttUs(): number {
    return this.#leading.maxRttUs;
  }

  get probes(): number {
    return this.#parts.reduce((sum, part) => sum + part.probes, 0);
  }

  get answers(): number {
    return this.#parts.reduce((sum, part) => sum + part.answers, 0);
  }

  get isFlapping(): boolean {
    return this.#parts.some((part) => part.isFlapping);
  }

  times(nowUs: number): KnownTimes {
    if (this.state !== linkHealth.unknown) {
      const passedUs = Math.max(0, nowUs - this.#countedToUs);
      this.#knownUs += passedUs;
      if (this.state !== linkHealth.down) this.#upUs += passedUs;
    }
    this.#countedToUs = nowUs;
    return { knownUs: this.#knownUs, upUs: this.#upUs };
  }

  #reasonOf(state: number): number {
    if (state === linkHealth.unknown) return linkHealthReason.none;
    if (state === linkHealth.up) return linkHealthReason.answers;
    return state === linkHealth.down ? linkHealthReason.checks : this.#leading.reason;
  }

  /** Of those that pass the first, else the first. */
  get #leading(): LinkHealth {
    const passes = (part: LinkHealth): boolean => part.state === linkHealth.up || part.state === linkHealth.degraded;
    return (this.#parts.find(passes) ?? this.#parts[0]) as LinkHealth;
  }
}
