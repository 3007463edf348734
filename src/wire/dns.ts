/**
 * DNS queries for the addresses of a name, and their replies (RFC 1035 section 4, RFC 3596). What a reply claims is believed
 * only inside its bounds: compression pointers lead strictly backwards, so no chain of them can loop.
 *
 * ```
 * header:    0 id u16 | 2 QR 1, opcode 4, AA 1, TC 1, RD 1, RA 1, Z 3, rcode 4 | 4 questions u16 | 6 answers u16 | 8 … | 12
 * question:  name | type u16 | class u16
 * record:    name | type u16 | class u16 | ttl u32 | length u16 | data
 * name:      (length u8 1-63, label)* 0, or after any label a pointer: 0b11, offset 14
 * ```
 * Network byte order.
 */

/** RFC 1035 section 3.2.2, RFC 3596 section 2.1 */
export const dnsType = { a: 1, ns: 2, cname: 5, mx: 15, txt: 16, aaaa: 28 } as const;
/** RFC 1035 section 4.1.1 */
export const dnsCode = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, refused: 5 } as const;
/** RFC 1035 section 4.2.1: no server sends more to a query without EDNS. */
export const dnsMostBytes = 512;

const headerBytes = 12;
const flagsAt = 2;
const questionsAt = 4;
const answersAt = 6;
const classInternet = 1;
const flagResponse = 0x8000;
const opcodeMask = 0x7800;
const flagTruncated = 0x0200;
const flagRecursionDesired = 0x0100;
/** RFC 1035 section 2.3.4 */
const labelMostBytes = 63;
const nameMostBytes = 255;
const pointerBits = 0xc0;
/** RFC 2181 section 8: a time to live with the top bit set counts as 0. */
const ttlTopBit = 0x8000_0000;

export interface DnsQuestion {
  readonly id: number;
  /** Without a dot at the end; compared without regard to case. */
  readonly name: string;
  /** One of `dnsType`. */
  readonly type: number;
}

export interface DnsReply {
  /** One of `dnsCode`, or another of the registry. */
  readonly code: number;
  readonly truncated: boolean;
  /** Of the name, or of what its aliases lead to, as hexadecimal. */
  readonly addresses: readonly string[];
  /** The smallest of the chain; 0 without addresses. */
  readonly ttlSeconds: number;
}

interface Position {
  readonly name: string;
  /** Where what follows the name begins. */
  readonly next: number;
}

interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly dataAt: number;
  readonly next: number;
}

/** Whether a name can be asked for: labels of 1 to 63 ASCII bytes, 255 in all. */
export function dnsNameIsValid(name: string): boolean {
  if (name.length === 0 || name.length + 2 > nameMostBytes) return false;
  return name.split('.').every((label) => /^[!-~]{1,63}$/.test(label));
}

/** Writes a query for a valid name; returns its end. */
export function dnsQueryEmit(target: Uint8Array, at: number, question: DnsQuestion): number {
  target.fill(0, at, at + headerBytes);
  writeU16(target, at, question.id);
  writeU16(target, at + flagsAt, flagRecursionDesired);
  writeU16(target, at + questionsAt, 1);
  let end = at + headerBytes;
  for (const label of question.name.split('.')) {
    target[end++] = label.length;
    for (let index = 0; index < label.length; index++) target[end++] = label.charCodeAt(index);
  }
  target[end++] = 0;
  writeU16(target, end, question.type);
  writeU16(target, end + 2, classInternet);
  return end + 4;
}

/** The reply to `question`; undefined when it is malformed or answers something else (a late reply, a forgery). */
export function dnsReplyParse(bytes: Uint8Array, end: number, question: DnsQuestion): DnsReply | undefined {
  const body = replyBody(bytes, end, question);
  if (body === undefined) return undefined;
  const found = followAliases(bytes, end, body.records, question.name.toLowerCase(), question.type);
  return found === undefined ? undefined : { code: body.code, truncated: body.truncated, ...found };
}

export interface DnsValues {
  /** One of `dnsCode`, or another of the registry. */
  readonly code: number;
  /**
   * Of all records of the type asked for, whoever owns them: addresses as hexadecimal, names in lower case, MX as `10 name`, TXT with
   * its strings joined.
   */
  readonly values: readonly string[];
}

/** As `dnsReplyParse`, for records of any of `dnsType`. */
export function dnsValuesParse(bytes: Uint8Array, end: number, question: DnsQuestion): DnsValues | undefined {
  const body = replyBody(bytes, end, question);
  if (body === undefined) return undefined;
  const values = body.records.filter((one) => one.type === question.type).map((one) => recordValue(bytes, end, one));
  return { code: body.code, values: values.filter((value) => value !== undefined) };
}

