/** Small packets against wireguard-go: the highest rate of 64- and 512-byte packets that arrives, with a loss of at most 0.1 %. */
import readline from 'node:readline';
import { compileTwin, exited, pairCount, reportColumns, runSeconds } from '../support/bench.ts';
import { hasPeer, type Placement, type Tunnel, Wire } from './tunnels.ts';

const lossLimit = 0.001;
/** IPv4 and UDP headers: a packet of 64 bytes inside the tunnel has 36 of payload. */
const headerBytes = 28;

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
  await exited(sender);
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
  } finally {
    await wire.lab.close();
  }
}
twin.remove();
