/** One real link that loses packets by chance: a flow through the tunnel carries most of it, because what is lost goes out again. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { startBond } from '../support/bond.ts';
import { goodputMbit, runTcp, serveFlows } from '../support/flows.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
/** A copy for each: tap writes the test itself into it. */
const options = skip === false ? { buffered: true } : { skip };
t.setTimeout(300_000);
/** 24 Mbit/s each: a machine that does nothing else carries both. */
t.jobs = 2;
/** A rate that a busy machine carries too. Without repairs one flow gets a tenth of it. */
const lossy = { name: 'radio', rateMbit: 24, delayMs: 30, loss: 0.01 } as const;
const port = 7000;
const seconds = 6;

t.test('one flow carries most of a link that loses 1 %, each way', { ...options }, async (t) => {
  const { lab, net, rope } = await startBond({ emulated: [lossy] });
  t.teardown(() => lab.close());
  await serveFlows(net.server, port);
  for (const direction of ['down', 'up'] as const) {
    const shares: number[] = [];
    // A machine that starves the daemons says nothing about repairs: look again.
    while (shares.length < 3 && Math.max(0, ...shares) < 0.7) {
      if (shares.length > 0) await sleep(1_000);
      const streams = await runTcp(net.client, inside.b4, port, { seconds, direction });
      shares.push(goodputMbit(streams, 2, seconds) / lossy.rateMbit);
    }
    t.ok(Math.max(...shares) >= 0.6, `${shares.map((share) => share.toFixed(2)).join(', ')} of the rate ${direction}`);
    const [path] = await rope[direction === 'down' ? 'server' : 'client'].ask<readonly PathStatus[]>('paths');
    const { resentPackets = 0, lostPackets = 0 } = path ?? {};
    t.ok(resentPackets > 0.5 * lostPackets, `${resentPackets} sent again of ${lostPackets} lost`);
  }
});

t.test('with bonding.repair off the losses of an only link are left to the flow', { ...options }, async (t) => {
  const { lab, net, rope } = await startBond({ emulated: [lossy], bonding: { repair: 'off' } });
  t.teardown(() => lab.close());
  await serveFlows(net.server, port);
  const streams = await runTcp(net.client, inside.b4, port, { seconds: 5, direction: 'up' });
  const share = goodputMbit(streams, 2, 5) / lossy.rateMbit;
  t.ok(share < 0.4, `${share.toFixed(2)} of the rate`);
  const [path] = await rope.client.ask<readonly PathStatus[]>('paths');
  const { resentPackets = 0, lostPackets = 0 } = path ?? {};
  t.ok(lostPackets > 0 && resentPackets <= lostPackets, `${resentPackets} sent again of ${lostPackets} lost`);
});
