/** Files that outlive the process, where others put links, folders and files in their way. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { type FileTrouble, StateFiles } from '../../src/actors/session/state-files.ts';
import { makeFolder, readSmallFile, replaceFile } from '../../src/base/lasting-files.ts';
import { lockInstance } from '../../src/instance/instance-lock.ts';

t.test('replaceFile() writes through no link, neither at the file nor at its draft', async (t) => {
  const folder = t.testdir({ victim: 'untouched', other: 'untouched' });
  const file = path.join(folder, 'state');
  symlinkSync(path.join(folder, 'victim'), file);
  symlinkSync(path.join(folder, 'other'), `${file}.new`);
  replaceFile(file, 'new', 0o600);
  t.equal(readFileSync(file, 'utf8'), 'new');
  t.ok(lstatSync(file).isFile());
  t.equal(statSync(file).mode & 0o777, 0o600);
  for (const name of ['victim', 'other']) t.equal(readFileSync(path.join(folder, name), 'utf8'), 'untouched');
  t.notOk(existsSync(`${file}.new`));
});

t.test('makeFolder() names the key when a file is in the way', async (t) => {
  const folder = t.testdir({ file: '' });
  for (const wanted of ['file', 'file/below']) {
    t.throws(() => makeFolder('runtime.stateDirectory', path.join(folder, wanted), 0o700), {
      name: 'HawserError',
      message:
        /^Cannot make runtime\.stateDirectory \S+: it, or a part of its path, is a file \(name another folder in /,
    });
  }
  makeFolder('runtime.stateDirectory', path.join(folder, 'a/b'), 0o700);
  t.equal(statSync(path.join(folder, 'a/b')).mode & 0o777, 0o700);
});

t.test('lockInstance() says what is in its way, and leaves no draft', async (t) => {
  const folder = t.testdir({ file: '' });
  mkdirSync(path.join(folder, 'home.lock'));
  t.throws(() => lockInstance(folder, 'home'), {
    name: 'HawserError',
    message: /^Cannot take the lock \S+home\.lock: EISDIR, .* \(see what is there: ls -ld /,
  });
  t.throws(() => lockInstance(path.join(folder, 'file'), 'home'), { message: /^Cannot make runtime\.runDirectory / });
  writeFileSync(path.join(folder, 'away.lock'), '1 0\n');
  const lock = lockInstance(folder, 'away');
  t.throws(() => lockInstance(folder, 'away'), { code: 'LOCKED' });
  lock.release();
  t.notOk(existsSync(path.join(folder, 'away.lock')));
  t.notOk(existsSync(path.join(folder, `home.lock.${process.pid}`)));
});

/** A file of 100 MB that takes no room. */
function makeHuge(file: string): void {
  writeFileSync(file, '');
  truncateSync(file, 100_000_000);
}

t.test('readSmallFile() reads nothing that is too long or may never end', async (t) => {
  const folder = t.testdir({ small: 'text' });
  t.equal(readSmallFile(path.join(folder, 'small'), 4), 'text');
  t.throws(() => readSmallFile(path.join(folder, 'small'), 3), { message: 'it has 4 bytes, and needs 3 at most' });
  t.throws(() => readSmallFile('/dev/zero', 3), { message: 'it is no file' });
  spawnSync('mkfifo', [path.join(folder, 'fifo')]);
  t.throws(() => readSmallFile(path.join(folder, 'fifo'), 3), { message: 'it is no file' });
  makeHuge(path.join(folder, 'huge.lock'));
  t.throws(() => lockInstance(folder, 'huge'), { message: /^Cannot take the lock \S+: it has 100000000 bytes/ });
});

const place = { link: 'wan', host: '10.0.0.1', port: 1, isHawser: true, timestamp: '' };

t.test('StateFiles reads no huge file, says so, and writes it anew', async (t) => {
  const folder = t.testdir({});
  for (const name of ['x.timestamp', 'x.peers.json']) makeHuge(path.join(folder, name));
  const troubles: FileTrouble[] = [];
  const files = new StateFiles(folder, 'x', 1e15, (trouble) => troubles.push(trouble));
  t.match(troubles, [
    { file: /x\.timestamp$/, message: /^cannot be read: it has 100000000 bytes/, remedy: /written anew/ },
    { file: /x\.peers\.json$/, message: /^cannot be read: it has 100000000 bytes/, remedy: /written anew/ },
  ]);
  files.nextStampUs(1e15);
  files.setEndpoint('key', place);
  files.flushNow();
  t.match(troubles.slice(2), [{ message: 'is written again' }, { message: 'is written again' }]);
  t.ok(statSync(path.join(folder, 'x.peers.json')).size < 1000);
});

t.test('StateFiles says once that a file cannot be written, tries again, and says when it is over', async (t) => {
  const folder = path.join(t.testdir({}), 'later');
  const troubles: FileTrouble[] = [];
  const files = new StateFiles(folder, 'x', 1e15, (trouble) => troubles.push(trouble));
  t.same(troubles, [], 'what is not there is no trouble');
  files.setEndpoint('key', place);
  const stamps = [files.nextStampUs(1e15), files.nextStampUs(1e15)];
  for (let nowUs = 0; nowUs < 30e6; nowUs += 100_000) files.flush(nowUs);
  t.match(troubles, [
    { file: /x\.timestamp$/, message: /^cannot be written: ENOENT/, remedy: /another runtime\.stateDirectory/ },
    { file: /x\.peers\.json$/, message: /^cannot be written: ENOENT/ },
  ]);
  mkdirSync(folder);
  files.flush(35e6);
  t.ok(existsSync(path.join(folder, 'x.peers.json')), 'nothing changed, and it is written all the same');
  stamps.push(files.nextStampUs(1e15));
  t.ok(Number(readFileSync(path.join(folder, 'x.timestamp'), 'utf8').split(' ')[0]) >= (stamps[2] ?? 0));
  t.same(stamps, [...new Set(stamps)], 'no stamp twice');
  t.match(troubles.slice(2), [
    { file: /peers/, message: 'is written again', remedy: undefined },
    { file: /timestamp/, message: 'is written again', remedy: undefined },
  ]);
});

t.test(
  'StateFiles knows who was there at the end, and writes what thousands say of that now and then alone',
  async (t) => {
    const folder = t.testdir({});
    const open = (): StateFiles => new StateFiles(folder, 'x', 1e15, (trouble) => t.fail(trouble.message));
    const files = open();
    for (const key of ['here', 'gone', 'old']) files.setEndpoint(key, place);
    files.noteHeard('gone', 1e12);
    files.flush(0);
    files.noteHeard('here', 1e12 + 400_000);
    files.noteHeard('nobody', 1e12);
    files.flush(30e6);
    t.notOk(open().wasThere('here'), 'not yet');
    files.flush(60e6);
    const again = open();
    t.same(
      ['here', 'gone', 'old', 'nobody'].map((key) => again.wasThere(key)),
      [true, false, false, false],
    );
    again.noteHeard('gone', 1e12 + 500_000);
    again.close();
    t.ok(open().wasThere('gone'), 'the end');
    const many = open();
    for (let index = 0; index < 5000; index += 1) many.setEndpoint(`${index}`, place);
    many.flush(0);
    many.setEndpoint('moved', place);
    many.flush(4e6);
    t.notOk(
      readFileSync(path.join(folder, 'x.peers.json'), 'utf8').includes('moved'),
      'five thousand are not written each second',
    );
    many.flush(5.1e6);
    t.ok(readFileSync(path.join(folder, 'x.peers.json'), 'utf8').includes('moved'));
  },
);
