/**
 * A hub is restarted under `--peers 1000,2000` connected clients of its store: WireGuard initiators with a keepalive of 25 s, of one address each,
 * and a Hawser that is a peer of its file. How soon it answers, and all are back, from the moment that it is started again; in order
 * (SIGTERM), and after it was killed. Ends with an error when somebody is not back after `--seconds 300`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { option, report } from '../support/bench.ts';
import { type Crowd, connect, gather, hubInside } from './crowd.ts';

const withinS = Number(option('seconds', '300'));
const settleS = 15;
const pingMs = 50;

/** Seconds until somebody who pings all the time hears from it again. */
async function untilAnswer({ beside }: Crowd): Promise<number> {
  const beganMs = performance.now();
  while ((performance.now() - beganMs) / 1000 < withinS) {
    const child = beside.spawn('ping', ['-c', '1', '-W', '1', hubInside], { stdio: 'ignore' });
    if ((await new Promise((resolve) => child.once('exit', resolve))) === 0) break;
    await sleep(pingMs);
  }
  return (performance.now() - beganMs) / 1000;
}

async function measure(count: number): Promise<void> {
  const crowd = await gather(count, 0);
  const { hub, swarm } = crowd;
  try {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await connect(crowd, count);
      await sleep(settleS * 1000);
      await hub.stop(signal);
      const callsBefore = (await swarm.state()).calls;
      swarm.say('count');
      await swarm.done();
      const beganMs = performance.now();
      const besideS = untilAnswer(crowd);
      await hub.start();
      const facts = { peers: count, signal };
      report('restart-ready', facts, (performance.now() - beganMs) / 1000, 's');
      const back = await swarm.connected(withinS * 1000);
      const all = { ...facts, back: back.connected, calls: back.calls - callsBefore };
      report('restart-beside', facts, await besideS, 's');
      report('restart-back', all, back.lastMs / 1000, 's');
      if (back.connected < count) throw new Error(`${back.connected} of ${count} are back after ${withinS} s`);
    }
  } finally {
    await crowd.lab.close();
  }
}

for (const count of option('peers', '1000,2000').split(',')) await measure(Number(count));
