/**
 * No false alarm: a link with jitter of 15 ms (sigma of the round trip) and 2 % loss carries a flow beside a clean one; suspicions,
 * deaths and failovers are counted on both sides, and what the flow lost. The goal is 30 minutes without a failover.
 * `npm run bench -- calm [--seconds 60] [--mode failover,adaptive]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventRecord } from '../../src/control/events.ts';
import { type Rope, startBond } from '../../test/support/bond.ts';
import { sendUdp, UdpSink } from '../../test/support/flows.ts';
import { inside } from '../../test/support/pair.ts';
import { option, report } from '../support/bench.ts';

const seconds = Number(option('seconds', '60'));
const modes = option('mode', 'failover,adaptive').split(',');
const jitterMs = 15 / Math.SQRT2;
const udpPort = 7001;
const rateMbit = 20;
const alarms = ['path-suspect', 'path-dead', 'path-down', 'failover', 'flapping'] as const;

async function countAlarms(rope: Rope, side: 'client' | 'server', sinceMs: number): Promise<Record<string, number>> {
  const records = await rope[side].ask<readonly EventRecord[]>('events', { since: 0 });
  const fresh = records.filter((record) => record.timeMs >= sinceMs);
  return Object.fromEntries(alarms.map((kind) => [kind, fresh.filter((record) => record.kind === kind).length]));
}

async function measureMode(mode: string): Promise<void> {
  const { lab, net, rope } = await startBond({
    emulated: [
      { name: 'rough', rateMbit: 50, delayMs: 25, jitterMs, loss: 0.02 },
      { name: 'clean', rateMbit: 50, delayMs: 30 },
    ],
    links: { rough: { priority: 0 }, clean: { priority: 1 } },
    bonding: { mode, protect: ['icmp', 'dns', 'latency', 'bulk', 'control'] },
  });
  try {
    const sink = await UdpSink.start(net.client, udpPort);
    const sending = sendUdp(net.server, inside.a4, udpPort, { rateMbit, seconds: seconds + 10 });
    await sleep(5000);
    await sink.cut();
    const startMs = Date.now();
    await sleep(seconds * 1000);
    await sink.cut();
    await sleep(1000);
    const seen = await sink.report();
    const words = { mode, seconds, jitter: 15, loss: 0.02 };
    for (const side of ['client', 'server'] as const) {
      for (const [kind, count] of Object.entries(await countAlarms(rope, side, startMs)))
        report('calm', { ...words, side, event: kind }, count, 'events');
    }
    report('calm-lost', { ...words, expected: seen.expected }, seen.missing, 'datagrams');
    report('calm-gap', words, seen.maxGapMs, 'ms');
    sending.stop();
    await sending.done;
  } finally {
    await lab.close();
  }
}

for (const mode of modes) await measureMode(mode);
