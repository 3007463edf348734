/**
 * Small packets and latency against wireguard-go: the highest rate of 64- and 512-byte packets that arrives (loss of at most
 * 0.1 %), and the round trip that a tunnel adds to the wire's, idle and beside TCP at 80 % of the slower tunnel's goodput.
 */
import { once } from 'node:events';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { comparePairs, compileTwin, median, pairCount, report, runSeconds, spread } from '../support/bench.ts';
import { hasPeer, measureTcp, type Placement, type Tunnel, Wire } from './tunnels.ts';

const lossLimit = 0.001;
/** IPv4 and UDP headers: a packet of 64 bytes inside the tunnel has 36 of payload. */
const headerBytes = 28;
const pingIntervalUs = 1000;
const pingCount = 5000;
const loadShare = 0.8;

let program = '';
let nextPort = 20_000;

/** Share of `pps` datagrams that did not arrive. A sender that cannot make the rate counts as loss of what it did not send. */
async function lossAt(wire: Wire, tunnel: Tunnel, payloadBytes: number, pps: number): Promise<number> {
  nextPort += 1;
  const sink = wire.b.spawn(program, ['sink', String(nextPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (sink.stdout === null) throw new Error('sink without a pipe');
  const lines = readline.createInterface({ input: sink.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const args = ['send', tunnel.target, String(nextPort), String(payloadBytes), String(pps), String(runSeconds)];
  const sender = wire.a.spawn(program, args, { stdio: 'ignore' });
  const { value } = await lines.next();
  if (sender.exitCode === null) await once(sender, 'exit');
  const [received = 0] = JSON.parse(String(value)) as number[];
  return Math.max(0, 1 - received / (pps * runSeconds));
}

/** Packets a second by bisection over the rate, to within 5 %. */
async function highestRate(wire: Wire, tunnel: Tunnel, packetBytes: number): Promise<number> {
  let low = 0;
  let high = 2e6;
  while (high - low > 0.05 * high) {
    const pps = (low + high) / 2;
    const loss = await lossAt(wire, tunnel, packetBytes - headerBytes, pps);
    if (loss <= lossLimit) low = pps;
    else high = pps;
    if (high < 1000) throw new Error(`${tunnel.label} does not carry 1000 packets a second`);
  }
  return low;
}

async function measureRates(wire: Wire, words: Record<string, string>, tunnels: readonly Tunnel[]): Promise<void> {
  for (const packetBytes of [64, 512]) {
    const rates = new Map<Tunnel, number[]>(tunnels.map((tunnel) => [tunnel, []]));
    for (let pair = 0; pair < pairCount; pair += 1) {
      for (const tunnel of tunnels) rates.get(tunnel)?.push((await highestRate(wire, tunnel, packetBytes)) / 1e6);
    }
    const parameters = { ...words, packetBytes: String(packetBytes), lossLimit: String(lossLimit) };
    const columns = tunnels.map((tunnel) => rates.get(tunnel) ?? []);
    reportColumns('tunnel-packets', parameters, 'Mpps', columns);
  }
}

async function roundTrips(wire: Wire, tunnel: Tunnel): Promise<readonly number[]> {
  nextPort += 1;
  const echo = wire.b.spawn(program, ['echo', String(nextPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (echo.stdout === null) throw new Error('echo without a pipe');
  await once(echo.stdout, 'data');
  const args = ['ping', tunnel.target, String(nextPort), String(pingIntervalUs), String(pingCount)];
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
  if (load !== undefined && load.exitCode === null) await once(load, 'exit');
  return [0, 1, 2].map((i) => (trips[i] ?? Number.NaN) - (bare[i] ?? Number.NaN));
}

async function measureLatencies(wire: Wire, words: Record<string, string>, tunnels: readonly Tunnel[]): Promise<void> {
  for (const load of ['idle', '80%']) {
    const figures = new Map<Tunnel, (readonly number[])[]>(tunnels.map((tunnel) => [tunnel, []]));
    // The same load for both: a share of what the slower one carries.
    const slowest = Math.min(...tunnels.map((tunnel) => measureTcp(wire, tunnel, 'up', 3).gbps));
    const loadMbit = load === 'idle' ? 0 : slowest * 1000 * loadShare;
    for (let pair = 0; pair < pairCount; pair += 1) {
      for (const tunnel of tunnels) figures.get(tunnel)?.push(await addedLatency(wire, tunnel, loadMbit));
    }
    for (const [index, quantile] of ['p50', 'p99', 'p99.9'].entries()) {
      const columns = tunnels.map((tunnel) => (figures.get(tunnel) ?? []).map((row) => row[index] ?? Number.NaN));
      reportColumns('tunnel-added-latency', { ...words, load, quantile }, 'us', columns);
    }
  }
}

/** Ours, and beside it the peer's if there is one. */
function reportColumns(
  name: string,
  parameters: Record<string, string>,
  unit: string,
  columns: readonly number[][],
): void {
  const [ours = [], theirs] = columns;
  if (theirs === undefined) {
    report(name, { ...parameters, side: 'hawser', spread: spread(ours) }, median(ours), unit);
    return;
  }
  const next = (values: number[]) => () => values.shift() ?? Number.NaN;
  const side = { label: 'hawser', take: next(ours) };
  comparePairs(name, parameters, unit, side, { label: 'wireguard-go', take: next(theirs) });
}

const twin = compileTwin('tunnel/load.c');
program = twin.program;
const isCompared = hasPeer();
for (const placement of ['dedicated', 'compact'] satisfies Placement[]) {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const tunnels = [await wire.startHawser(placement, 'chacha20-poly1305')];
    if (isCompared) tunnels.push(await wire.startWireguardGo());
    const words = { mode: 'wire-honest', placement, cipher: 'chacha20-poly1305' };
    await measureRates(wire, words, tunnels);
    await measureLatencies(wire, words, tunnels);
  } finally {
    await wire.lab.close();
  }
}
twin.remove();
