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
  /** Of the busiest so many, and as many of those that something is wrong with. An instance with no more peers shows all of them. */
  readonly most: number;
  /** Names of peers that are shown besides. */
  readonly peers: readonly string[];
}

interface PathGroup {
  readonly link: string;
  readonly transport: string;
  /** undefined = nobody judges them. */
  readonly condition: string | undefined;
  readonly count: number;
}

/** Of all peers and paths, whether they have rows or not. */
export interface Sums {
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
  /** Nothing gets through to them, and they have no row here. */
  readonly untold: number;
  readonly pathGroups: readonly PathGroup[];
}

/** More names are no sentence. */
const mostNamed = 20;
/** Of probes: three of sixteen, from which on `explain` speaks of them. */
const lossyPercent = 18;

/** What a choice leaves: places in `peers`, the busiest first, and to how many others nothing gets through. */
interface Chosen {
  readonly places: readonly number[];
  readonly untold: number;
}

/** All paths of one peer by its name. */
type PathsOf = (peer: string) => readonly PathGlance[];

export function choose(peers: readonly PeerGlance[], pathsOf: PathsOf, { most, peers: names }: Choice): Chosen {
  const named = new Set(names);
  const chosen = new Set<number>(busiest(peers, most));
  const hurt = peers.flatMap((peer, place) => {
    const grade = troubleOf(peer, pathsOf);
    return grade === 0 ? [] : [{ place, grade }];
  });
  for (const { place } of hurt.sort((a, b) => b.grade - a.grade).slice(0, most)) chosen.add(place);
  if (named.size > 0) for (const [place, { name }] of peers.entries()) if (named.has(name)) chosen.add(place);
  return { places: [...chosen], untold: hurt.filter(({ place, grade }) => grade === 2 && !chosen.has(place)).length };
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

/** 2 = nothing gets through; 1 = a path of it is not in order; 0 = `explain` has nothing to complain of. */
function troubleOf(peer: PeerGlance, pathsOf: PathsOf): 0 | 1 | 2 {
  const { state, isWanted, refusal } = peer;
  if (state === 'cut off' || state === 'waiting' || (isWanted && state !== 'connected')) return 2;
  if (refusal !== undefined && refusal.ageMs < recentRefusalMs) return 2;
  return pathsOf(peer.name).some(isHurt) ? 1 : 0;
}

function isHurt({ condition, probeLossPercent, answerLossPercent }: PathGlance): boolean {
  if (condition === undefined) return false;
  return condition !== 'live' || Math.max(probeLossPercent, answerLossPercent) >= lossyPercent;
}

export function sumsOf(peers: readonly PeerGlance[], paths: readonly PathGlance[], untold: number): Sums {
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
  return { peers: peers.length, paths: paths.length, states, ...sums, cutOff, untold, pathGroups: groupsOf(paths) };
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
