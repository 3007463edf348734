/** Writes what the health-checker knows of a link into its row, and reads what a predecessor knew. */

import { link, linkHealth, probeMethod } from '../../contract/link-tables.ts';
import type { HealthView } from '../../protocols/probe/combined-health.ts';
import type { RowTable } from '../../rings/table.ts';

type MethodName = Exclude<keyof typeof probeMethod, 'none'>;

const methodNames = Object.keys(probeMethod).filter((name): name is MethodName => name !== 'none');

export class LinkRowWriter {
  readonly #table: RowTable;
  readonly #row: number;

  constructor(table: RowTable, row: number) {
    this.#table = table;
    this.#row = row;
  }

  /** For `LinkHealth`'s constructor: uptime survives a restart. */
  knownTimes(): { knownUs: number; upUs: number } {
    const { number } = this.#cells();
    return { knownUs: number(link.healthKnownUsAt), upUs: number(link.healthUpUsAt) };
  }

  get isDisabled(): boolean {
    return this.#table.int(this.#row, link.disabledAt) === 1;
  }

  /** `hasChanged`: the state is another than at the last call. The state is written last: who reads it finds its reasons. */
  write(health: HealthView, method: MethodName | undefined, nowUs: number, hasChanged: boolean): void {
    const { setInt, setNumber } = this.#cells();
    const { knownUs, upUs } = health.times(nowUs);
    setNumber(link.healthKnownUsAt, knownUs);
    setNumber(link.healthUpUsAt, upUs);
    setNumber(link.healthUptimeAt, knownUs === 0 ? 0 : upUs / knownUs);
    setNumber(link.healthRttUsAt, health.smoothedRttUs);
    setNumber(link.healthMinRttUsAt, health.minRttUs);
    setNumber(link.healthMaxRttUsAt, health.maxRttUs);
    setNumber(link.healthJitterUsAt, health.jitterUs);
    setNumber(link.healthLossAt, health.loss);
    setNumber(link.healthProbesAt, health.probes);
    setNumber(link.healthAnswersAt, health.answers);
    setNumber(link.healthChangedUsAt, health.changedUs);
    setInt(link.healthMethodAt, method === undefined ? probeMethod.none : probeMethod[method]);
    setInt(link.healthInRowAt, health.inRow);
    setInt(link.healthReasonAt, health.reason);
    setNumber(link.healthJudgedUsAt, nowUs);
    setInt(link.healthStateAt, health.state);
    if (hasChanged) this.#remember(health, nowUs);
  }

  /** `score` of a method, 0 to 1; undefined = the link does not use it. */
  writeScores(score: (method: MethodName) => number | undefined): void {
    for (const name of methodNames) {
      const value = score(name);
      const cell = link.healthScoresAt + (probeMethod[name] - 1) * 4;
      this.#table.setInt(this.#row, cell, value === undefined ? -1 : Math.round(value * 1000));
    }
  }

  /** Nobody judges this link any more. */
  forget(): void {
    this.#table.setInt(this.#row, link.healthStateAt, linkHealth.unknown);
    this.#table.setNumber(this.#row, link.healthJudgedUsAt, 0);
  }

  #remember(health: HealthView, nowUs: number): void {
    const count = this.#table.int(this.#row, link.historyCountAt);
    const at = link.historyAt + (count % link.historyRows) * link.historyRowBytes;
    this.#table.setNumber(this.#row, at, nowUs);
    this.#table.setInt(this.#row, at + 8, health.state);
    this.#table.setInt(this.#row, at + 12, health.reason);
    this.#table.setInt(this.#row, link.historyCountAt, count + 1);
  }

  #cells() {
    const table = this.#table;
    const row = this.#row;
    return {
      number: (column: number): number => table.number(row, column),
      setInt: (column: number, value: number): void => table.setInt(row, column, value),
      setNumber: (column: number, value: number): void => table.setNumber(row, column, value),
    };
  }
}
