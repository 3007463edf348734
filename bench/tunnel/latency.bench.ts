/**
 * The round trip that a tunnel adds to the wire's, against wireguard-go: idle, and beside TCP at 80 % of the slower tunnel's
 * goodput. `--parts dedicated,compact` names the placements, `--mode cold,idle,80%` the loads.
 *
 * A daemon's first 20 s of light traffic are slower than the rest of its life: V8 compiles what turns out to be hot. They are a
 * figure of their own (`cold`, the first 5 s after the start, one series); all others are taken after both tunnels carried the
 * same pings for 25 s.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { compileTwin, exited, option, pairCount, reportColumns } from '../support/bench.ts';
import { hasPeer, measureTcp, type Placement, type Tunnel, Wire } from './tunnels.ts';

const pingIntervalUs = 1000;
const pingCount = 5000;
const warmUpCount = 25_000;
const loadShare = 0.8;
const placements = option('parts', 'dedicated,compact').split(',') as Placement[];
const loads = option('mode', 'cold,idle,80%').split(',');

let program = '';
let nextPort = 20_000;

async function roundTrips(wire: Wire, tunnel: Tunnel, count = pingCount): Promise<readonly number[]> {
  nextPort += 1;
  const echo = wire.b.spawn(program, ['echo', String(nextPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (echo.stdout === null) throw new Error('echo without a pipe');
  await once(echo.stdout, 'data');
  const args = ['ping', tunnel.target, String(nextPort), String(pingIntervalUs), String(count)];
  const child = wire.a.spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  echo.kill('SIGKILL');
  return JSON.parse(text) as number[];
}

/** What the tunnel adds to the wire's round trip, p50, p99, p99.9 in microseconds. */
async function addedLatency(wire: Wire, tunnel: Tunnel, loadMbit: number): Promise<readonly number[]> {
  const bare = await roundTrips(wire, wire.bare);
  const seconds = String(Math.ceil((pingCount * pingIntervalUs) / 1e6) + 2);
  const args = ['-C', 'cubic', '-t', seconds, '-b', `${Math.round(loadMbit)}M`, '-c', tunnel.target];
  const load = loadMbit > 0 ? wire.a.spawn('iperf3', args, { stdio: 'ignore' }) : undefined;
  if (load !== undefined) await sleep(1000);
  const trips = await roundTrips(wire, tunnel);
  if (load !== undefined) await exited(load);
  return [0, 1, 2].map((i) => (trips[i] ?? Number.NaN) - (bare[i] ?? Number.NaN));
}

function slowestMbit(wire: Wire, tunnels: readonly Tunnel[]): number {
  return Math.min(...tunnels.map((tunnel) => measureTcp(wire, tunnel, 'up', 3).gbps)) * 1000;
}

async function measureLatencies(wire: Wire, words: Record<string, string>, tunnels: readonly Tunnel[]): Promise<void> {
  for (const load of loads) {
    if (load === 'idle') for (const tunnel of tunnels) await roundTrips(wire, tunnel, warmUpCount);
    const figures = new Map<Tunnel, (readonly number[])[]>(tunnels.map((tunnel) => [tunnel, []]));
    // The same load for both: a share of what the slower one carries.
    const loadMbit = load === '80%' ? slowestMbit(wire, tunnels) * loadShare : 0;
    for (let pair = 0; pair < (load === 'cold' ? 1 : pairCount); pair += 1) {
      for (const tunnel of tunnels) figures.get(tunnel)?.push(await addedLatency(wire, tunnel, loadMbit));
    }
    for (const [index, quantile] of ['p50', 'p99', 'p99.9'].entries()) {
      const columns = tunnels.map((tunnel) => (figures.get(tunnel) ?? []).map((row) => row[index] ?? Number.NaN));
      reportColumns('tunnel-added-latency', { ...words, load, quantile }, 'us', columns);
    }
  }
}

const twin = compileTwin('tunnel/load.c');
program = twin.program;
const isCompared = hasPeer();
for (const placement of placements) {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const tunnels = [await wire.startHawser(placement, 'chacha20-poly1305')];
    if (isCompared) tunnels.push(await wire.startWireguardGo());
    const words = { mode: 'wire-honest', placement, cipher: 'chacha20-poly1305' };
    await measureLatencies(wire, words, tunnels);
  } finally {
    await wire.lab.close();
  }
}
twin.remove();
