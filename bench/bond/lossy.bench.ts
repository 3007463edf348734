/**
 * One cubic flow over links that lose packets: the share of the link's rate that it carries, the CPU of both daemons for it, and what a
 * ping beside it sees; each line names the link.
 * `npm run bench -- bond/lossy [--sets loss=1,policed] [--parts down,up] [--seconds 10] [--ramp 4] [--runs 1]`
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RopeOptions, startRope } from '../../test/support/bond.ts';
import { echoFlows, goodputMbit, pingUdp, runTcp, serveFlows } from '../../test/support/flows.ts';
import { type EmulatedNet, emulate, type LinkOptions } from '../../test/support/link-emulator.ts';
import { Lab } from '../../test/support/netns.ts';
import { inside } from '../../test/support/pair.ts';
import { option, report } from '../support/bench.ts';

const ports = { tcp: 7000, echo: 7001 } as const;
const seconds = Number(option('seconds', '10'));
const ramp = Number(option('ramp', '4'));
const runs = Number(option('runs', '1'));
const directions = option('parts', 'down,up').split(',') as ('down' | 'up')[];
const pingMs = 20;
const forty = { name: 'one', rateMbit: 40, delayMs: 30, queueMs: 100 } as const;
/** About 1 % in bursts of four. */
const burst = { start: 0.0025, end: 0.25 } as const;

const cases: Readonly<Record<string, readonly LinkOptions[]>> = {
  'loss=0': [forty],
  'loss=0.5': [{ ...forty, loss: 0.005 }],
  'loss=1': [{ ...forty, loss: 0.01 }],
  'loss=2': [{ ...forty, loss: 0.02 }],
  'loss=1,delay=5': [{ ...forty, loss: 0.01, delayMs: 5 }],
  'loss=1,delay=75': [{ ...forty, loss: 0.01, delayMs: 75 }],
  burst: [{ ...forty, burst }],
  policed: [{ ...forty, queueMs: 4 }],
  'policed,loss=1': [{ ...forty, queueMs: 4, loss: 0.01 }],
  'fast,loss=0': [{ ...forty, rateMbit: 300, delayMs: 10 }],
  'pair,loss=0.5': [
    { ...forty, loss: 0.005 },
    { ...forty, name: 'two', loss: 0.005 },
  ],
  'pair,loss=1': [
    { ...forty, loss: 0.01 },
    { ...forty, name: 'two', loss: 0.01 },
  ],
};
const chosen = option('sets', Object.keys(cases).join(' ')).split(' ');

/** User and system time of a process, seconds (proc(5), `stat`). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(lab: Lab, net: EmulatedNet, link: string, bonding: RopeOptions['bonding']): Promise<void> {
  await serveFlows(net.server, ports.tcp);
  await echoFlows(net.server, ports.echo);
  const rope = await startRope(lab, net, bonding === undefined ? {} : { bonding });
  const rateMbit = net.links.reduce((sum, { parameters }) => sum + Number(parameters.rateMbit), 0);
  const cpu = () => cpuSeconds(rope.client.pid) + cpuSeconds(rope.server.pid);
  const idle = await pingUdp(net.client, inside.b4, ports.echo, { intervalMs: pingMs, count: 100 });
  for (const direction of directions) {
    const before = cpu();
    const bulk = runTcp(net.client, inside.b4, ports.tcp, { seconds: ramp + seconds + 0.5, direction });
    await sleep(ramp * 1000);
    const seen = await pingUdp(net.client, inside.b4, ports.echo, {
      intervalMs: pingMs,
      count: Math.round((seconds * 1000) / pingMs),
    });
    const streams = await bulk;
    const bytes = streams.flatMap(({ buckets }) => buckets).reduce((sum, value) => sum + value, 0);
    const mbit = goodputMbit(streams, ramp, ramp + seconds);
    const first = goodputMbit(streams, 0, ramp);
    const words = { link, direction, mbit: mbit.toFixed(1), ramp: (first / rateMbit).toFixed(2) };
    report('bond-lossy', words, mbit / rateMbit, 'of the rate');
    report('bond-lossy-cpu', { link, direction }, (cpu() - before) / (bytes / 1e9), 's per GB');
    report('bond-lossy-ping', { link, direction, idleP95: idle.p95Ms }, seen.p95Ms - idle.p95Ms, 'ms p95 above idle');
  }
  await rope.stop();
}

for (let run = 1; run <= runs; run += 1) {
  for (const link of chosen) {
    const links = cases[link];
    if (links === undefined) throw new Error(`no link "${link}": ${Object.keys(cases).join(' ')}`);
    const lab = new Lab();
    try {
      const hosts = { client: lab.host('client'), server: lab.host('server') };
      const mode = option('mode', '');
      await measure(
        lab,
        await emulate(lab, { ...hosts, links, seed: run }),
        link,
        mode === '' ? undefined : { repair: mode },
      );
    } finally {
      await lab.close();
    }
  }
}
