/** Rows about address translation: what clients have of it, and each mapping. Pure. */
import type { Family } from '../base/family.ts';
import { bracketed, formatAddress, maskHex } from '../config/address.ts';
import type { Cidr } from '../config/config.ts';
import { formatForward, type PortForward } from '../config/nat-schema.ts';
import type { Connection } from '../wire/conntrack.ts';

/** What the main thread knows. */
export interface NatInfo {
  readonly masquerade: Readonly<Record<Family, boolean>>;
  readonly isolation: boolean;
  readonly pools: readonly Cidr[];
  readonly addresses: readonly string[];
  readonly ports: { readonly first: number; readonly last: number };
  readonly perClient: number;
  /** Connections of a client at a time; 0 = any number. */
  readonly limit: number;
  readonly timeoutSeconds: number;
  /** Connections that were refused since the table was made. */
  readonly refused: number;
  readonly leases: readonly NatLeaseInfo[];
}

export interface NatLeaseInfo {
  readonly name: string;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly publicAddress?: string | undefined;
  readonly forwards?: readonly PortForward[] | undefined;
  readonly block?: { readonly address: string; readonly first: number; readonly last: number };
}

/** With what the kernel tracks. */
export interface NatView {
  readonly info: NatInfo;
  readonly connections: readonly Connection[];
  /** The whole host's. */
  readonly host: { readonly used: number; readonly most: number } | undefined;
}

export interface NatStatus {
  /** False: the rest is empty. */
  readonly isOn: boolean;
  readonly ipv4: 'masquerade' | 'route';
  readonly ipv6: 'masquerade' | 'route';
  readonly isolation: boolean;
  /** Empty = those of the interfaces. */
  readonly addresses: readonly string[];
  /** `10000-65535` */
  readonly ports: string;
  /** 0 = shared by all. */
  readonly portsPerClient: number;
  readonly connectionLimit: number;
  readonly timeoutSeconds: number;
  readonly refusedConnections: number;
  /** Of the whole host; undefined = nothing is tracked. */
  readonly hostConnections: { readonly used: number; readonly most: number } | undefined;
  readonly leases: readonly NatLeaseStatus[];
  /** Left out unless it was asked for. */
  readonly mappings?: readonly NatMapping[];
}

export interface NatLeaseStatus {
  readonly client: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** Its own outside address. */
  readonly publicAddress: string | undefined;
  /** `203.0.113.7:10000-10255` */
  readonly block: string | undefined;
  /** `443:8443/tcp` */
  readonly forwards: readonly string[];
  readonly mappings: number;
  /** Of mappings that are there now. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface NatMapping {
  readonly client: string;
  readonly protocol: string;
  /** Who began it. */
  readonly direction: 'out' | 'in';
  readonly inside: string;
  readonly outside: string;
  readonly remote: string;
  /** Of TCP; else `replied` or `unreplied`. */
  readonly state: string;
  /** By the client; undefined = not counted. */
  readonly sentBytes: number | undefined;
  readonly receivedBytes: number | undefined;
  readonly ageMs: number | undefined;
  /** Without another packet. */
  readonly expiresMs: number;
}

const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  58: 'icmp6',
  132: 'sctp',
  136: 'udplite',
};

const off: NatStatus = {
  isOn: false,
  ipv4: 'route',
  ipv6: 'route',
  isolation: false,
  addresses: [],
  ports: '',
  portsPerClient: 0,
  connectionLimit: 0,
  timeoutSeconds: 0,
  refusedConnections: 0,
  hostConnections: undefined,
  leases: [],
};

