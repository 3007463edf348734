/** The configuration's file where it cannot be replaced: a mount, a file system without writes, an owner that is not ours to give. */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import t, { type Test } from 'tap';
import { ConfigFile } from '../../src/instance/config-file.ts';
import { skipReason } from '../support/netns.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const module = path.resolve(import.meta.dirname, '../../src/instance/config-file.js');

function start(t: Test) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'etc', 'home.yaml');
  mkdirSync(path.dirname(file));
  writeFileSync(file, 'old', { mode: 0o640 });
  /** What becomes of a proposal after `prepare`, in a mount namespace of its own; `wrap` runs the program. */
  const propose = (prepare: string, wrap = ''): string => {
    const script = `import { ConfigFile } from '${module}';
try { const file = new ConfigFile('${file}'); file.propose('new'); file.accept(); console.log('accepted'); }
catch (error) { console.log(error.code, error.message); }`;
    const program = `${wrap} '${process.execPath}' --input-type=module -e "$SCRIPT"`;
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-ec', `${prepare}\n${program}`], {
      encoding: 'utf8',
      env: { ...process.env, SCRIPT: script, FILE: file, FOLDER: path.dirname(file) },
    });
    return stdout + stderr;
  };
  return { file, propose, left: () => readdirSync(path.dirname(file)) };
}

t.test('a file keeps its owner, and says so where it cannot', options, async (t) => {
  const { file, propose, left } = start(t);
  chownSync(file, 12_345, 12_346);
  const own = new ConfigFile(file);
  own.propose('new');
  own.accept();
  t.match(statSync(file), { uid: 12_345, gid: 12_346, mode: 0o100640 });
  t.equal(readFileSync(file, 'utf8'), 'new');
  // As in the unit, whose daemon may give nothing away.
  t.match(propose('true', 'setpriv --bounding-set -chown'), /^CONFIG_FILE Cannot write beside .*EPERM.*chown root it/);
  t.same(left(), ['home.yaml'], 'nothing is left beside it');
});

t.test('a file that is a mount of its own is refused before anything is tried', options, async (t) => {
  const { propose, left } = start(t);
  t.match(propose('mount --bind "$FILE" "$FILE"'), /^CONFIG_FILE .*is a mount of its own.*mount the folder/);
  t.same(left(), ['home.yaml']);
  t.equal(propose('mount --bind "$FOLDER" "$FOLDER"'), 'accepted\n', 'a folder may be one');
});

t.test('a folder without writes is told with what systemd needs', options, async (t) => {
  const { file, propose } = start(t);
  t.match(
    propose('mount --bind "$FOLDER" "$FOLDER"; mount -o remount,bind,ro "$FOLDER"'),
    /^CONFIG_FILE Cannot write beside .*EROFS.*ReadWritePaths/,
  );
  t.equal(readFileSync(file, 'utf8'), 'old');
});
