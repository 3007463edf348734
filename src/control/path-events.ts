/**
 * What changed of the paths → what happened, for `hawser events`. Pure; keeps what was known before, and a look costs what has changed
 * and no more. What proves, moves
 * or withdraws a path, and how a stock WireGuard peer changes links, the session-manager tells.
 */
import type { InstanceEvent } from './events.ts';
import { carrierText } from './words.ts';

/** A path at one moment. */
export interface PathMoment {
  /** The same path in two looks. */
  readonly key: string;
  readonly peer: string;
  readonly link: string;
  /** The same in the peer's words. */
  readonly peerLink?: string | undefined;
  readonly transport: string;
  readonly endpoint: string;
  /** Words of `bonding/life/path-life-states.ts`; undefined = nobody judges it. */
  readonly condition: string | undefined;
  readonly reason: string | undefined;
  readonly rttMs: number | undefined;
  readonly lossPercent: number | undefined;
  /** Bytes of the longest IP packet that passes, in our direction, and since when that is known; undefined = it is not. */
  readonly mtu?: number | undefined;
  readonly mtuAgeMs?: number | undefined;
  /** Another path by the same way carries the data. */
  readonly isStandby?: boolean;
  /** Place of its transport in the order of preference. */
  readonly place?: number;
}

/** The events of a path that changes its condition. */
type TurnKind = 'path-suspect' | 'path-cleared' | 'path-dead' | 'path-recovering' | 'flapping' | 'failback';

/** What a path's new condition is called; `live` depends on where it comes from, and at first it is no news. */
const kindOf: Readonly<Record<string, TurnKind>> = {
  suspect: 'path-suspect',
  dead: 'path-dead',
  recovering: 'path-recovering',
  flapping: 'flapping',
};
const kindOfLive: Readonly<Record<string, TurnKind>> = {
  suspect: 'path-cleared',
  recovering: 'failback',
  flapping: 'failback',
};

/** The documented default: degraded at 200 ms or 5 %; left a fifth below. */
const degradedLimits = { rttMs: 200, lossPercent: 5 } as const;
const hysteresis = 0.8;

/** A search is over when it found nothing new for so long. What takes an Ethernet frame is no news at first. */
const settledMtuMs = 1_000;
const usualMtu = 1500;

/** What is known of paths since the look before. */
export interface PathNews {
  /** Those that are new, or may be others than before. */
  readonly changed: readonly PathMoment[];
  /** Keys. */
  readonly gone: readonly string[];
}

export class PathEvents {
  /** By key, and by peer and key. */
  readonly #known = new Map<string, PathMoment>();
  readonly #ofPeer = new Map<string, Map<string, PathMoment>>();
  /** Live paths by link. */
  readonly #live = new Map<string, number>();
  /** By peer: what carried its data when something last did. */
  readonly #carried = new Map<string, readonly PathMoment[]>();
  readonly #degraded = new Set<string>();
  /** By key of the path: the size that was told, or is no news. */
  readonly #mtus = new Map<string, number>();
  #isFirst = true;

