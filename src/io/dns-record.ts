/**
 * What the host was given by `tunnel.dns`, written down beside the control socket: for a successor of a killed process, for `hawser
 * release`, and for whoever asks for names outside the tunnel, who must not ask servers that lie in it.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { readSmallFile, replaceFile } from '../base/lasting-files.ts';
import type { TunnelDns } from '../config/config.ts';
import type { NameServer } from './name-sources.ts';

const mostBytes = 1 << 20;

export interface DnsRecord {
  /** Who keeps the host's servers. */
  readonly by: 'systemd-resolved' | 'resolvconf';
  readonly interface: string;
  readonly dns: TunnelDns;
  /** What the host asked before. */
  readonly before: readonly NameServer[];
}

export function dnsRecordFile(runDirectory: string, name: string): string {
  return path.join(runDirectory, `.${name}.dns`);
}

/** undefined = nothing is set. */
export function readDnsRecord(file: string): DnsRecord | undefined {
  try {
    return JSON.parse(readSmallFile(file, mostBytes)) as DnsRecord;
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && 'code' in error)) return undefined;
    throw error;
  }
}

export function writeDnsRecord(file: string, record: DnsRecord): void {
  replaceFile(file, JSON.stringify(record), 0o600);
}

export function forgetDnsRecord(file: string): void {
  rmSync(file, { force: true });
}
