/**
 * Keeps the session-manager told of the addresses behind host names in `endpoints`: resolves outside the tunnel, follows the
 * answers' time to live, and repeats what is known, so that a restarted session-manager learns it too. Of endpoints with a zone it
 * says again when their interface may have come or changed its index, and warns while there is none.
 */
import { HawserError } from '../base/errors.ts';
import type { EndpointText, PeerConfig } from '../config/config.ts';
import type { DnsWay } from '../io/dns-exchange.ts';
import type { Trouble } from '../io/network/conflicts.ts';
import type { Resolution, Resolver } from '../io/resolver.ts';
import { takesNames } from '../rings/carriers.ts';

export interface EndpointNamesParts {
  readonly resolver: Resolver;
  /** Literal addresses only, in the order of the configuration. */
  readonly tell: (publicKey: string, endpoints: readonly EndpointText[]) => void;
  readonly warn: (message: string) => void;
  /** Index of an interface with a link-local address of its own; 0 = there is none of that name. */
  readonly scopeOf: (zone: string) => number;
}

const repeatMs = 10_000;

export class EndpointNames {
  readonly #parts: EndpointNamesParts;
  readonly #addresses = new Map<string, readonly string[]>();
  #peers: readonly PeerConfig[] = [];
  #watched = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;
  #scopes: ReadonlyMap<string, number> = new Map();
  /** By name: why it has no address now. */
  readonly #unresolved = new Map<string, HawserError>();

  constructor(parts: EndpointNamesParts) {
    this.#parts = parts;
  }

  /** Follows the names of these peers, and no others. */
  follow(peers: readonly PeerConfig[]): void {
    this.#peers = peers.filter(({ endpoints }) =>
      endpoints.some((endpoint) => isToResolve(endpoint) || endpoint.zone !== undefined),
    );
    this.handleInterfaces();
    const named = this.#peers.flatMap(({ endpoints }) => endpoints.filter(isToResolve));
    const wanted = new Set(named.map(({ host }) => host));
    for (const [host, end] of this.#watched) {
      if (wanted.has(host)) continue;
      end();
      this.#watched.delete(host);
      this.#unresolved.delete(host);
    }
    for (const host of wanted) if (!this.#watched.has(host)) this.#watch(host);
    this.#tellAll();
    if (this.#timer === undefined && this.#peers.length > 0)
      this.#timer = setInterval(() => this.#tellAll(), repeatMs).unref();
  }

  /** Names that have no address now. */
  get troubles(): readonly Trouble[] {
    return [...this.#unresolved.values()].map(({ fault, remedy }) => ({ text: fault, remedy }));
  }

  /** A reload has changed the mark or the links: whoever was asked by the old ones is asked again by the new. */
  setWay(way: DnsWay): void {
    if (this.#parts.resolver.setWay(way)) this.refresh();
  }

  /** Asks again at once, whatever is remembered: the network outside has changed. */
  refresh(): void {
    for (const host of this.#watched.keys()) {
      this.#parts.resolver.refresh(host).then(
        (resolution) => this.#learn(host, resolution),
        (error: unknown) => {
          if (!(error instanceof HawserError)) throw error;
          this.#noteTrouble(host, error);
        },
      );
    }
  }

  /** Interfaces have come or gone. */
  handleInterfaces(): void {
    const zones = new Set(this.#peers.flatMap(({ endpoints }) => endpoints.flatMap(({ zone }) => zone ?? [])));
    if (zones.size === 0) return;
    const scopes = new Map([...zones].map((zone) => [zone, this.#parts.scopeOf(zone)]));
    const news = [...scopes].filter(([zone, scope]) => this.#scopes.get(zone) !== scope);
    this.#scopes = scopes;
    for (const [zone, scope] of news) if (scope === 0) this.#parts.warn(missingZone(zone));
    if (news.length > 0) this.#tellAll();
  }

  close(): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    for (const end of this.#watched.values()) end();
    this.#watched.clear();
    this.#parts.resolver.close();
  }

  #watch(host: string): void {
    this.#watched.set(
      host,
      this.#parts.resolver.watch(
        host,
        (resolution) => this.#learn(host, resolution),
        (error) => this.#noteTrouble(host, error),
      ),
    );
  }

  /** Says once what is wrong with a name, as long as it is that. */
  #noteTrouble(host: string, error: HawserError | undefined): void {
    const before = this.#unresolved.get(host);
    if (error === undefined) this.#unresolved.delete(host);
    else this.#unresolved.set(host, error);
    if (error !== undefined && error.message !== before?.message) this.#parts.warn(error.message);
  }

  #learn(host: string, resolution: Resolution): void {
    this.#unresolved.delete(host);
    this.#addresses.set(
      host,
      resolution.addresses.map(({ address }) => address),
    );
    this.#tellAll();
  }

  #tellAll(): void {
    for (const peer of this.#peers) {
      const endpoints = peer.endpoints.flatMap((endpoint) => {
        const { host } = endpoint;
        if (!isToResolve(endpoint)) return [endpoint];
        return (this.#addresses.get(host) ?? []).map((address) => ({ ...endpoint, host: address }));
      });
      if (endpoints.length > 0) this.#parts.tell(peer.publicKey, endpoints);
    }
  }
}

function missingZone(zone: string): string {
  return `Endpoints on ${zone} cannot be reached: there is no such interface with a link-local address (ip -6 address show dev ${zone})`;
}

/** A name whose addresses its carrier does not find itself. */
function isToResolve({ host, transport = 'udp' }: EndpointText): boolean {
  return isName(host) && !takesNames(transport);
}

/** Anything with a letter beyond hexadecimal and no colon: an IPv6 literal always has a colon, an IPv4 one no letter. */
function isName(host: string): boolean {
  return !host.includes(':') && /[a-z]/i.test(host);
}
