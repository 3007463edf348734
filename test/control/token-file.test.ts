/** The file of tokens: what it takes, what it refuses, and that nobody's change is lost. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { addToken, hashOf, readTokens, removeToken, versionOfFile } from '../../src/control/token-file.ts';

function fileOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'tokens');
}

t.test('addToken() keeps the hash alone, in a file that is closed to others', async (t) => {
  const file = fileOf(t);
  t.strictSame(readTokens(file), [], 'none without a file');
  const secret = addToken(file, 'grafana', 'viewer', 1_000);
  const other = addToken(file, 'me', 'admin', 2_000);
  t.match(secret, /^hawser_[A-Za-z0-9_-]{43}$/);
  t.not(secret, other);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.notOk(readFileSync(file, 'utf8').includes(secret.slice(7)));
  t.strictSame(readTokens(file), [
    { name: 'grafana', role: 'viewer', hash: hashOf(secret), createdMs: 1_000 },
    { name: 'me', role: 'admin', hash: hashOf(other), createdMs: 2_000 },
  ]);
  t.throws(() => addToken(file, 'me', 'viewer', 0), /There is a token "me" already \(hawser token remove me\)/);
  t.throws(() => addToken(file, 'a b', 'viewer', 0), /"a b" is no name/);
  t.throws(() => addToken(file, 'x', 'root', 0), /"root" is no role \(viewer, operator, admin\)/);
  removeToken(file, 'grafana');
  t.strictSame(
    readTokens(file).map(({ name }) => name),
    ['me'],
  );
  t.throws(() => removeToken(file, 'grafana'), /There is no token "grafana"/);
});

t.test('readTokens() refuses a file that others reach, and any line that is no token', async (t) => {
  const file = fileOf(t);
  addToken(file, 'me', 'admin', 0);
  chmodSync(file, 0o640);
  t.throws(() => readTokens(file), /mode 0640: others can read or change it \(chmod 600 '/);
  const line = `me admin sha256:${'0'.repeat(64)} 2026-11-30T00:00:00Z`;
  const wrong = [
    `${line} more`,
    line.replace('admin', 'root'),
    line.replace('sha256', 'md5'),
    `${line}\n${line}`,
    'me',
  ];
  for (const text of wrong) {
    rmSync(file);
    writeFileSync(file, text, { mode: 0o600 });
    t.throws(() => readTokens(file), /Line [12] of .* (is no token|names me again) \(remove that line\)/, text);
  }
  rmSync(file);
  writeFileSync(file, `# heading\n\n${line}\r\n`, { mode: 0o600 });
  t.equal(readTokens(file).length, 1);
});

t.test('addToken() waits for nobody who is changing the file, and passes over what a crash has left', async (t) => {
  const file = fileOf(t);
  writeFileSync(`${file}.new`, '');
  t.throws(() => addToken(file, 'me', 'admin', 0), /Somebody else is changing the tokens/);
  const longAgo = Date.now() / 1000 - 60;
  utimesSync(`${file}.new`, longAgo, longAgo);
  addToken(file, 'me', 'admin', 0);
  t.equal(readTokens(file).length, 1);
});

t.test('versionOfFile() differs after every change', async (t) => {
  const file = fileOf(t);
  const versions = [versionOfFile(file)];
  for (const name of ['a', 'b']) {
    addToken(file, name, 'viewer', 0);
    versions.push(versionOfFile(file));
  }
  chmodSync(file, 0o644);
  versions.push(versionOfFile(file));
  t.equal(new Set(versions).size, 4);
});
