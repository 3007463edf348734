/** What two daemons cost that are joined by two links, with a keepalive of 25 s and no traffic; and how late the first packet is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { measureIdle } from '../../test/support/idle.ts';
import { ping } from '../../test/support/traffic.ts';
import { inner, startTwoLinks } from '../../test/support/two-links.ts';
import { report } from '../support/bench.ts';

const settleS = 15;
const seconds = 60;
/** Pairs of a first packet and the mean of those behind it; the median is told. */
const rounds = 11;

const pair = await startTwoLinks();
try {
  await sleep(settleS * 1000);
  const sides = [
    ['a', pair.a],
    ['b', pair.b],
  ] as const;
  const costs = await Promise.all(sides.map(([, daemon]) => measureIdle(daemon.pid, seconds)));
  for (const [index, [side]] of sides.entries()) {
    const { cpuPercent, wakeupsPerSecond, threads } = costs[index] as (typeof costs)[number];
    report('idle-cpu', { side, links: 2, seconds }, cpuPercent, '%');
    report('idle-wakeups', { side, links: 2, seconds }, wakeupsPerSecond, '1/s');
    process.stderr.write(`${side}: ${threads.join(', ')}\n`);
  }
  const excessMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // Paths count as idle after 10 s.
    await sleep(11_000);
    const first = await ping(pair.hosts.a, inner.b, { count: 1 });
    const usual = await ping(pair.hosts.a, inner.b, { count: 10, intervalMs: 20 });
    excessMs.push((first.averageMs ?? Number.NaN) - (usual.averageMs ?? Number.NaN));
  }
  excessMs.sort((a, b) => a - b);
  process.stderr.write(`first packets: ${excessMs.map((ms) => ms.toFixed(2)).join(' ')} ms\n`);
  report('idle-first-packet', { links: 2, rounds }, excessMs[Math.floor(rounds / 2)] ?? Number.NaN, 'ms');
} finally {
  await pair.lab.close();
}
