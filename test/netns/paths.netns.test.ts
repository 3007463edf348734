/** Two real daemons over emulated links: what the kernel says of an interface reaches the paths, and sessions outlive it. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { type Bond, startBond } from '../support/bond.ts';
import { linkAddresses } from '../support/link-emulator.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
/** A loaded machine answers late. */
const patienceMs = 15_000;
t.setTimeout(300_000);

const fibreAndLte = [
  { name: 'fibre', rateMbit: 50, delayMs: 5 },
  { name: 'lte', rateMbit: 20, delayMs: 20 },
];

async function statesOf({ rope }: Bond): Promise<Record<string, string>> {
  const paths = await rope.client.ask<readonly PathStatus[]>('paths');
  return Object.fromEntries(paths.map((path) => [path.link, path.state]));
}

async function until(what: string, bond: Bond, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() < endMs) await sleep(50);
    else throw new Error(`never ${what}: ${JSON.stringify(await statesOf(bond))}\n${bond.rope.client.log()}`);
  }
}

function becomes(bond: Bond, link: string, state: string): Promise<void> {
  return until(`${link} ${state}`, bond, async () => (await statesOf(bond))[link] === state);
}

async function handshakes({ rope }: Bond): Promise<number> {
  return rope.client.log().split('"session: ').length - 1;
}

t.test(
  'an interface that goes down, loses its carrier, route or address takes its paths along, and brings them back',
  options,
  async (t) => {
    const bond = await startBond({ emulated: fibreAndLte });
    const { lab, net } = bond;
    t.teardown(() => lab.close());
    const before = await handshakes(bond);
    const { router4, client4 } = linkAddresses(0);
    const passes = async () => (await ping(net.client, inside.b4, { count: 5, intervalMs: 100 })).received;
    net.client.ip('link set fibre down');
    await becomes(bond, 'fibre', 'down');
    t.ok((await passes()) > 0, 'the other link carries');
    net.client.ip('link set fibre up');
    // With the interface went its routes.
    net.client.ip(`route replace default via ${router4} dev fibre metric 100`);
    await becomes(bond, 'fibre', 'up');
    net.client.ip(`address del ${client4}/24 dev fibre`);
    await becomes(bond, 'fibre', 'down');
    t.equal((await statesOf(bond)).lte, 'up');
    net.client.ip(`address add ${client4}/24 dev fibre`);
    net.client.ip(`route replace default via ${router4} dev fibre metric 100`);
    await becomes(bond, 'fibre', 'up');
    t.ok((await passes()) > 0);
    t.equal(await handshakes(bond), before, 'the session has outlived it all');
  },
);

t.test(
  'an interface that comes later, or comes back as another, gets sockets and paths without a restart',
  options,
  async (t) => {
    const bond = await startBond({ emulated: fibreAndLte });
    const { lab, net, rope } = bond;
    t.teardown(() => lab.close());
    const { router4 } = linkAddresses(1);
    const rename = (from: string, to: string) => {
      net.client.ip(`link set ${from} down`);
      net.client.ip(`link set ${from} name ${to}`);
      net.client.ip(`link set ${to} up`);
      net.client.ip(`route replace default via ${router4} dev ${to} metric 101`);
    };
    const opened = async () => rope.client.log().split('lte: its interface has come').length - 1;
    rename('lte', 'away');
    await becomes(bond, 'lte', 'down');
    // Another modem in its place.
    net.client.ip('link add lte type veth peer name nowhere');
    for (const name of ['lte', 'nowhere']) net.client.ip(`link set ${name} up`);
    await until('sockets on the new interface', bond, async () => (await opened()) === 1);
    net.client.ip('link delete lte');
    rename('away', 'lte');
    await becomes(bond, 'lte', 'up');
    t.equal(await opened(), 2);
    await rope.client.stop();
    rename('lte', 'away');
    await rope.client.start();
    t.ok(
      (await ping(net.client, inside.b4, { count: 10, intervalMs: 100 })).received > 0,
      'one link is enough to start',
    );
    t.match(rope.client.log(), /lte: there is no interface .* yet/);
    rename('away', 'lte');
    await becomes(bond, 'lte', 'up');
  },
);
