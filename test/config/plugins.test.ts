/** The section `plugins`, the places that name plugins, and the files. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { parseConfig } from '../../src/config/parse.ts';
import { pluginFileFaults } from '../../src/config/plugin-files.ts';

const head = 'identity: { privateKeyFile: a.key }\ntunnel: { addresses: [10.9.0.1/24] }\n';
const parse = (text: string) => parseConfig(`${head}${text}`, 'home.yaml');
const problemsOf = (text: string): string[] => parse(text).problems.map(({ path, message }) => `${path}: ${message}`);

t.test('a path alone, and the long form', async (t) => {
  const { config } = parse(`plugins:
  - /opt/chat.mjs
  - { file: /opt/x.y.mjs, name: gate, settings: { a: [1, { b: null }] }, memory: 128MiB, processor: 10 }
server: { pool: 10.9.0.0/24, authorise: gate }
bonding: { suggestions: chat }
webhooks: [ { url: "https://example.net/", events: ["*"], secretFile: s, format: chat, ca: my.pem } ]
links: [ { name: lte, interface: wwan0, health: { checks: [ { type: plugin, plugin: gate, argument: "1" } ] } } ]`);
  t.strictSame(config?.plugins, [
    { settings: {}, memoryBytes: 64 << 20, processorPercent: 50, name: 'chat', file: '/opt/chat.mjs' },
    {
      name: 'gate',
      file: '/opt/x.y.mjs',
      settings: { a: [1, { b: null }] },
      memoryBytes: 128 << 20,
      processorPercent: 10,
    },
  ]);
  t.equal(config?.server?.authorise, 'gate');
  t.equal(config?.bonding.suggestions, 'chat');
  t.match(config?.webhooks, [{ format: 'chat', caFile: /\/my\.pem$/ }]);
  t.match(config?.links[0]?.health.checks, [
    { type: 'plugin', name: 'gate', plugin: 'gate', argument: '1', intervalMs: 1000, timeoutMs: 2000 },
  ]);
});

t.test('what is wrong has its place', async (t) => {
  t.match(problemsOf('plugins: [chat.mjs]'), [/^plugins\[0\].* absolute path of a module/]);
  t.match(problemsOf('plugins: [/opt/chat.js]'), [/absolute path of a module/]);
  t.match(problemsOf('plugins: [/a/chat.mjs, /b/chat.mjs]'), [/^plugins\[1\]: is called "chat" as plugins\[0\] is/]);
  t.match(problemsOf('plugins: [/a/my.chat.mjs]'), [
    /^plugins\[0\]: is called "my\.chat" after its file, which is no name/,
  ]);
  t.match(problemsOf('plugins: [{ file: /a/b.mjs, memory: 8MiB }]').join(), /memory.* 32MiB to 2048MiB/);
  t.match(problemsOf('server: { pool: 10.9.0.0/24, authorise: gate }'), [
    /^server\.authorise: "gate" is no plugin of this file/,
  ]);
  t.match(problemsOf('plugins: [/a/b.mjs]\nbonding: { suggestions: c }'), [/^bonding\.suggestions: "c" is no plugin/]);
});

t.test('a file that its user cannot read, or others can change, is refused with the remedy', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-plugin-files-'));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'in', 'a.mjs');
  mkdirSync(path.dirname(file));
  const fault = (): string | undefined =>
    pluginFileFaults([{ name: 'a', file, settings: {}, memoryBytes: 1, processorPercent: 1 }]).get(0);
  t.match(fault(), /Cannot read plugin .*no such file/i);
  writeFileSync(file, '', { mode: 0o644 });
  t.equal(fault(), undefined);
  for (const [place, mode, words] of [
    [file, 0o600, /chmod o\+r/],
    [file, 0o666, /can be changed by others: chmod go-w/],
    [path.dirname(file), 0o700, /cannot enter .*\/usr\/local\/lib\/hawser/],
    [path.dirname(file), 0o777, /can be replaced by others/],
  ] as const) {
    chmodSync(place, mode);
    t.match(fault(), words, `${place} ${mode.toString(8)}`);
    chmodSync(place, place === file ? 0o644 : 0o755);
  }
  t.equal(fault(), undefined);
});
