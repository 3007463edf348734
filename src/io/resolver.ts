/**
 * Turns an endpoint's host name into addresses while the tunnel is down or up: literals, /etc/hosts, then DNS over sockets
 * that carry the daemon's mark and thus stay outside the tunnel. nsswitch is not consulted. Answers are kept for their time
 * to live, and the last good answer is better than none when the servers are silent.
 */

import { closeSync } from 'node:fs';
import { domainToASCII } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { HawserError, messageOf } from '../base/errors.ts';
import { type Family, familyOfHex } from '../base/family.ts';
import { formatAddress, parseCidr } from '../config/address.ts';
import { dnsNameIsValid } from '../wire/dns.ts';
import { askServers, type DnsSockets, type DnsWay, type SourceBinder } from './dns-exchange.ts';
import { readDnsRecord } from './dns-record.ts';
import {
  findInHosts,
  type NameServer,
  type ResolverSettings,
  readOrEmpty,
  readResolverSettings,
  withoutInside,
} from './name-sources.ts';

export interface ResolvedAddress {
  readonly family: Family;
  readonly address: string;
  readonly addressHex: string;
}

export interface Resolution {
  /** Never empty; those that no route leads to stand last. */
  readonly addresses: readonly ResolvedAddress[];
  readonly source: 'literal' | 'hosts' | 'dns';
  /** Until when it is served from memory; milliseconds of the resolver's clock. */
  readonly expiresAtMs: number;
  /** The servers failed, and this is an answer that has expired. */
  readonly isStale: boolean;
}

export interface ResolverOptions {
  readonly fwmark: number;
  /** Interfaces that questions may leave by; '' = the kernel's choice. Each server is asked by one after the other. */
  readonly interfaces?: readonly string[];
  readonly hostsFile?: string;
  readonly resolvFile?: string;
  /** Says which of the host's servers lie in the tunnel (dns-record.ts). */
  readonly dnsRecord?: string;
  /** The clock, and the bounds of the pause between two questions of a watch; for tests. */
  readonly nowMs?: () => number;
  readonly watchEveryMs?: { readonly least: number; readonly most: number };
}

/** A record of 0 seconds would be asked for at each handshake. */
const leastLifeMs = 5_000;
const mostLifeMs = 24 * 3600_000;
/** How long a file's answer and a failure are believed. */
const hostsLifeMs = 30_000;
const failureLifeMs = 5_000;
/** How often a watched name is asked for again. */
const watchEveryMs = { least: 30_000, most: 3600_000 } as const;
/** Any port serves to ask the kernel for a route. */
const anyPort = 9;

export class Resolver {
  readonly #addon: DnsSockets;
  readonly #sources: SourceBinder;
  #way: DnsWay;
  readonly #files: { readonly hosts: string; readonly resolv: string; readonly record: string | undefined };
  readonly #nowMs: () => number;
  readonly #watchEveryMs: { readonly least: number; readonly most: number };
  readonly #cache = new Map<string, Resolution>();
  readonly #failures = new Map<string, { readonly error: HawserError; readonly untilMs: number }>();
  readonly #pending = new Map<string, Promise<Resolution>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #abort = new AbortController();
  /** Servers of the first look: `tunnel.dns` may put others in their place that only the tunnel reaches. */
  #first: readonly NameServer[] | undefined;

