/**
 * Records a history as the keeper does, a second each few milliseconds, until it is killed; says each second that lies in a file. What is measured
 * in second N is N. Arguments: a folder, the first second.
 */
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Archive, type UnwrittenState } from '../../src/actors/history/archive.ts';
import { openArchive } from '../../src/actors/history/archive-file.ts';
import { RecentFile } from '../../src/actors/history/recent-file.ts';
import { type GatherState, Recorder } from '../../src/actors/history/recorder.ts';

const [folder = '', first = ''] = process.argv.slice(2);
const keep = { secondS: 7200, minuteS: 90 * 86_400, hourS: 86_400 };
const archive = new Archive(keep);
const recorder = new Recorder(archive, keep);
const recent = new RecentFile(path.join(folder, 'recent.db'), (reason) => process.stdout.write(`damaged ${reason}\n`));
const { archive: file, told } = openArchive(path.join(folder, 'history.db'), keep, 'x');
if (told !== '') process.stdout.write(`damaged ${told}\n`);
archive.file = file;
const state = recent.state() as { gathered: GatherState; unwritten: UnwrittenState } | undefined;
if (state !== undefined) {
  archive.restore(state.unwritten);
  recorder.restore(state.gathered);
}

for (let atS = Number(first); ; atS += 1) {
  const point = Float32Array.of(atS % 100_000, 0, 0, 0, 1, 1, 0, 0);
  recorder.take(atS, [{ series: { kind: 'link', name: 'lte' }, point }]);
  if (atS % 5 === 0) {
    recent.write(recorder.takeSeconds(), { gathered: recorder.state(), unwritten: archive.unwritten() }, keep.secondS);
    process.stdout.write(`saved ${atS}\n`);
  }
  if (atS % 600 === 0) archive.write();
  if (atS % 10 === 0) await sleep(1);
}
