/** The model of TCP that ropes are judged by, alone on a plain link and against what theory says of CUBIC (RFC 9438) and BBR. */
import t from 'tap';
import { Bbr } from './bbr.ts';
import type { CongestionControl } from './congestion-control.ts';
import { Cubic } from './cubic.ts';
import { InnerFlow } from './inner-flow.ts';
import { Link, type LinkOptions } from './link.ts';
import { VirtualClock } from './virtual-clock.ts';

t.setTimeout(0);

const packetBytes = 1_400;
const rttMs = 40;
const plain = { rateBps: 50e6, delayUs: rttMs * 500, queueUs: rttMs * 1_000, seed: 11 };

interface Run {
  /** Mbit/s that arrived from `settledUs` on. */
  readonly mbps: number;
  /** Every 5 ms, packets. */
  readonly windows: readonly number[];
  /** Every 5 ms, what a packet would have to wait, microseconds. */
  readonly queuesUs: readonly number[];
}

function run(control: CongestionControl, link: LinkOptions, settledUs: number, durationUs: number): Run {
  const clock = new VirtualClock();
  const way = new Link(clock, link);
  const windows: number[] = [];
  const queuesUs: number[] = [];
  let arrived = 0;
  const flow: InnerFlow = new InnerFlow({
    control,
    packetsPerSegment: 1,
    receiveWindowBytes: 6e6,
    send: (id) =>
      way.send(packetBytes, () => {
        if (clock.nowUs >= settledUs) arrived += 1;
        clock.after(link.delayUs, () => {
          flow.acknowledge([id], clock.nowUs);
          flow.detectLosses(clock.nowUs);
          flow.pump(clock.nowUs);
        });
      }),
    wakeAt: (us) => clock.at(us, () => flow.pump(clock.nowUs)),
  });
  const look = (): void => {
    flow.detectLosses(clock.nowUs);
    flow.pump(clock.nowUs);
    windows.push(flow.window);
    queuesUs.push(way.queueUs);
    clock.after(5_000, look);
  };
  clock.after(0, look);
  clock.runUntil(durationUs);
  return { mbps: (arrived * packetBytes * 8) / (durationUs - settledUs), windows, queuesUs };
}

t.test('InnerFlow fills a link without loss whose buffer holds one round trip', async (t) => {
  const { mbps } = run(new Cubic(), plain, 5e6, 30e6);
  t.ok(mbps >= 0.97 * 50, `${mbps.toFixed(1)} of 50 Mbit/s`);
});

t.test('InnerFlow falls to 0.7 of its window after a loss (RFC 9438 4.6)', async (t) => {
  const hole = { fromUs: 1e6, untilUs: 1.001e6 };
  const { windows } = run(new Cubic(), { ...plain, blackholes: [hole] }, 0, 1.5e6);
  const before = windows[hole.fromUs / 5_000] as number;
  const least = Math.min(...windows.slice(hole.fromUs / 5_000));
  // It grows on for the round trip after which the loss shows.
  t.ok(Math.abs(least / before - 0.7) < 0.03, `${least.toFixed(0)} after ${before.toFixed(0)} packets`);
});

t.test('InnerFlow is as fast as AIMD where one packet of a hundred is lost by chance (RFC 9438 4.3)', async (t) => {
  const loss = 0.01;
  const { mbps } = run(new Cubic(), { ...plain, loss }, 5e6, 60e6);
  const expected = (Math.sqrt(3 / (2 * loss)) * packetBytes * 8) / (rttMs * 1_000);
  t.ok(mbps > expected * 0.75 && mbps < expected * 1.25, `${mbps.toFixed(2)}, expected ${expected.toFixed(2)} Mbit/s`);
});

t.test('with BBR InnerFlow fills the link, and its queue is no longer than one round trip', async (t) => {
  const deep = { ...plain, queueUs: 10 * rttMs * 1_000 };
  const { mbps, queuesUs } = run(new Bbr(), deep, 5e6, 30e6);
  // Looks for the least round trip take 2 % of the time.
  t.ok(mbps >= 0.93 * 50, `${mbps.toFixed(1)} of 50 Mbit/s`);
  const settled = queuesUs.slice(5e6 / 5_000);
  const mostMs = Math.max(...settled) / 1_000;
  t.ok(mostMs <= 1.15 * rttMs, `at most ${mostMs.toFixed(0)} ms`);
  const cubic = run(new Cubic(), deep, 5e6, 30e6);
  t.ok(Math.max(...cubic.queuesUs) / 1_000 > 5 * rttMs, 'as CUBIC fills it');
});

t.test('with BBR InnerFlow is not slowed down by chance', async (t) => {
  const { mbps } = run(new Bbr(), { ...plain, loss: 0.02 }, 5e6, 30e6);
  t.ok(mbps >= 0.9 * 50 * 0.98, `${mbps.toFixed(1)} of 50 Mbit/s`);
});

t.test('with BBR InnerFlow looks for the least round trip when it has not seen it for ten seconds', async (t) => {
  const changes = [{ atUs: 2e6, delayUs: plain.delayUs + 5_000 }];
  const { mbps, windows } = run(new Bbr(), { ...plain, changes }, 14e6, 20e6);
  const probing = windows.flatMap((window, at) => (window <= 4 ? [at * 5_000] : []));
  const [firstUs = 0] = probing;
  t.ok(firstUs > 11.9e6 && firstUs < 12.2e6, `from ${firstUs / 1e6} s on`);
  const forMs = probing.length * 5;
  t.ok(forMs >= 200 && forMs <= 400, `for ${forMs} ms`);
  t.ok(mbps >= 0.95 * 50, `${mbps.toFixed(1)} of 50 Mbit/s afterwards`);
});
