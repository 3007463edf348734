/**
 * Flows over links whose delay jitters with its order kept, and that lose a little: what one cubic flow and sixteen carry, of the sum of
 * what the tunnel carries on each link alone without jitter and loss, and what a ping beside them sees more than an idle one.
 * `npm run bench -- bond/jitter [--sets 1,2] [--parts 1,16] [--seconds 15] [--ramp 4] [--runs 1] [--direction down]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startRope } from '../../test/support/bond.ts';
import { echoFlows, goodputMbit, pingUdp, runTcp, serveFlows } from '../../test/support/flows.ts';
import { type EmulatedNet, emulate } from '../../test/support/link-emulator.ts';
import { Lab } from '../../test/support/netns.ts';
import { inside } from '../../test/support/pair.ts';
import { jitterSets, type RadioSet } from '../../test/support/radio-links.ts';
import { option, report } from '../support/bench.ts';

const ports = { tcp: 7000, echo: 7001 } as const;
const seconds = Number(option('seconds', '15'));
const ramp = Number(option('ramp', '4'));
const runs = Number(option('runs', '1'));
const parts = option('parts', '1,16').split(',').map(Number);
const direction = option('direction', 'down') === 'up' ? 'up' : 'down';
const chosen = option('sets', jitterSets.map((_, index) => index + 1).join())
  .split(',')
  .map(Number);
const pingMs = 20;
const idlePings = 250;
const aloneSeconds = 6;
const aloneRamp = 6;

async function carried(net: EmulatedNet, streams: number, fromSeconds: number, forSeconds: number): Promise<number> {
  const flows = await runTcp(net.client, inside.b4, ports.tcp, {
    seconds: fromSeconds + forSeconds + 0.5,
    direction,
    streams,
  });
  return goodputMbit(flows, fromSeconds, fromSeconds + forSeconds);
}

/** The net's links as they are without jitter and loss, each for itself. */
async function sumAlone(lab: Lab, net: EmulatedNet): Promise<number> {
  let sum = 0;
  for (const { name } of net.links) {
    const rope = await startRope(lab, net, { use: [name] });
    const mbit = await carried(net, 1, aloneRamp, aloneSeconds);
    report('bond-jitter-alone', { link: name }, mbit, 'Mbit/s');
    sum += mbit;
    await rope.stop();
  }
  return sum;
}

async function measure(lab: Lab, set: RadioSet, run: number): Promise<void> {
  const hosts = { client: lab.host('client'), server: lab.host('server') };
  const clean = set.links.map((link) => ({ ...link, jitterMs: 0, loss: 0 }));
  const net = await emulate(lab, { ...hosts, links: clean, seed: run });
  await serveFlows(net.server, ports.tcp);
  await echoFlows(net.server, ports.echo);
  const sum = await sumAlone(lab, net);
  for (const [index, { jitterMs = 0, loss = 0 }] of set.links.entries())
    await net.links[index]?.set({ jitterMs, loss });
  const rope = await startRope(lab, net);
  const ping = (count: number) => pingUdp(net.client, inside.b4, ports.echo, { intervalMs: pingMs, count });
  const idle = await ping(idlePings);
  for (const streams of parts) {
    const bulk = carried(net, streams, ramp, seconds);
    await sleep(ramp * 1000);
    const seen = await ping(Math.round((seconds * 1000) / pingMs));
    const mbit = await bulk;
    const words = { links: set.name.replaceAll(' ', '_'), run, streams, direction };
    report('bond-jitter', { ...words, sum: sum.toFixed(1), mbit: mbit.toFixed(1) }, mbit / sum, 'of the sum alone');
    report('bond-jitter-ping', { ...words, idleP95: idle.p95Ms }, seen.p95Ms - idle.p95Ms, 'ms p95 above idle');
  }
  await rope.stop();
}

for (let run = 1; run <= runs; run += 1) {
  for (const number of chosen) {
    const set = jitterSets[number - 1];
    if (set === undefined) throw new Error(`no set ${number}: there are ${jitterSets.length}`);
    const lab = new Lab();
    try {
      await measure(lab, set, run);
    } finally {
      await lab.close();
    }
  }
}
