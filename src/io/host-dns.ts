/**
 * Name servers of the host while a tunnel is up, through what keeps them there: systemd-resolved (`resolvectl`) or a resolvconf
 * (openresolv, Debian's). /etc/resolv.conf is never written: whoever keeps it would write over it, or over us.
 */
import { execFile, spawnSync } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { TunnelDns } from '../config/config.ts';
import type { DnsRecord } from './dns-record.ts';
import { readOrEmpty } from './name-sources.ts';

export type DnsService = DnsRecord['by'];

/** Files that say who keeps the host's servers; others in tests. */
export interface DnsFiles {
  readonly resolv: string;
  readonly nsswitch: string;
  /** Debian's resolvconf: which interface's servers come first. */
  readonly order: string;
}

export const systemDnsFiles: DnsFiles = {
  resolv: '/etc/resolv.conf',
  nsswitch: '/etc/nsswitch.conf',
  order: '/etc/resolvconf/interface-order',
};

interface ToolCall {
  readonly program: 'resolvectl' | 'resolvconf';
  readonly args: readonly string[];
  readonly input?: string;
  /** Whether the servers are set without it. */
  readonly isOptional?: true;
}

/** A D-Bus call to a service that starts on demand takes seconds at most; its own timeout is 25 s. */
const timeoutMs = 5000;
/** At an end that may not wait. */
const shortTimeoutMs = 1000;
const resolvedFolder = '/run/systemd/resolve/';
const stubLine = /^\s*nameserver\s+127\.0\.0\.5[34]\s*$/m;

/** undefined = nobody does who can be asked. */
export function findDnsService(files: DnsFiles): DnsService | undefined {
  if (asksResolved(files) && isOnPath('resolvectl')) return 'systemd-resolved';
  return isOnPath('resolvconf') ? 'resolvconf' : undefined;
}

/** Rejects with the tool's own words. */
export async function setHostDns(service: DnsService, name: string, dns: TunnelDns, files: DnsFiles): Promise<void> {
  for (const call of service === 'systemd-resolved' ? resolvedCalls(name, dns) : [resolvconfCall(name, dns, files)]) {
    const failure = await run(call);
    if (failure !== undefined && call.isOptional !== true) throw new Error(`${call.program}: ${failure}`);
  }
}

/** Whether it is done; what is not there any more is. */
export async function clearHostDns(service: DnsService, name: string, files: DnsFiles): Promise<string | undefined> {
  return await run(clearCall(service, name, files));
}

/** The same where nothing may wait long. */
export function clearHostDnsNow(service: DnsService, name: string, files: DnsFiles): string | undefined {
  const { program, args } = clearCall(service, name, files);
  const done = spawnSync(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: shortTimeoutMs,
  });
  if (done.error !== undefined) return messageOf(done.error);
  return done.status === 0 ? undefined : done.stderr.trim();
}

/** Whether programs of this host ask systemd-resolved: by its stub, by its own file, or by its module of the name service switch. */
function asksResolved(files: DnsFiles): boolean {
  const hosts = /^\s*hosts:.*$/m.exec(readOrEmpty(files.nsswitch))?.[0] ?? '';
  if (/\sresolve(\s|$)/.test(hosts) || stubLine.test(readOrEmpty(files.resolv))) return true;
  try {
    return realpathSync(files.resolv).startsWith(resolvedFolder);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** resolvectl(1). "~." before all others leads every question to this link; a domain alone leads those below it. */
function resolvedCalls(name: string, dns: TunnelDns): ToolCall[] {
  const all = dns.names === 'all';
  const domains = [...(all ? ['~.'] : []), ...dns.search];
  return [
    { program: 'resolvectl', args: ['dns', name, ...dns.servers] },
    { program: 'resolvectl', args: ['domain', name, ...(domains.length === 0 ? [''] : domains)] },
    // Not known before systemd 240, where the domains decide alone.
    { program: 'resolvectl', args: ['default-route', name, all ? 'yes' : 'no'], isOptional: true },
  ];
}

/** resolvconf(8) of openresolv: -x = only these servers, -p = only for these domains. Debian's takes both and ignores them. */
function resolvconfCall(name: string, dns: TunnelDns, files: DnsFiles): ToolCall {
  const lines = dns.servers.map((server) => `nameserver ${server}\n`);
  if (dns.search.length > 0) lines.push(`search ${dns.search.join(' ')}\n`);
  const scope = dns.names === 'all' ? ['-m', '0', '-x'] : ['-p'];
  return { program: 'resolvconf', args: ['-a', recordName(name, files), ...scope], input: lines.join('') };
}

function clearCall(service: DnsService, name: string, files: DnsFiles): ToolCall {
  if (service === 'systemd-resolved') return { program: 'resolvectl', args: ['revert', name] };
  return { program: 'resolvconf', args: ['-d', recordName(name, files), '-f'] };
}

/** Debian's resolvconf sorts by patterns; the first one, such as `tun*`, gives a name that comes before others. */
function recordName(name: string, files: DnsFiles): string {
  const first = /^([A-Za-z0-9-]+)\*$/m.exec(readOrEmpty(files.order))?.[1];
  return first === undefined ? name : `${first}.${name}`;
}

/** undefined = done, else why not. */
function run({ program, args, input }: ToolCall): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: timeoutMs }, (error, _, stderr) => {
      resolve(error === null ? undefined : stderr.trim() || messageOf(error));
    });
    // A tool that ends before it has read everything says why by its exit code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return folder !== '';
    } catch (error) {
      if (error instanceof Error && 'code' in error) return false;
      throw error;
    }
  });
}
