/** A path as schedulers see it, for tests that need one. */
import type { PathView } from '../../src/bonding/schedule/scheduler.ts';

/** A live path of 100 Mbit/s and 20 ms with credit, but for what `part` says. */
export function pathView(row: number, part: Partial<PathView> = {}): PathView {
  const rttUs = part.rttUs ?? 20_000;
  return {
    row,
    isUsable: true,
    priority: 0,
    weight: 0,
    role: 'always',
    allowedBytes: 20_000,
    minRttUs: rttUs,
    jitterUs: 0,
    loss: 0,
    rateBytesPerUs: 12.5,
    inFlightBytes: 0,
    sentBytes: 0,
    readyInUs: 0,
    isStarting: false,
    isShallow: false,
    ...part,
    rttUs,
  };
}
