/** Peers that are reached by link-local addresses (`[fe80::2%lan1]:51820`), the same ones on two wires. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';
import { inner } from '../support/two-links.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(600_000);
const near = { a: 'fe80::a', b: 'fe80::b' } as const;

interface Scene {
  readonly hosts: { readonly a: Host; readonly b: Host };
  readonly a: Daemon;
  readonly b: Daemon;
  /** Pulls a wire out and plugs in a new one by the same name. */
  replug(name: string): void;
}

/** Two wires between two hosts that have link-local addresses and no other, the same on both. `aLinks`: those of the configuration. */
async function stage(t: Test, endpoints: readonly string[], aLinks: readonly string[]): Promise<Scene> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hostA, hostB] = [lab.host('a'), lab.host('b')];
  const plug = (name: string): void => {
    const addresses: [string[], string[]] = [[`${near.a}/64`], [`${near.b}/64`]];
    lab.join(hostA, hostB, { interfaces: [name, name], addresses });
  };
  for (const name of ['lan1', 'lan2']) plug(name);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const b = new Daemon(lab, hostB, {
    keys: keysB,
    addresses: [`${inner.b}/24`],
    port,
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inner.a}/32`] }],
  });
  const a = new Daemon(lab, hostA, {
    keys: keysA,
    addresses: [`${inner.a}/24`],
    peers: [{ name: 'b', publicKey: keysB.publicKey, allowedIPs: ['10.9.0.0/24'], endpoints, keepalive: '25s' }],
    more: aLinks.length === 0 ? {} : { links: aLinks.map((name) => ({ name, interface: name })) },
  });
  await b.start();
  await a.start();
  return {
    hosts: { a: hostA, b: hostB },
    a,
    b,
    replug: (name) => {
      hostA.ip(`link delete ${name}`);
      // The next ones have indices that the first ones never had, and not the same at both ends.
      hostB.ip(`tuntap add not-${name} mode tun`);
      plug(name);
    },
  };
}

/** Waits until `isWanted` says so of the endpoints of the live paths in use, by interface; returns the last ones. */
async function livePaths(daemon: Daemon, isWanted: (live: readonly string[]) => boolean): Promise<string[]> {
  let live: string[] = [];
  for (let tries = 0; tries < 150; tries += 1) {
    const paths = await daemon.ask<{ condition?: string; state: string; endpoint: string }[]>('paths');
    const used = paths.filter(({ condition, state }) => condition === 'live' && state === 'up');
    live = used.map(({ endpoint }) => endpoint).sort((a, b) => zoneIn(a).localeCompare(zoneIn(b)));
    if (isWanted(live)) break;
    await sleep(200);
  }
  return live;
}

function zoneIn(endpoint: string): string {
  return endpoint.replace(/^.*%/, '');
}

const isOne = (live: readonly string[]): boolean => live.length === 1;
const areTwo = (live: readonly string[]): boolean => live.length === 2;

async function answered(host: Host, address: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries += 1)
    if ((await ping(host, address, { count: 5, intervalMs: 100 })).received > 0) return true;
  return false;
}

t.test('two wires with the same link-local addresses are two paths, also plugged anew', options, async (t) => {
  const endpoints = ['lan1', 'lan2'].map((name) => `[${near.b}%${name}]:${port}`);
  const { hosts, a, b, replug } = await stage(t, endpoints, ['lan1', 'lan2']);
  t.ok(await answered(hosts.a, inner.b));
  t.same(await livePaths(a, areTwo), endpoints, 'each link has the path of its own zone, and no other');
  t.match(
    await livePaths(b, areTwo),
    [/^\[fe80::.*%lan1\]:/, /^\[fe80::.*%lan2\]:/],
    'the hub tells them apart by the interface',
  );
  for (const name of ['lan1', 'lan2']) {
    replug(name);
    t.same(await livePaths(a, areTwo), endpoints, `${name} serves again, whatever its index`);
    t.equal((await a.ask<unknown[]>('paths')).length, 2, 'by the path that it had');
  }
  t.ok(await answered(hosts.a, inner.b));
  t.match(await livePaths(b, areTwo), [/^\[fe80::.*%lan1\]:/, /^\[fe80::.*%lan2\]:/]);
});

t.test(
  'a client without links reaches its zone, moves in it, and says when there is no such interface',
  options,
  async (t) => {
    const endpoints = [`[${near.b}%lan2]:${port}`, `[${near.b}%lan9]:${port}`];
    const { hosts, a, b, replug } = await stage(t, endpoints, []);
    t.ok(await answered(hosts.a, inner.b));
    t.same(await livePaths(a, isOne), endpoints.slice(0, 1));
    t.match(a.log(), /Endpoints on lan9 cannot be reached/);
    hosts.a.ip('-6 address flush dev lan2');
    hosts.a.ip('-6 address add fe80::77/64 dev lan2 nodad');
    const hasMoved = (live: readonly string[]): boolean =>
      live.some((endpoint) => endpoint.startsWith('[fe80::77%lan2]:'));
    t.match(await livePaths(b, hasMoved), [/^\[fe80::77%lan2\]:/], 'the hub follows, by the same interface');
    replug('lan2');
    t.ok(await answered(hosts.a, inner.b), 'and when the interface has another index');
  },
);
