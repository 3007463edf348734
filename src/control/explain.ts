/**
 * "Why is this slow?" answered from counters and rows: what is broken, which path limits a peer, what the scheduler waits for,
 * what was dropped where. Sentences with numbers and, where there is one, a remedy. Pure.
 */
import type { Snapshot } from './answer.ts';
import { explainDrops } from './explain-drops.ts';
import { explainLinks } from './explain-links.ts';
import { explainParity } from './explain-parity.ts';
import { explainPeer } from './explain-peers.ts';

/** `problem`: something is broken; `limit`: this is what bounds the speed now; `note`: worth knowing. */
export type Severity = 'problem' | 'limit' | 'note';

export interface Explanation {
  readonly severity: Severity;
  /** What it is about; undefined = the instance. */
  readonly peer?: string;
  readonly link?: string;
  readonly text: string;
  readonly remedy?: string;
  readonly numbers?: Readonly<Record<string, number>>;
}

const order: readonly Severity[] = ['problem', 'limit', 'note'];

/** The worst first. */
export function explain(snapshot: Snapshot): Explanation[] {
  const found = [
    ...explainLinks(snapshot),
    ...snapshot.peers.flatMap((peer) => explainPeer(peer, snapshot)),
    ...explainParity(snapshot),
    ...explainDrops(snapshot),
  ];
  return order.flatMap((severity) => found.filter((one) => one.severity === severity));
}
