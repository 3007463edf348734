/**
 * "Why is this slow?" answered from counters and rows: what is broken, which path limits a peer, what the scheduler waits for,
 * what was dropped where. Sentences with numbers and, where there is one, a remedy. Pure.
 */

import { explainDrops } from './explain-drops.ts';
import { explainHost } from './explain-host.ts';
import { explainLinks } from './explain-links.ts';
import { explainParity } from './explain-parity.ts';
import { explainPeer } from './explain-peers.ts';
import { pathsByPeer, type Snapshot } from './snapshot.ts';
import { duration } from './words.ts';

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
  /** The counter that it is about, as `Snapshot.changedAgesMs` knows it: one that stands still is not what is wrong now. */
  readonly counter?: string;
  /** Since that counter last moved; undefined: no counter, or it has not moved for as long as anybody looks. */
  readonly ageMs?: number;
}

const order: readonly Severity[] = ['problem', 'limit', 'note'];
/** A counter that has not moved for so long is history. */
const recentMs = 60_000;

/** The worst first, and of equals what moves now before what once moved. */
export function explain(snapshot: Snapshot): Explanation[] {
  const paths = pathsByPeer(snapshot.paths);
  const endpoints = endpointsOf(snapshot);
  const found = [
    ...explainLinks(snapshot),
    ...explainHost(snapshot),
    ...snapshot.peers.flatMap((peer) =>
      explainPeer(peer, { own: paths.get(peer.name) ?? [], endpoints: endpoints.get(peer.name) ?? [] }, snapshot),
    ),
    ...untold(snapshot),
    ...explainParity(snapshot),
    ...explainDrops(snapshot),
  ].map((one) => dated(one, snapshot));
  return order.flatMap((severity) => {
    const ofSeverity = found.filter((one) => one.severity === severity);
    const old = ofSeverity.filter(isOld).sort((a, b) => ageOf(a) - ageOf(b));
    return [...ofSeverity.filter((one) => !isOld(one)), ...old];
  });
}

/** As they are configured, by name. */
function endpointsOf({ instance, peers }: Snapshot): ReadonlyMap<string, readonly string[]> {
  const names = new Set(peers.map(({ name }) => name));
  return new Map(instance.peers.filter(({ name }) => names.has(name)).map(({ name, endpoints }) => [name, endpoints]));
}

/** Thousands of sentences are read by nobody. */
function untold({ sums }: Snapshot): Explanation[] {
  const remedy = '`hawser peers` and `hawser paths` show all, `hawser explain --peer NAME` one of them';
  const of = (count: number, text: string): Explanation[] =>
    count === 0 ? [] : [{ severity: 'problem', text, remedy, numbers: { peers: count } }];
  return [
    ...of(sums.untold, `Nothing gets through to ${sums.untold} more peers, or their handshakes are refused`),
    ...of(sums.untoldPaths, `Paths of ${sums.untoldPaths} more peers have died`),
  ];
}

function dated(one: Explanation, { changedAgesMs }: Snapshot): Explanation {
  if (one.counter === undefined) return one;
  const ageMs = changedAgesMs[one.counter];
  if (ageMs === undefined) return { ...one, text: `${one.text}; none of them lately` };
  if (ageMs < recentMs) return { ...one, ageMs };
  return { ...one, text: `${one.text}; the last ${duration(ageMs)} ago`, ageMs };
}

function ageOf(one: Explanation): number {
  return one.counter === undefined ? 0 : (one.ageMs ?? Number.MAX_VALUE);
}

function isOld(one: Explanation): boolean {
  return ageOf(one) >= recentMs;
}
