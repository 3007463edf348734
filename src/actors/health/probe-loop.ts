/** Asks for ever, one candidate or several in turn, and judges by the outcomes. The next probe does not wait for the last answer. */

import { linkHealth } from '../../contract/link-tables.ts';
import { LinkProbe, type ProbeOutcome, type ProbeSockets, type ProbeWay } from '../../io/link-probe.ts';
import { type HealthLimits, type KnownTimes, LinkHealth } from '../../protocols/probe/link-health.ts';
import { type Choice, MethodChoice } from '../../protocols/probe/method-choice.ts';
import { isWeb, type PluginCandidate, type ProbeCandidate } from './candidates.ts';
import type { LastAddresses } from './last-addresses.ts';

export interface ProbeLoopParts {
  readonly addon: ProbeSockets;
  readonly way: ProbeWay;
  readonly names: LastAddresses;
  /** Not empty. */
  readonly candidates: readonly (ProbeCandidate | PluginCandidate)[];
  readonly askPlugin: (candidate: PluginCandidate, timeoutMs: number) => Promise<ProbeOutcome>;
  readonly limits: HealthLimits;
  /** Of one question; undefined = as the limits have it. */
  readonly timeoutMs?: number;
  readonly before?: KnownTimes;
  readonly random: () => number;
  /** After each outcome; `hasChanged`: the state is another. */
  readonly onOutcome: (outcome: ProbeOutcome, before: number, hasChanged: boolean, nowUs: number) => void;
}

/** An exchange of HTTP or HTTPS costs both ends a connection (and TLS its signatures): once a second is often enough. */
const webIntervalUs = 1_000_000;
/** TCP and TLS handshakes and the answer: four round trips for one. */
const webPatience = 4;
/** A link that answers nothing for seconds must not pile up sockets. */
const mostUnderWay = 16;

export class ProbeLoop {
  readonly health: LinkHealth;
  readonly choice: MethodChoice;
  readonly #parts: ProbeLoopParts;
  readonly #probe: LinkProbe;
  #underWay = 0;
  #lastWebUs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: ProbeLoopParts) {
    this.#parts = parts;
    this.choice = new MethodChoice(parts.candidates.map((one) => one.method));
    this.health = new LinkHealth(parts.limits, parts.before);
    this.#probe = new LinkProbe(parts.addon, parts.way, (host, timeoutMs) => parts.names.find(host, timeoutMs));
  }

  start(): void {
    if (this.#timer === undefined && !this.#isClosed) this.#turn();
  }

  /** Asks nobody until `start`; what is under way is heard still. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The kernel told of a change outside: what is dead, and asked seldom, may be back. */
  hurry(): void {
    if (this.#timer === undefined || this.health.state !== linkHealth.down) return;
    this.pause();
    this.#turn();
  }

  close(): void {
    this.#isClosed = true;
    this.pause();
    this.#probe.close();
  }

  #turn(): void {
    const nowUs = this.#parts.addon.nowUs();
    const choice = this.choice.next(this.#parts.random(), this.health.state === linkHealth.down);
    const candidate = this.#parts.candidates[choice.candidate];
    if (candidate !== undefined && this.#underWay < mostUnderWay && this.#mayAsk(candidate, nowUs)) {
      if (isWeb(candidate)) this.#lastWebUs = nowUs;
      void this.#ask(candidate, choice);
    }
    this.#timer = setTimeout(() => this.#turn(), this.health.nextIntervalUs(nowUs) / 1000);
  }

  #mayAsk(candidate: ProbeCandidate | PluginCandidate, nowUs: number): boolean {
    return !isWeb(candidate) || nowUs - this.#lastWebUs >= webIntervalUs;
  }

  async #ask(candidate: ProbeCandidate | PluginCandidate, choice: Choice): Promise<void> {
    const { addon, limits } = this.#parts;
    const patience = isWeb(candidate) ? webPatience : 1;
    const timeoutMs = this.#parts.timeoutMs ?? limits.down.latencyMs * patience;
    // How long a plugin takes says nothing of the link.
    const isOurs = candidate.method !== 'plugin';
    const patienceMs = isOurs ? Math.min(timeoutMs, (this.health.patienceUs() * patience) / 1000) : timeoutMs;
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      this.#take(choice, { answered: false, rttUs: 0, detail: 'no answer yet' }, false);
    }, patienceMs);
    this.#underWay += 1;
    const outcome =
      candidate.method === 'plugin'
        ? await this.#parts.askPlugin(candidate, timeoutMs)
        : await this.#askHost(candidate, timeoutMs);
    clearTimeout(late);
    this.#underWay -= 1;
    if (outcome.answered || !isLate) this.#take(choice, outcome, isLate, addon.nowUs());
  }

  async #askHost({ host, port, question }: ProbeCandidate, timeoutMs: number): Promise<ProbeOutcome> {
    const address = await this.#parts.names.find(host, timeoutMs);
    if (address === undefined) return { answered: false, rttUs: 0, detail: `the name ${host} is not resolved` };
    return await this.#probe.ask({ address, port, question, timeoutMs });
  }

  #take(choice: Choice, outcome: ProbeOutcome, wasCounted: boolean, nowUs = this.#parts.addon.nowUs()): void {
    if (this.#isClosed) return;
    this.choice.handleOutcome(choice.candidate, outcome.answered, nowUs);
    const before = this.health.state;
    let hasChanged = false;
    if (outcome.answered) hasChanged = this.health.handleAnswer(nowUs, outcome.rttUs, wasCounted && choice.counts);
    else if (choice.counts) hasChanged = this.health.handleFailure(nowUs);
    this.#parts.onOutcome(outcome, before, hasChanged, nowUs);
  }
}
