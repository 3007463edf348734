/** What a simulated rope is made of, and what is seen of it. */
import type { Bond } from '../../src/bonding/bond.ts';
import type { FecMode } from '../../src/bonding/repair/fec-policy.ts';
import type { SchedulerMode } from '../../src/bonding/schedule/scheduler.ts';
import type { Link, LinkOptions } from './link.ts';

/** Whose path it is: a link by its number, and a transport by its place in the order of preference, from 1 on. */
export interface RopePath {
  readonly link: number;
  readonly place: number;
  /** Of the link. */
  readonly priority: number;
}

export interface RopeOptions {
  /** What each path leads through. */
  readonly links: readonly LinkOptions[];
  /** By path; left out = each is of a link of its own, and all are of one priority. */
  readonly paths?: readonly RopePath[];
  readonly durationUs: number;
  /** Goodput is counted from here on. */
  readonly settledUs: number;
  readonly mode?: SchedulerMode;
  /** `bonding.repair`: what an only path loses is sent again and waited for; true if left out. */
  readonly repairsAlone?: boolean;
  readonly fec?: FecMode;
  /** 1 if left out. */
  readonly flows?: number;
  /** Congestion control of the flows; 'cubic' if left out. */
  readonly tcp?: 'cubic' | 'bbr';
  /** One flow of full datagrams at so many bits a second, in place of TCP. */
  readonly datagramsBps?: number;
  /** One of the latency class each 20 ms, beside the flows. */
  readonly pings?: boolean;
  /** For a person's trace, each so often. */
  readonly onSample?: { readonly everyUs: number; readonly look: (bond: Bond, links: readonly Link[]) => void };
  /** So many bytes are worth a look at when they have arrived. */
  readonly transferBytes?: number;
  /** Stretches of time whose goodput is wanted. */
  readonly windowsUs?: readonly (readonly [number, number])[];
}

export interface RopeResult {
  readonly mbps: number;
  /** By stretch. */
  readonly windows: readonly number[];
  /** When `transferBytes` had arrived, from the flow's beginning on; Infinity = not yet. */
  readonly transferUs: number;
  readonly shares: readonly number[];
  readonly drops: number;
  /** Lost by a path, as its sender believed at some time. */
  readonly lostPackets: number;
  readonly resentPackets: number;
  /** Gaps that were no longer waited for, and filled after all. */
  readonly givenUpTooSoon: number;
  /** Of the latency class, beside the flows, from `settledUs` on; Infinity when none came back. */
  readonly pingP95Ms: number;
  /** The longest time without a datagram from `settledUs` on. */
  readonly silenceMs: number;
}
