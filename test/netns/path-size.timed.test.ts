/** Two real daemons over emulated links that silently swallow long packets: from the start, later, in one direction. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { type Bond, startBond } from '../support/bond.ts';
import { goodputMbit, runTcp, serveFlows } from '../support/flows.ts';
import type { LinkParameters } from '../support/link-emulator.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
/** A copy for each: tap writes the test itself into it. */
const options = skip === false ? { buffered: true } : { skip };
t.setTimeout(300_000);
/** 40 Mbit/s each: a machine that does nothing else carries two at once. */
t.jobs = 2;
const port = 7000;
/** A loaded machine is late with everything. */
const patienceMs = 20_000;
/** What a search may leave open. */
const grainBytes = 8;

async function start(t: Test, narrow: LinkParameters): Promise<Bond> {
  const bond = await startBond({
    emulated: [
      { name: 'wide', rateMbit: 24, delayMs: 10 },
      { name: 'narrow', rateMbit: 16, delayMs: 20, ...narrow },
    ],
  });
  t.teardown(() => bond.lab.close());
  await serveFlows(bond.net.server, port);
  return bond;
}

/** What an end knows of its paths, the wide one first: the server has no names for them, but learns them in this order of delay. */
async function sizes({ rope }: Bond, side: 'client' | 'server'): Promise<number[]> {
  const paths = await rope[side].ask<readonly PathStatus[]>('paths');
  return [...paths].sort((a, b) => (a.minRttMs ?? 0) - (b.minRttMs ?? 0)).map(({ mtu }) => mtu ?? 0);
}

/** Waits until the sizes are `expected`, each less than a grain below what passes. */
async function become(t: Test, bond: Bond, side: 'client' | 'server', expected: readonly number[]): Promise<void> {
  const areFound = (found: readonly number[]) =>
    expected.every((size, index) => (found[index] ?? 0) <= size && (found[index] ?? 0) > size - grainBytes);
  const endMs = performance.now() + patienceMs;
  let found = await sizes(bond, side);
  while (!areFound(found) && performance.now() < endMs) {
    await sleep(100);
    found = await sizes(bond, side);
  }
  t.ok(areFound(found), `${side}: ${found.join(' and ')} of ${expected.join(' and ')}`);
}

async function eventsOf({ rope }: Bond, side: 'client' | 'server', kind: string): Promise<EventRecord[]> {
  return (await rope[side].ask<EventRecord[]>('events', { since: 0 })).filter((one) => one.kind === kind);
}

t.test(
  'the size of each path is found at both ends, and a narrow one never makes the rope stand',
  { ...options },
  async (t) => {
    const bond = await start(t, { mtu: 1430 });
    for (const side of ['client', 'server'] as const) await become(t, bond, side, [1500, 1430]);
    const before = (await bond.net.link('narrow').stats()).up.tooLong;
    for (const direction of ['up', 'down'] as const) {
      const streams = await runTcp(bond.net.client, inside.b4, port, { seconds: 6, direction });
      const seconds = [2, 3, 4, 5].map((second) => goodputMbit(streams, second, second + 1));
      t.ok(Math.min(...seconds) > 5, `${seconds.map((one) => one.toFixed(1)).join(', ')} Mbit/s ${direction} by 24`);
    }
    const after = (await bond.net.link('narrow').stats()).up.tooLong;
    t.ok(after - before < 20, `${after - before} packets went into the hole`);
    t.match(await eventsOf(bond, 'client', 'path-mtu'), [{ link: 'narrow', direction: 'out', size: /142/ }]);
    const { stdout } = await bond.rope.client.cli('explain');
    t.match(stdout, /The path narrow → .* takes packets of 14\d\d bytes at most towards server/);
    t.match((await bond.rope.client.cli('paths')).stdout, / MTU\n.* 1500\n/);
  },
);

t.test('a path that becomes narrow while it carries is found out, and lives on', { ...options }, async (t) => {
  const bond = await start(t, {});
  for (const side of ['client', 'server'] as const) await become(t, bond, side, [1500, 1500]);
  const running = runTcp(bond.net.client, inside.b4, port, { seconds: 10, direction: 'up' });
  await sleep(3000);
  await bond.net.link('narrow').set({ mtu: { up: 1300, down: 0 } });
  const streams = await running;
  const late = goodputMbit(streams, 7, 10);
  t.ok(late > 5, `${late.toFixed(1)} Mbit/s afterwards`);
  // Without traffic nobody would have noticed; with it, by the end.
  await become(t, bond, 'client', [1500, 1300]);
  await become(t, bond, 'server', [1500, 1500]);
  const dead = await eventsOf(bond, 'client', 'path-dead');
  t.strictSame(dead, [], 'a hole for long packets is no death');
});

t.test(
  'paths that all become narrow at once stop a flow for less than a few round trips',
  { ...options },
  async (t) => {
    const bond = await start(t, {});
    for (const side of ['client', 'server'] as const) await become(t, bond, side, [1500, 1500]);
    const running = runTcp(bond.net.client, inside.b4, port, { seconds: 9, direction: 'up' });
    await sleep(3000);
    for (const { name } of bond.net.links) await bond.net.link(name).set({ mtu: 1400 });
    const streams = await running;
    const late = goodputMbit(streams, 6, 9);
    t.ok(late > 10, `${late.toFixed(1)} Mbit/s afterwards, of 40`);
    // The server sent nothing long, and has noticed nothing.
    await become(t, bond, 'client', [1400, 1400]);
  },
);
