/**
 * How many devices of clients have sessions from one address, and how many of one client: whoever would be one too many is refused where its
 * handshake would be accepted. A session counts as long as there are keys of it.
 */
import { namedEndpointIs } from '../../wire/named-endpoint.ts';
import { sockaddrAddress } from '../../wire/sockaddr.ts';
import type { Route } from './path-book.ts';
import type { Peer } from './peer-book.ts';

/** 0 = no limit. */
export interface CrowdLimits {
  /** From one IPv4 address, or from one /64 of IPv6. */
  readonly perAddress: number;
  /** Devices of one client. */
  readonly perClient: number;
}

export type CrowdLimit = keyof CrowdLimits;

export class Crowds {
  readonly #limits: CrowdLimits;
  /** By `perAddress …` and `perClient …`. */
  readonly #crowds = new Map<string, Set<Peer>>();
  /** The crowds that each is in. */
  readonly #marks = new Map<Peer, readonly string[]>();

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  /** What keeps the peer from having a session at that place; undefined = nothing. */
  refusal(peer: Peer, place: Pick<Route, 'endpoint'>): CrowdLimit | undefined {
    if (peer.settings.isClient !== true) return undefined;
    for (const limit of ['perClient', 'perAddress'] as const) {
      const most = this.#limits[limit];
      if (most > 0 && this.#othersIn(markOf(limit, peer, place), peer) >= most) return limit;
    }
    return undefined;
  }

  /** It has a session, and is there. */
  enter(peer: Peer, place: Pick<Route, 'endpoint'>): void {
    if (peer.settings.isClient !== true) return;
    this.forget(peer);
    const marks = (['perClient', 'perAddress'] as const)
      .filter((limit) => this.#limits[limit] > 0)
      .map((limit) => markOf(limit, peer, place));
    this.#marks.set(peer, marks);
    for (const mark of marks) {
      const crowd = this.#crowds.get(mark);
      if (crowd === undefined) this.#crowds.set(mark, new Set([peer]));
      else crowd.add(peer);
    }
  }

  forget(peer: Peer): void {
    for (const mark of this.#marks.get(peer) ?? []) {
      const crowd = this.#crowds.get(mark);
      crowd?.delete(peer);
      if (crowd?.size === 0) this.#crowds.delete(mark);
    }
    this.#marks.delete(peer);
  }

  /** Whoever has no keys any more is forgotten by that: a crowd is no larger than its limit, but for those. */
  #othersIn(mark: string, peer: Peer): number {
    let count = 0;
    for (const other of this.#crowds.get(mark) ?? []) {
      if (other === peer) continue;
      const { previous, current, next } = other.session.keys;
      if ((next ?? current ?? previous) === undefined) this.forget(other);
      else count += 1;
    }
    return count;
  }
}

function markOf(limit: CrowdLimit, { settings }: Peer, { endpoint }: Pick<Route, 'endpoint'>): string {
  return `${limit} ${limit === 'perClient' ? clientOf(settings.name) : customerOf(endpoint)}`;
}

/** Whose device a peer is: `phone` of `phone/tablet`. */
export function clientOf(peerName: string): string {
  return peerName.split('/', 1)[0] ?? peerName;
}

/** Whom a limit by source counts as one: a customer has a whole /64 of IPv6. */
export function customerOf(endpoint: Uint8Array): string {
  const source = namedEndpointIs(endpoint) ? endpoint : sockaddrAddress(endpoint, 0).subarray(0, 8);
  return Buffer.from(source).toString('hex');
}
