/** Links and their health as rows, read from the shared table; what the kernel says of an interface is handed in. */
import { getSystemErrorName } from 'node:util';
import { carrier, check, link, linkHealth, linkHealthReason, probeMethod } from '../contract/link-tables.ts';
import { carrierOf } from '../rings/carriers.ts';
import { healthOf, isLinkDisabled, isLinkForced, suggestionFor } from '../rings/link-health.ts';
import { carrierTable, checkTable, linkTable, type RowTable } from '../rings/table.ts';
import { pathRoles } from '../wire/control-frame.ts';
import { ageMs, knownMs, nameOf, percent } from './cells.ts';
import type { CheckStatus, HealthChange, HealthStatus, LinkStatus } from './network-rows.ts';
import type { Rates } from './rates.ts';
import type { InstanceInfo, LinkName, SharedMemory } from './supervisor-api.ts';

/** What the kernel says of an interface. */
export interface InterfaceState {
  readonly exists: boolean;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly addresses: readonly string[];
}

export type FindInterface = (name: string) => InterfaceState;

/** A reader gives up on a row that is always being written: it only shows it. */
const seqlockTries = 100;

function suggestedFor(links: RowTable, row: number): LinkStatus['suggested'] {
  const { weight, role } = suggestionFor(links, row);
  const named = pathRoles[role];
  return { ...(named === undefined ? {} : { role: named }), ...(weight > 0 ? { weight } : {}) };
}

export class LinkReader {
  readonly #links: RowTable;
  readonly #carriers: RowTable;
  readonly #checks: RowTable;

  constructor(memory: SharedMemory) {
    this.#links = linkTable(memory.links);
    this.#carriers = carrierTable(memory.carriers);
    this.#checks = checkTable(memory.checks);
  }

