/**
 * Entries of the kernel's table of connections (linux/netfilter/nfnetlink_conntrack.h, `ctnetlink_fill_info` of
 * net/netfilter/nf_conntrack_netlink.c): a question for all of them, and what an answer holds.
 */

import {
  bigEndian,
  netfilterEmitHeader,
  netfilterHeaderBytes,
  netfilterSubsystem,
  netfilterType,
} from './netfilter.ts';
import { attributesParse } from './netlink.ts';

/** IPCTNL_MSG_CT_NEW, …_GET, …_GET_STATS_CPU (which answers bear, too) */
export const conntrackType = {
  new: netfilterType(netfilterSubsystem.conntrack, 0),
  get: netfilterType(netfilterSubsystem.conntrack, 1),
  statistics: netfilterType(netfilterSubsystem.conntrack, 4),
} as const;
/** enum ctattr_stats_cpu */
const statistics = { insertFailed: 9 } as const;

/** enum ctattr_type */
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  countersOriginal: 9,
  countersReply: 10,
  timestamp: 20,
} as const;
/** enum ctattr_tuple, ctattr_ip, ctattr_l4proto */
const tuple = { ip: 1, protocol: 2 } as const;
const ip = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const protocol = { number: 1, sourcePort: 2, destinationPort: 3, icmpId: 4, icmp6Id: 7 } as const;
const counters = { packets: 1, bytes: 2 } as const;
const timestampStart = 1;
/** CTA_PROTOINFO_TCP, and in it …_TCP_STATE */
const tcpInfo = 1;
const tcpState = 1;
/** enum ip_conntrack_status */
const status = { seenReply: 1 << 1, sourceTranslated: 1 << 4, destinationTranslated: 1 << 5 } as const;

/** enum tcp_conntrack */
const tcpStates = [
  'none',
  'syn-sent',
  'syn-received',
  'established',
  'fin-wait',
  'close-wait',
  'last-ack',
  'time-wait',
  'closed',
  'syn-sent-2',
] as const;

/** One direction. An ICMP echo has its number in the place of both ports. */
export interface ConnectionTuple {
  readonly sourceHex: string;
  readonly destinationHex: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Connection {
  /** IPPROTO_* */
  readonly protocol: number;
  /** As it was begun, and what is expected of the other end: both differ where an address is translated. */
  readonly original: ConnectionTuple;
  readonly reply: ConnectionTuple;
  readonly hasReply: boolean;
  readonly isSourceTranslated: boolean;
  readonly isDestinationTranslated: boolean;
  /** Of TCP. */
  readonly state: (typeof tcpStates)[number] | undefined;
  /** Without another packet it ends then. */
  readonly timeoutSeconds: number;
  /** undefined = nf_conntrack_acct was off when it began. */
  readonly sentBytes: number | undefined;
  readonly receivedBytes: number | undefined;
  readonly packets: number | undefined;
  /** Unix time; undefined = nf_conntrack_timestamp was off. */
  readonly startedMs: number | undefined;
}

/** `family`: 2 (AF_INET), 10 (AF_INET6), 0 = both. */
export function conntrackQueryEmit(target: Uint8Array, at: number, family: number): number {
  return netfilterEmitHeader(target, at, family);
}

/** undefined = not of this form. */
export function connectionParse(bytes: Uint8Array, at: number, end: number): Connection | undefined {
  const attributes = attributesParse(bytes, at + netfilterHeaderBytes, end);
  const original = tupleParse(attributes?.get(attribute.original));
  const reply = tupleParse(attributes?.get(attribute.reply));
  if (attributes === undefined || original === undefined || reply === undefined) return undefined;
  const flags = bigEndian(attributes.get(attribute.status)) ?? 0;
  const sent = nested(attributes.get(attribute.countersOriginal));
  const received = nested(attributes.get(attribute.countersReply));
  const startNs = bigEndian(nested(attributes.get(attribute.timestamp))?.get(timestampStart));
  const state = bigEndian(nested(nested(attributes.get(attribute.protocolInfo))?.get(tcpInfo))?.get(tcpState));
  const packets = (of: typeof sent): number | undefined => bigEndian(of?.get(counters.packets));
  const sentPackets = packets(sent);
  return {
    protocol: original.protocol,
    original: original.tuple,
    reply: reply.tuple,
    hasReply: (flags & status.seenReply) !== 0,
    isSourceTranslated: (flags & status.sourceTranslated) !== 0,
    isDestinationTranslated: (flags & status.destinationTranslated) !== 0,
    state: state === undefined ? undefined : tcpStates[state],
    timeoutSeconds: bigEndian(attributes.get(attribute.timeout)) ?? 0,
    sentBytes: bigEndian(sent?.get(counters.bytes)),
    receivedBytes: bigEndian(received?.get(counters.bytes)),
    packets: sentPackets === undefined ? undefined : sentPackets + (packets(received) ?? 0),
    startedMs: startNs === undefined ? undefined : Math.round(startNs / 1e6),
  };
}

/** Of one processor: connections that could not be entered, since another had the same addresses and ports. They were dropped. */
export function failedInsertsParse(bytes: Uint8Array, at: number, end: number): number {
  const attributes = attributesParse(bytes, at + netfilterHeaderBytes, end);
  return bigEndian(attributes?.get(statistics.insertFailed)) ?? 0;
}

function tupleParse(payload: Uint8Array | undefined): { protocol: number; tuple: ConnectionTuple } | undefined {
  const parts = nested(payload);
  const addresses = nested(parts?.get(tuple.ip));
  const numbers = nested(parts?.get(tuple.protocol));
  const source = addresses?.get(ip.source4) ?? addresses?.get(ip.source6);
  const destination = addresses?.get(ip.destination4) ?? addresses?.get(ip.destination6);
  if (source === undefined || destination === undefined || numbers === undefined) return undefined;
  const echo = bigEndian(numbers.get(protocol.icmpId) ?? numbers.get(protocol.icmp6Id)) ?? 0;
  return {
    protocol: bigEndian(numbers.get(protocol.number)) ?? 0,
    tuple: {
      sourceHex: Buffer.from(source).toString('hex'),
      destinationHex: Buffer.from(destination).toString('hex'),
      sourcePort: bigEndian(numbers.get(protocol.sourcePort)) ?? echo,
      destinationPort: bigEndian(numbers.get(protocol.destinationPort)) ?? echo,
    },
  };
}

function nested(payload: Uint8Array | undefined): Map<number, Uint8Array> | undefined {
  return payload === undefined ? undefined : attributesParse(payload, 0, payload.length);
}
