/** The archive by an injected clock: 400 days with clients, its promised size, its answers, clocks that jump, files that are damaged. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { Archive } from '../../../src/actors/history/archive.ts';
import { ArchiveFile, mostBytesOf, openArchive } from '../../../src/actors/history/archive-file.ts';
import { mergePoints } from '../../../src/actors/history/points.ts';
import { answerHistory } from '../../../src/actors/history/query.ts';
import { Recorder } from '../../../src/actors/history/recorder.ts';
import { historyColumns } from '../../../src/control/history.ts';
import { beginS, days, daysS, fillDays, keep, link, random, seriesOf } from '../../support/history-days.ts';
import { isLong } from '../../support/long-run.ts';

t.setTimeout(0);

function folderOf(t: { teardown(work: () => void): unknown }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'hawser-history-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test('mergePoints() takes means of rates, the middle round trip, the largest of what is a most', async (t) => {
  const merged = mergePoints(historyColumns.link, [link(100, 10), link(200, 90), link(600, 20)]);
  t.strictSame([...merged], [300, 600, 150, 300, 20, 90, 0, 1]);
  const partly = mergePoints(historyColumns.link, [link(100, Number.NaN), link(300, 7)]);
  t.equal(partly[4], 7, 'what was not measured does not count');
  t.ok(Number.isNaN(mergePoints(historyColumns.client, [])[0]));
});

t.test('400 days take no more than is promised, and any question of them is answered at once', async (t) => {
  const folder = folderOf(t);
  const file = path.join(folder, 'history.db');
  const clients = isLong ? 50 : 4;
  const series = seriesOf(clients);
  const archiveFile = new ArchiveFile(file, keep);
  const archive = new Archive(keep);
  archive.file = archiveFile;
  fillDays(archive, series);
  const promised = mostBytesOf(keep, { link: 2, path: 3, client: clients });
  const bytes = statSync(file).size;
  t.comment(`figure clients=${clients}: ${bytes} bytes, promised ${promised}`);
  t.ok(bytes <= promised, `${bytes} of ${promised}`);
  t.ok(bytes > promised * 0.6, `the promise is not idle: ${bytes} of ${promised}`);

  const nowS = beginS + days * daysS;
  const sources = { archive, recent: undefined, keep, nowS };
  let slowestMs = 0;
  for (const { kind, name } of series) {
    for (const spanDays of [1 / 24, 1, 7, 30, 400]) {
      const before = process.cpuUsage();
      const answer = answerHistory(sources, { kind, name, from: nowS - spanDays * daysS, to: nowS });
      const { user, system } = process.cpuUsage(before);
      const tookMs = (user + system) / 1000;
      slowestMs = Math.max(slowestMs, tookMs);
      const wanted = spanDays <= 7 ? Math.min(1500, spanDays * 1440) * 0.4 : spanDays < 100 ? 200 : 400;
      t.ok(
        answer.rows.length >= wanted && answer.rows.length <= 10_000,
        `${name} ${spanDays}: ${answer.rows.length} rows of ${answer.step} s`,
      );
    }
  }
  t.comment(`figure slowest=${slowestMs.toFixed(1)} ms of CPU`);
  const whole = answerHistory(sources, { kind: 'link', name: 'lte', from: nowS - 400 * daysS, to: nowS, step: 3600 });
  t.equal(whole.step, 3600);
  t.ok((whole.rows[0]?.[0] ?? 0) <= nowS - 399 * daysS, 'it reaches back 400 days');
  t.ok(whole.events.length === 500 && whole.events.every((one) => one.kind !== 'ready'), 'with the latest events');
  const ids = (most: number, below: number): number[] =>
    archiveFile.events(0, nowS * 1000, most, ({ id }) => id < below).map(({ id }) => id);
  const newest = days * 30 - 1;
  t.strictSame(ids(2, newest + 1), [newest - 1, newest], 'the latest, in their order');
  t.strictSame(ids(2, newest - 5000), [newest - 5002, newest - 5001], 'also those that stand far behind');
  t.equal(ids(20_000, newest + 1).length, 10_000);
  const fine = answerHistory(sources, { kind: 'client', name: 'phone-3', from: nowS - daysS, to: nowS, step: 60 });
  t.equal(fine.rows.length, 1440);
  const atMinute = (fine.rows[7]?.[0] ?? 0) / 60;
  t.equal(fine.rows[7]?.[1], random(atMinute), 'each minute is the one that was put');
  t.throws(() => answerHistory(sources, { kind: 'link', name: 'dsl' }), {
    code: 'NO_HISTORY',
    message: /there are: fibre, lte/,
  });
  archiveFile.close();
});

t.test('a clock that jumps to another century and back neither deletes nor hides anything', async (t) => {
  const folder = folderOf(t);
  const archive = new Archive(keep);
  const file = new ArchiveFile(path.join(folder, 'history.db'), keep);
  archive.file = file;
  const recorder = new Recorder(archive, keep);
  const lte = { kind: 'link' as const, name: 'lte' };
  const run = (fromS: number, seconds: number, rate: number): boolean[] =>
    Array.from({ length: seconds }, (_, s) => recorder.take(fromS + s, [{ series: lte, point: link(rate, 10) }]));
  t.ok(
    run(100, 120, 1).every((isRight) => !isRight),
    '1970: nothing is kept',
  );
  run(beginS, 3600, 100);
  archive.write();
  run(Date.UTC(2099, 0, 1) / 1000, 600, 999);
  archive.write();
  run(beginS + 3600, 3600, 200);
  archive.write();
  // An hour back: what stands on the disk stays.
  run(beginS, 1800, 300);
  recorder.flush();
  archive.write();
  const read = (from: number, to: number): (number | null | undefined)[] =>
    answerHistory(
      { archive, recent: undefined, keep, nowS: beginS + 7200 },
      { kind: 'link', name: 'lte', from, to, step: 60 },
    ).rows.map((row) => row[1]);
  t.strictSame([...new Set(read(beginS, beginS + 3600))], [100]);
  t.strictSame([...new Set(read(beginS + 3600, beginS + 7200))], [200]);
  t.equal(read(0, 200_000).length, 0, 'nothing of 1970');
  file.close();
});

t.test('a restart in the middle of a minute makes one minute of both parts', async (t) => {
  const name = path.join(folderOf(t), 'history.db');
  const lte = { kind: 'link' as const, name: 'lte' };
  const begin = (): { file: ArchiveFile; archive: Archive; recorder: Recorder } => {
    const file = new ArchiveFile(name, keep);
    const archive = new Archive(keep);
    archive.file = file;
    return { file, archive, recorder: new Recorder(archive, keep) };
  };
  const run = (recorder: Recorder, fromS: number, seconds: number, rate: number): void => {
    for (let s = 0; s < seconds; s += 1) recorder.take(fromS + s, [{ series: lte, point: link(rate, 10) }]);
  };
  const first = begin();
  run(first.recorder, beginS, 30, 100);
  first.recorder.flush();
  first.archive.write();
  const left = structuredClone(first.recorder.state());
  first.file.close();
  const second = begin();
  second.recorder.restore(left);
  run(second.recorder, beginS + 30, 40, 300);
  second.archive.write();
  const sources = { archive: second.archive, recent: undefined, keep, nowS: beginS + 70 };
  const { rows } = answerHistory(sources, { ...lte, from: beginS, to: beginS + 60, step: 60 });
  t.strictSame(
    rows.map((row) => [row[1], row[2]]),
    [[200, 300]],
  );
  second.file.close();
});

t.test('what is written is there after a restart, a damaged file is kept and a new one begun', async (t) => {
  const folder = folderOf(t);
  const name = path.join(folder, 'history.db');
  const minute = Math.floor(beginS / 60);
  const lte = { kind: 'link' as const, name: 'lte' };
  const first = openArchive(name, keep, 'x');
  t.equal(first.told, '');
  const archive = new Archive(keep);
  archive.file = first.archive;
  archive.put(lte, minute, link(5, 5));
  archive.write();
  archive.put(lte, minute + 1, link(6, 6));
  const left = structuredClone(archive.unwritten());
  first.archive.close();

  const second = openArchive(name, keep, 'x');
  const next = new Archive(keep);
  next.file = second.archive;
  next.restore(left);
  const rows = answerHistory(
    { archive: next, recent: undefined, keep, nowS: beginS + 200 },
    { kind: 'link', name: 'lte', step: 60 },
  ).rows;
  t.strictSame(
    rows.map((row) => row[1]),
    [5, 6],
  );
  next.write();
  const onDisk = second.archive.read({ ...lte, level: 'minute', start: Math.floor(minute / 60) });
  t.equal(onDisk?.[((minute % 60) + 1) * 8], 6, 'what was left is written by the next process');
  second.archive.close();

  writeFileSync(name, 'this is no database, and long enough to be looked at as one'.repeat(20));
  const third = openArchive(name, keep, '2026');
  t.match(third.told, /was damaged .*not a database.*kept as .*history\.db\.damaged-2026/);
  t.strictSame(third.archive.series(), []);
  t.ok(readdirSync(folder).includes('history.db.damaged-2026'));
  third.archive.close();

  // A folder in its place is no damage, and nothing is moved.
  const inTheWay = path.join(folder, 'folder.db');
  mkdirSync(inTheWay);
  t.throws(() => openArchive(inTheWay, keep, 'x'));
});
