/** A real daemon whose configuration is changed on trial: kept, taken back in time, and by a kill. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { revisionOf } from '../../src/config/revision.ts';
import type { ConfigApplied, ConfigText } from '../../src/control/config-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import type { Explanation } from '../../src/control/explain.ts';
import type { Status } from '../../src/control/rows.ts';
import { Daemon, runCli } from '../support/daemon.ts';
import { HttpAsker } from '../support/http-asker.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const port = 8474;

t.setTimeout(120_000);

function start(t: Test, more: Readonly<Record<string, unknown>> = {}) {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('home');
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [{ name: 'hub', publicKey: generateKeys().publicKey, allowedIPs: ['10.9.0.0/24'] }],
    more: { runtime: { placement: 'dedicated' }, ...more },
  });
  const text = readFileSync(daemon.configPath, 'utf8');
  const withMtu = (mtu: number): string => text.replace('"mtu": 1420', `"mtu": ${mtu}`);
  const draft = path.join(lab.folder, 'draft.yaml');
  const write = (content: string): string => {
    writeFileSync(draft, content);
    return draft;
  };
  const mtu = (): number => Number(/mtu (\d+)/.exec(host.ip('link show hawser0'))?.[1]);
  const file = (suffix = ''): string | undefined =>
    existsSync(daemon.configPath + suffix) ? readFileSync(daemon.configPath + suffix, 'utf8') : undefined;
  const last = async (kind: string): Promise<EventRecord | undefined> =>
    (await daemon.ask<readonly EventRecord[]>('events')).findLast((event) => event.kind === kind);
  return { lab, host, daemon, text, withMtu, write, mtu, file, last };
}

t.test('a configuration runs on trial, is kept, or is taken back after its time', options, async (t) => {
  const { daemon, text, withMtu, write, mtu, file, last } = start(t);
  await daemon.start();
  const json = async (...args: string[]) => JSON.parse((await daemon.cli('config', ...args, '--json')).stdout);
  const read = (await json('read')) as ConfigText;
  t.match(read, { file: daemon.configPath, revision: revisionOf(text), text });
  t.strictSame(Object.keys(read), ['file', 'text', 'revision', 'reserved'], 'the form of --json');

  const wrong = await daemon.cli('config', 'check', write(withMtu(1)));
  t.match(wrong, { status: 78, stdout: /draft\.yaml:\d+:\d+: tunnel\.mtu: 1 is out of range/ });
  t.match(await daemon.cli('config', 'apply', write(withMtu(1))), { status: 78, stderr: /tunnel\.mtu/ });
  t.equal(mtu(), 1420, 'a text with faults changes nothing');

  const diff = await daemon.cli('config', 'diff', write(withMtu(1400)));
  t.match(diff.stdout, /^tunnel\.mtu changed from 1420 to 1400$/m);
  t.match(diff.stdout, /^threads renewed: \S+/m);
  t.match(diff.stdout, /^- +"mtu": 1420,?\n\+ +"mtu": 1400/m);

  const applied = (await json('apply', write(withMtu(1400)), '--seconds', '6')) as ConfigApplied;
  t.match(applied, { leftMs: 6000, changes: ['tunnel.mtu changed from 1420 to 1400'] });
  t.strictSame(Object.keys(applied).sort(), ['changes', 'leftMs', 'revision']);
  t.equal(mtu(), 1400, 'it runs');
  t.equal(file(), text, 'and is not in the file');
  t.match(await daemon.cli('status'), { stdout: /on trial +another configuration, taken back in \d s/ });
  t.match(
    (await daemon.ask<readonly Explanation[]>('explain')).find((one) => /on trial/.test(one.text)),
    {
      severity: 'note',
      remedy: /hawser config confirm/,
    },
  );
  await t.rejects(daemon.ask('reload'), { code: 'TRIAL', message: /on trial/ });
  await t.rejects(daemon.ask('link.add', { name: 'x', interface: 'lo' }), { code: 'TRIAL' });
  const second = { text: withMtu(1300), revision: revisionOf(text) };
  await t.rejects(daemon.ask('config.apply', second), { code: 'TRIAL' });
  await until('it is taken back', async () => (await daemon.ask<Status>('status')).trial === undefined);
  t.equal(mtu(), 1420);
  t.match(await last('config-taken-back'), { reason: 'nobody confirmed it within 6 s', revision: applied.revision });
  t.same([file(), file('.trial'), file('.taken-back')], [text, undefined, withMtu(1400)]);
  const { ino, mode, uid } = statSync(daemon.configPath);
  await json('apply', write(withMtu(1400)));
  t.match(await daemon.cli('config', 'confirm'), { status: 0, stdout: /in the file now/ });
  t.same([mtu(), file()], [1400, withMtu(1400)]);
  t.match(statSync(daemon.configPath), { mode, uid });
  t.not(statSync(daemon.configPath).ino, ino, 'it was replaced as a whole');
  t.match(await last('config-confirmed'), { revision: revisionOf(withMtu(1400)) });
  t.same(await daemon.ask('reload'), { changes: [] });

  const third = await daemon.ask<ConfigApplied>('config.apply', {
    text: withMtu(1300),
    revision: revisionOf(withMtu(1400)),
  });
  await daemon.ask('config.revert', { revision: third.revision });
  t.same([mtu(), file()], [1400, withMtu(1400)]);

  writeFileSync(daemon.configPath, withMtu(1290));
  await t.rejects(daemon.ask('config.apply', { text, revision: revisionOf(withMtu(1400)) }), {
    code: 'CHANGED',
    message: /changed by somebody else meanwhile/,
  });
  t.equal(mtu(), 1400);
  t.equal(await daemon.stop(), 0);
});

t.test('what fails is taken back at once, a kill and a stop end a trial', options, async (t) => {
  const { daemon, host, text, withMtu, write, mtu, file, last } = start(t, { listen: { udp: 51_820 } });
  const holder = host.spawn(
    'python3',
    [
      '-c',
      'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4500)); print("bound", flush=True); s.recv(1)',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  await daemon.start();
  const taken = await daemon.cli('config', 'apply', write(text.replace('"udp": 51820', '"udp": 4500')), '--json');
  t.match(taken, { status: 1, stderr: /UDP port 4500: .*EADDRINUSE/ });
  t.equal((await daemon.ask<Status>('status')).listenPort, 51_820);
  t.ok((await daemon.actors()).every(({ state }) => state === 'running'));
  t.match(await last('config-taken-back'), { reason: /could not be applied: .*4500/ });

  await daemon.cli('config', 'apply', write(withMtu(1400)), '--json');
  t.equal(mtu(), 1400);
  await daemon.stop('SIGKILL');
  t.equal(file(), text);
  await daemon.start();
  t.equal(mtu(), 1420, 'a restart begins with the old one');
  t.match(await last('config-taken-back'), { reason: /the daemon ended/ });
  t.equal(file('.taken-back'), withMtu(1400));

  await daemon.cli('config', 'apply', write(withMtu(1300)), '--json');
  t.equal(await daemon.stop(), 0);
  t.same([file(), file('.trial'), file('.taken-back')], [text, undefined, withMtu(1300)]);
  await daemon.start();
  t.equal(mtu(), 1420);
  t.equal(await daemon.stop(), 0);
});

t.test('by HTTP the change that cuts its maker off is taken back', options, async (t) => {
  const tokens = path.join(t.testdir(), 'tokens');
  const { daemon, host } = start(t, { api: { listen: `127.0.0.1:${port}`, tokensFile: tokens } });
  const { stdout } = await runCli(['token', 'add', 'me', '--role', 'admin', '--file', tokens]);
  await daemon.start();
  const asker = new HttpAsker(host, port);
  t.teardown(() => asker.close());
  const token = stdout.trim();
  const read = () => asker.call(token, 'GET', 'config/read').catch(() => undefined);
  await until('the API is on', async () => (await read())?.status === 200);
  const { text, revision } = (await asker.call(token, 'GET', 'config/read')).json as ConfigText;
  const answer = await asker
    .call(token, 'POST', 'config/apply', { text: text.replace(`:${port}`, ':8475'), revision, seconds: 5 })
    .catch(String);
  t.comment(typeof answer === 'string' ? answer : JSON.stringify(answer.json));
  await until('it is on trial', async () => (await daemon.ask<Status>('status')).trial !== undefined);
  await until('it has gone to another port', async () => (await read()) === undefined);
  await until('it is back', async () => (await read())?.status === 200);
  t.match(await daemon.ask<Status>('status'), { trial: undefined });
  const site = JSON.stringify({ ...JSON.parse(text), tls: { site: '/etc' } });
  t.match(await asker.call(token, 'POST', 'config/apply', { text: site, revision }), {
    status: 422,
    json: { detail: /tls\.site: .*not changed by HTTP/ },
  });
  t.equal(await daemon.stop(), 0);
});
