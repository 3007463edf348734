/** Files that outlive the process, where others put links, folders and files in their way. */
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { makeFolder, replaceFile } from '../../src/base/lasting-files.ts';
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
