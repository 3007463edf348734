/**
 * FakeTCP's goodput, wire-honest, ChaCha20-Poly1305, both placements: one TCP stream through two daemons by FakeTCP against the same by UDP,
 * pair by pair, up and down; and against phantun: plain UDP through its client and server, at the offered rate and with the number of flows at
 * which most arrives. `npm run bench -- tunnel/faketcp [--phantun FOLDER] [--parts udp,phantun] [--mode dedicated,compact] [--pairs 5]`
 */
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { phantunSkipReason, startPhantunClient, startPhantunServer } from '../../test/support/phantun.ts';
import {
  comparePairs,
  compileTwin,
  exited,
  median,
  option,
  pairCount,
  report,
  runSeconds,
  spread,
} from '../support/bench.ts';
import { measureTcp, type Placement, spentSeconds, type Tunnel, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);
const parts = option('parts', 'udp,phantun').split(',');
const placements = option('mode', 'dedicated,compact').split(',') as Placement[];
const cipher = 'chacha20-poly1305';
/** In which the engine compiles what is hot. */
const warmUpSeconds = 5;
const phantun = { localPort: 7777, fakePort: 4567, sinkPort: 9000 } as const;
/** Payload of a datagram: the longest that phantun takes by a link of 1500 is 1460. */
const datagramBytes = 1440;
const lastWordsSeconds = 10;
const offeredGbps = [0.5, 1, 2, 4] as const;
const flowCounts = [1, 2, 4] as const;

interface Offer {
  readonly gbps: number;
  readonly flows: number;
}

/** Processor time of both daemons: what an otherwise busy machine does not change much. */
function daemonSeconds({ pids }: Tunnel): number {
  return (pids ?? []).reduce((sum, pid) => sum + spentSeconds(pid), 0);
}

async function compareTransports(placement: Placement): Promise<void> {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const byFakeTcp = await wire.startHawser(placement, cipher, { transport: 'faketcp' });
    const byUdp = await wire.startHawser(placement, cipher);
    for (const direction of ['up', 'down'] as const) {
      for (const tunnel of [byFakeTcp, byUdp]) measureTcp(wire, tunnel, direction, warmUpSeconds);
      const spent = new Map<Tunnel, number[]>([byFakeTcp, byUdp].map((tunnel) => [tunnel, []]));
      const side = (label: string, tunnel: Tunnel) => ({
        label,
        take: () => {
          const before = daemonSeconds(tunnel);
          const { gbps } = measureTcp(wire, tunnel, direction, seconds);
          spent.get(tunnel)?.push((daemonSeconds(tunnel) - before) / ((gbps * seconds) / 8));
          return gbps;
        },
      });
      const words = { mode: 'wire-honest', placement, cipher, direction, cc: 'cubic' };
      comparePairs('faketcp-goodput', words, 'Gbit/s', side('faketcp', byFakeTcp), side('udp', byUdp));
      const cost = (label: string, tunnel: Tunnel) => ({
        label,
        take: () => spent.get(tunnel)?.shift() ?? Number.NaN,
      });
      comparePairs('faketcp-daemons', words, 's/GB', cost('faketcp', byFakeTcp), cost('udp', byUdp));
    }
  } finally {
    await wire.lab.close();
  }
}

/** What arrives of UDP through phantun, Gbit/s of payload. */
async function measurePhantun(wire: Wire, program: string, { gbps, flows }: Offer): Promise<number> {
  const sink = wire.b.spawn(program, ['sink', String(phantun.sinkPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (sink.stdout === null) throw new Error('sink without a pipe');
  const lines = readline.createInterface({ input: sink.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const pps = (gbps * 1e9) / 8 / datagramBytes / flows;
  const args = ['send', '127.0.0.1', String(phantun.localPort), String(datagramBytes), String(pps), String(seconds)];
  const senders = Array.from({ length: flows }, () => wire.a.spawn(program, args, { stdio: 'ignore' }));
  // The sink ends with the senders' last words, if these arrive.
  const last = await Promise.race([lines.next(), sleep((seconds + lastWordsSeconds) * 1000)]);
  if (last === undefined) sink.kill('SIGKILL');
  for (const sender of senders) await exited(sender);
  const [received = 0] = last === undefined ? [] : (JSON.parse(String(last.value)) as number[]);
  return (received * datagramBytes * 8) / 1e9 / seconds;
}

async function comparePhantun(placement: Placement, program: string): Promise<void> {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const ours = await wire.startHawser(placement, cipher, { transport: 'faketcp' });
    startPhantunServer(wire.b, { port: phantun.fakePort, remote: `127.0.0.1:${phantun.sinkPort}` });
    await sleep(500);
    startPhantunClient(wire.a, { localPort: phantun.localPort, remote: `10.77.0.2:${phantun.fakePort}` });
    await sleep(500);
    let best = { gbps: 0, flows: 1, arrived: 0 };
    for (const flows of flowCounts) {
      for (const gbps of offeredGbps) {
        const arrived = await measurePhantun(wire, program, { gbps, flows });
        if (arrived > best.arrived) best = { gbps, flows, arrived };
      }
    }
    measureTcp(wire, ours, 'up', warmUpSeconds);
    const [a, b]: [number[], number[]] = [[], []];
    for (let pair = 0; pair < pairCount; pair += 1) {
      a.push(measureTcp(wire, ours, 'up', seconds).gbps);
      b.push(await measurePhantun(wire, program, best));
    }
    const ratios = a.map((value, index) => value / (b[index] ?? Number.NaN));
    const words = { mode: 'wire-honest', placement };
    report('faketcp-goodput', { ...words, cipher, side: 'hawser', spread: spread(a) }, median(a), 'Gbit/s');
    const offered = { offered: best.gbps, flows: best.flows };
    report('faketcp-goodput', { ...words, ...offered, side: 'phantun', spread: spread(b) }, median(b), 'Gbit/s');
    const side = { side: 'hawser/phantun', pairs: ratios.length, spread: spread(ratios) };
    report('faketcp-goodput', { ...words, ...side }, median(ratios), 'x');
  } finally {
    await wire.lab.close();
  }
}

if (parts.includes('udp')) for (const placement of placements) await compareTransports(placement);
const missing = phantunSkipReason();
if (parts.includes('phantun')) {
  if (missing !== false) console.error(`${missing}, or --phantun FOLDER; the figures beside it are left out`);
  else {
    const twin = compileTwin('tunnel/load.c');
    for (const placement of placements) await comparePhantun(placement, twin.program);
    twin.remove();
  }
}
