/** Writes what is known of one check into its row of the table of checks, the last words with it. */

import { check } from '../../contract/link-tables.ts';
import type { LinkHealth } from '../../protocols/probe/link-health.ts';
import type { RowTable } from '../../rings/table.ts';

export class CheckRowWriter {
  readonly #table: RowTable;
  readonly #row: number;

  constructor(table: RowTable, linkRow: number, index: number) {
    this.#table = table;
    this.#row = linkRow * check.rowsPerLink + index;
  }

  /** `detail`: what was answered last, or why that was no answer. */
  write(health: LinkHealth, detail: string, nowUs: number): void {
    const table = this.#table;
    const row = this.#row;
    table.addInt(row, check.sequenceAt, 1);
    table.setInt(row, check.stateAt, health.state);
    table.setInt(row, check.inRowAt, health.inRow);
    table.setNumber(row, check.askedUsAt, nowUs);
    table.setNumber(row, check.changedUsAt, health.changedUs);
    table.setNumber(row, check.rttUsAt, health.smoothedRttUs);
    table.setNumber(row, check.probesAt, health.probes);
    table.setNumber(row, check.answersAt, health.answers);
    const text = Buffer.from(detail).subarray(0, check.mostTextBytes);
    table.slice(row, check.textAt, text.length).set(text);
    table.setInt(row, check.textBytesAt, text.length);
    table.addInt(row, check.sequenceAt, 1);
  }
}
