/**
 * Asks DNS servers for the A and AAAA records of one name over marked sockets. The next server is asked while the slow ones
 * may still answer, so that a dead first server costs a second, not its whole timeout. Sockets are polled from timers with
 * calls that never block: Node's dgram adopts no descriptor, and marks none.
 */

import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { HawserError } from '../base/errors.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { NetworkApi } from '../native/network-api.ts';
import {
  type DnsQuestion,
  type DnsReply,
  dnsCode,
  dnsMostBytes,
  dnsQueryEmit,
  dnsReplyParse,
  dnsType,
} from '../wire/dns.ts';
import type { NameServer, ResolverSettings } from './name-sources.ts';
import type { SourceFinder } from './source-finder.ts';

export type DnsSockets = Pick<NetworkApi, 'openMarkedUdp' | 'bindSource' | 'connectUdp' | 'sendBytes' | 'receiveBytes'>;

export interface DnsAddresses {
  /** Hexadecimal, IPv6 and IPv4. */
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/**
 * Where the sockets go: the daemon's mark, and the interfaces to leave by ('' = the kernel's choice), tried in turn. Beside the first
 * each server is asked as the host would, for it may be in a network that is no link; a server on this host in that way alone.
 */
export interface DnsWay {
  readonly fwmark: number;
  readonly interfaces: readonly string[];
}

/** Binds a question to an address of the interface it leaves by. */
export type SourceBinder = Pick<SourceFinder, 'bind'>;

/** RFC 1035 section 4.2.1 */
const dnsPort = 53;
/** After it the next server is asked beside the one that is silent. */
const staggerMs = 1000;
/** How long the other family is waited for once one has addresses: RFC 8305 section 3 says 50; lossy links need more. */
const otherFamilyMs = 250;
const fastestPollMs = 2;
const slowestPollMs = 20;
/** A response of fewer bytes than any we accept, or a cut one: not an error of the socket. */
const emsgsize = -90;

interface Attempt {
  readonly server: NameServer;
  readonly fd: number;
  /** Not answered yet. */
  readonly open: Set<DnsQuestion>;
}

interface Question {
  readonly server: NameServer;
  readonly interfaceName: string;
  readonly fwmark: number;
}

/** Rejects with ENOTFOUND when the name does not exist, with EAI_AGAIN when no server answered. */
export async function askServers(
  addon: DnsSockets,
  sources: SourceBinder,
  way: DnsWay,
  settings: ResolverSettings,
  name: string,
  signal: AbortSignal,
): Promise<DnsAddresses> {
  const exchange = new Exchange(addon, sources, way, settings, name);
  // A thread that stops runs no `finally` any more.
  const end = (): void => exchange.close();
  signal.addEventListener('abort', end);
  try {
    let pollMs = fastestPollMs;
    while (!exchange.turn(performance.now())) {
      await sleep(pollMs, undefined, { signal });
      signal.throwIfAborted();
      pollMs = Math.min(pollMs * 2, slowestPollMs);
    }
    return exchange.result();
  } finally {
    signal.removeEventListener('abort', end);
    exchange.close();
  }
}

class Exchange {
  readonly #addon: DnsSockets;
  readonly #sources: SourceBinder;
  readonly #name: string;
  readonly #timeoutMs: number;
  /** Attempts still to come; those of one list begin together. */
  readonly #waiting: (readonly Question[])[];
  readonly #attempts = new Set<Attempt>();
  readonly #replies = new Map<DnsQuestion['type'], DnsReply>();
  readonly #complaints = new Set<string>();
  readonly #shortage: string | undefined;
  readonly #received = new Uint8Array(dnsMostBytes);
  #nextAttemptMs = 0;
  #deadlineMs = 0;
  #firstAddressesMs = Number.POSITIVE_INFINITY;

  constructor(addon: DnsSockets, sources: SourceBinder, way: DnsWay, settings: ResolverSettings, name: string) {
    this.#addon = addon;
    this.#sources = sources;
    this.#name = name;
    this.#timeoutMs = settings.timeoutMs;
    this.#shortage = settings.shortage;
    const round = settings.servers.flatMap((server) => questionsTo(server, way));
    this.#waiting = Array.from({ length: settings.attempts }, () => round).flat();
  }

