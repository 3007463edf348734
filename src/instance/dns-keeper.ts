/**
 * Keeps the host's name servers as `tunnel.dns` wants them while the instance runs. What was set is written down before it is done,
 * so that a successor of a killed process, or `hawser release`, can take it back; so are the servers there were before, which the
 * daemon itself goes on asking: the tunnel's own are not reachable while it is down.
 */

import { messageOf } from '../base/errors.ts';
import type { Config, TunnelDns } from '../config/config.ts';
import { textOfEvent } from '../control/event-text.ts';
import type { InstanceEvent } from '../control/events.ts';
import { type DnsRecord, dnsRecordFile, forgetDnsRecord, readDnsRecord, writeDnsRecord } from '../io/dns-record.ts';
import {
  clearHostDns,
  clearHostDnsNow,
  type DnsFiles,
  findDnsService,
  setHostDns,
  systemDnsFiles,
} from '../io/host-dns.ts';
import { type NameServer, readResolverSettings } from '../io/name-sources.ts';

export interface DnsKeeperParts {
  readonly name: string;
  readonly runDirectory: string;
  readonly note: (event: InstanceEvent, level?: 'warn' | 'error') => void;
  readonly files?: DnsFiles;
}

const nobody =
  'Cannot give the host the name servers of tunnel.dns: neither systemd-resolved nor resolvconf keeps /etc/resolv.conf here ' +
  '(apt-get install openresolv, or set the servers yourself and take tunnel.dns out)';
const unsplit =
  'tunnel.dns.names: search works with systemd-resolved, and with openresolv and a local resolver (resolvconf.conf(5)); ' +
  'elsewhere the servers may be asked for other names too, or not at all';

export class DnsKeeper {
  readonly #parts: DnsKeeperParts;
  readonly #files: DnsFiles;
  readonly #record: string;
  /** One change after the other. */
  #last: Promise<void> = Promise.resolve();
  #told: string | undefined;

  constructor(parts: DnsKeeperParts) {
    this.#parts = parts;
    this.#files = parts.files ?? systemDnsFiles;
    this.#record = dnsRecordFile(parts.runDirectory, parts.name);
  }

  /** The interface is up: brings the host's servers to what the configuration says, from whatever a previous run left. */
  follow({ tunnel }: Pick<Config, 'tunnel'>): Promise<void> {
    this.#last = this.#last.then(() => this.#change(tunnel.interface, tunnel.dns));
    return this.#last;
  }

  /** As before the start; never rejects. */
  takeBack(): Promise<void> {
    this.#last = this.#last.then(() => this.#clear());
    return this.#last;
  }

  /** For an end that cannot wait for other ends. */
  takeBackNow(): void {
    const failure = takeBackDns(this.#parts.runDirectory, this.#parts.name, this.#files);
    if (failure !== undefined) this.#parts.note({ kind: 'warning', message: failure });
  }

  async #change(interfaceName: string, dns: TunnelDns | undefined): Promise<void> {
    const record = readDnsRecord(this.#record);
    const by = dns === undefined ? undefined : findDnsService(this.#files);
    if (record !== undefined && (record.by !== by || record.interface !== interfaceName)) await this.#clear();
    if (dns === undefined) return;
    if (by === undefined) {
      this.#warn(nobody);
      return;
    }
    const before = record?.before ?? this.#serversNow(dns);
    writeDnsRecord(this.#record, { by, interface: interfaceName, dns, before });
    try {
      await setHostDns(by, interfaceName, dns, this.#files);
    } catch (error) {
      await this.#clear();
      this.#warn(`Cannot give the host the name servers of tunnel.dns by ${by}: ${messageOf(error)}`);
      return;
    }
    const names = dns.names === 'all' ? 'every name' : `names below ${dns.search.join(', ') || 'no domain'}`;
    this.#tell({ kind: 'dns', servers: dns.servers, names, by });
    if (dns.names === 'search' && by === 'resolvconf') this.#warn(unsplit);
  }

  async #clear(): Promise<void> {
    const record = readDnsRecord(this.#record);
    if (record === undefined) return;
    const failure = await clearHostDns(record.by, record.interface, this.#files);
    // With the interface its entry at systemd-resolved has gone.
    if (failure !== undefined && record.by === 'resolvconf') this.#warn(failedToClear(record, failure));
    forgetDnsRecord(this.#record);
    this.#told = undefined;
  }

  #serversNow(dns: TunnelDns): readonly NameServer[] {
    const { servers } = readResolverSettings(this.#files.resolv);
    return servers.filter((server) => !dns.servers.includes(server.address));
  }

  #warn(message: string): void {
    this.#tell({ kind: 'warning', message });
  }

  /** What a reload would say again is said once. */
  #tell(event: InstanceEvent): void {
    const text = textOfEvent(event);
    if (this.#told === text) return;
    this.#told = text;
    this.#parts.note(event);
  }
}

/** What an instance of that name has set and not taken back; undefined = nothing. */
export function describeDns(runDirectory: string, name: string): string | undefined {
  const record = readDnsRecord(dnsRecordFile(runDirectory, name));
  if (record === undefined) return undefined;
  return `name servers ${record.dns.servers.join(', ')} of ${record.interface} (${record.by})`;
}

/** Takes it back at once; returns why that failed. Must not run while the instance does. */
export function takeBackDns(runDirectory: string, name: string, files: DnsFiles = systemDnsFiles): string | undefined {
  const file = dnsRecordFile(runDirectory, name);
  const record = readDnsRecord(file);
  if (record === undefined) return undefined;
  const failure = clearHostDnsNow(record.by, record.interface, files);
  forgetDnsRecord(file);
  return failure === undefined || record.by === 'systemd-resolved' ? undefined : failedToClear(record, failure);
}

function failedToClear({ by, interface: name }: DnsRecord, failure: string): string {
  return `Cannot take back the name servers of ${name} by ${by}: ${failure} (resolvconf -d ${name})`;
}