  constructor(addon: DnsSockets, sources: SourceBinder, options: ResolverOptions) {
    this.#addon = addon;
    this.#sources = sources;
    this.#way = { fwmark: options.fwmark, interfaces: options.interfaces ?? [''] };
    this.#files = {
      hosts: options.hostsFile ?? '/etc/hosts',
      resolv: options.resolvFile ?? '/etc/resolv.conf',
      record: options.dnsRecord,
    };
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#watchEveryMs = options.watchEveryMs ?? watchEveryMs;
  }

  /** From memory while it lives, else asks. Rejects with code ENOTFOUND, EAI_AGAIN or EINVAL and the remedy. */
  resolve(host: string): Promise<Resolution> {
    const name = nameOf(host);
    const nowMs = this.#nowMs();
    const known = this.#cache.get(name);
    if (known !== undefined && nowMs < known.expiresAtMs) return Promise.resolve(known);
    const failure = this.#failures.get(name);
    if (failure !== undefined && nowMs < failure.untilMs) return this.#staleOr(name, failure.error);
    return this.refresh(host);
  }

  /** Asks whatever memory says: a network changed, or an endpoint fell silent. */
  refresh(host: string): Promise<Resolution> {
    const name = nameOf(host);
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const asking = this.#ask(name).finally(() => {
      if (this.#pending.get(name) === asking) this.#pending.delete(name);
    });
    this.#pending.set(name, asking);
    return asking;
  }

  /**
   * Addresses (hexadecimal) of a name as each server by itself has them, now, asked by one interface ('' = by any); none of a server that
   * does not answer. Rejects with ECANCELED.
   */
  async askEach(name: string, interfaceName: string): Promise<readonly (readonly string[])[]> {
    const settings = this.#settings();
    const way = { ...this.#way, interfaces: [interfaceName] };
    const askOne = async (server: NameServer): Promise<readonly string[]> => {
      const alone = { ...settings, servers: [server] };
      try {
        return (await askServers(this.#addon, this.#sources, way, alone, name, this.#abort.signal)).addresses;
      } catch (error) {
        if (error instanceof HawserError) return [];
        throw this.#interrupted(name, error);
      }
    };
    return await Promise.all(settings.servers.map(askOne));
  }

  /** From now on questions carry this mark and leave by these interfaces; true if that is a change. */
  setWay(way: DnsWay): boolean {
    if (isDeepStrictEqual(this.#way, way)) return false;
    this.#way = way;
    // What failed by the old way may answer by the new one, and a question under way is not repeated by it.
    this.#failures.clear();
    this.#pending.clear();
    return true;
  }

  /**
   * Asks again when an answer expires, and calls with each that differs from the one before; `onTrouble` hears each time why there is none,
   * or that there is one. Returns what ends it.
   */
  watch(
    host: string,
    onChange: (resolution: Resolution) => void,
    onTrouble: (error: HawserError | undefined) => void = () => undefined,
  ): () => void {
    let isWatching = true;
    let seen = '';
    const { least, most } = this.#watchEveryMs;
    let timer: NodeJS.Timeout | undefined;
    const again = async (): Promise<void> => {
      if (timer !== undefined) this.#timers.delete(timer);
      let waitMs = least;
      try {
        const resolution = await this.resolve(host);
        waitMs = Math.min(Math.max(resolution.expiresAtMs - this.#nowMs(), least), most);
        const addresses = resolution.addresses.map(({ address }) => address);
        const now = [...addresses].sort().join();
        if (isWatching && now !== seen) onChange(resolution);
        if (isWatching) onTrouble(undefined);
        seen = now;
      } catch (error) {
        // The name stays unknown until a later round; whoever needs it now sees the error from resolve().
        if (!(error instanceof HawserError)) throw error;
        if (isWatching) onTrouble(error);
      }
      if (!isWatching || this.#abort.signal.aborted) return;
      timer = setTimeout(() => void again(), waitMs).unref();
      this.#timers.add(timer);
    };
    void again();
    return () => {
      isWatching = false;
      if (timer !== undefined) {
        clearTimeout(timer);
        this.#timers.delete(timer);
      }
    };
  }

  /** Ends watches and questions; pending ones reject. Idempotent. */
  close(): void {
    this.#abort.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #ask(name: string): Promise<Resolution> {
    const literal = parseCidr(name);
    if (literal !== undefined) return this.#keep(name, 'literal', [literal.addressHex], mostLifeMs);
    const inHosts = findInHosts(readOrEmpty(this.#files.hosts), name).map((text) => parseCidr(text)?.addressHex ?? '');
    if (inHosts.length > 0) return this.#keep(name, 'hosts', inHosts, hostsLifeMs);
    if (!dnsNameIsValid(name)) {
      throw new HawserError('EINVAL', `Cannot resolve "${name}": it is no host name`, 'labels have 1 to 63 characters');
    }
    try {
      const found = await askServers(this.#addon, this.#sources, this.#way, this.#settings(), name, this.#abort.signal);
      const lifeMs = Math.min(Math.max(found.ttlSeconds * 1000, leastLifeMs), mostLifeMs);
      this.#failures.delete(name);
      return this.#keep(name, 'dns', found.addresses, lifeMs);
    } catch (error) {
      const failure = error instanceof HawserError ? error : this.#interrupted(name, error);
      this.#failures.set(name, { error: failure, untilMs: this.#nowMs() + failureLifeMs });
      return this.#staleOr(name, failure);
    }
  }

  #settings(): ResolverSettings {
    const { resolv, record } = this.#files;
    const settings = withoutInside(
      readResolverSettings(resolv),
      record === undefined ? undefined : readDnsRecord(record),
    );
    this.#first ??= settings.servers;
    const isNew = (server: NameServer): boolean => !settings.servers.some((one) => isDeepStrictEqual(one, server));
    return { ...settings, servers: [...settings.servers, ...this.#first.filter(isNew)] };
  }

  #interrupted(name: string, error: unknown): HawserError {
    return new HawserError('ECANCELED', `Stopped resolving "${name}": ${messageOf(error)}`);
  }

  #staleOr(name: string, error: HawserError): Promise<Resolution> {
    const known = this.#cache.get(name);
    if (known === undefined || error.code === 'ECANCELED') return Promise.reject(error);
    return Promise.resolve({ ...known, isStale: true });
  }

  #keep(name: string, source: Resolution['source'], hex: readonly string[], lifeMs: number): Resolution {
    const addresses = [...new Set(hex)].map(toAddress);
    const reachable = addresses.filter((address) => this.#hasRoute(address));
    const unreachable = addresses.filter((address) => !reachable.includes(address));
    const resolution: Resolution = {
      addresses: [...reachable, ...unreachable],
      source,
      expiresAtMs: this.#nowMs() + lifeMs,
      isStale: false,
    };
    this.#cache.set(name, resolution);
    return resolution;
  }

  /** Connecting a datagram socket sends nothing; it asks the kernel for a route outside the tunnel. */
  #hasRoute(address: ResolvedAddress): boolean {
    return this.#way.interfaces.some((interfaceName) => {
      let fd: number;
      try {
        fd = this.#addon.openMarkedUdp(address.family, this.#way.fwmark, interfaceName);
      } catch (error) {
        if (error instanceof Error) return false;
        throw error;
      }
      const bytes = Buffer.from(address.addressHex, 'hex');
      const bound = this.#sources.bind(this.#addon, fd, interfaceName, this.#way.fwmark, bytes);
      const result = bound < 0 ? bound : this.#addon.connectUdp(fd, bytes, anyPort, 0);
      closeSync(fd);
      return result === 0;
    });
  }
}

/** ASCII, lower case, no dot at the end. */
function nameOf(host: string): string {
  if (parseCidr(host) !== undefined) return host;
  const ascii = domainToASCII(host);
  return (ascii === '' ? host : ascii).toLowerCase().replace(/\.$/, '');
}

function toAddress(hex: string): ResolvedAddress {
  return { family: familyOfHex(hex), addressHex: hex, address: formatAddress(Buffer.from(hex, 'hex')) };
}
