/** Machines that join by FakeTCP: where UDP is blocked, where the hub has nothing else, and where segments are lost that nobody sends again. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon } from '../support/daemon.ts';
import { invite, join, leadOut, served } from '../support/inviting.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { outside, port } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
t.jobs = 3;

interface World {
  readonly lab: Lab;
  readonly hubHost: Host;
  readonly vanHost: Host;
  readonly hub: Daemon;
}

async function build(t: Test, listen: Readonly<Record<string, number>>): Promise<World> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, vanHost] = [lab.host('hub'), lab.host('van')];
  lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  leadOut(vanHost);
  const hub = new Daemon(lab, hubHost, {
    keys: generateKeys(),
    addresses: ['10.9.0.1/24'],
    peers: [],
    more: { listen, server: { pool: '10.9.0.0/24', endpoint: outside.b4 } },
  });
  await hub.start();
  return { lab, hubHost, vanHost, hub };
}

/** Until the returned function is called. */
function drop(host: Host, rule: string): () => void {
  host.run('nft', ['add table ip lossy; add chain ip lossy in { type filter hook input priority 0; }']);
  host.run('nft', [`add rule ip lossy in ${rule} drop`]);
  return () => void host.run('nft', ['delete table ip lossy']);
}

async function transportsOf(hub: Daemon): Promise<string[]> {
  return (await hub.ask<PathStatus[]>('paths')).map(({ transport }) => transport);
}

t.test('where UDP is blocked', { ...options }, async (t) => {
  const { lab, hubHost, vanHost, hub } = await build(t, { udp: port, faketcp: 8443 });
  drop(hubHost, 'meta l4proto udp');
  const line = await invite(hub, 'van');
  t.match(line, /^hawser join 10\.77\.0\.2:51820,faketcp:\/\/10\.77\.0\.2:8443#/);
  const van = join(lab, vanHost, line, 'van');
  t.ok(await served(vanHost, '10.9.0.1'), van.log());
  t.same([...new Set(await transportsOf(hub))], ['faketcp']);
  van.child.kill('SIGTERM');
  t.equal(await van.ended(), 0);
});

t.test('a hub that listens for nothing else is called at once', { ...options }, async (t) => {
  const { lab, vanHost, hub } = await build(t, { faketcp: 8443 });
  const line = await invite(hub, 'van');
  t.match(line, /^hawser join faketcp:\/\/10\.77\.0\.2:8443#/);
  const van = join(lab, vanHost, line, 'van');
  t.ok(await served(vanHost, '10.9.0.1'), van.log());
  t.same(vanHost.run('nft', ['list', 'ruleset']), '', 'no rule for that');
  van.child.kill('SIGTERM');
  await van.ended();
});

t.test('answers that were lost are no end of it, and silence is said', { ...options }, async (t) => {
  const { lab, vanHost, hub } = await build(t, { faketcp: 8443 });
  const line = await invite(hub, 'van');
  // What bears something, from the hub: the kernel here waits for it for ever.
  const heard = drop(vanHost, 'tcp sport 8443 meta length > 90');
  const van = join(lab, vanHost, line, 'van', '--no-up');
  await sleep(3000);
  heard();
  t.equal(await van.ended(), 0, van.log());

  const nobody = drop(vanHost, 'tcp sport 8443');
  const second = await invite(hub, 'bus');
  const bus = join(lab, vanHost, second, 'bus', '--no-up', '--wait', '2s');
  t.equal(await bus.ended(), 1);
  t.match(bus.log(), /The hub cannot be called: faketcp 10\.77\.0\.2:8443: no connection/);
  nobody();
});
