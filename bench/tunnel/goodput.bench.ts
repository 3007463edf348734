/**
 * Encrypted TCP goodput of one stream and CPU-seconds per GB (whole box) against wireguard-go, pair by pair: both modes of the
 * wire, both placements, both ciphers, up and down. `HAWSER_BENCH_ONLY` narrows it: words that a configuration must contain.
 */
import process from 'node:process';
import { comparePairs, report, runSeconds } from '../support/bench.ts';
import { type Cipher, hasPeer, type Mode, measureTcp, type Placement, type Tunnel, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);
const only = (process.env.HAWSER_BENCH_ONLY ?? '').split(' ').filter((word) => word !== '');
const modes: readonly Mode[] = ['offload-through', 'wire-honest'];
const placements: readonly Placement[] = ['dedicated', 'compact'];
const ciphers: readonly Cipher[] = ['chacha20-poly1305', 'aes-256-gcm'];

/** Measures two tunnels in turn; goodput and CPU of one run belong together, so the runs are taken once for both figures. */
function compare(wire: Wire, words: Record<string, string>, ours: Tunnel, theirs: Tunnel): void {
  for (const direction of ['up', 'down'] as const) {
    const cpu = new Map<Tunnel, number[]>([ours, theirs].map((tunnel) => [tunnel, []]));
    const take = (tunnel: Tunnel) => () => {
      const { gbps, cpuSecondsPerGb } = measureTcp(wire, tunnel, direction, seconds);
      cpu.get(tunnel)?.push(cpuSecondsPerGb);
      return gbps;
    };
    const next = (tunnel: Tunnel) => () => cpu.get(tunnel)?.shift() ?? Number.NaN;
    const parameters = { ...words, direction, cc: 'cubic' };
    const side = { label: 'hawser', take: take(ours) };
    comparePairs('tunnel-goodput', parameters, 'Gbit/s', side, { label: theirs.label, take: take(theirs) });
    const cpuSide = { label: 'hawser', take: next(ours) };
    comparePairs('tunnel-cpu', parameters, 's/GB', cpuSide, { label: theirs.label, take: next(theirs) });
  }
}

async function runOne(mode: Mode, placement: Placement, cipher: Cipher, isCompared: boolean): Promise<void> {
  const wire = new Wire(mode);
  try {
    await wire.startServer();
    const words = { mode, placement, cipher };
    const ours = await wire.startHawser(placement, cipher);
    if (isCompared) {
      compare(wire, words, ours, await wire.startWireguardGo());
    } else {
      for (const direction of ['up', 'down'] as const) {
        const { gbps, cpuSecondsPerGb } = measureTcp(wire, ours, direction, seconds);
        report('tunnel-goodput', { ...words, direction, cc: 'cubic', side: 'hawser' }, gbps, 'Gbit/s');
        report('tunnel-cpu', { ...words, direction, cc: 'cubic', side: 'hawser' }, cpuSecondsPerGb, 's/GB');
      }
    }
  } finally {
    await wire.lab.close();
  }
}

const isCompared = hasPeer();
for (const mode of modes) {
  for (const placement of placements) {
    for (const cipher of ciphers) {
      const name = `${mode} ${placement} ${cipher}`;
      if (only.every((word) => name.includes(word))) await runOne(mode, placement, cipher, isCompared);
    }
  }
}
