/** What a killed instance leaves for its successor, and everything that makes it worthless. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { formatKey, newPrivateKey, publicKeyOf } from '../../src/config/keys.ts';
import { loadConfig } from '../../src/config/parse.ts';
import { forgetConfig, recallConfig, rememberConfig } from '../../src/config/recall.ts';

function setUp(t: { teardown(end: () => void): void }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-recall-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const key = newPrivateKey();
  const file = path.join(folder, 'home.yaml');
  writeFileSync(path.join(folder, 'home.key'), `${formatKey(key)}\n`, { mode: 0o600 });
  writeFileSync(file, 'identity: { privateKeyFile: home.key }\ntunnel: { interface: hw0, addresses: [10.9.0.1/24] }\n');
  const run = path.join(folder, 'run');
  mkdirSync(run, { mode: 0o755 });
  return { folder, file, run, publicKey: formatKey(publicKeyOf(key)) };
}

t.test('rememberConfig() does not write through a link', async (t) => {
  const { folder, file, run } = setUp(t);
  const config = loadConfig(file);
  rememberConfig(file, config, run);
  const [name = ''] = readdirSync(run);
  const elsewhere = path.join(folder, 'elsewhere');
  writeFileSync(elsewhere, 'precious');
  symlinkSync(elsewhere, path.join(run, 'link'));
  renameSync(path.join(run, 'link'), path.join(run, name));
  rememberConfig(file, config, run);
  t.equal(readFileSync(elsewhere, 'utf8'), 'precious');
  t.match(recallConfig(file, run), { isRecalled: true });
});

t.test('loadConfig() refuses what may never end', async (t) => {
  t.throws(() => loadConfig('/dev/zero'), { message: /Cannot read the file: it is a device/ });
  const fifo = path.join(setUp(t).folder, 'fifo');
  spawnSync('mkfifo', [fifo]);
  t.throws(() => loadConfig(fifo), { message: /Cannot read the file: it is a pipe .* write it to a file/ });
});

t.test('recallConfig()', async (t) => {
  t.test('gives back what was remembered, frozen, with the public key', async (t) => {
    const { file, run, publicKey } = setUp(t);
    const config = loadConfig(file);
    rememberConfig(file, config, run);
    const recalled = recallConfig(file, run);
    t.strictSame(recalled, { config, publicKey, isRecalled: true });
    t.ok(Object.isFrozen(recalled?.config.runtime));
  });

  t.test('knows nothing after the text changed, or was forgotten, or of another file', async (t) => {
    const { file, run } = setUp(t);
    t.equal(recallConfig(file, run), undefined);
    rememberConfig(file, loadConfig(file), run);
    t.equal(recallConfig(`${file}.other`, run), undefined);
    writeFileSync(file, `${readFileSync(file, 'utf8')}# changed\n`);
    t.equal(recallConfig(file, run), undefined);
    rememberConfig(file, loadConfig(file), run);
    forgetConfig(file, run);
    t.equal(recallConfig(file, run), undefined);
    t.same(readdirSync(run), []);
  });

  t.test('leaves it to the parser to complain when a key file is missing or what was kept is damaged', async (t) => {
    const { folder, file, run } = setUp(t);
    rememberConfig(file, loadConfig(file), run);
    chmodSync(path.join(folder, 'home.key'), 0o644);
    t.equal(recallConfig(file, run), undefined, 'a key that others can read');
    chmodSync(path.join(folder, 'home.key'), 0o600);
    t.not(recallConfig(file, run), undefined);
    writeFileSync(path.join(run, readdirSync(run)[0] ?? ''), '{');
    t.equal(recallConfig(file, run), undefined);
  });

  t.test('trusts no folder that others may write to', async (t) => {
    const { file, run } = setUp(t);
    rememberConfig(file, loadConfig(file), run);
    chmodSync(run, 0o777);
    t.equal(recallConfig(file, run), undefined);
  });
});
