/** A process that records is killed again and again: nothing that it said to be saved is missing, and no file is ever damaged. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import t from 'tap';
import { Archive, type UnwrittenState } from '../../../src/actors/history/archive.ts';
import { openArchive } from '../../../src/actors/history/archive-file.ts';
import { answerHistory } from '../../../src/actors/history/query.ts';
import { RecentFile } from '../../../src/actors/history/recent-file.ts';
import { isLong } from '../../support/long-run.ts';

const program = path.resolve(import.meta.dirname, '../../support/history-kills-program.js');
const trials = isLong ? 200 : 12;
const beginS = Date.UTC(2026, 0, 1) / 1000;
const series = { kind: 'link' as const, name: 'lte' };
t.setTimeout(isLong ? 3_600_000 : 120_000);

/** Runs until it has saved some times and `waitMs` more; returns the last second that was saved. */
async function runAndKill(folder: string, firstS: number, waitMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, folder, String(firstS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let saved = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, value] = line.split(' ');
    if (word !== 'saved') throw new Error(line);
    saved = Number(value);
    count += 1;
    if (count === 5) setTimeout(() => child.kill('SIGKILL'), waitMs);
  }
  return saved;
}

t.test(`${trials} kills lose nothing that was saved, and damage no file`, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hawser-history-kills-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const keep = { secondS: 7200, minuteS: 90 * 86_400, hourS: 86_400 };
  let nextS = beginS;
  for (let trial = 0; trial < trials; trial += 1) {
    const beganS = nextS;
    const savedS = await runAndKill(folder, beganS, (trial * 37) % 400);
    const recent = new RecentFile(path.join(folder, 'recent.db'), (reason) => t.fail(`recent: ${reason}`));
    const { archive: file, told } = openArchive(path.join(folder, 'history.db'), keep, 'x');
    t.equal(told, '', `trial ${trial}: whole`);
    const seconds = recent.read(series, beganS, savedS + 1).map(({ point }) => point[0]);
    const wanted = Array.from(
      { length: Math.min(savedS + 1 - beganS, 7000) },
      (_, index) => (savedS - index) % 100_000,
    );
    t.strictSame(
      seconds.slice(-wanted.length),
      wanted.reverse(),
      `trial ${trial}: each second up to ${savedS - beganS}`,
    );
    const archive = new Archive(keep);
    archive.file = file;
    const state = recent.state() as { readonly unwritten: UnwrittenState };
    archive.restore(state.unwritten);
    const to = Math.floor(savedS / 60) * 60;
    const sources = { archive, recent: undefined, keep, nowS: savedS };
    const rows = to > beginS ? answerHistory(sources, { ...series, from: beginS, to, step: 60 }).rows : [];
    t.equal(rows.length, (to - beginS) / 60, `trial ${trial}: each whole minute since the first start`);
    const wrong = rows.filter(([time, rate]) => {
      const at = Number(time) % 100_000;
      return at < 99_940 && rate !== at + 29.5;
    });
    t.strictSame(wrong, [], `trial ${trial}: each is made of all its seconds, those before a kill too`);
    // It may have saved once more than it could say.
    nextS = (recent.read(series, savedS, savedS + 100).at(-1)?.atS ?? savedS) + 1;
    file.close();
    recent.close();
  }
});