  /** The first look tells nothing: it is where one begins. */
  look({ changed, gone }: PathNews): InstanceEvent[] {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const liveBefore = new Map(this.#live);
    const touched = [...changed, ...gone.flatMap((key) => this.#known.get(key) ?? [])];
    const turns = changed.flatMap((one) => changeOf(this.#known.get(one.key), one));
    for (const key of gone) this.#forget(key);
    for (const one of changed) this.#keep(one);
    const moved = [...new Set(touched.map(({ peer }) => peer))].flatMap((peer) => this.#peerChange(peer));
    if (isFirst) return [];
    return [
      ...turns,
      ...moved,
      ...this.#linkChanges(liveBefore, changed),
      ...changed.flatMap((one) => this.#quality(one)),
      ...changed.flatMap((one) => this.#size(one)),
    ];
  }

  #keep(one: PathMoment): void {
    this.#count(one.key, one);
    this.#known.set(one.key, one);
    const others = this.#ofPeer.get(one.peer) ?? new Map<string, PathMoment>();
    this.#ofPeer.set(one.peer, others.set(one.key, one));
  }

  #forget(key: string): void {
    this.#count(key, undefined);
    this.#known.delete(key);
    this.#degraded.delete(key);
    this.#mtus.delete(key);
  }

  /** Takes a path out of what is known of its peer and its link as it was, and counts it as it is. */
  #count(key: string, now: PathMoment | undefined): void {
    const before = this.#known.get(key);
    if (before !== undefined) this.#ofPeer.get(before.peer)?.delete(key);
    for (const [one, step] of [[before, -1] as const, [now, 1] as const]) {
      if (one?.condition === 'live') this.#live.set(one.link, (this.#live.get(one.link) ?? 0) + step);
    }
  }

  /** Data of a peer left a link, or one transport by it, for others, or has none to go to. */
  #peerChange(peer: string): InstanceEvent[] {
    const now = [...(this.#ofPeer.get(peer)?.values() ?? [])];
    if (now.length === 0) {
      // Nothing is left that could have a reason.
      this.#ofPeer.delete(peer);
      this.#carried.delete(peer);
      return [];
    }
    const live = living(now);
    const is = live.filter((one) => one.isStandby !== true);
    const was = this.#carried.get(peer) ?? [];
    // One that stands by is about to take over.
    if (is.length === 0 && live.length > 0) return [];
    this.#carried.set(peer, is);
    return peerChanges(peer, was, is, now);
  }

  /** All that a link carried has left it, or the first came back. */
  #linkChanges(before: ReadonlyMap<string, number>, changed: readonly PathMoment[]): InstanceEvent[] {
    return [...this.#live].flatMap(([link, live]): InstanceEvent[] => {
      const isUp = live > 0;
      if ((before.get(link) ?? 0) > 0 === isUp) return [];
      const isOf = (one: PathMoment): boolean => one.link === link && (!isUp || one.condition === 'live');
      const why = changed.find(isOf) ?? [...this.#known.values()].find(isOf);
      return [{ kind: isUp ? 'link-up' : 'link-down', link, reason: why?.reason ?? 'it has no path' }];
    });
  }

  #size(one: PathMoment): InstanceEvent[] {
    const { key, mtu, mtuAgeMs = 0 } = one;
    const told = this.#mtus.get(key) ?? usualMtu;
    if (mtu === undefined || mtuAgeMs < settledMtuMs || mtu === told) return [];
    this.#mtus.set(key, mtu);
    return [{ kind: 'path-mtu', ...placeOf(one), direction: 'out', size: mtu, before: told }];
  }

  #quality(one: PathMoment): InstanceEvent[] {
    const was = this.#degraded.has(one.key);
    const share = was ? hysteresis : 1;
    const { rttMs = 0, lossPercent = 0 } = one;
    const isWeak = rttMs >= degradedLimits.rttMs * share || lossPercent >= degradedLimits.lossPercent * share;
    const is = one.condition === 'live' && isWeak;
    if (is === was) return [];
    if (is) this.#degraded.add(one.key);
    else this.#degraded.delete(one.key);
    if (one.condition !== 'live') return [];
    const numbers = { rttMs: Math.round(rttMs), lossPercent: Math.round(lossPercent * 10) / 10 };
    return [{ kind: is ? 'degraded' : 'degraded-end', ...placeOf(one), ...numbers }];
  }
}

function changeOf(before: PathMoment | undefined, now: PathMoment): InstanceEvent[] {
  if (before === undefined || now.condition === undefined || before.condition === now.condition) return [];
  const kind = now.condition === 'live' ? kindOfLive[before.condition ?? ''] : kindOf[now.condition];
  if (kind === undefined) return [];
  return [{ kind, ...placeOf(now), was: before.condition ?? 'unknown', reason: now.reason ?? '' }];
}

function peerChanges(
  peer: string,
  was: readonly PathMoment[],
  is: readonly PathMoment[],
  now: readonly PathMoment[],
): InstanceEvent[] {
  const isIn = (one: PathMoment, all: readonly PathMoment[]) =>
    all.some((other) => carrierText(other) === carrierText(one));
  const whyOf = (one: PathMoment) => now.find(({ key }) => key === one.key)?.reason ?? 'it is gone';
  const lost = was.filter((one) => !isIn(one, is));
  const [first] = lost;
  if (first === undefined) return [];
  if (is.length === 0) return [{ kind: 'cut-off', peer, from: linksOf(lost), reason: whyOf(first) }];
  const gained = is.filter((one) => !isIn(one, was));
  const switches = lost.flatMap((one): InstanceEvent[] => {
    const next = gained.find((other) => other.link === one.link);
    if (next === undefined) return [];
    const isBack = (next.place ?? 0) < (one.place ?? 0);
    const told = { peer, link: one.link, from: one.transport, to: next.transport };
    return [
      isBack
        ? { kind: 'transport-failback', ...told, reason: whyOf(next) }
        : { kind: 'transport-failover', ...told, reason: whyOf(one) },
    ];
  });
  const left = lost.filter((one) => !gained.some((other) => other.link === one.link));
  const [gone] = left;
  if (gone === undefined) return switches;
  return [...switches, { kind: 'failover', peer, from: linksOf(left), to: linksOf(is), reason: whyOf(gone) }];
}

function living(moments: readonly PathMoment[]): PathMoment[] {
  return moments.filter((one) => one.condition === 'live');
}

function linksOf(moments: readonly PathMoment[]): string {
  return [...new Set(moments.map(carrierText))].join(',');
}

function placeOf({ peer, link, peerLink, transport, endpoint }: PathMoment) {
  return { peer, link, ...(peerLink === undefined ? {} : { peerLink }), transport, endpoint };
}
