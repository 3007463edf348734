/** Probes one link for ever: asks, judges, writes the row, tells of changes. The next probe does not wait for the last answer. */
import type { LinkHealthConfig } from '../../config/config.ts';
import { LinkProbe, type ProbeOutcome, type ProbeSockets } from '../../io/link-probe.ts';
import type { Resolver } from '../../io/resolver.ts';
import { LinkHealth } from '../../protocols/probe/link-health.ts';
import { type Choice, MethodChoice } from '../../protocols/probe/method-choice.ts';
import { linkHealth, linkHealthReason } from '../../rings/layout.ts';
import type { ActorEvent } from '../kit/contract.ts';
import { candidatesOf, type ProbeCandidate } from './candidates.ts';
import { LastAddresses } from './last-addresses.ts';
import type { LinkRowWriter } from './link-row.ts';

export interface LinkWatchParts {
  readonly addon: ProbeSockets;
  readonly name: string;
  readonly interfaceName: string;
  readonly fwmark: number;
  readonly health: LinkHealthConfig;
  readonly row: LinkRowWriter;
  /** Outside the tunnel, by this link. */
  readonly resolver: Resolver;
  readonly emit: (event: ActorEvent) => void;
  readonly random: () => number;
}

/** An exchange of HTTP or HTTPS costs both ends a connection (and TLS its signatures): once a second is often enough. */
const webIntervalUs = 1_000_000;
/** TCP and TLS handshakes and the answer: four round trips for one. */
const webPatience = 4;
/** A link that answers nothing for seconds must not pile up sockets. */
const mostUnderWay = 16;
/** A disabled link is looked at again after this. */
const disabledPollMs = 500;

export class LinkWatch {
  readonly #parts: LinkWatchParts;
  readonly #probe: LinkProbe;
  readonly #candidates: readonly ProbeCandidate[];
  readonly #choice: MethodChoice;
  readonly #health: LinkHealth;
  readonly #names: LastAddresses;
  #underWay = 0;
  #lastWebUs = Number.NEGATIVE_INFINITY;
  #wasFlapping = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: LinkWatchParts) {
    this.#parts = parts;
    this.#candidates = candidatesOf(parts.health);
    this.#choice = new MethodChoice(this.#candidates.map((one) => one.method));
    this.#health = new LinkHealth(parts.health, parts.row.knownTimes());
    this.#probe = new LinkProbe(parts.addon, { fwmark: parts.fwmark, interfaceName: parts.interfaceName });
    this.#names = new LastAddresses(parts.resolver);
    parts.row.writeScores((method) => this.#choice.scoreOf(method));
  }

  start(): void {
    if (this.#candidates.length > 0) this.#turn();
  }

  /** The kernel told of a change outside: a dead link, which is asked seldom, may be back. */
  hurry(): void {
    if (this.#isClosed || this.#timer === undefined || this.#health.state !== linkHealth.down) return;
    clearTimeout(this.#timer);
    this.#turn();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#probe.close();
  }

  #turn(): void {
    if (this.#parts.row.isDisabled) {
      this.#parts.row.forget();
      this.#schedule(disabledPollMs * 1000);
      return;
    }
    const nowUs = this.#parts.addon.nowUs();
    const choice = this.#choice.next(this.#parts.random(), this.#health.state === linkHealth.down);
    const candidate = this.#candidates[choice.candidate];
    const isWeb = candidate?.web !== undefined;
    const mayAsk = this.#underWay < mostUnderWay && (!isWeb || nowUs - this.#lastWebUs >= webIntervalUs);
    if (candidate !== undefined && mayAsk) {
      if (isWeb) this.#lastWebUs = nowUs;
      void this.#ask(candidate, choice);
    }
    this.#schedule(this.#health.nextIntervalUs(nowUs));
  }

  #schedule(delayUs: number): void {
    this.#timer = setTimeout(() => this.#turn(), delayUs / 1000);
  }

  async #ask(candidate: ProbeCandidate, choice: Choice): Promise<void> {
    const { addon, health } = this.#parts;
    const patienceUs = this.#health.patienceUs() * (candidate.web === undefined ? 1 : webPatience);
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      this.#take(choice, { answered: false, rttUs: 0, detail: 'no answer yet' }, false);
    }, patienceUs / 1000);
    this.#underWay += 1;
    const timeoutMs = health.down.latencyMs * (candidate.web === undefined ? 1 : webPatience);
    const address = await this.#names.find(candidate.host, timeoutMs);
    const outcome: ProbeOutcome =
      address === undefined
        ? { answered: false, rttUs: 0, detail: `the name ${candidate.host} is not resolved` }
        : await this.#probe.ask({ ...candidate, address, timeoutMs }, candidate.web);
    clearTimeout(late);
    this.#underWay -= 1;
    if (!this.#isClosed && (outcome.answered || !isLate)) this.#take(choice, outcome, isLate, addon.nowUs());
  }

  #take(choice: Choice, outcome: ProbeOutcome, wasCounted: boolean, nowUs = this.#parts.addon.nowUs()): void {
    if (this.#isClosed) return;
    this.#choice.handleOutcome(choice.candidate, outcome.answered, nowUs);
    const before = this.#health.state;
    let hasChanged = false;
    if (outcome.answered) hasChanged = this.#health.handleAnswer(nowUs, outcome.rttUs, wasCounted && choice.counts);
    else if (choice.counts) hasChanged = this.#health.handleFailure(nowUs);
    const method = this.#candidates[this.#choice.current]?.method;
    this.#parts.row.write(this.#health, method, nowUs, hasChanged);
    this.#parts.row.writeScores((name) => this.#choice.scoreOf(name));
    if (hasChanged) this.#tell(before, outcome);
  }

  #tell(before: number, outcome: ProbeOutcome): void {
    const health = this.#health;
    const { name: link, emit } = this.#parts;
    const numbers = {
      rttMs: Math.round(health.smoothedRttUs / 100) / 10,
      jitterMs: Math.round(health.jitterUs / 100) / 10,
      lossPercent: Math.round(health.loss * 1000) / 10,
    };
    const reason = nameOf(linkHealthReason, health.reason);
    const from = nameOf(linkHealth, before);
    emit({ kind: kindOf(health.state), link, from, reason, last: outcome.detail, ...numbers });
    if (health.isFlapping && !this.#wasFlapping) emit({ kind: 'health-flapping', link });
    this.#wasFlapping = health.isFlapping;
  }
}

function kindOf(state: number): string {
  if (state === linkHealth.down) return 'health-down';
  return state === linkHealth.degraded ? 'health-degraded' : 'health-up';
}

function nameOf(group: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(group).find((key) => group[key] === value) ?? String(value);
}
