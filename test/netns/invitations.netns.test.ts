/** A hub that invites: from nothing to a ping by one line, and what becomes of that line when it is used again, twice at once, or guessed. */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { invitationFromLine, invitationToLine } from '../../src/config/invitation-line.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { ClientRow, InvitationRow } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { Daemon, runCli } from '../support/daemon.ts';
import { filesIn, invite, join, leadOut, served, textOf } from '../support/inviting.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { outside, port } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);

/** The hub of `hawser init`, with folders of its own. */
async function initHub(lab: Lab, host: Host): Promise<Daemon> {
  const folder = path.join(lab.folder, 'files');
  mkdirSync(folder, { recursive: true });
  const init = await runCli(['init', '--role', 'server', '--endpoint', `${outside.b4}:${port}`, '--out', folder]);
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

const kindsOf = (events: readonly EventRecord[]): string[] =>
  events.map(({ kind }) => kind).filter((kind) => /^(client|lease|invitation)-/.test(kind));

const openOnes = (hub: Daemon): Promise<InvitationRow[]> => hub.ask<InvitationRow[]>('invite.list');

async function isUsed(hub: Daemon): Promise<boolean> {
  for (let tries = 0; tries < 50; tries += 1) {
    if ((await openOnes(hub)).length === 0) return true;
    await sleep(100);
  }
  return false;
}

t.test('from nothing to the first ping in four commands, by an invitation', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, vanHost, busHost] = [lab.host('hub'), lab.host('van'), lab.host('bus')];
  lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  lab.join(busHost, hubHost, { addresses: [['10.78.0.1/24'], ['10.78.0.2/24']] });
  for (const host of [vanHost]) leadOut(host);
  busHost.ip(`route add ${outside.b4} via 10.78.0.2`);
  // 1
  const hub = await initHub(lab, hubHost);
  // 2
  await hub.start();
  // 3
  const line = await invite(hub, 'van');
  t.match(line, /^hawser join 10\.77\.0\.2:51820#[A-Za-z0-9_-]{71}$/);
  t.match(await openOnes(hub), [{ name: 'van', state: 'open' }]);
  // 4
  const van = join(lab, vanHost, line, 'van');
  t.ok(await served(vanHost, '10.9.0.1'), `the first ping: ${van.log()}`);
  t.same(filesIn(van.folder), ['van-hub.psk', 'van.key', 'van.yaml'], 'nothing else is left');
  t.match(textOf(van.folder, 'van.yaml'), /interface: "?to-hub/, 'its links were found');
  t.ok(await isUsed(hub));
  t.same(kindsOf(await hub.ask<EventRecord[]>('events')), [
    'invitation-created',
    'client-created',
    'lease-given',
    'invitation-joining',
    'invitation-used',
  ]);
  const [client] = await hub.ask<ClientRow[]>('client.list');
  t.match(client, { name: 'van', state: 'enabled', devices: [{ hasPresharedKey: true, addresses: ['10.9.0.2'] }] });
  const said = JSON.stringify([hub.log(), van.log(), await hub.ask('events'), await hub.ask('peers')]);
  t.notMatch(said, line.slice(-40, -10), 'no log and no answer holds the secret');
  t.notMatch(JSON.stringify(await hub.ask('peers')), 'invite:', 'an invitation is no peer to people');

  // The same line on another machine, and one that was guessed.
  const [, , word = ''] = line.split(' ');
  const read = invitationFromLine(word);
  if (typeof read === 'string') throw new Error(read);
  const guess = `hawser join ${invitationToLine({ ...read, secret: new Uint8Array(16) })}`;
  for (const [label, one] of Object.entries({ used: line, guessed: guess })) {
    const late = join(lab, busHost, one, label, '--no-up', '--wait', '2s');
    t.equal(await late.ended(), 1);
    t.match(
      late.log(),
      /does not answer \(udp 10\.77\.0\.2:51820\) \(an invitation that was used, taken back or has expired/,
    );
  }
  t.equal((await hub.ask<ClientRow[]>('client.list')).length, 1);
  const again = join(lab, vanHost, line, 'van', '--no-up');
  t.equal(await again.ended(), 0);
  t.match(again.log(), /joined already: .*van\.yaml/, 'on the same machine it says so, and asks nobody');
  van.child.kill('SIGTERM');
  await van.ended();
});

t.test('two at once with one line: one wins, and the other is told', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, vanHost, busHost] = [lab.host('hub'), lab.host('van'), lab.host('bus')];
  lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  lab.join(busHost, hubHost, { addresses: [['10.78.0.1/24'], ['10.78.0.2/24']] });
  leadOut(vanHost);
  busHost.ip('route add default via 10.78.0.2');
  const hub = await initHub(lab, hubHost);
  await hub.start();
  const line = await invite(hub, 'Bücherbus 📚');
  const both = [join(lab, vanHost, line, 'one', '--no-up'), join(lab, busHost, line, 'two', '--no-up')];
  const codes = await Promise.all(both.map((one) => one.ended()));
  t.same([...codes].sort(), [0, 1], both.map((one) => one.log()).join('\n'));
  const [winner, loser] = codes[0] === 0 ? both : [...both].reverse();
  t.match(loser?.log(), /Another machine is joining with the same invitation/);
  const files = filesIn(winner?.folder ?? '');
  t.equal(files.length, 3, `an instance whose name is of ASCII: ${files.join()}`);
  t.match(winner?.log(), /Bücherbus 📚, a client of hub/);
  t.match(await openOnes(hub), [{ name: 'Bücherbus 📚', state: 'joining' }], 'not used before it has connected');
});

t.test(
  'the hub is killed between the answer and the first handshake, the machine before it heard',
  options,
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const [hubHost, vanHost] = [lab.host('hub'), lab.host('van')];
    lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
    leadOut(vanHost);
    const hub = await initHub(lab, hubHost);
    await hub.start();
    const line = await invite(hub, 'van');
    await hub.stop('SIGKILL');
    // Nobody is there: the key is made, and kept.
    const early = join(lab, vanHost, line, 'van', '--no-up', '--wait', '1s');
    t.equal(await early.ended(), 1);
    const [pending = ''] = filesIn(early.folder);
    t.match(pending, /^join-[0-9a-f]{12}\.key$/);
    const key = textOf(early.folder, pending);

    await hub.start();
    // One that is cut off when the hub has taken it in, and before it has written anything.
    const cut = join(lab, vanHost, line, 'van', '--no-up');
    for (let tries = 0; tries < 400 && (await openOnes(hub))[0]?.state !== 'joining'; tries += 1) await sleep(10);
    cut.child.kill('SIGKILL');
    await cut.ended();
    const [before] = await hub.ask<ClientRow[]>('client.list');
    await hub.stop('SIGKILL');
    await hub.start();
    t.match(await openOnes(hub), [{ name: 'van', state: 'joining' }], 'it outlives the hub');

    const van = join(lab, vanHost, line, 'van');
    t.ok(await served(vanHost, '10.9.0.1'), van.log());
    t.equal(textOf(van.folder, 'van.key'), key, 'the same key');
    const clients = await hub.ask<ClientRow[]>('client.list');
    t.match(clients, [
      { name: 'van', devices: before?.devices.map(({ publicKey, addresses }) => ({ publicKey, addresses })) },
    ]);
    t.equal(clients.length, 1);
    t.ok(await isUsed(hub));
    await hub.stop('SIGKILL');
    await hub.start();
    t.same(await openOnes(hub), [], 'used for ever');
    van.child.kill('SIGTERM');
    await van.ended();
  },
);
