/** `hawser invite` and `hawser join` without a hub: what is refused at once, and a code that phones' cameras and laptops' read. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { findInitLinks } from '../../src/cli/init-links.ts';
import { findJoined, forgetPending, ownKey, writeJoined } from '../../src/cli/join-files.ts';
import { qrColumns, qrLines } from '../../src/cli/qr-code.ts';
import { invitationToLine } from '../../src/config/invitation-line.ts';
import { formatKey } from '../../src/config/keys.ts';
import { loadConfigWithKeys } from '../../src/config/load-keys.ts';
import type { EnrolWelcome } from '../../src/wire/enrol-frame.ts';
import { cliProgram, runCli } from '../support/daemon.ts';
import { textOfCode } from '../support/qr-reader.ts';

t.setTimeout(120_000);

const hubKey = new Uint8Array(Buffer.alloc(32, 3));
const line = invitationToLine({
  endpoints: ['hub.example.net:51820', 'faketcp://hub.example.net:51820', 'tls://hub.example.net:443'],
  hubKey,
  secret: Buffer.alloc(16, 5),
  obfuscation: undefined,
});

t.test('the QR code decodes to the command', async (t) => {
  const lines = qrLines(`hawser join ${line}`);
  t.equal(textOfCode(lines), `hawser join ${line}`);
  t.ok(qrColumns(lines) <= 80);
});

t.test('what is wrong with a command is said before anything is asked or written', async (t) => {
  const folder = t.testdir();
  for (const [args, told] of [
    [['invite', 'van', '--uses', '0'], /--uses is "0" \(a number from 1 to 100/],
    [['invite', 'van', '--expires', 'never'], /for ever is a password/],
    [['invite', 'van', '--expires', 'soon'], /--expires is "soon"/],
    [['invite', 'van', '--allowed', 'all'], /--allowed is "all"/],
    [['invite', 'van', 'bus'], /one name too many/],
    [['invite', 'revoke'], /Whose invitation\?/],
    [['join', 'van'], /That is no invitation/],
    [['join', line, '--name', 'a b'], /--name is "a b"/],
    [['join', line, '--wait', 'long'], /--wait is "long"/],
  ] as const) {
    const { status, stderr } = await runCli([...args, ...(args[0] === 'join' ? ['--no-up', '--out', folder] : [])]);
    t.equal(status, 64, args.join(' '));
    t.match(stderr, told);
  }
  t.same(readdirSync(folder), []);
});

t.test('the line may come by stdin, with the command in front of it', async (t) => {
  const args = [cliProgram, 'join', '-', '--no-up', '--wait', '1s', '--out', t.testdir()];
  const other = invitationToLine({
    endpoints: ['127.0.0.1:9'],
    hubKey,
    secret: Buffer.alloc(16, 5),
    obfuscation: undefined,
  });
  const { status, stderr } = spawnSync(process.execPath, args, { input: `hawser join ${other}\n`, encoding: 'utf8' });
  t.equal(status, 1);
  t.match(stderr, /The hub does not answer \(udp 127\.0\.0\.1:9/);
});

const welcome: EnrolWelcome = {
  presharedKey: new Uint8Array(Buffer.alloc(32, 8)),
  name: 'van',
  hubName: 'hub',
  addresses: [Uint8Array.of(10, 9, 0, 2), Uint8Array.from(Buffer.from(`fd${'00'.repeat(14)}02`, 'hex'))],
  dns: [Uint8Array.of(10, 9, 0, 1)],
  networks: [
    { address: new Uint8Array(4), prefix: 0 },
    { address: new Uint8Array(16), prefix: 0 },
  ],
};

function write(folder: string, more: { readonly name?: string; readonly welcome?: Partial<EnrolWelcome> } = {}) {
  return writeJoined({
    folder,
    id: 'abc',
    name: more.name,
    interface: undefined,
    runtime: undefined,
    privateKey: ownKey(folder, 'abc'),
    hubKey,
    endpoints: ['hub.example.net:51820'],
    obfuscation: undefined,
    links: findInitLinks('client'),
    welcome: { ...welcome, ...more.welcome },
    force: false,
  });
}

t.test('the files of a join are a configuration; a run that was ended in the middle goes on', async (t) => {
  const folder = t.testdir();
  const key = ownKey(folder, 'abc');
  t.strictSame(ownKey(folder, 'abc'), key, 'the key of the run before');
  writeFileSync(path.join(folder, 'van.key'), `${formatKey(key)}\n`, { mode: 0o600 });
  t.equal(findJoined(folder, 'abc'), undefined);
  const { file } = write(folder);
  const { config } = loadConfigWithKeys(file);
  t.match(config, {
    name: 'van',
    tunnel: { addresses: [{ address: '10.9.0.2', prefix: 32 }, { prefix: 128 }], dns: { servers: ['10.9.0.1'] } },
    peers: [
      {
        name: 'hub',
        keepaliveMs: 25_000,
        allowedIPs: [
          { prefix: 0, family: 4 },
          { prefix: 0, family: 6 },
        ],
      },
    ],
  });
  t.equal(findJoined(folder, 'abc'), file);
  t.equal(config?.tunnel.interface, 'hawser0');
  t.equal(
    loadConfigWithKeys(write(folder, { name: 'second' }).file).config.tunnel.interface,
    'hawser1',
    'of another hub',
  );
  forgetPending(folder, 'abc');
  t.notOk(existsSync(path.join(folder, 'join-abc.key')));
});

t.test('what a hub answers is no reason to write anything else', async (t) => {
  const folder = t.testdir();
  t.throws(() => write(folder, { welcome: { hubName: '../../evil' } }), { code: 'JOIN' });
  t.throws(() => write(folder, { welcome: { addresses: [] } }), { code: 'JOIN' });
  t.same(readdirSync(folder), ['join-abc.key']);
  t.match(
    write(folder, { welcome: { name: '../../etc/passwd' } }).file,
    new RegExp(`^${folder}/[A-Za-z0-9_-]+\\.yaml$`),
  );
  t.match(write(folder, { welcome: { name: '書' } }).name, /^[A-Za-z0-9_-]+$/);
  writeFileSync(path.join(folder, 'own.yaml'), 'x');
  t.throws(() => write(folder, { name: 'own' }), { code: 'EXISTS' });
});
