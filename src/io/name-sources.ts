/** What the system's files say about names: /etc/hosts and /etc/resolv.conf, read anew at each question. */

import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import type { Family } from '../base/family.ts';
import { inWords } from '../base/lasting-files.ts';
import { parseCidr } from '../config/address.ts';
import type { DnsRecord } from './dns-record.ts';
import { scopeOf } from './zones.ts';

export interface NameServer {
  readonly family: Family;
  readonly address: string;
  readonly addressHex: string;
  /** Interface index of a link-local address, else 0. */
  readonly scopeId: number;
}

export interface ResolverSettings {
  readonly servers: readonly NameServer[];
  /** For one server to answer. */
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly attempts: number;
  /** Why none was named, and this host itself is asked; undefined = they were. */
  readonly shortage?: string;
}

/** resolv.conf(5): MAXNS, RES_TIMEOUT, RES_DFLRETRY and the caps of timeout and attempts. */
const mostServers = 3;
const defaults = { timeoutSeconds: 5, attempts: 2, mostTimeoutSeconds: 30, mostAttempts: 5 } as const;
/** systemd-resolved listens there; it forwards unmarked, that is into the tunnel when everything goes there. */
const stubAddress = '127.0.0.53';
/** resolved lists the servers behind its stub here (systemd-resolved.service(8)). */
const resolvedFile = '/run/systemd/resolve/resolv.conf';

/** Addresses of `name` in a hosts file, as canonical text. */
export function findInHosts(text: string, name: string): readonly string[] {
  const found: string[] = [];
  for (const line of text.split('\n')) {
    const [address = '', ...names] = wordsOf(line, '#');
    if (!names.some((other) => other.toLowerCase() === name)) continue;
    const parsed = parseCidr(address);
    if (parsed !== undefined && !address.includes('/')) found.push(parsed.address);
  }
  return found;
}

/** `scopeOf` gives the index of an interface's name, 0 if there is none. */
export function parseResolvConf(text: string, scopeOf: (zone: string) => number): ResolverSettings {
  const servers: NameServer[] = [];
  let timeoutMs = defaults.timeoutSeconds * 1000;
  let attempts: number = defaults.attempts;
  for (const line of text.split('\n')) {
    const [keyword, ...words] = wordsOf(line, '#').flatMap((word) => (word.startsWith(';') ? [] : [word]));
    if (keyword === 'nameserver') {
      const server = parseServer(words[0] ?? '', scopeOf);
      if (server !== undefined && servers.length < mostServers) servers.push(server);
    } else if (keyword === 'options') {
      timeoutMs = 1000 * optionOf(words, 'timeout', timeoutMs / 1000, defaults.mostTimeoutSeconds);
      attempts = optionOf(words, 'attempts', attempts, defaults.mostAttempts);
    }
  }
  if (servers.length > 0) return { servers, timeoutMs, attempts };
  const here: NameServer = { family: 4, address: '127.0.0.1', addressHex: '7f000001', scopeId: 0 };
  return { servers: [here], timeoutMs, attempts, shortage: 'names no server' };
}

/** Reads the system's settings; the servers behind systemd-resolved's stub come before the stub itself. */
export function readResolverSettings(file: string): ResolverSettings {
  const settings = parseResolvConf(readOrEmpty(file), interfaceIndexOf);
  if (settings.shortage !== undefined)
    return { ...settings, shortage: `${file} ${faultOf(file) ?? settings.shortage}` };
  if (settings.servers.some((server) => server.address !== stubAddress)) return settings;
  const behind = readOrEmpty(resolvedFile);
  if (behind === '') return settings;
  return { ...settings, servers: [...parseResolvConf(behind, interfaceIndexOf).servers, ...settings.servers] };
}

/**
 * Without the servers that `tunnel.dns` gave to the host: they lie in the tunnel, which may be down when a name is asked for. Where
 * no other is left, those that the host had before.
 */
export function withoutInside(settings: ResolverSettings, record: DnsRecord | undefined): ResolverSettings {
  if (record === undefined) return settings;
  const outside = settings.servers.filter((server) => !record.dns.servers.includes(server.address));
  // The stub would ask the servers in the tunnel again.
  const isEnough = outside.some((server) => server.address !== stubAddress);
  const servers = isEnough ? outside : [...record.before, ...outside];
  return servers.length > 0 ? { ...settings, servers } : settings;
}

/** Why a file cannot be read: most often it is a link to what a service that does not run would write. undefined = it can. */
function faultOf(file: string): string | undefined {
  try {
    readFileSync(file);
    return undefined;
  } catch (error) {
    const to = leadsTo(file);
    return to === undefined ? `cannot be read: ${inWords(error)}` : `is a link to ${to}: ${inWords(error)}`;
  }
}

function leadsTo(file: string): string | undefined {
  const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? path.resolve(path.dirname(file), readlinkSync(file)) : undefined;
}

/** A file that does not exist says nothing; resolv.conf(5) and hosts(5) may both be absent. */
export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

function interfaceIndexOf(zone: string): number {
  return /^\d+$/.test(zone) ? Number(zone) : scopeOf(zone);
}

function parseServer(text: string, scopeOf: (zone: string) => number): NameServer | undefined {
  const [literal = '', zone] = text.split('%');
  const parsed = literal.includes('/') ? undefined : parseCidr(literal);
  if (parsed === undefined) return undefined;
  const { family, address, addressHex } = parsed;
  return { family, address, addressHex, scopeId: zone === undefined ? 0 : scopeOf(zone) };
}

function optionOf(words: readonly string[], name: string, otherwise: number, most: number): number {
  const value = Number(words.findLast((word) => word.startsWith(`${name}:`))?.slice(name.length + 1));
  return Number.isInteger(value) && value > 0 ? Math.min(value, most) : otherwise;
}

function wordsOf(line: string, comment: string): string[] {
  const end = line.indexOf(comment);
  return (end < 0 ? line : line.slice(0, end)).split(/\s+/).filter((word) => word !== '');
}