  /** What `Rates` samples, by the keys that `links` asks for. */
  counts(instance: InstanceInfo): [string, number][] {
    return instance.links.flatMap(({ row, name }): [string, number][] => [
      [`link ${name} sent`, this.#sum(row, carrier.sentBytesAt)],
      [`link ${name} received`, this.#sum(row, carrier.receivedBytesAt)],
    ]);
  }

  /** What `LastChanges` watches: `link NAME errors`. */
  events(instance: InstanceInfo): [string, number][] {
    return instance.links.map(({ row, name }) => [`link ${name} errors`, this.#sum(row, carrier.errorsAt)]);
  }

  links(instance: InstanceInfo, nowUs: number, rates: Rates, find: FindInterface): LinkStatus[] {
    return instance.links.map((named) => this.#link(named, nowUs, rates, find));
  }

  health(instance: InstanceInfo, nowUs: number): HealthStatus[] {
    return instance.links.map((named) => this.#health(named, nowUs));
  }

  #link(named: LinkName, nowUs: number, rates: Rates, find: FindInterface): LinkStatus {
    const { row, name, interface: device, role, priority, limitBps } = named;
    const table = this.#links;
    const kernel = device === undefined ? undefined : find(device);
    const carriers = carriersOf(row);
    const sentBytes = this.#sum(row, carrier.sentBytesAt);
    const receivedBytes = this.#sum(row, carrier.receivedBytesAt);
    const lastError = carriers.map((one) => this.#carriers.int(one, carrier.lastErrorAt)).find((error) => error !== 0);
    return {
      name,
      interface: device,
      state: this.#state(row, kernel, nowUs),
      role,
      suggested: suggestedFor(table, row),
      priority,
      isEnabled: !isLinkDisabled(table, row),
      isForced: isLinkForced(table, row),
      hasCarrier: kernel?.hasCarrier,
      addresses: kernel?.addresses ?? [],
      limitBps,
      sentBps: rates.perSecond(`link ${name} sent`, sentBytes, nowUs) * 8,
      receivedBps: rates.perSecond(`link ${name} received`, receivedBytes, nowUs) * 8,
      gso: carriers.some((one) => this.#carriers.int(one, carrier.gsoAt) === 1),
      gro: carriers.some((one) => this.#carriers.int(one, carrier.groAt) === 1),
      outqBytes: carriers.reduce((sum, one) => sum + this.#carriers.int(one, carrier.outqBytesAt), 0),
      sentBytes,
      sentPackets: this.#sum(row, carrier.sentPacketsAt),
      receivedBytes,
      receivedPackets: this.#sum(row, carrier.receivedPacketsAt),
      errors: this.#sum(row, carrier.errorsAt),
      droppedPackets: this.#sum(row, carrier.droppedAt),
      lastError: lastError === undefined ? undefined : getSystemErrorName(-Math.abs(lastError)),
    };
  }

  /** A f64 column of all carriers of a link together. */
  #sum(linkRow: number, column: number): number {
    return carriersOf(linkRow).reduce((sum, row) => sum + this.#carriers.number(row, column), 0);
  }

  /** The most telling of what keeps it from carrying. */
  #state(row: number, kernel: InterfaceState | undefined, nowUs: number): string {
    if (isLinkDisabled(this.#links, row)) return 'disabled';
    if (kernel !== undefined) {
      if (!kernel.exists) return 'gone';
      if (!kernel.isUp) return 'down';
      if (!kernel.hasCarrier) return 'no carrier';
      if (kernel.addresses.length === 0) return 'no address';
    }
    const health = healthOf(this.#links, row, nowUs);
    if (health === linkHealth.down) return 'dead';
    return health === linkHealth.degraded ? 'degraded' : 'up';
  }

  #health(named: LinkName, nowUs: number): HealthStatus {
    const { row } = named;
    const table = this.#links;
    const number = (column: number): number => table.number(row, column);
    const isJudged = number(link.healthJudgedUsAt) !== 0;
    const isWatched = named.health.method !== 'off';
    const method = nameOf(probeMethod, table.int(row, link.healthMethodAt));
    return {
      link: named.name,
      method: named.health.method,
      methodInUse: isJudged && method !== 'none' ? method : undefined,
      targets: named.health.targets,
      checks: named.health.checks.map((name, index) => this.#check(row, index, name, nowUs)),
      need: named.health.need,
      last: isJudged ? this.#check(row, 0, '', nowUs).last : undefined,
      state: isWatched ? nameOf(linkHealth, healthOf(table, row, nowUs)) : undefined,
      reason: isJudged ? nameOf(linkHealthReason, table.int(row, link.healthReasonAt), reasonWords) : undefined,
      changedAgeMs: ageMs(number(link.healthChangedUsAt), nowUs),
      scores: isWatched ? this.#scores(row) : {},
      minRttMs: knownMs(number(link.healthMinRttUsAt)),
      rttMs: knownMs(number(link.healthRttUsAt)),
      maxRttMs: knownMs(number(link.healthMaxRttUsAt)),
      jitterMs: isJudged ? number(link.healthJitterUsAt) / 1000 : undefined,
      lossPercent: isJudged ? percent(number(link.healthLossAt)) : undefined,
      uptimePercent: number(link.healthKnownUsAt) === 0 ? undefined : percent(number(link.healthUptimeAt)),
      inRow: table.int(row, link.healthInRowAt),
      probes: number(link.healthProbesAt),
      answers: number(link.healthAnswersAt),
      history: this.#history(row, nowUs),
    };
  }

  #check(linkRow: number, index: number, name: string, nowUs: number): CheckStatus {
    const row = linkRow * check.rowsPerLink + index;
    const table = this.#checks;
    const number = (column: number): number => table.number(row, column);
    return {
      name,
      state: nameOf(linkHealth, table.int(row, check.stateAt)) ?? 'unknown',
      last: this.#lastWords(row),
      askedAgeMs: ageMs(number(check.askedUsAt), nowUs),
      changedAgeMs: ageMs(number(check.changedUsAt), nowUs),
      rttMs: knownMs(number(check.rttUsAt)),
      inRow: table.int(row, check.inRowAt),
      probes: number(check.probesAt),
      answers: number(check.answersAt),
    };
  }

  /** A copy under the seqlock; what is always being written is shown as it is. */
  #lastWords(row: number): string {
    for (let tries = 0; ; tries++) {
      const before = this.#checks.int(row, check.sequenceAt);
      const bytes = Math.min(check.mostTextBytes, this.#checks.int(row, check.textBytesAt));
      const text = Buffer.from(this.#checks.slice(row, check.textAt, bytes)).toString('utf8');
      const isStable = (before & 1) === 0 && this.#checks.int(row, check.sequenceAt) === before;
      if (isStable || tries === seqlockTries) return text;
    }
  }

  #scores(row: number): Record<string, number> {
    const scores: Record<string, number> = {};
    for (const [name, value] of Object.entries(probeMethod)) {
      if (value === probeMethod.none) continue;
      const score = this.#links.int(row, link.healthScoresAt + (value - 1) * 4);
      if (score >= 0) scores[name] = score / 1000;
    }
    return scores;
  }

  #history(row: number, nowUs: number): HealthChange[] {
    const count = this.#links.int(row, link.historyCountAt);
    const kept = Math.min(count, link.historyRows);
    return Array.from({ length: kept }, (_, back) => {
      const at = link.historyAt + ((count - 1 - back) % link.historyRows) * link.historyRowBytes;
      return {
        ageMs: Math.max(0, nowUs - this.#links.number(row, at)) / 1000,
        state: nameOf(linkHealth, this.#links.int(row, at + 8)) ?? 'unknown',
        reason: nameOf(linkHealthReason, this.#links.int(row, at + 12), reasonWords) ?? 'unknown',
      };
    });
  }
}

/** Rows of the carrier table. */
function carriersOf(linkRow: number): number[] {
  return Array.from({ length: carrier.rowsPerLink }, (_, by) => carrierOf(linkRow, by));
}

const reasonWords: Readonly<Record<string, string>> = {
  failures: 'probes were not answered',
  loss: 'too many probes were lost',
  latency: 'answers take too long',
  jitter: 'answers come too unevenly',
  answers: 'probes are answered',
  checks: 'too few of its checks pass',
};
