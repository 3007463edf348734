/**
 * One TCP stream through this build and through another one, pair by pair: `--against CHECKOUT` names a folder that was built
 * (`npm ci && npm run build`), usually the commit before the work at hand. Wire-honest, ChaCha20-Poly1305, up and down; CPU of the whole box.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { comparePairs, option, runSeconds } from '../support/bench.ts';
import { measureTcp, type Placement, type Tunnel, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);
const checkout = option('against', '');
const program = path.join(checkout, 'build/src/cli/main.js');

async function run(placement: Placement): Promise<void> {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const ours = await wire.startHawser(placement, 'chacha20-poly1305');
    const theirs = await wire.startHawser(placement, 'chacha20-poly1305', program);
    for (const direction of ['up', 'down'] as const) {
      const cpu = new Map<Tunnel, number[]>([ours, theirs].map((tunnel) => [tunnel, []]));
      const goodput = (label: string, tunnel: Tunnel) => ({
        label,
        take() {
          const { gbps, cpuSecondsPerGb } = measureTcp(wire, tunnel, direction, seconds);
          cpu.get(tunnel)?.push(cpuSecondsPerGb);
          return gbps;
        },
      });
      const spent = (label: string, tunnel: Tunnel) => ({ label, take: () => cpu.get(tunnel)?.shift() ?? Number.NaN });
      const words = { placement, direction, cc: 'cubic' };
      comparePairs('against-goodput', words, 'Gbit/s', goodput('this', ours), goodput('other', theirs));
      comparePairs('against-cpu', words, 's/GB', spent('this', ours), spent('other', theirs));
    }
  } finally {
    await wire.lab.close();
  }
}

if (checkout === '') console.error('tunnel/against compares with another build: name its folder by --against CHECKOUT');
else if (!existsSync(program)) {
  console.error(`Cannot compare with ${checkout}: ${program} is missing (run npm ci && npm run build there)`);
  process.exitCode = 1;
} else for (const placement of ['dedicated', 'compact'] as const) await run(placement);
