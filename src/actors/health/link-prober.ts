/** Probes one link for ever: by the methods that its targets allow, or by its checks; writes the rows, tells of changes. */
import type { HealthCheck, LinkHealthConfig } from '../../config/config.ts';
import { linkHealth, linkHealthReason } from '../../contract/link-tables.ts';
import type { ProbeOutcome, ProbeSockets } from '../../io/link-probe.ts';
import type { Resolver } from '../../io/resolver.ts';
import { CombinedHealth, type HealthView } from '../../protocols/probe/combined-health.ts';
import type { ActorEvent } from '../kit/contract.ts';
import { candidateOf, candidatesOf, type PluginCandidate, type ProbeCandidate } from './candidates.ts';
import type { CheckRowWriter } from './check-row.ts';
import { LastAddresses } from './last-addresses.ts';
import type { LinkRowWriter } from './link-row.ts';
import { ProbeLoop } from './probe-loop.ts';

export interface LinkProberParts {
  readonly addon: ProbeSockets;
  readonly name: string;
  readonly interfaceName: string;
  readonly fwmark: number;
  readonly health: LinkHealthConfig;
  readonly row: LinkRowWriter;
  readonly checkRow: (index: number) => CheckRowWriter;
  /** Outside the tunnel, by this link. */
  readonly resolver: Resolver;
  readonly emit: (event: ActorEvent) => void;
  readonly askPlugin: (candidate: PluginCandidate, timeoutMs: number) => Promise<ProbeOutcome>;
  readonly random: () => number;
}

/** A disabled link is looked at again after this; and a judgement that stands is said again, lest it look old. */
const lookEveryMs = 500;
const sayAgainUs = 2_000_000;

export class LinkProber {
  readonly #parts: LinkProberParts;
  readonly #loops: readonly ProbeLoop[];
  readonly #view: HealthView;
  readonly #combined: CombinedHealth | undefined;
  /** In place of checks: what the targets may be asked. */
  readonly #candidates: readonly ProbeCandidate[];
  #writtenUs = 0;
  #wasFlapping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: LinkProberParts) {
    const { health, row } = parts;
    this.#parts = parts;
    const names = new LastAddresses(parts.resolver);
    this.#candidates = candidatesOf(health);
    const lists =
      health.method === 'checks'
        ? health.checks.map((check) => ({ candidates: [askedBy(check)], check }))
        : [{ candidates: this.#candidates, check: undefined }];
    this.#loops = lists
      .filter(({ candidates }) => candidates.length > 0)
      .map(({ candidates, check }, index) => this.#loop(index, candidates, check, names));
    const judged = this.#loops.map((loop) => loop.health);
    const isCombined = health.method === 'checks';
    this.#combined = isCombined ? new CombinedHealth(judged, health.need, row.knownTimes()) : undefined;
    this.#view = this.#combined ?? (judged[0] as HealthView);
    this.#writeScores();
  }

  start(): void {
    if (this.#loops.length === 0) return;
    this.#look();
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  /** The kernel told of a change outside: a dead link, which is asked seldom, may be back. */
  hurry(): void {
    for (const loop of this.#loops) loop.hurry();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const loop of this.#loops) loop.close();
  }

  #loop(
    index: number,
    candidates: readonly (ProbeCandidate | PluginCandidate)[],
    check: HealthCheck | undefined,
    names: LastAddresses,
  ): ProbeLoop {
    const { addon, health, random, fwmark, interfaceName, askPlugin } = this.#parts;
    const { name: _name, timeoutMs, ...own } = check ?? { name: '', timeoutMs: undefined };
    const row = this.#parts.checkRow(index);
    const loop = new ProbeLoop({
      addon,
      way: { fwmark, interfaceName },
      names,
      candidates,
      askPlugin,
      limits: { ...health, ...own },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(check === undefined ? { before: this.#parts.row.knownTimes() } : {}),
      random,
      onOutcome: (outcome, before, hasChanged, nowUs) => {
        row.write(loop.health, outcome.detail, nowUs);
        if (check !== undefined && hasChanged) this.#tellCheck(check, loop, outcome);
        this.#take(outcome, before, hasChanged, nowUs);
      },
    });
    return loop;
  }

  /** Rests while an operator has taken the link out. */
  #look(): void {
    const { row, addon } = this.#parts;
    if (row.isDisabled) {
      for (const loop of this.#loops) loop.pause();
      row.forget();
      return;
    }
    for (const loop of this.#loops) loop.start();
    const nowUs = addon.nowUs();
    const isOld = this.#combined !== undefined && nowUs - this.#writtenUs > sayAgainUs;
    if (isOld && this.#view.state !== linkHealth.unknown) this.#write(false, nowUs);
  }

  #take(outcome: ProbeOutcome, partBefore: number, partChanged: boolean, nowUs: number): void {
    const before = this.#combined?.state ?? partBefore;
    const hasChanged = this.#combined?.update(nowUs) ?? partChanged;
    this.#write(hasChanged, nowUs);
    if (hasChanged) this.#tell(before, outcome);
  }

  #write(hasChanged: boolean, nowUs: number): void {
    // Of several checks none is the method of the link.
    const current = this.#combined === undefined ? this.#loops[0]?.choice.current : undefined;
    const method = current === undefined ? undefined : this.#candidates[current]?.method;
    this.#writtenUs = nowUs;
    this.#parts.row.write(this.#view, method, nowUs, hasChanged);
    this.#writeScores();
  }

  #writeScores(): void {
    const [first] = this.#combined === undefined ? this.#loops : [];
    this.#parts.row.writeScores((method) => first?.choice.scoreOf(method));
  }

  #tell(before: number, outcome: ProbeOutcome): void {
    const health = this.#view;
    const { name: link, emit } = this.#parts;
    const numbers = {
      rttMs: Math.round(health.smoothedRttUs / 100) / 10,
      jitterMs: Math.round(health.jitterUs / 100) / 10,
      lossPercent: Math.round(health.loss * 1000) / 10,
    };
    const reason = nameOf(linkHealthReason, health.reason);
    const was = nameOf(linkHealth, before);
    emit({ kind: kindOf(health.state), link, was, reason, last: outcome.detail, ...numbers });
    if (health.isFlapping && !this.#wasFlapping) emit({ kind: 'health-flapping', link });
    this.#wasFlapping = health.isFlapping;
  }

  #tellCheck(check: HealthCheck, { health }: ProbeLoop, outcome: ProbeOutcome): void {
    const kind = health.state === linkHealth.down ? 'check-failed' : 'check-passed';
    this.#parts.emit({ kind, link: this.#parts.name, check: check.name, last: outcome.detail });
  }
}

function askedBy(check: HealthCheck): ProbeCandidate | PluginCandidate {
  return check.type === 'plugin' ? { method: 'plugin', check } : candidateOf(check);
}

function kindOf(state: number): 'health-up' | 'health-down' | 'health-degraded' {
  if (state === linkHealth.down) return 'health-down';
  return state === linkHealth.degraded ? 'health-degraded' : 'health-up';
}

function nameOf(group: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(group).find((key) => group[key] === value) ?? String(value);
}
