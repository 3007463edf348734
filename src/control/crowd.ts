/**
 * What all peers come to, and which of them are worth a row where there are thousands: the busiest, those that something is wrong with, and
 * those that somebody has asked for by name. Pure.
 */
import { recentRefusalMs } from './explain-handshakes.ts';
import type { PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';

/** What is read of each peer, however many there are. */
export type PeerGlance = Pick<
  PeerStatus,
  | 'name'
  | 'state'
  | 'cutOffAgeMs'
  | 'isWanted'
  | 'refusal'
  | 'receivedBytes'
  | 'sentBytes'
  | 'receivedBps'
  | 'sentBps'
  | 'queuedBytes'
>;

/** What is read of each path. */
export type PathGlance = Pick<
  PathStatus,
  'peer' | 'link' | 'transport' | 'condition' | 'changedAgeMs' | 'probeLossPercent' | 'answerLossPercent'
>;

/** Which rows somebody wants to see. */
export interface Choice {
  /** Of the busiest so many, and as many of those that something is wrong with. */
  readonly most: number;
  /** An instance with no more peers shows all of them; by default `most`. */
  readonly allUpTo?: number;
  /** Names of peers that are shown besides. */
  readonly peers: readonly string[];
}

/** Whether `choice` leaves out some of so many peers. */
export function leavesOut({ most, allUpTo = most }: Choice, peers: number): boolean {
  return peers > allUpTo;
}

interface PathGroup {
  readonly link: string;
  readonly transport: string;
  /** undefined = nobody judges them. */
  readonly condition: string | undefined;
  readonly count: number;
}

/** Of peers that have no row here. */
interface Untold {
  /** Nothing gets through to so many, or they are refused. */
  readonly untold: number;
  /** Of so many others a path has died. */
  readonly untoldPaths: number;
}

/** Of all peers and paths, whether they have rows or not. */
export interface Sums extends Untold {
  readonly peers: number;
  readonly paths: number;
  readonly states: Readonly<Record<PeerStatus['state'], number>>;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedBps: number;
  readonly sentBps: number;
  readonly queuedBytes: number;
  /** The first of those that are cut off. */
  readonly cutOff: readonly { readonly peer: string; readonly ageMs: number | undefined }[];
  /** Wanted, and not connected. */
  readonly lost: number;
  readonly pathGroups: readonly PathGroup[];
}

/** More names are no sentence. */
const mostNamed = 20;
/** Of probes: three of sixteen, from which on `explain` speaks of them. */
const lossyPercent = 18;

/** What a choice leaves: places in `peers`, the busiest first, and of the others `Sums.untold` and `Sums.untoldPaths`. */
interface Chosen extends Untold {
  readonly places: readonly number[];
}

/** How much is wrong with a peer: who has a row where not all can. */
const trouble = {
  /** `explain` has nothing to complain of. */
  none: 0,
  /** A path is new, or doubted for the moment. */
  doubt: 1,
  /** A path that should live does not. */
  path: 2,
  /** Its handshakes are refused, which it has to mend itself. */
  refused: 3,
  waiting: 4,
  /** Nothing gets through. */
  cutOff: 5,
} as const;
type Trouble = (typeof trouble)[keyof typeof trouble];

/** All paths of one peer by its name. */
type PathsOf = (peer: string) => readonly PathGlance[];

export function choose(peers: readonly PeerGlance[], pathsOf: PathsOf, { most, peers: names }: Choice): Chosen {
  const named = new Set(names);
  const chosen = new Set<number>(busiest(peers, most));
  const hurt = peers.flatMap((peer, place) => {
    const grade = troubleOf(peer, pathsOf);
    return grade === trouble.none ? [] : [{ place, grade }];
  });
  // Those that are shown already take no place of the others.
  const others = hurt.filter(({ place }) => !chosen.has(place)).sort((a, b) => b.grade - a.grade);
  for (const { place } of others.slice(0, most)) chosen.add(place);
  if (named.size > 0) for (const [place, { name }] of peers.entries()) if (named.has(name)) chosen.add(place);
  const left = hurt.filter(({ place }) => !chosen.has(place));
  return {
    places: [...chosen],
    untold: left.filter(({ grade }) => grade >= trouble.refused).length,
    untoldPaths: left.filter(({ grade }) => grade === trouble.path).length,
  };
}

/** Those with traffic by how much, then those that are connected, then anybody, as they stand. */
function busiest(peers: readonly PeerGlance[], most: number): number[] {
  const busy: number[] = [];
  const connected: number[] = [];
  const others: number[] = [];
  for (const [place, peer] of peers.entries()) {
    if (trafficOf(peer) > 0) busy.push(place);
    else if (peer.state === 'connected') connected.push(place);
    else others.push(place);
  }
  const traffic = (place: number): number => trafficOf(peers[place] as PeerGlance);
  busy.sort((a, b) => traffic(b) - traffic(a));
  return [...busy.slice(0, most), ...connected.slice(0, most), ...others.slice(0, most)].slice(0, most);
}

function trafficOf({ receivedBps, sentBps }: PeerGlance): number {
  return receivedBps + sentBps;
}

function troubleOf(peer: PeerGlance, pathsOf: PathsOf): Trouble {
  const { state, isWanted, refusal } = peer;
  if (state === 'cut off' || (isWanted && state !== 'connected')) return trouble.cutOff;
  if (state === 'waiting') return trouble.waiting;
  if (refusal !== undefined && refusal.ageMs < recentRefusalMs) return trouble.refused;
  let worst: Trouble = trouble.none;
  for (const path of pathsOf(peer.name)) worst = Math.max(worst, troubleOfPath(path)) as Trouble;
  return worst;
}

function troubleOfPath({ condition, probeLossPercent, answerLossPercent }: PathGlance): Trouble {
  if (condition === undefined) return trouble.none;
  if (condition === 'dead' || condition === 'withdrawn' || condition === 'flapping') return trouble.path;
  const isLossy = Math.max(probeLossPercent, answerLossPercent) >= lossyPercent;
  return condition !== 'live' || isLossy ? trouble.doubt : trouble.none;
}

/** The last: of those that get no row; without it all have one. */
export function sumsOf(
  peers: readonly PeerGlance[],
  paths: readonly PathGlance[],
  { untold, untoldPaths }: Untold = { untold: 0, untoldPaths: 0 },
): Sums {
  const states = { connected: 0, 'cut off': 0, waiting: 0, idle: 0 };
  const sums = { receivedBytes: 0, sentBytes: 0, receivedBps: 0, sentBps: 0, queuedBytes: 0, lost: 0 };
  const cutOff: { peer: string; ageMs: number | undefined }[] = [];
  for (const peer of peers) {
    states[peer.state] += 1;
    sums.receivedBytes += peer.receivedBytes;
    sums.sentBytes += peer.sentBytes;
    sums.receivedBps += peer.receivedBps;
    sums.sentBps += peer.sentBps;
    sums.queuedBytes += peer.queuedBytes;
    if (peer.isWanted && peer.state !== 'connected') sums.lost += 1;
    if (peer.state === 'cut off' && cutOff.length < mostNamed)
      cutOff.push({ peer: peer.name, ageMs: peer.cutOffAgeMs });
  }
  return {
    peers: peers.length,
    paths: paths.length,
    states,
    ...sums,
    cutOff,
    untold,
    untoldPaths,
    pathGroups: groupsOf(paths),
  };
}

function groupsOf(paths: readonly PathGlance[]): PathGroup[] {
  const groups = new Map<string, { link: string; transport: string; condition: string | undefined; count: number }>();
  for (const { link, transport, condition } of paths) {
    const key = `${link} ${transport} ${condition}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { link, transport, condition, count: 1 });
    else group.count += 1;
  }
  return [...groups.values()];
}
