/** Whether what a name server answered is what a check wants; pure. */
import { formatAddress, parseCidr } from '../../config/address.ts';
import type { DnsRecordType } from '../../config/config.ts';
import { type DnsValues, dnsCode, dnsType } from '../../wire/dns.ts';
import type { ProbeVerdict } from './verdict.ts';

export interface DnsExpectation {
  readonly record: DnsRecordType;
  /** One of these; none = any record of the type. */
  readonly answer: readonly string[];
}

export const dnsTypeOf: Readonly<Record<DnsRecordType, number>> = {
  A: dnsType.a,
  AAAA: dnsType.aaaa,
  CNAME: dnsType.cname,
  MX: dnsType.mx,
  NS: dnsType.ns,
  TXT: dnsType.txt,
};

/** RFC 1035 section 4.1.1 */
const codeWords: Readonly<Record<number, string>> = {
  [dnsCode.formatError]: 'the server does not understand the question',
  [dnsCode.serverFailure]: 'the server failed',
  [dnsCode.noSuchName]: 'no such name',
  [dnsCode.refused]: 'the server refused',
};

export function judgeDns(expected: DnsExpectation, reply: DnsValues): ProbeVerdict {
  const { record, answer } = expected;
  if (reply.code !== dnsCode.ok)
    return { answered: false, detail: codeWords[reply.code] ?? `the server answered with code ${reply.code}` };
  const values = reply.values.map((value) => readable(record, value));
  if (values.length === 0) return { answered: false, detail: `no ${record} record` };
  const shown = values.slice(0, 3).join(', ');
  const isRight = answer.length === 0 || values.some((value) => answer.some((one) => isSame(record, value, one)));
  if (isRight) return { answered: true, detail: shown };
  return { answered: false, detail: `answer ${shown}, expected ${answer.join(' or ')}: does somebody redirect names?` };
}

function readable(record: DnsRecordType, value: string): string {
  return record === 'A' || record === 'AAAA' ? formatAddress(Buffer.from(value, 'hex')) : value;
}

/** Names without regard to case and the dot at their end; MX with or without its preference; texts as they stand. */
function isSame(record: DnsRecordType, value: string, wanted: string): boolean {
  if (record === 'TXT') return value === wanted;
  if (record === 'A' || record === 'AAAA') return parseCidr(value)?.addressHex === parseCidr(wanted)?.addressHex;
  const name = wanted.toLowerCase().replace(/\.$/, '');
  return value === name || (record === 'MX' && value.replace(/^\d+ /, '') === name);
}
