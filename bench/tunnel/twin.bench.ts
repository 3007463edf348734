/**
 * The tunnel against what cipher and copy allow: 1 / (1/twin + 1/AEAD), where the twin is the same data path with the AEAD replaced
 * by a copy (HAWSER_BENCH_PLAINTEXT=1 at both ends) and AEAD is its speed at 1420 bytes on the cores used (sealing and opening
 * share the box's cores, so a byte costs two passes over two cores: one core's speed).
 */
import { comparePairs, median, pairCount, report, runSeconds, spread } from '../support/bench.ts';
import { opensslGbps } from '../support/openssl.ts';
import { type Mode, measureTcp, type Placement, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);

async function runOne(mode: Mode, placement: Placement, cipher: 'chacha20-poly1305' | 'aes-256-gcm'): Promise<void> {
  const wire = new Wire(mode);
  try {
    await wire.startServer();
    const sealed = await wire.startHawser(placement, cipher);
    const plain = await wire.startHawser(placement, 'plaintext');
    const parameters = { mode, placement, cipher, direction: 'up' };
    const twins: number[] = [];
    const reached: number[] = [];
    const aead = opensslGbps(cipher);
    const takePlain = () => {
      twins.push(measureTcp(wire, plain, 'up', seconds).gbps);
      return twins.at(-1) ?? Number.NaN;
    };
    const takeSealed = () => {
      reached.push(measureTcp(wire, sealed, 'up', seconds).gbps);
      return reached.at(-1) ?? Number.NaN;
    };
    const ours = { label: 'hawser', take: takeSealed };
    comparePairs('tunnel-vs-plaintext', parameters, 'Gbit/s', ours, { label: 'plaintext', take: takePlain });
    const shares = reached.map((value, i) => value * (1 / (twins[i] ?? Number.NaN) + 1 / aead));
    report('aead-speed', { cipher, bytes: 1420, cores: 1, side: 'openssl' }, aead, 'Gbit/s');
    report('tunnel-of-possible', { ...parameters, pairs: pairCount, spread: spread(shares) }, median(shares), 'x');
  } finally {
    await wire.lab.close();
  }
}

for (const mode of ['offload-through', 'wire-honest'] as const) {
  for (const placement of ['dedicated', 'compact'] as const) {
    for (const cipher of ['chacha20-poly1305', 'aes-256-gcm'] as const) await runOne(mode, placement, cipher);
  }
}
