/** Which class a train belongs to: what people wait for goes before what they leave running. Numbers in, class out. */
import { facts } from '../../contract/columns.ts';
import { trafficClass } from '../../contract/records.ts';

const icmp = 1;
const tcp = 6;
const udp = 17;
const icmpv6 = 58;
const dns = 53;
/** RFC 3246 EF, RFC 5865 VOICE-ADMIT, RFC 2474 CS5 to CS7. */
const urgentDscp: ReadonlySet<number> = new Set([46, 44, 40, 48, 56]);
/** A datagram of at most this is a game's, a call's, a clock's: a bulk sender fills its packets. */
const smallUdpBytes = 300;
/** A TCP segment of at most this is a keystroke, an acknowledgement, a handshake. */
const smallTcpBytes = 128;

/** `row` holds the facts of a train from index `at` on, in the columns of `native/data-api.ts`. */
export function classify(row: Int32Array, at: number): number {
  const protocol = row[at + facts.protocol] as number;
  if (urgentDscp.has((row[at + facts.trafficClass] as number) >> 2)) return trafficClass.latency;
  if (protocol === icmp || protocol === icmpv6) return trafficClass.latency;
  if (protocol === tcp) {
    return (row[at + facts.payloadBytes] as number) <= smallTcpBytes ? trafficClass.latency : trafficClass.bulk;
  }
  if (protocol !== udp) return trafficClass.bulk;
  if (row[at + facts.sourcePort] === dns || row[at + facts.destinationPort] === dns) return trafficClass.latency;
  return (row[at + facts.bytes] as number) <= smallUdpBytes ? trafficClass.latency : trafficClass.bulk;
}
