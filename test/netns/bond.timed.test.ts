/** Two real daemons over emulated links: one rope of several of them, that holds when a link is cut. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import type { PeerStatus } from '../../src/control/rows.ts';
import { startBond } from '../support/bond.ts';
import { goodputMbit, runTcp, sendUdp, serveFlows, UdpSink } from '../support/flows.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';
import { pull, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
/** A copy for each: tap writes the test itself into it. */
const options = skip === false ? { buffered: true } : { skip };
t.setTimeout(300_000);
/** 40 Mbit/s at most: a machine that does nothing else carries two. */
t.jobs = 2;
const ports = { tcp: 7000, udp: 7001 } as const;
/** Rates a busy machine carries too. */
const fibre = { name: 'fibre', rateMbit: 24, delayMs: 10 } as const;
const lte = { name: 'lte', rateMbit: 16, delayMs: 25 } as const;
const everything = ['icmp', 'dns', 'latency', 'bulk', 'control'];

t.test('a rope of one link carries what the link carries', { ...options }, async (t) => {
  const { lab, net } = await startBond({ emulated: [fibre] });
  t.teardown(() => lab.close());
  await serveFlows(net.server, ports.tcp);
  for (const direction of ['down', 'up'] as const) {
    const mbit = goodputMbit(await runTcp(net.client, inside.b4, ports.tcp, { seconds: 6, direction }), 3, 6);
    t.ok(mbit > 10 && mbit < 24, `${mbit.toFixed(1)} Mbit/s ${direction} through 24`);
  }
});

/** What both ends take the way for, Mbit/s, before any data; 0 = unknown. */
async function lookAtRates(): Promise<{ upMbit: number; downMbit: number }> {
  const { lab, rope } = await startBond({ emulated: [{ ...fibre, rateMbit: { up: 4, down: 200 } }] });
  try {
    await sleep(2500);
    const [up] = await rope.client.ask<readonly PathStatus[]>('paths');
    const [down] = await rope.server.ask<readonly PathStatus[]>('paths');
    return { upMbit: (up?.deliveryBps ?? 0) / 1e6, downMbit: (down?.deliveryBps ?? 0) / 1e6 };
  } finally {
    await lab.close();
  }
}

t.test('the rate of a slow way is known before anything is sent by it', { ...options }, async (t) => {
  // A thread that waits for the CPU sees a train arrive at once: then nothing is known, which is no fault.
  let seen = await lookAtRates();
  for (let again = 0; again < 3 && seen.upMbit === 0; again += 1) seen = await lookAtRates();
  t.ok(seen.upMbit > 2 && seen.upMbit < 8, `${seen.upMbit.toFixed(1)} Mbit/s of 4`);
  t.equal(seen.downMbit, 0, 'that of a fast way is not guessed');
});

t.test('one TCP flow takes both links and arrives whole', { ...options }, async (t) => {
  const { lab, net, rope } = await startBond({ emulated: [fibre, lte] });
  t.teardown(() => lab.close());
  await serveFlows(net.server, ports.tcp);
  for (const direction of ['down', 'up'] as const) {
    const delivered = async () => (await net.stats()).links.map((link) => link[direction].deliveredBytes);
    let [mbit, share] = [0, 0];
    // A sender that often waits for the CPU does not fill the nearer link, and the other is not needed.
    for (let tries = 0; tries < 3 && share <= 0.1; tries += 1) {
      const before = await delivered();
      mbit = goodputMbit(await runTcp(net.client, inside.b4, ports.tcp, { seconds: 12, direction }), 6, 12);
      const carried = (await delivered()).map((bytes, link) => bytes - (before[link] ?? 0));
      share = Math.min(...carried) / carried.reduce((total, bytes) => total + bytes, 0);
    }
    // How much more than one link the two carry is for the bench: here others use the machine, too.
    if (share <= 0.1) t.comment(JSON.stringify([await rope.server.ask('paths'), await rope.client.ask('paths')]));
    t.ok(share > 0.1, `the lesser link carried ${(100 * share).toFixed(0)} % ${direction}`);
    t.ok(mbit > 12 && mbit < 40, `${mbit.toFixed(1)} Mbit/s ${direction} through 24 + 16`);
    // What reports say arrived is what a path is known by.
    const paths = await rope[direction === 'down' ? 'server' : 'client'].ask<readonly PathStatus[]>('paths');
    const rates = paths.map(({ deliveryBps }) => (deliveryBps ?? 0) / 1e6).sort((a, b) => a - b);
    const [least = 0, most = 0] = rates;
    const isRight = rates.length === 2 && least > 16 * 0.4 && least < 16 * 1.5 && most > 24 * 0.4 && most < 24 * 1.5;
    t.ok(isRight, `${rates.map((rate) => rate.toFixed(1)).join(' and ')} Mbit/s measured ${direction}`);
  }
  await serveTcp(net.server, ports.tcp + 10);
  t.match(await pull(net.client, inside.b4, ports.tcp + 10, 10e6), { bytes: 10e6, isIntact: true });
});

for (const mode of ['adaptive', 'failover'] as const) {
  t.test(
    `a link that is cut silently costs no datagram of a protected class in mode ${mode}`,
    { ...options },
    async (t) => {
      const { lab, net, rope } = await startBond({
        emulated: [fibre, { ...lte, delayMs: 10 }],
        links: { fibre: { priority: 0 }, lte: { priority: 1 } },
        bonding: { mode, protect: everything, failback: '1s' },
      });
      t.teardown(() => lab.close());
      const sink = await UdpSink.start(net.client, ports.udp);
      const sending = sendUdp(net.server, inside.a4, ports.udp, { rateMbit: 8, seconds: 60 });
      await sleep(3000);
      await sink.cut();
      const dropped = async () => (await rope.server.ask<readonly PeerStatus[]>('peers'))[0]?.droppedPackets ?? 0;
      const droppedBefore = await dropped();
      await net.link('fibre').blackhole('both', true);
      await sleep(2000);
      await net.link('fibre').blackhole('both', false);
      await sleep(4000);
      await sink.cut();
      await sleep(500);
      const seen = await sink.report();
      // Detection takes three feedback intervals or a round trip and its margin: some 100 ms; ten times of it is too long.
      t.ok(seen.maxGapMs < 600, `longest silence ${seen.maxGapMs} ms`);
      // A machine without time for the daemon lets its queue stand until CoDel drops: that is no loss of a link.
      const lost = seen.missing - ((await dropped()) - droppedBefore);
      t.ok(lost <= 0, `${seen.missing} of ${seen.expected} missing, ${lost} of them by the cut`);
      const { down } = await net.link('fibre').stats();
      t.ok(down.swallowed > 0, `${down.swallowed} frames were swallowed`);
      await rope.awaitPaths(2);
      const before = (await net.link('fibre').stats()).down.deliveredFrames;
      await sleep(1000);
      const again = (await net.link('fibre').stats()).down.deliveredFrames - before;
      // Which of two links that are alike the adaptive mode takes is its own affair.
      if (mode === 'failover') t.ok(again > 100, `fibre is in use again: ${again} frames in a second`);
      sending.stop();
      await sending.done;
    },
  );
}
