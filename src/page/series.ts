/** What the plots draw: the last quarter of an hour by the second, kept in the browser. Pure. */
import { implicitLinkName } from '../config/names.ts';
import type { PathStatus } from '../control/network-rows.ts';
import type { Top } from '../control/rows.ts';

/** One sample a second. */
export const keptSamples = 900;
/** More lines than this are no picture. */
const mostWays = 8;
const allPeers = 'all peers';
/** Between two samples that are further apart nothing is drawn: nobody was listening. */
const gapS = 3.5;

export interface WaySample {
  readonly sentBps: number;
  readonly receivedBps: number;
  readonly rttMs: number | undefined;
}

interface Sample {
  readonly atS: number;
  readonly ways: ReadonlyMap<string, WaySample>;
}

/** A line for each way by which traffic comes and goes; null = nobody knows. */
export interface Lines {
  readonly times: readonly number[];
  readonly ways: readonly string[];
  /** Of each way, which it keeps. */
  readonly colours: readonly number[];
  readonly sentBps: readonly (readonly (number | null)[])[];
  readonly receivedBps: readonly (readonly (number | null)[])[];
  readonly rttMs: readonly (readonly (number | null)[])[];
}

export class Series {
  readonly #samples: Sample[] = [];
  /** In the order in which they were first seen: a way keeps its colour. */
  readonly #ways: (string | undefined)[] = [];

  /** undefined = it is not drawn. */
  colourOf(name: string): number | undefined {
    const index = this.#ways.indexOf(name);
    return index < 0 ? undefined : index;
  }

  /** When the last sample was taken; undefined = there is none. */
  get lastS(): number | undefined {
    return this.#samples.at(-1)?.atS;
  }

  add(top: Top, nowMs: number): void {
    const ways = waysOf(top);
    for (const name of ways.keys()) this.#give(name);
    const last = this.#samples.at(-1);
    const atS = nowMs / 1000;
    if (last !== undefined && atS - last.atS > gapS) this.#samples.push({ atS: last.atS + 1, ways: new Map() });
    this.#samples.push({ atS, ways });
    if (this.#samples.length > keptSamples) this.#samples.splice(0, this.#samples.length - keptSamples);
  }

  /** Gives a way the first colour that nobody has, or that belongs to what is no longer remembered. */
  #give(name: string): void {
    if (this.#ways.includes(name)) return;
    const isGone = (one: string | undefined): boolean =>
      one === undefined || !this.#samples.some(({ ways }) => ways.has(one));
    const free = this.#ways.length < mostWays ? this.#ways.length : this.#ways.findIndex(isGone);
    if (free >= 0) this.#ways[free] = name;
  }

  /** Those after `fromS`. */
  lines(fromS: number): Lines {
    const samples = this.#samples.filter(({ atS }) => atS >= fromS);
    const names = this.#ways
      .filter((name) => name !== undefined)
      .filter((name) => samples.some(({ ways }) => ways.has(name)));
    const each = (read: (sample: WaySample) => number | undefined): (number | null)[][] =>
      names.map((name) =>
        samples.map(({ ways }) => {
          const sample = ways.get(name);
          return sample === undefined ? null : (read(sample) ?? null);
        }),
      );
    return {
      times: samples.map(({ atS }) => atS),
      ways: names,
      colours: names.map((name) => this.#ways.indexOf(name)),
      sentBps: each(({ sentBps }) => sentBps),
      receivedBps: each(({ receivedBps }) => receivedBps),
      rttMs: each(({ rttMs }) => rttMs),
    };
  }
}

/**
 * By link; where there is none but the kernel's choice, as on a server, by what the peer calls its link. The round trip is that of the path
 * that carries most.
 */
export function waysOf({ status, paths }: Top): Map<string, WaySample> {
  const ways = new Map<string, WaySample>();
  const busiest = new Map<string, number>();
  for (const { name, sentBps, receivedBps } of status.links)
    if (name !== implicitLinkName) ways.set(name, { sentBps, receivedBps, rttMs: undefined });
  const crowd = status.peers > mostWays ? status.links.find(({ name }) => name === implicitLinkName) : undefined;
  if (crowd !== undefined)
    ways.set(allPeers, { sentBps: crowd.sentBps, receivedBps: crowd.receivedBps, rttMs: undefined });
  for (const path of paths) {
    const name = wayOf(path, status.peers);
    const known = ways.get(name) ?? { sentBps: 0, receivedBps: 0, rttMs: undefined };
    // Of a crowd the busiest alone have paths here.
    const isOwn = path.link === implicitLinkName && crowd === undefined;
    const traffic = 1 + path.sentBps + path.receivedBps;
    const leads = path.condition !== 'dead' && traffic > (busiest.get(name) ?? 0);
    if (leads) busiest.set(name, traffic);
    ways.set(name, {
      sentBps: known.sentBps + (isOwn ? path.sentBps : 0),
      receivedBps: known.receivedBps + (isOwn ? path.receivedBps : 0),
      rttMs: leads ? path.rttMs : known.rttMs,
    });
  }
  return ways;
}

function wayOf({ link, peer, peerLink }: PathStatus, peers: number): string {
  if (link !== implicitLinkName) return link;
  if (peers > mostWays) return allPeers;
  return peerLink === undefined ? peer : `${peer}, ${peerLink}`;
}

/** Each line on the shoulders of those before it: what a stacked picture draws. */
export function stacked(lines: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const below: number[] = [];
  return lines.map((line) =>
    line.map((value, at) => {
      below[at] = (below[at] ?? 0) + (value ?? 0);
      return value === null ? null : (below[at] ?? 0);
    }),
  );
}

/** Of what all lines have at that moment, 0 to 100. */
export function shares(lines: readonly (readonly (number | null)[])[]): (number | null)[][] {
  return lines.map((line) =>
    line.map((value, at) => {
      const total = lines.reduce((sum, other) => sum + (other[at] ?? 0), 0);
      return value === null || total <= 0 ? null : (100 * value) / total;
    }),
  );
}
