/**
 * What the page of a hub of many costs: `--peers 10000` clients of which `--connected 1000` are there, and one page open in Chromium on the hub. Bytes a
 * second by HTTP, processor of the daemon and of the tab, memory of both (`--seconds`, 20), for the overview and the list of clients; and how long
 * 40 scrapes take. `--against FOLDER`: the hub of another checkout, with its page.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CDPSession } from 'playwright-core';
import { openPage, startBrowser, view } from '../../test/support/browser.ts';
import { runCli } from '../../test/support/daemon.ts';
import { HttpAsker } from '../../test/support/http-asker.ts';
import { measureIdle } from '../../test/support/idle.ts';
import type { Host } from '../../test/support/netns.ts';
import { until } from '../../test/support/until.ts';
import { median, option, report, spread } from '../support/bench.ts';
import { connect, gather } from './crowd.ts';

const all = Number(option('peers', '10000'));
const connected = Number(option('connected', '1000'));
const seconds = Number(option('seconds', '20'));
const other = option('against', '');
const scrapes = 40;
const apiPort = 8474;
const settleMs = 15_000;

const folder = mkdtempSync(path.join(tmpdir(), 'hw-page-'));
const tokensFile = path.join(folder, 'tokens');
const facts = { peers: all, connected };

/** Received by loopback, where nothing else goes. */
function loopbackBytes(host: Host): number {
  return Number(host.run('cat', ['/sys/class/net/lo/statistics/rx_bytes']));
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function tabOf(session: CDPSession): Promise<{ readonly heapBytes: number; readonly busyS: number }> {
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name: string): number => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
  return { heapBytes: of('JSHeapUsedSize'), busyS: of('TaskDuration') };
}

const crowd = await gather(connected, 0, {
  absent: all - connected,
  ...(other === '' ? {} : { program: path.join(other, 'build/src/cli/main.js') }),
  more: { api: { listen: `127.0.0.1:${apiPort}`, tokensFile } },
});
const { lab, hub } = crowd;
try {
  const added = await runCli(['token', 'add', 'bench', '--role', 'admin', '--file', tokensFile]);
  if (added.status !== 0) throw new Error(added.stderr);
  const token = added.stdout.trim();
  await connect(crowd, connected);
  await sleep(settleMs);
  const asker = new HttpAsker(hub.host, apiPort);
  const headers = { authorization: `Bearer ${token}` };
  await until('the API is on', async () => (await asker.ask({ path: '/metrics', headers })).status === 200);

  const alone = await measureIdle(hub.pid, seconds);
  report('page-daemon-cpu', { ...facts, view: 'none' }, alone.cpuPercent, '%');
  report('page-daemon-memory', { ...facts, view: 'none' }, residentMib(hub.pid), 'MiB');

  const took: number[] = [];
  for (let count = 0; count < scrapes; count += 1) {
    const startMs = performance.now();
    await asker.ask({ path: '/metrics', headers });
    took.push(performance.now() - startMs);
    await sleep(500);
  }
  report('page-scrape', { ...facts, spread: spread(took) }, median(took), 'ms');

  const browser = await startBrowser(lab, hub.host);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, faults } = await openPage(context);
  await page.goto((await hub.cli('open', '--role', 'admin')).stdout.trim().split('\n')[0] ?? '');
  await page.locator('.verdict h1').waitFor({ timeout: 60_000 });
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable');
  for (const name of ['Overview', 'Clients']) {
    await view(page, name);
    await sleep(settleMs);
    const [bytes, tab] = [loopbackBytes(hub.host), await tabOf(session)];
    const cost = await measureIdle(hub.pid, seconds);
    const [bytesAfter, tabAfter] = [loopbackBytes(hub.host), await tabOf(session)];
    const told = { ...facts, view: name };
    report('page-bytes', told, (bytesAfter - bytes) / seconds / 1000, 'kB/s');
    report('page-daemon-cpu', told, cost.cpuPercent, '%');
    report('page-daemon-memory', told, residentMib(hub.pid), 'MiB');
    report('page-tab-cpu', told, (100 * (tabAfter.busyS - tab.busyS)) / seconds, '%');
    report('page-tab-heap', told, tabAfter.heapBytes / 2 ** 20, 'MiB');
    process.stderr.write(`${name}: ${cost.threads.slice(0, 4).join(', ')}\n`);
  }
  if (faults.length > 0) process.stderr.write(`${faults.join('\n')}\n`);
  await browser.close();
  asker.close();
} finally {
  await lab.close();
  rmSync(folder, { recursive: true, force: true });
}
