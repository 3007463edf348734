/** A hub that invites: from nothing to a ping by one line, and what becomes of that line when it is used again, twice at once, or guessed. */
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseConfig } from '../../src/config/parse.ts';
import type { ClientRow, InvitationRow } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { cliProgram, Daemon, runCli } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { outside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);

/** The hub of `hawser init`, with folders of its own. */
async function initHub(lab: Lab, host: Host, ...more: string[]): Promise<Daemon> {
  const folder = path.join(lab.folder, 'files');
  mkdirSync(folder, { recursive: true });
  const init = await runCli([
    'init',
    '--role',
    'server',
    '--endpoint',
    `${outside.b4}:${port}`,
    '--out',
    folder,
    ...more,
  ]);
  if (init.status !== 0) throw new Error(init.stderr);
  const hub = new Daemon(lab, host, { instance: 'hub', keys: generateKeys(), addresses: ['192.0.2.1/32'], peers: [] });
  const file = path.join(folder, 'hub.yaml');
  const runtime = { runDirectory: path.join(lab.folder, 'run'), stateDirectory: path.join(lab.folder, 'hub', 'state') };
  appendFileSync(file, `\nruntime: ${JSON.stringify(runtime)}\n`);
  writeFileSync(hub.configPath, readFileSync(file));
  const key = parseConfig(readFileSync(file, 'utf8'), file).config?.identity.privateKeyFile ?? '';
  renameSync(key, path.join(path.dirname(hub.configPath), path.basename(key)));
  return hub;
}

interface Joining {
  readonly folder: string;
  readonly child: ChildProcess;
  log(): string;
}

function joinArgs(lab: Lab, line: string, ...more: string[]): { folder: string; args: string[] } {
  const [, , word = ''] = line.split(' ');
  const folder = path.join(lab.folder, `etc-${more.join('')}`);
  const args = [
    cliProgram,
    'join',
    word,
    '--out',
    folder,
    '--run-directory',
    path.join(lab.folder, `run-${more.join('')}`),
  ];
  return { folder, args: [...args, '--state-directory', path.join(folder, 'state'), ...more] };
}

/** `hawser join` on a host, as a person runs it there: it stays, and is the tunnel. */
function join(lab: Lab, host: Host, line: string, ...more: string[]): Joining {
  const { folder, args } = joinArgs(lab, line, ...more);
  const said: string[] = [];
  const child = host.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  return { folder, child, log: () => said.join('') };
}

async function served(host: Host, address: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries += 1) if ((await ping(host, address, { count: 2 })).received > 0) return true;
  return false;
}

/** A way out, so that the host has a link; nobody is there, so that what arrives has come through the tunnel. */
function leadOut(host: Host): void {
  host.ip('route add default via 10.77.0.254');
}

const kindsOf = (events: readonly EventRecord[]): string[] =>
  events.map(({ kind }) => kind).filter((kind) => /^(client|lease|invitation)-/.test(kind));

t.test('from nothing to the first ping in four commands, by an invitation', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, vanHost] = [lab.host('hub'), lab.host('van')];
  lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  leadOut(vanHost);
  // 1
  const hub = await initHub(lab, hubHost);
  // 2
  await hub.start();
  // 3
  const invited = await hub.cli('invite', 'van');
  t.equal(invited.status, 0, invited.stderr);
  const line = invited.stdout.trim();
  t.match(line, /^hawser join 10\.77\.0\.2:51820#[A-Za-z0-9_-]{71}$/);
  t.match(await hub.ask<InvitationRow[]>('invite.list'), [{ name: 'van', state: 'open' }]);
  // 4
  const van = join(lab, vanHost, line);
  t.teardown(() => van.child.kill('SIGTERM'));
  t.ok(await served(vanHost, '10.9.0.1'), `the first ping: ${van.log()}`);
  t.ok(existsSync(path.join(van.folder, 'van.yaml')) && existsSync(path.join(van.folder, 'van.key')));
  t.notOk(
    readdirSync(van.folder).some((file) => file.startsWith('join-')),
    'nothing is left over',
  );
  for (let tries = 0; tries < 50 && (await hub.ask<InvitationRow[]>('invite.list')).length > 0; tries += 1)
    await sleep(100);
  t.same(await hub.ask('invite.list'), [], 'used up');
  t.same(kindsOf(await hub.ask<EventRecord[]>('events')), [
    'invitation-created',
    'client-created',
    'lease-given',
    'invitation-joining',
    'invitation-used',
  ]);
  const [client] = await hub.ask<ClientRow[]>('client.list');
  t.match(client, { name: 'van', state: 'enabled', devices: [{ hasPresharedKey: true, addresses: ['10.9.0.2'] }] });
  const said = JSON.stringify([hub.log(), await hub.ask('events'), await hub.ask('peers')]);
  t.notMatch(said, line.slice(-40, -10), 'no log and no answer holds the secret');
  t.notMatch(JSON.stringify(await hub.ask('peers')), 'invite:', 'an invitation is no peer to people');
});
