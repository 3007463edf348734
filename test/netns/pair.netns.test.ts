/** Two hawsers: packets and streams arrive intact, AES is chosen, and a stop gives everything back. */
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { skipReason } from '../support/netns.ts';
import { buildPair, inside, startPair } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(900_000);

for (const placement of ['dedicated', 'compact']) {
  t.test(`two hawsers carry hashed streams both ways with placement ${placement}`, options, async (t) => {
    const { lab, hosts, a, b } = await startPair({ more: { runtime: { placement } } });
    t.teardown(() => lab.close());
    for (const address of [inside.b4, inside.b6]) {
      const result = await ping(hosts.a, address, { count: 20, intervalMs: 20 });
      t.equal(result.received, 20, `ping ${address}: ${result.averageMs} ms`);
    }
    await serveTcp(hosts.b, 7000);
    for (const address of [inside.b4, inside.b6]) {
      t.match(await pull(hosts.a, address, 7000, 100e6), { bytes: 100e6, isIntact: true });
      t.match(await push(hosts.a, address, 7000, 100e6), { isIntact: true });
    }
    const [peer] = await a.peers();
    t.match(peer, { state: 'connected', isHawser: true, rejectedPackets: 0 });
    t.match((await b.peers())[0], { state: 'connected', isHawser: true, rejectedPackets: 0 });
    t.ok((await a.actors()).every((actor) => actor.state === 'running' && actor.restarts === 0));
  });
}

for (const cipher of ['chacha20-poly1305', 'aes-256-gcm']) {
  t.test(`two hawsers use ${cipher} when both ask for it`, options, async (t) => {
    const { lab, hosts, a } = await startPair({ peer: { cipher } });
    t.teardown(() => lab.close());
    await serveTcp(hosts.b, 7000);
    t.match(await pull(hosts.a, inside.b4, 7000, 50e6), { isIntact: true });
    t.match((await a.peers())[0]?.cipher, cipher);
  });
}

t.test('a stop gives back interfaces, addresses, routes, rules, sockets and processes', options, async (t) => {
  const pair = buildPair();
  t.teardown(() => pair.lab.close());
  const before = { a: pair.hosts.a.snapshot(), b: pair.hosts.b.snapshot() };
  await pair.b.start();
  await pair.a.start();
  await ping(pair.hosts.a, inside.b4, { count: 5, intervalMs: 50 });
  t.not(pair.hosts.a.snapshot().links, before.a.links, 'there is something to give back');
  t.equal(await pair.a.stop(), 0);
  t.equal(await pair.b.stop('SIGINT'), 0);
  t.strictSame(pair.hosts.a.snapshot(), before.a);
  t.strictSame(pair.hosts.b.snapshot(), before.b);
  t.strictSame(readdirSync(`${pair.lab.folder}/run`), [], 'no control socket, no lock');
});

t.test('a daemon under traffic holds as many file descriptors after restarts as before', options, async (t) => {
  const { lab, hosts, a } = await startPair();
  t.teardown(() => lab.close());
  const descriptors = () => readdirSync(`/proc/${a.pid}/fd`).map((fd) => kindOf(`/proc/${a.pid}/fd/${fd}`));
  const count = (kind: string) => descriptors().filter((each) => each.startsWith(kind)).length;
  const before = { sockets: count('socket:'), tun: count('/dev/net/tun'), bells: count('anon_inode:[eventfd]') };
  for (const role of ['sealer', 'opener', 'wan-link.default']) await a.actor('restart', role);
  const result = await ping(hosts.a, inside.b4, { count: 20, intervalMs: 50 });
  t.ok(result.received >= 18, `${result.received} of 20 pings across three restarts`);
  const after = { sockets: count('socket:'), tun: count('/dev/net/tun'), bells: count('anon_inode:[eventfd]') };
  t.equal(after.tun, before.tun);
  t.ok(after.sockets <= before.sockets + 1, `${before.sockets} → ${after.sockets} sockets`);
  t.ok(after.bells <= before.bells + 4, `${before.bells} → ${after.bells} eventfds`);
});

function kindOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'gone';
    throw error;
  }
}
