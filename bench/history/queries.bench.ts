/**
 * How long questions to a history of 400 days take, by the clock: every link, path and client (50), over an hour to 400 days, with the file's cache
 * empty (opened anew for each) and as it is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
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

/** Milliseconds of each question. */
function ask(isCold: boolean): number[] {
  let opened = open();
  const took = series.flatMap(({ kind, name }) =>
    spans.map((span) => {
      if (isCold) {
        opened.close();
        opened = open();
      }
      const startMs = performance.now();
      answerHistory({ archive, recent: undefined, keep, nowS }, { kind, name, from: nowS - span * daysS, to: nowS });
      return performance.now() - startMs;
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
    const took = ask(isCold);
    const facts = { clients, questions: took.length, cache: isCold ? 'empty' : 'warm' };
    report('history-query', { ...facts, of: 'median' }, median(took), 'ms');
    report('history-query', { ...facts, of: 'p99' }, quantile(Float64Array.from(took).sort(), 0.99), 'ms');
    report('history-query', { ...facts, of: 'slowest' }, Math.max(...took), 'ms');
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
