/**
 * One TCP stream at 60 % of what the tunnel takes, alone and beside many who read from the API of its receiving end: 50 who follow events and
 * rates, 200 requests a second, 100 who asked and read nothing. `--pairs` windows of each of `--seconds` (8 at least), in
 * turns; memory of that daemon before the first and at the end of each. Who reads has the lowest priority: he is on another host in life.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { runCli } from '../../test/support/daemon.ts';
import { until } from '../../test/support/until.ts';
import { median, pairCount, report, runSeconds, spread } from '../support/bench.ts';
import type { ReadersSaw } from './readers-program.ts';
import { measureTcp, Wire } from './tunnels.ts';

const seconds = Math.max(8, runSeconds);
const share = 0.6;
const [streams, requests, dead] = [50, 200, 100];
const port = 8474;
const program = path.join(import.meta.dirname, 'readers-program.js');
const ceilingRuns = 3;

const folder = mkdtempSync(path.join(tmpdir(), 'hw-readers-'));
const tokensFile = path.join(folder, 'tokens');
const wire = new Wire('wire-honest');

/** Begins when all of them are there; what it returns ends them. */
async function startReaders(token: string): Promise<() => Promise<ReadersSaw>> {
  const args = ['-n', '19', process.execPath, program, String(port), token, ...[streams, requests, dead].map(String)];
  const child = wire.b.spawn('nice', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('readers without a pipe');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.value !== 'ready') throw new Error('the readers did not come');
  return async () => {
    child.stdin?.end();
    const { value } = await lines.next();
    if (child.exitCode === null) await once(child, 'exit');
    return JSON.parse(String(value)) as ReadersSaw;
  };
}

try {
  const { stdout, status, stderr } = await runCli(['token', 'add', 'bench', '--role', 'admin', '--file', tokensFile]);
  if (status !== 0) throw new Error(stderr);
  const token = stdout.trim();
  await wire.startServer();
  const more = { api: { listen: `127.0.0.1:${port}`, tokensFile } };
  const tunnel = await wire.startHawser('compact', 'chacha20-poly1305', { more });
  const pid = tunnel.pids?.[1] ?? 0;
  const residentMib = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  await until('the API is on', () => wire.b.run('ss', ['-Hltn', `sport = :${port}`]).includes('LISTEN'));
  const ceiling = median(Array.from({ length: ceilingRuns }, () => measureTcp(wire, tunnel, 'up', seconds).gbps));
  const paceBps = share * ceiling * 1e9;
  const facts = { share, streams, requests, dead };
  report('readers-ceiling', facts, ceiling, 'Gbit/s');
  const [alone, beside, saw, memory]: [number[], number[], ReadersSaw[], number[]] = [[], [], [], [residentMib()]];
  for (let pair = 0; pair < pairCount; pair += 1) {
    alone.push(measureTcp(wire, tunnel, 'up', seconds, paceBps).gbps);
    const end = await startReaders(token);
    beside.push(measureTcp(wire, tunnel, 'up', seconds, paceBps).gbps);
    memory.push(residentMib());
    saw.push(await end());
  }
  report('readers-goodput', { ...facts, side: 'alone', spread: spread(alone) }, median(alone), 'Gbit/s');
  report('readers-goodput', { ...facts, side: 'beside', spread: spread(beside) }, median(beside), 'Gbit/s');
  const ratios = beside.map((value, pair) => value / (alone[pair] ?? Number.NaN));
  report('readers-goodput', { ...facts, side: 'beside/alone', spread: spread(ratios) }, median(ratios), 'x');
  const sum = (read: (one: ReadersSaw) => number): number => saw.reduce((total, one) => total + read(one), 0);
  report(
    'readers-answers',
    { ...facts, refused: sum(({ refused }) => refused) },
    sum(({ answers }) => answers) / (saw.length * seconds),
    '/s',
  );
  report('readers-answer', { ...facts, quantile: 'p50' }, median(saw.map(({ p50Ms }) => p50Ms)), 'ms');
  report('readers-answer', { ...facts, quantile: 'p99' }, median(saw.map(({ p99Ms }) => p99Ms)), 'ms');
  report(
    'readers-messages',
    facts,
    Math.min(...saw.map(({ fewestMessages }) => fewestMessages)),
    'to the one with the fewest',
  );
  for (const [pair, mib] of memory.entries()) report('readers-memory', { ...facts, pair }, mib, 'MiB');
} finally {
  await wire.lab.close();
  rmSync(folder, { recursive: true, force: true });
}
