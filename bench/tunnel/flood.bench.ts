/** Goodput that is left beside a flood of forged messages on the server's port, against wireguard-go under the same flood. */
import { setTimeout as sleep } from 'node:timers/promises';
import { compileTwin, exited, pairCount, reportColumns, runSeconds } from '../support/bench.ts';
import { hasPeer, measureTcp, type Tunnel, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);
const floodPps = 20_000;

/** Gbit/s up while forgeries arrive at the port of the tunnel's far end. */
async function goodputBesideFlood(wire: Wire, program: string, tunnel: Tunnel): Promise<number> {
  const args = ['flood', '10.77.0.2', String(tunnel.port), String(floodPps), String(seconds + 2)];
  const flood = wire.a.spawn(program, args, { stdio: 'ignore' });
  await sleep(1000);
  const { gbps } = measureTcp(wire, tunnel, 'up', seconds);
  await exited(flood);
  return gbps;
}

const twin = compileTwin('tunnel/load.c');
const isCompared = hasPeer();
const wire = new Wire('wire-honest');
try {
  await wire.startServer();
  const tunnels = [await wire.startHawser('dedicated', 'chacha20-poly1305')];
  if (isCompared) tunnels.push(await wire.startWireguardGo());
  const results = new Map<Tunnel, number[]>(tunnels.map((tunnel) => [tunnel, []]));
  for (let pair = 0; pair < pairCount; pair += 1) {
    for (const tunnel of tunnels) results.get(tunnel)?.push(await goodputBesideFlood(wire, twin.program, tunnel));
  }
  const parameters = { mode: 'wire-honest', placement: 'dedicated', cipher: 'chacha20-poly1305', floodPps };
  const columns = tunnels.map((tunnel) => results.get(tunnel) ?? []);
  reportColumns('tunnel-under-flood', parameters, 'Gbit/s', columns);
} finally {
  await wire.lab.close();
  twin.remove();
}
