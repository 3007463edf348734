/** Nothing to do costs nothing; and a link that died meanwhile is found by the first packets, none of which is lost. */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type IdleCost, measureIdle } from '../support/idle.ts';
import { skipReason } from '../support/netns.ts';
import { ping } from '../support/traffic.ts';
import { inner, startTwoLinks } from '../support/two-links.ts';

const skip =
  skipReason() || (spawnSync('nft', ['--version']).error !== undefined && 'needs nft (apt-get install nftables)');
t.setTimeout(300_000);

const mostWakeups = 60;
/** What wake-ups cost on this machine at this time, which is more where all else sleeps: Node in ten threads that timers wake that often in all. */
const bareCode = `
  const { Worker, isMainThread } = require('node:worker_threads');
  setInterval(() => {}, ${10_000 / mostWakeups});
  for (let i = 0; isMainThread && i < 9; i += 1) new Worker(process.argv[1]);
`;
/** A daemon that has nothing to do may cost so many times that. */
const mostTimes = 4;

t.test(
  'two idle daemons sleep, and their first packets pass a dead link by',
  skip === false ? {} : { skip },
  async (t) => {
    const pair = await startTwoLinks();
    t.teardown(() => pair.lab.close());
    const program = path.join(t.testdir({ 'bare.cjs': bareCode }), 'bare.cjs');
    const bare = spawn(process.execPath, [program], { stdio: 'ignore' });
    t.teardown(() => bare.kill());
    // A machine that is busy may take a while to let them come to rest.
    let costs: IdleCost[] = [];
    let mostPercent = 0;
    for (let tries = 0; tries < 4; tries += 1) {
      await sleep(tries === 0 ? 12_000 : 4_000);
      const measured = [pair.a.pid, pair.b.pid, bare.pid ?? 0].map((pid) => measureIdle(pid, 8));
      const [a, b, ofBare] = (await Promise.all(measured)) as [IdleCost, IdleCost, IdleCost];
      costs = [a, b];
      mostPercent = mostTimes * ofBare.cpuPercent;
      if (costs.every((cost) => cost.wakeupsPerSecond <= mostWakeups && cost.cpuPercent < mostPercent)) break;
    }
    for (const { wakeupsPerSecond, cpuPercent, threads } of costs) {
      t.ok(wakeupsPerSecond <= mostWakeups, `${wakeupsPerSecond.toFixed(1)} wake-ups a second (${threads.join(', ')})`);
      const most = `at most ${mostPercent.toFixed(2)} %`;
      t.ok(cpuPercent < mostPercent, `${cpuPercent.toFixed(2)} % of a processor, ${most} (${threads.join(', ')})`);
    }
    // Whichever carried them: the way there is cut, and no interface says so.
    const chain = 'chain c { type filter hook prerouting priority -300; iifname "wan1" drop; }';
    pair.hosts.b.run('nft', [`table inet dead { ${chain}; }`]);
    const result = await ping(pair.hosts.a, inner.b, { count: 20, intervalMs: 20 });
    const isCarried = result.received >= 18;
    t.ok(isCarried, `${result.received} of 20 pings are answered at once`);
    if (isCarried) return;
    for (const daemon of [pair.a, pair.b])
      t.comment(JSON.stringify([daemon.name, await daemon.ask('paths'), await daemon.ask('events', { since: 0 })]));
  },
);
