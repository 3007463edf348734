/** What a sealer needs beyond its rings when a test does not care about bonding. */
import type { SealerSettings } from '../../src/actors/sealer.ts';
import { feedback, outerFragments, tooLong } from '../../src/contract/columns.ts';
import { path, peer } from '../../src/contract/peer-tables.ts';
import type { InnerLimitParts, SealerParts } from '../../src/native/data-api.ts';
import { createRowTable } from '../../src/rings/table.ts';

export const adaptiveBonding: SealerSettings['bonding'] = {
  modes: ['adaptive', 'adaptive', 'adaptive'],
  protects: [false, true, false],
  repairsAlone: true,
  failbackMs: 5_000,
  parallel: 'off',
  fec: 'off',
};

/** Packets of any length to any peer. */
export function innerLimitParts(): InnerLimitParts {
  const peers = new Uint8Array(createRowTable(peer, 1));
  return { peers, mtu: 1420, outerFragments: outerFragments.auto };
}

/** The parts of `SealerParts` that are there for feedback, and for packets that are too long. */
export function feedbackParts(): Pick<
  SealerParts,
  'paths' | 'feedback' | 'limits' | 'maxFecBytes' | 'tooLong' | 'answersFd' | keyof InnerLimitParts
> {
  return {
    ...innerLimitParts(),
    tooLong: new Uint8Array(tooLong.columns * 8),
    answersFd: -1,
    paths: new Uint8Array(createRowTable(path, path.mostPerPeer)),
    feedback: new Uint8Array(path.mostPerPeer * feedback.columns * 8),
    maxFecBytes: 1412,
    limits: new Uint8Array(2 * path.mostPerPeer * 8),
  };
}