  /** Does what can be done now; true when there is nothing more to wait for. */
  turn(nowMs: number): boolean {
    for (const attempt of this.#attempts) this.#receive(attempt, nowMs);
    if (this.#isSettled(nowMs)) return true;
    // An attempt that fails at once (no route, nobody listening) makes room for the next in the same turn.
    while (this.#waiting.length > 0 && nowMs >= this.#nextAttemptMs) this.#startNext(nowMs);
    return this.#waiting.length === 0 && (nowMs >= this.#deadlineMs || this.#attempts.size === 0);
  }

  result(): DnsAddresses {
    const replies = [...this.#replies.values()];
    const addresses = replies.flatMap((reply) => reply.addresses);
    if (addresses.length > 0) {
      const lives = replies.filter((reply) => reply.addresses.length > 0).map((reply) => reply.ttlSeconds);
      return { addresses, ttlSeconds: Math.min(...lives) };
    }
    if (replies.length > 0) {
      const why = replies.some((reply) => reply.code === dnsCode.noSuchName) ? 'no such name' : 'it has no address';
      throw new HawserError(
        'ENOTFOUND',
        `Cannot resolve "${this.#name}": ${why}`,
        'check its spelling and its DNS zone',
      );
    }
    const silent = [...this.#attempts].map((attempt) => `no answer from ${attempt.server.address}`);
    const complaints = [...new Set([...this.#complaints, ...silent])].join(', ');
    const why = this.#shortage === undefined ? complaints : `${this.#shortage}, and ${complaints}`;
    const first =
      this.#shortage === undefined ? 'see the nameservers of' : 'start what keeps it, or put nameservers into';
    const remedy = `${first} /etc/resolv.conf, or put the address into the configuration`;
    throw new HawserError('EAI_AGAIN', `Cannot resolve "${this.#name}": ${why}`, remedy);
  }

  close(): void {
    for (const attempt of this.#attempts) this.#end(attempt);
  }

  #isSettled(nowMs: number): boolean {
    return this.#replies.size === 2 || nowMs >= this.#firstAddressesMs + otherFamilyMs;
  }

  #startNext(nowMs: number): void {
    let isAnySent = false;
    for (const question of this.#waiting.shift() ?? []) isAnySent = this.#start(question) || isAnySent;
    if (!isAnySent) return;
    this.#nextAttemptMs = nowMs + Math.min(staggerMs, this.#timeoutMs);
    this.#deadlineMs = nowMs + this.#timeoutMs;
  }

  /** True when the questions are on their way. */
  #start({ server, interfaceName, fwmark }: Question): boolean {
    const questions = ([dnsType.aaaa, dnsType.a] as const)
      .filter((type) => !this.#replies.has(type))
      .map((type): DnsQuestion => ({ id: randomInt(0x10000), name: this.#name, type }));
    const fd = this.#open(server, interfaceName, fwmark);
    if (fd === undefined) return false;
    const query = new Uint8Array(dnsMostBytes);
    for (const question of questions) {
      const sent = this.#addon.sendBytes(fd, query.subarray(0, dnsQueryEmit(query, 0, question)));
      if (sent >= 0) continue;
      this.#complain(server, getSystemErrorName(sent));
      closeSync(fd);
      return false;
    }
    this.#attempts.add({ server, fd, open: new Set(questions) });
    return true;
  }

  #open(server: NameServer, interfaceName: string, fwmark: number): number | undefined {
    let fd: number;
    try {
      fd = this.#addon.openMarkedUdp(server.family, fwmark, interfaceName);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#complain(server, error.message);
      return undefined;
    }
    const address = Buffer.from(server.addressHex, 'hex');
    const bound = this.#sources.bind(this.#addon, fd, interfaceName, fwmark, address);
    const connected = bound < 0 ? bound : this.#addon.connectUdp(fd, address, dnsPort, server.scopeId);
    if (connected === 0) return fd;
    this.#complain(server, getSystemErrorName(connected));
    closeSync(fd);
    return undefined;
  }

  #receive(attempt: Attempt, nowMs: number): void {
    for (;;) {
      const length = this.#addon.receiveBytes(attempt.fd, this.#received, 0);
      if (length === -errnoOf.EAGAIN) return;
      if (length === emsgsize) continue;
      if (length < 0) {
        this.#complain(attempt.server, getSystemErrorName(length));
        this.#end(attempt);
        this.#hurry(nowMs);
        return;
      }
      for (const question of attempt.open) this.#take(attempt, question, length, nowMs);
      if (attempt.open.size === 0) {
        this.#end(attempt);
        return;
      }
    }
  }

  /** Somebody said no; the next is asked now, unless another is being asked that may still answer. */
  #hurry(nowMs: number): void {
    const isAnyOpen = [...this.#attempts].some(({ open }) => open.size > 0);
    if (!isAnyOpen) this.#nextAttemptMs = nowMs;
  }

  #end(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    closeSync(attempt.fd);
  }

  #take(attempt: Attempt, question: DnsQuestion, length: number, nowMs: number): void {
    const reply = dnsReplyParse(this.#received, length, question);
    if (reply === undefined) return;
    attempt.open.delete(question);
    if (this.#replies.has(question.type)) return;
    if (reply.code !== dnsCode.ok && reply.code !== dnsCode.noSuchName) {
      this.#complain(attempt.server, `code ${reply.code}`);
      this.#hurry(nowMs);
      return;
    }
    this.#replies.set(question.type, reply);
    if (reply.addresses.length > 0) this.#firstAddressesMs = Math.min(this.#firstAddressesMs, nowMs);
  }

  #complain(server: NameServer, what: string): void {
    this.#complaints.add(`${server.address} says ${what}`);
  }
}

/** The attempts of one round at a server. */
function questionsTo(server: NameServer, { fwmark, interfaces }: DnsWay): (readonly Question[])[] {
  const by = (interfaceName: string): Question => ({ server, interfaceName, fwmark });
  // What it asks in turn is its own affair; a mark would only be in the way of the host's firewall.
  if (isOnThisHost(server)) return [[{ server, interfaceName: '', fwmark: 0 }]];
  const [first = '', ...others] = interfaces;
  const together = interfaces.includes('') ? [by(first)] : [by(first), by('')];
  return [together, ...others.map((name) => [by(name)])];
}

/** 127.0.0.0/8 or ::1. */
function isOnThisHost({ family, addressHex }: NameServer): boolean {
  return family === 4
    ? addressHex.startsWith('7f')
    : Number.parseInt(addressHex.slice(0, 31), 16) === 0 && addressHex.endsWith('1');
}
