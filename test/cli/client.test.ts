/** What a new client is given: a file that WireGuard and Hawser read, and a code that decodes to it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { hawserFile } from '../../src/cli/client-files.ts';
import { clientLines, describeClient } from '../../src/cli/client-lines.ts';
import { ratesOfOptions } from '../../src/cli/client-rates.ts';
import { parseWhen } from '../../src/cli/expiry.ts';
import { qrColumns, qrLines } from '../../src/cli/qr-code.ts';
import { importHawserFile, isHawserFile } from '../../src/config/hawser-file.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { importWgQuick } from '../../src/config/wg-quick.ts';
import { type ClientFileInput, stockFile } from '../../src/control/stock-file.ts';
import { generateKeys, generatePresharedKey } from '../support/keys.ts';
import { textOfCode } from '../support/qr-reader.ts';

t.setTimeout(120_000);

const [mine, hub] = [generateKeys(), generateKeys()];
const input: ClientFileInput = {
  client: {
    revision: 1,
    name: 'Jürgens 📱',
    state: 'enabled',
    createdMs: 0,
    expiresMs: undefined,
    limits: { upBps: 5e6, downBps: 0, priority: 80 },
    quota: {
      dailyBytes: 10e9,
      monthlyBytes: 0,
      resetDay: 1,
      timezone: 'Europe/Berlin',
      throttleBps: 0,
      isExceeded: true,
    },
    devices: [
      {
        peer: 'Jürgens 📱',
        publicKey: mine.publicKey,
        hasPresharedKey: true,
        addresses: ['10.100.0.2', 'fd00:100::2'],
        isReserved: false,
      },
    ],
  },
  presharedKey: generatePresharedKey(),
  privateKey: mine.privateKey,
  hub: {
    name: 'hub',
    publicKey: hub.publicKey,
    endpoints: [],
    ports: { udp: 51_820, tls: 443 },
    dns: ['10.100.0.1'],
    mtu: 1420,
    networks: ['10.100.0.0/16', 'fd00:100::/64'],
    obfuscation: undefined,
  },
  endpoints: ['hub.example.net:51820', 'tls://hub.example.net:443'],
  allowed: ['10.100.0.0/16', 'fd00:100::/64'],
};

t.test('the QR code decodes to the file, and fits 80 columns', async (t) => {
  const file = stockFile(input);
  const lines = qrLines(file);
  t.equal(textOfCode(lines), file);
  t.ok(qrColumns(lines) <= 80, `${qrColumns(lines)} columns for ${file.length} characters`);
  t.equal(new Set(lines.map((line) => line.length)).size, 1);
});

t.test('the file for WireGuard is one that our import takes, keys included', async (t) => {
  const imported = importWgQuick(stockFile(input), { name: 'phone', interfaceName: 'phone', leaveOut: new Set() });
  t.same(imported.problems, []);
  const keys = imported.keyFiles.map(({ key }) => key);
  t.same(keys.sort(), [mine.privateKey, input.presharedKey].sort());
  const { config } = parseConfig(imported.yaml, '/etc/hawser/phone.yaml');
  t.match(config?.tunnel.addresses, [
    { address: '10.100.0.2', prefix: 32 },
    { address: 'fd00:100::2', prefix: 128 },
  ]);
  t.match(config?.peers, [
    { publicKey: hub.publicKey, keepaliveMs: 25_000, endpoints: [{ host: 'hub.example.net', port: 51_820 }] },
  ]);
  t.match(config?.tunnel.dns?.servers, ['10.100.0.1']);
});

t.test("a client that keeps its key gets a file without one; obfuscation is in AmneziaWG's words", async (t) => {
  const file = stockFile({
    ...input,
    privateKey: undefined,
    hub: { ...input.hub, mtu: 1280, obfuscation: { jc: 4, s1: 15, h1: '5-9' } },
  });
  t.notMatch(file, /^PrivateKey/m);
  t.match(file, /^MTU = 1280\nJc = 4\nS1 = 15\nH1 = 5-9$/m);
  t.notMatch(stockFile({ ...input, presharedKey: '' }), /PresharedKey/);
});

t.test('the file for Hawser becomes a configuration with key files, and all ways to the hub', async (t) => {
  const text = hawserFile(input);
  t.ok(isHawserFile(text));
  t.notOk(isHawserFile(stockFile(input)));
  const imported = importHawserFile(text, {
    name: 'office',
    links: [{ name: 'lte', interface: 'wwan0' }],
    spareLinks: [],
  });
  if (typeof imported === 'string') throw new Error(imported);
  t.same(imported.keyFiles, [
    { file: 'office.key', key: mine.privateKey },
    { file: 'office-hub.psk', key: input.presharedKey },
  ]);
  t.notMatch(imported.yaml, mine.privateKey);
  const { config, problems } = parseConfig(imported.yaml, '/etc/hawser/office.yaml');
  t.same(problems, []);
  t.match(config, {
    name: 'office',
    links: [{ name: 'lte', interface: 'wwan0' }],
    peers: [
      {
        name: 'hub',
        presharedKeyFile: '/etc/hawser/office-hub.psk',
        endpoints: [{ port: 51_820 }, { transport: 'tls', port: 443 }],
      },
    ],
  });
  t.match(importHawserFile('identity: {}', { name: 'x', links: [], spareLinks: [] }), /privateKey is no private key/);
  t.match(importHawserFile('a: [', { name: 'x', links: [], spareLinks: [] }), /not YAML/);
});

t.test('hawser import takes the file of a client, and refuses one that holds no key', async (t) => {
  const folder = t.testdir();
  const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');
  const hawser = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  const file = path.join(folder, 'office.hawser');
  writeFileSync(file, hawserFile(input));
  const imported = hawser('import', file, '--out', folder);
  t.equal(imported.status, 0, imported.stderr);
  t.equal(readFileSync(path.join(folder, 'office.key'), 'utf8'), `${mine.privateKey}\n`);
  for (const name of ['office.yaml', 'office.key', 'office-hub.psk'])
    t.equal(statSync(path.join(folder, name)).mode & 0o777, 0o600);
  t.match(hawser('check', path.join(folder, 'office.yaml')), { status: 0 });
  writeFileSync(file, hawserFile({ ...input, privateKey: undefined }));
  t.match(hawser('import', file, '--out', folder, '--force'), {
    status: 78,
    stderr: /office\.hawser:1:1: identity\.privateKey is no private key/,
  });
});

t.test('hawser client says what it is used for wrongly', async (t) => {
  const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');
  for (const [args, message] of [
    [['list', 'phone'], /takes no name/],
    [['add'], /of whom/],
    [['rename', 'phone'], /Renamed to what/],
    [['remove', 'phone', 'other'], /one name too many/],
    [['remove', 'phone', '--stock'], /takes no --stock/],
    [['kick', 'phone', '--for', 'long'], /--for is "long"/],
    [['device', 'phone', 'tablet'], /A device of whom/],
    [['export', 'phone'], /one name too many/],
    [['add', 'phone', '--stock', '--hawser'], /not both/],
    [['add', 'phone', '--expires', 'soon'], /--expires is "soon"/],
    [['add', 'phone', '--endpoint', 'http://x'], /--endpoint is/],
    [['add', 'phone', '--allowed', 'everything'], /--allowed is/],
  ] as const)
    t.match(
      spawnSync(process.execPath, [program, 'client', ...args, '--run-directory', t.testdir()], { encoding: 'utf8' }),
      {
        status: 64,
        stderr: message,
      },
    );
});

t.test('parseWhen() knows durations and days', async (t) => {
  const nowMs = Date.UTC(2026, 10, 29);
  t.equal(parseWhen('30d', nowMs), nowMs + 30 * 86_400_000);
  t.equal(parseWhen('90m', nowMs), nowMs + 5_400_000);
  t.equal(parseWhen('2027-01-31', nowMs), Date.UTC(2027, 0, 31));
  t.equal(parseWhen('never', nowMs), undefined);
  for (const text of ['', '5', '-1d', '1y', '2027-13-01', 'tomorrow'])
    t.throws(() => parseWhen(text, nowMs), { code: 'USAGE' });
});

t.test('clients as lines', async (t) => {
  const { client } = input;
  t.match(
    clientLines([client]).join('\n'),
    /CLIENT +STATE +ADDRESSES[\s\S]*Jürgens 📱 +enabled +10\.100\.0\.2 fd00:100::2/,
  );
  t.match(clientLines([]), [/There are no clients/]);
  t.match(
    describeClient({ ...client, expiresMs: Date.UTC(2027, 0, 31) }).join('\n'),
    /until 2027-01-31 00:00Z\n.*with a preshared key\n {2}at most 5 Mbit\/s up, as much as there is down, priority 80/,
  );
});

t.test('ratesOfOptions() reads Mbit/s, off and default, and refuses the rest', async (t) => {
  t.strictSame(ratesOfOptions({}), undefined);
  t.strictSame(ratesOfOptions({ up: '0.5', down: 'off', priority: 'default' }), {
    up: 0.5,
    down: 'off',
    priority: null,
  });
  t.strictSame(ratesOfOptions({ up: 'default', priority: '0' }), { up: null, priority: 0 });
  for (const wrong of [
    { up: '0' },
    { up: '' },
    { down: '-5' },
    { down: '20M' },
    { priority: '101' },
    { priority: '1.5' },
  ])
    t.throws(() => ratesOfOptions(wrong), { code: 'USAGE' }, JSON.stringify(wrong));
});
