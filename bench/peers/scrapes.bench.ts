/**
 * What somebody else's packets notice of those who look at a hub of many: `--peers 1000` clients of which `--connected 200` are there, and round trips
 * of one datagram a millisecond through it, in windows of `--seconds` (5), `--pairs` of each, in turns: nobody looks; Prometheus scrapes each second;
 * scrapes one after the other without a pause; a page is open (its two streams); `hawser top` asks each second. Who looks has the lowest priority: he
 * is on another host in life. Beside them what survives a loaded machine better: how long the hub's threads with packets were ready and had no
processor, and what an answer costs its other threads. `--parts nobody,scrapes`: those alone. `--against FOLDER`: the hub of another checkout.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlConnection } from '../../src/cli/control-client.ts';
import { runCli } from '../../test/support/daemon.ts';
import { until } from '../../test/support/until.ts';
import { compileTwin, median, option, pairCount, report, spread } from '../support/bench.ts';
import { type Crowd, connect, gather } from './crowd.ts';
import { answerAtHub, roundTrips } from './round-trips.ts';
import { type ThreadCosts, threadCostsOf } from './thread-costs.ts';

const all = Number(option('peers', '1000'));
const connected = Number(option('connected', '200'));
const windowS = Math.max(2, Number(option('seconds', '5')));
const other = option('against', '');
const settleMs = 15_000;
const apiPort = 8474;
const origin = `http://127.0.0.1:${apiPort}`;

const allLooks = ['nobody', 'scrape', 'scrapes', 'page', 'top'] as const;
type Look = (typeof allLooks)[number];
const chosen = option('parts', allLooks.join()).split(',');
const looks = allLooks.filter((look) => look === 'nobody' || chosen.includes(look));

/** One window: of round trips and of threads, beside so many answers. */
interface Window extends ThreadCosts {
  readonly trips: readonly number[];
  readonly answers: number;
}

/** Begins to look; what it returns ends it, and says how long each answer took, in milliseconds. */
type Looker = (crowd: Crowd, token: string) => Promise<() => Promise<readonly number[]>>;

function curl(args: readonly string[]): Looker {
  return async ({ hub }, token) => {
    const common = [
      '-n',
      '19',
      'stdbuf',
      '-oL',
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-H',
      `authorization: Bearer ${token}`,
    ];
    const child: ChildProcess = hub.host.spawn('nice', [...common, '-w', '%{http_code} %{time_total}\\n', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    return async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
      // The last is cut.
      const lines = text.split('\n').slice(0, -1);
      for (const line of lines) if (!line.startsWith('200 ')) throw new Error(`a scrape was answered ${line}`);
      return lines.map((line) => Number(line.slice(4)) * 1000);
    };
  };
}

async function page(crowd: Crowd, token: string): Promise<() => Promise<readonly number[]>> {
  const ends = await Promise.all(
    ['rates', 'follow'].map((stream) => curl(['-N', `${origin}/api/v1/${stream}`])(crowd, token)),
  );
  return async () => (await Promise.all(ends.map((end) => end()))).flat();
}

async function top({ hub, lab }: Crowd): Promise<() => Promise<readonly number[]>> {
  const connection = await ControlConnection.open({ name: hub.name, runDirectory: `${lab.folder}/run` });
  const took: number[] = [];
  let isOver = false;
  const asked = (async () => {
    while (!isOver) {
      const beganMs = performance.now();
      await connection.request('top', {});
      took.push(performance.now() - beganMs);
      await sleep(1000);
    }
  })();
  return async () => {
    isOver = true;
    await asked;
    connection.close();
    return took;
  };
}

const lookers: Readonly<Record<Look, Looker>> = {
  nobody: async () => async () => [],
  scrape: curl(['--rate', '60/m', `${origin}/metrics?x=[1-1000]`]),
  scrapes: curl([`${origin}/metrics?x=[1-100000]`]),
  page,
  top,
};

const folder = mkdtempSync(path.join(tmpdir(), 'hw-scrapes-'));
const tokensFile = path.join(folder, 'tokens');
const twin = compileTwin('tunnel/load.c');
const crowd = await gather(connected, 0, {
  absent: all - connected,
  nice: 19,
  ...(other === '' ? {} : { program: path.join(other, 'build/src/cli/main.js') }),
  more: { api: { listen: `127.0.0.1:${apiPort}`, tokensFile } },
});
try {
  const added = await runCli(['token', 'add', 'bench', '--role', 'admin', '--file', tokensFile]);
  if (added.status !== 0) throw new Error(added.stderr);
  const token = added.stdout.trim();
  const { hub } = crowd;
  answerAtHub(twin.program, crowd);
  await connect(crowd, connected);
  await until('the API is on', () => hub.log().includes('api-on'));
  await sleep(settleMs);
  const costs = await threadCostsOf(hub);
  const windows = new Map<Look, Window[]>(looks.map((look) => [look, []]));
  const answers = new Map<Look, number[]>(looks.map((look) => [look, []]));
  // Pair -1 is not counted: V8 compiles what it sees often, and a first look loads modules.
  for (let pair = -1; pair < pairCount; pair += 1)
    for (const look of looks) {
      const end = await lookers[look](crowd, token);
      const before = costs();
      const trips = await roundTrips(twin.program, crowd, windowS);
      const took = await end();
      const after = costs();
      if (pair < 0) continue;
      windows.get(look)?.push({
        trips,
        answers: took.length,
        packetsWaitedMs: after.packetsWaitedMs - before.packetsWaitedMs,
        othersRanMs: after.othersRanMs - before.othersRanMs,
      });
      answers.get(look)?.push(...took);
    }
  const facts = { peers: all, connected };
  const nobody = windows.get('nobody') ?? [];
  for (const [index, name] of ['p50', 'p99', 'p99.9', 'max'].entries())
    for (const [look, rows] of windows) {
      const values = rows.map(({ trips }) => trips[index] ?? Number.NaN);
      report('scrapes-others', { ...facts, look, quantile: name, spread: spread(values) }, median(values), 'ms');
      if (look === 'nobody') continue;
      const ratios = values.map((value, pair) => value / (nobody[pair]?.trips[index] ?? Number.NaN));
      report(
        'scrapes-others',
        { ...facts, side: `${look}/nobody`, quantile: name, spread: spread(ratios) },
        median(ratios),
        'x',
      );
    }
  for (const [look, rows] of windows) {
    const lost = rows.reduce((sum, { trips }) => sum + (trips[4] ?? 0), 0);
    report('scrapes-lost', { ...facts, look }, lost, 'packets');
    const waited = rows.map(({ packetsWaitedMs }) => packetsWaitedMs / windowS);
    report('scrapes-packets-waited', { ...facts, look, spread: spread(waited) }, median(waited), 'ms/s');
    // What the threads do anyway is not the answers'.
    const each = rows.flatMap(({ othersRanMs, answers: count }, pair) =>
      count === 0 ? [] : [(othersRanMs - (nobody[pair]?.othersRanMs ?? Number.NaN)) / count],
    );
    if (each.length > 0) report('scrapes-cost', { ...facts, look, spread: spread(each) }, median(each), 'ms an answer');
  }
  for (const [look, took] of answers)
    if (took.length > 0)
      report('scrapes-answer', { ...facts, look, answers: took.length, spread: spread(took) }, median(took), 'ms');
} finally {
  await crowd.lab.close();
  twin.remove();
  rmSync(folder, { recursive: true, force: true });
}
