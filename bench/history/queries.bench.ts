/**
 * How long questions to a history of 400 days take, by the clock and in processor time: every link, path and client (50), over an hour to 400 days, with the file's cache
 * empty (opened anew for each) and as it is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { Archive } from '../../src/actors/history/archive.ts';
import { ArchiveFile } from '../../src/actors/history/archive-file.ts';
import { answerHistory } from '../../src/actors/history/query.ts';
import { beginS, days, daysS, fillDays, keep, seriesOf } from '../../test/support/history-days.ts';
import { median, quantile, report } from '../support/bench.ts';

const clients = 50;
const spans = [1 / 24, 1, 7, 30, 400];
const folder = mkdtempSync(path.join(tmpdir(), 'hw-history-'));
const file = path.join(folder, 'history.db');
const series = seriesOf(clients);
const archive = new Archive(keep);
const nowS = beginS + days * daysS;

function open(): ArchiveFile {
  const opened = new ArchiveFile(file, keep);
  archive.file = opened;
  return opened;
}

interface Took {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Of each question. */
function ask(isCold: boolean): Took[] {
  let opened = open();
  const took = series.flatMap(({ kind, name }) =>
    spans.map((span) => {
      if (isCold) {
        opened.close();
        opened = open();
      }
      const startMs = performance.now();
      const before = process.cpuUsage();
      answerHistory({ archive, recent: undefined, keep, nowS }, { kind, name, from: nowS - span * daysS, to: nowS });
      const { user, system } = process.cpuUsage(before);
      return { wallMs: performance.now() - startMs, cpuMs: (user + system) / 1000 };
    }),
  );
  opened.close();
  return took;
}

try {
  const filled = open();
  fillDays(archive, series);
  filled.close();
  for (const isCold of [true, false]) {
    const all = ask(isCold);
    for (const by of ['wallMs', 'cpuMs'] as const) {
      const took = all.map((one) => one[by]);
      const facts = { clients, questions: took.length, cache: isCold ? 'empty' : 'warm', by };
      report('history-query', { ...facts, of: 'median' }, median(took), 'ms');
      report('history-query', { ...facts, of: 'p99' }, quantile(Float64Array.from(took).sort(), 0.99), 'ms');
      report('history-query', { ...facts, of: 'slowest' }, Math.max(...took), 'ms');
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
