/**
 * The latency class inside a bond under bulk load: round trips of small datagrams (100 a second) beside one and beside eight TCP
 * flows over all links, against the fastest link alone and idle.
 * `npm run bench -- bond/latency [--sets 1,2,4] [--seconds 10] [--mode MODE]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startRope } from '../../test/support/bond.ts';
import { echoFlows, type PingReport, pingUdp, runTcp, serveFlows } from '../../test/support/flows.ts';
import { type EmulatedNet, emulate } from '../../test/support/link-emulator.ts';
import { Lab } from '../../test/support/netns.ts';
import { inside } from '../../test/support/pair.ts';
import { option, report } from '../support/bench.ts';
import { type LinkSet, linkSets } from './sets.ts';

const ports = { tcp: 7000, echo: 7001 } as const;
const intervalMs = 10;
const rampSeconds = 5;
const seconds = Number(option('seconds', '10'));
const chosen = option('sets', '1,2,4,5').split(',').map(Number);
const mode = option('mode', '');
const bonding = mode === '' ? {} : { bonding: { mode } };

function pingFor(net: EmulatedNet): Promise<PingReport> {
  return pingUdp(net.client, inside.b4, ports.echo, { intervalMs, count: Math.round((seconds * 1000) / intervalMs) });
}

async function pingBeside(net: EmulatedNet, direction: 'up' | 'down', streams: number): Promise<PingReport> {
  const bulk = runTcp(net.client, inside.b4, ports.tcp, { seconds: rampSeconds + seconds + 1, streams, direction });
  await sleep(rampSeconds * 1000);
  const seen = await pingFor(net);
  await bulk;
  return seen;
}

async function measureSet(set: LinkSet): Promise<void> {
  const lab = new Lab();
  try {
    const net = await emulate(lab, { client: lab.host('client'), server: lab.host('server'), links: set.links });
    await serveFlows(net.server, ports.tcp);
    await echoFlows(net.server, ports.echo);
    const fastest = [...net.links].sort((a, b) => Number(a.parameters.delayMs) - Number(b.parameters.delayMs))[0];
    const alone = await startRope(lab, net, { use: [fastest?.name ?? ''], ...bonding });
    const idle = await pingFor(net);
    await alone.stop();
    const words = { set: set.number, links: set.name.replaceAll(' ', '_') };
    const print = (state: string, seen: PingReport) => {
      for (const key of ['p50Ms', 'p99Ms', 'maxMs'] as const)
        report('bond-latency', { ...words, state, quantile: key }, seen[key], 'ms');
      report('bond-latency-lost', { ...words, state }, seen.sent - seen.received, `of ${seen.sent}`);
      report('bond-latency-added', { ...words, state, quantile: 'p99' }, seen.p99Ms - idle.p99Ms, 'ms');
    };
    print('fastest-idle', idle);
    const rope = await startRope(lab, net, bonding);
    print('bond-idle', await pingFor(net));
    print('bond-1-down', await pingBeside(net, 'down', 1));
    print('bond-8-down', await pingBeside(net, 'down', 8));
    print('bond-1-up', await pingBeside(net, 'up', 1));
    await rope.stop();
  } finally {
    await lab.close();
  }
}

for (const set of linkSets.filter(({ number }) => chosen.includes(number))) await measureSet(set);
