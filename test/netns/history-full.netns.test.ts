/** A disk that fills up and is read-only while a history is written: what is measured waits, and nothing that stood there is lost. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Archive } from '../../src/actors/history/archive.ts';
import { openArchive } from '../../src/actors/history/archive-file.ts';
import { answerHistory } from '../../src/actors/history/query.ts';
import { runCommand, skipReason } from '../support/netns.ts';

const skip = skipReason();
const keep = { secondS: 0, minuteS: 7 * 86_400, hourS: 30 * 86_400 };
const beginMinute = Date.UTC(2026, 0, 1) / 60_000;
const names = Array.from({ length: 20 }, (_, index) => `link-${index}`);

t.test('a history on a small tmpfs', skip === false ? {} : { skip }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hawser-history-full-'));
  runCommand('mount', ['-t', 'tmpfs', '-o', 'size=600k,mode=700', 'tmpfs', folder]);
  t.teardown(() => {
    runCommand('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  const file = path.join(folder, 'history.db');
  const archive = new Archive(keep);
  const opened = openArchive(file, keep, 'x');
  archive.file = opened.archive;
  const record = (from: number, to: number): void => {
    for (let minute = from; minute < to; minute += 1)
      for (const name of names)
        archive.put({ kind: 'link', name }, beginMinute + minute, Float32Array.of(minute, minute, 0, 0, 5, 5, 0, 0));
  };
  const minutesOf = (source: Archive, name: string): (number | null | undefined)[] => {
    const from = beginMinute * 60;
    const question = { kind: 'link' as const, name, from, to: from + 6 * 3600, step: 60 };
    return answerHistory({ archive: source, recent: undefined, keep, nowS: from + 6 * 3600 }, question).rows.map(
      (row) => row[1],
    );
  };
  const upTo = (minutes: number): number[] => Array.from({ length: minutes }, (_, index) => index);
  record(0, 60);
  archive.write();
  const filler = path.join(folder, 'filler');
  t.throws(() => writeFileSync(filler, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
  record(60, 240);
  for (let tries = 0; tries < 3; tries += 1) t.throws(() => archive.write(), /full|I\/O/, 'it says so, each time');
  t.ok(archive.hasUnwritten);
  t.strictSame(minutesOf(archive, 'link-7'), upTo(240), 'what waits is told with what stands there');

  rmSync(filler);
  archive.write();
  t.notOk(archive.hasUnwritten);
  opened.archive.close();
  const again = openArchive(file, keep, 'x');
  t.equal(again.told, '', 'the file is whole');
  const next = new Archive(keep);
  next.file = again.archive;
  for (const name of ['link-0', 'link-19']) t.strictSame(minutesOf(next, name), upTo(240));

  again.archive.close();
  runCommand('mount', ['-o', 'remount,ro', folder]);
  t.throws(() => openArchive(file, keep, 'x'), 'a disk that is read-only is no damage');
  runCommand('mount', ['-o', 'remount,rw', folder]);
  const last = openArchive(file, keep, 'x');
  t.equal(last.told, '');
  last.archive.close();
});
