/** What a sealer needs beyond its rings when a test does not care about bonding. */
import type { SealerSettings } from '../../src/actors/sealer.ts';
import { feedback } from '../../src/native/data-api.ts';
import { path } from '../../src/rings/layout.ts';
import { createRowTable } from '../../src/rings/table.ts';

export const adaptiveBonding: SealerSettings['bonding'] = {
  modes: ['adaptive', 'adaptive', 'adaptive'],
  protects: [false, true, false],
  repairsAlone: true,
  failbackMs: 5_000,
  fec: 'off',
};

/** The parts of `SealerParts` that are there for feedback. */
export function feedbackParts(): {
  paths: Uint8Array;
  feedback: Uint8Array;
  limits: Uint8Array;
  maxFecBytes: number;
  ecnCapability: number;
} {
  return {
    paths: new Uint8Array(createRowTable(path, path.rowsPerPeer)),
    feedback: new Uint8Array(path.rowsPerPeer * feedback.columns * 8),
    maxFecBytes: 1412,
    ecnCapability: 32,
    limits: new Uint8Array(2 * path.rowsPerPeer * 8),
  };
}