export function natStatusOf(
  view: NatView | undefined,
  nowMs: number,
  wanted: { readonly mappings: boolean; readonly client?: string },
): NatStatus {
  if (view === undefined) return off;
  const { info } = view;
  const names = new Map(info.leases.flatMap(({ name, ipv4, ipv6 }) => [ipv4, ipv6].map((one) => [one, name] as const)));
  const all = mappingsOf(view, names, nowMs);
  const mappings = wanted.client === undefined ? all : all.filter(({ client }) => client === wanted.client);
  const leases = info.leases.filter(({ name }) => wanted.client === undefined || name === wanted.client);
  const ofClient = new Map<string, NatMapping[]>();
  for (const mapping of mappings) {
    const of = ofClient.get(mapping.client);
    if (of === undefined) ofClient.set(mapping.client, [mapping]);
    else of.push(mapping);
  }
  return {
    isOn: true,
    ipv4: info.masquerade[4] ? 'masquerade' : 'route',
    ipv6: info.masquerade[6] ? 'masquerade' : 'route',
    isolation: info.isolation,
    addresses: info.addresses,
    ports: `${info.ports.first}-${info.ports.last}`,
    portsPerClient: info.perClient,
    connectionLimit: info.limit,
    timeoutSeconds: info.timeoutSeconds,
    refusedConnections: info.refused,
    hostConnections: view.host,
    leases: leases.map((lease) => leaseStatus(lease, ofClient.get(lease.name) ?? [])),
    ...(wanted.mappings ? { mappings } : {}),
  };
}

function leaseStatus(lease: NatLeaseInfo, mappings: readonly NatMapping[]): NatLeaseStatus {
  const { block } = lease;
  const sum = (bytes: (mapping: NatMapping) => number | undefined): number =>
    mappings.reduce((total, mapping) => total + (bytes(mapping) ?? 0), 0);
  return {
    client: lease.name,
    ipv4: lease.ipv4,
    ipv6: lease.ipv6,
    publicAddress: lease.publicAddress,
    block: block === undefined ? undefined : `${block.address}:${block.first}-${block.last}`,
    forwards: (lease.forwards ?? []).map(formatForward),
    mappings: mappings.length,
    sentBytes: sum(({ sentBytes }) => sentBytes),
    receivedBytes: sum(({ receivedBytes }) => receivedBytes),
  };
}

function mappingsOf({ info, connections }: NatView, names: ReadonlyMap<string | undefined, string>, nowMs: number) {
  const isInside = (hex: string): boolean =>
    info.pools.some(
      ({ addressHex, prefix }) =>
        addressHex.length === hex.length && maskHex(hex, prefix) === maskHex(addressHex, prefix),
    );
  return connections
    .filter(({ isSourceTranslated, isDestinationTranslated }) => isSourceTranslated || isDestinationTranslated)
    .map((connection): NatMapping => {
      const { original, reply, startedMs } = connection;
      const isOut = isInside(original.sourceHex);
      const inner = isOut ? original : reply;
      const client = addressOf(inner.sourceHex);
      return {
        client: names.get(client) ?? client,
        protocol: protocolNames[connection.protocol] ?? String(connection.protocol),
        direction: isOut ? 'out' : 'in',
        inside: placeOf(inner.sourceHex, inner.sourcePort),
        outside: isOut
          ? placeOf(reply.destinationHex, reply.destinationPort)
          : placeOf(original.destinationHex, original.destinationPort),
        remote: isOut
          ? placeOf(original.destinationHex, original.destinationPort)
          : placeOf(original.sourceHex, original.sourcePort),
        state: connection.state ?? (connection.hasReply ? 'replied' : 'unreplied'),
        sentBytes: isOut ? connection.sentBytes : connection.receivedBytes,
        receivedBytes: isOut ? connection.receivedBytes : connection.sentBytes,
        ageMs: startedMs === undefined ? undefined : Math.max(0, nowMs - startedMs),
        expiresMs: connection.timeoutSeconds * 1000,
      };
    });
}

function addressOf(hex: string): string {
  return formatAddress(Buffer.from(hex, 'hex'));
}

function placeOf(hex: string, port: number): string {
  return `${bracketed(addressOf(hex))}:${port}`;
}