function recordValue(bytes: Uint8Array, end: number, { type, dataAt, next }: DnsRecord): string | undefined {
  if (type === dnsType.ns || type === dnsType.cname) return dnsNameRead(bytes, dataAt, end)?.name;
  if (type === dnsType.mx) {
    const name = next - dataAt > 2 ? dnsNameRead(bytes, dataAt + 2, end)?.name : undefined;
    return name === undefined ? undefined : `${readU16(bytes, dataAt)} ${name}`;
  }
  if (type !== dnsType.txt) return toHex(bytes.subarray(dataAt, next));
  let text = '';
  for (let at = dataAt; at < next; at += 1 + (bytes[at] ?? 0)) {
    const stringEnd = at + 1 + (bytes[at] ?? 0);
    if (stringEnd > next) return undefined;
    text += String.fromCharCode(...bytes.subarray(at + 1, stringEnd));
  }
  return text;
}

/** What a reply to this very question holds. */
function replyBody(bytes: Uint8Array, end: number, question: DnsQuestion) {
  if (end < headerBytes || readU16(bytes, 0) !== question.id) return undefined;
  const flags = readU16(bytes, flagsAt);
  if ((flags & flagResponse) === 0 || (flags & opcodeMask) !== 0 || readU16(bytes, questionsAt) !== 1) return undefined;
  const asked = dnsNameRead(bytes, headerBytes, end);
  if (asked === undefined || asked.next + 4 > end || asked.name !== question.name.toLowerCase()) return undefined;
  if (readU16(bytes, asked.next) !== question.type || readU16(bytes, asked.next + 2) !== classInternet)
    return undefined;
  const truncated = (flags & flagTruncated) !== 0;
  const records = recordsParse(bytes, asked.next + 4, end, readU16(bytes, answersAt), truncated);
  return records === undefined ? undefined : { code: flags & 0xf, truncated, records };
}

/** The name at `at` in lower case, without a dot at the end; undefined when it leaves the message or is too long. */
export function dnsNameRead(bytes: Uint8Array, from: number, end: number): Position | undefined {
  const labels: string[] = [];
  let nameBytes = 1;
  let at = from;
  let next: number | undefined;
  let lowest = from;
  while (at < end) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { name: labels.join('.').toLowerCase(), next: next ?? at + 1 };
    if ((length & pointerBits) === pointerBits) {
      if (at + 2 > end) return undefined;
      next ??= at + 2;
      const target = readU16(bytes, at) & 0x3fff;
      if (target < headerBytes || target >= lowest) return undefined;
      lowest = target;
      at = target;
    } else {
      nameBytes += length + 1;
      if (length > labelMostBytes || nameBytes > nameMostBytes || at + 1 + length > end) return undefined;
      labels.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length)));
      at += 1 + length;
    }
  }
  return undefined;
}

/** A truncated reply may end in the middle of its records; those before count. */
function recordsParse(
  bytes: Uint8Array,
  from: number,
  end: number,
  count: number,
  truncated: boolean,
): DnsRecord[] | undefined {
  const records: DnsRecord[] = [];
  let at = from;
  for (let index = 0; index < count; index++) {
    const record = recordParse(bytes, at, end);
    if (record === undefined) return truncated ? records : undefined;
    records.push(record);
    at = record.next;
  }
  return records;
}

function recordParse(bytes: Uint8Array, at: number, end: number): DnsRecord | undefined {
  const owner = dnsNameRead(bytes, at, end);
  if (owner === undefined || owner.next + 10 > end) return undefined;
  const type = readU16(bytes, owner.next);
  const isInternet = readU16(bytes, owner.next + 2) === classInternet;
  const ttl = readU16(bytes, owner.next + 4) * 0x10000 + readU16(bytes, owner.next + 6);
  const dataAt = owner.next + 10;
  const next = dataAt + readU16(bytes, owner.next + 8);
  if (next > end) return undefined;
  return { name: owner.name, type: isInternet ? type : 0, ttlSeconds: ttl >= ttlTopBit ? 0 : ttl, dataAt, next };
}

/** Each alias is taken once at most, so a circle of them ends. */
function followAliases(
  bytes: Uint8Array,
  end: number,
  records: readonly DnsRecord[],
  asked: string,
  type: number,
): Pick<DnsReply, 'addresses' | 'ttlSeconds'> | undefined {
  const aliases = new Map<string, { readonly target: string; readonly ttlSeconds: number }>();
  for (const record of records) {
    if (record.type !== dnsType.cname) continue;
    const target = dnsNameRead(bytes, record.dataAt, end);
    if (target?.next !== record.next) return undefined;
    if (!aliases.has(record.name)) aliases.set(record.name, { target: target.name, ttlSeconds: record.ttlSeconds });
  }
  let name = asked;
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (let alias = aliases.get(name); alias !== undefined; alias = aliases.get(name)) {
    aliases.delete(name);
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds);
    name = alias.target;
  }
  const length = type === dnsType.a ? 4 : 16;
  const addresses: string[] = [];
  for (const record of records) {
    if (record.type !== type || record.name !== name) continue;
    if (record.next - record.dataAt !== length) return undefined;
    addresses.push(toHex(bytes.subarray(record.dataAt, record.next)));
    ttlSeconds = Math.min(ttlSeconds, record.ttlSeconds);
  }
  return { addresses, ttlSeconds: addresses.length === 0 ? 0 : ttlSeconds };
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function writeU16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >> 8;
  target[at + 1] = value & 0xff;
}
