/** Hours in minutes: hashed streams both ways at full rate; memory and descriptors stay flat. Of the long run, or HAWSER_SOAK_MINUTES=N. */
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Daemon } from '../support/daemon.ts';
import { isLong } from '../support/long-run.ts';
import { skipReason } from '../support/netns.ts';
import { inside, startPair } from '../support/pair.ts';
import { pull, push, serveTcp } from '../support/traffic.ts';

const minutes = Number(process.env.HAWSER_SOAK_MINUTES ?? (isLong ? 30 : 0));
const skip = minutes > 0 ? skipReason() : 'takes half an hour: npm run test:long, or HAWSER_SOAK_MINUTES=30';
const options = skip === false ? {} : { skip };
t.setTimeout((minutes + 2) * 60_000);

const transferBytes = 500e6;
const sampleMs = 5000;
/** Growth of the resident set that is noise: a garbage collector keeps what it may. */
const noiseBytes = 16 << 20;

interface Sample {
  readonly residentBytes: number;
  readonly descriptors: number;
}

function sample(daemon: Daemon): Sample {
  if (!daemon.isRunning) throw new Error(`hawser "${daemon.name}" ended by itself: ${daemon.log().slice(-4000)}`);
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8')) ?? [];
  return { residentBytes: Number(kilobytes) * 1024, descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length };
}

t.test(`${minutes} minutes at full rate leave memory and descriptors flat, and no byte corrupt`, options, async (t) => {
  const { lab, hosts, a, b } = await startPair();
  t.teardown(() => lab.close());
  await serveTcp(hosts.b, 7000);
  const endMs = performance.now() + minutes * 60_000;
  const samples = new Map<Daemon, Sample[]>([a, b].map((daemon) => [daemon, []]));
  const sampled = (async () => {
    while (performance.now() < endMs) {
      for (const [daemon, list] of samples) list.push(sample(daemon));
      await sleep(sampleMs);
    }
  })();
  // A sample fails when a daemon is gone; the stream that runs then would wait for ever.
  const failed = sampled.then(() => new Promise<never>(() => undefined));
  let [streams, broken, ms] = [0, 0, 0];
  while (performance.now() < endMs) {
    const move = streams % 2 === 0 ? pull : push;
    const result = await Promise.race([move(hosts.a, inside.b4, 7000, transferBytes), failed]);
    streams += 1;
    ms += result.ms;
    if (!result.isIntact) broken += 1;
  }
  await sampled;
  const gbps = (streams * transferBytes * 8) / 1e6 / ms;
  t.equal(broken, 0, `${streams} streams of 500 MB at ${gbps.toFixed(2)} Gbit/s, ${broken} corrupt`);
  for (const [daemon, list] of samples) {
    const third = Math.max(1, Math.floor(list.length / 3));
    const largest = (part: readonly Sample[]) => Math.max(...part.map((each) => each.residentBytes));
    // The first third is the warm-up: code is compiled, buffers are touched for the first time.
    const [middle, last] = [largest(list.slice(third, 2 * third)), largest(list.slice(-third))];
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
    t.ok(last <= middle + noiseBytes, `${daemon.name}: ${megabytes(middle)} MB, then ${megabytes(last)} MB resident`);
    const counts = [...new Set(list.slice(third).map((each) => each.descriptors))];
    t.ok(Math.max(...counts) - Math.min(...counts) <= 2, `${daemon.name}: ${counts.join(', ')} descriptors`);
    t.ok(
      (await daemon.actors()).every((actor) => actor.restarts === 0),
      `${daemon.name}: no restarts`,
    );
  }
});
