/** A small DNS server's answers, for tests: a zone in, a reply's bytes out. Written without the codec under test. */

export interface Zone {
  /** Names in lower case → addresses, an alias, or a code. Names that are missing get NXDOMAIN. */
  readonly [name: string]: {
    readonly a?: readonly string[];
    readonly aaaa?: readonly string[];
    readonly alias?: string;
    readonly code?: number;
    readonly ttl?: number;
  };
}

const typeA = 1;
const typeAlias = 5;
const typeAaaa = 28;

/** The reply to a query's bytes; undefined = silence. IPv6 addresses are hexadecimal here. */
export function answerOf(zone: Zone, query: Buffer): Buffer | undefined {
  const { name, end } = nameAt(query, 12);
  const type = query.readUInt16BE(end);
  const entry = zone[name];
  const records: Buffer[] = [];
  const ttl = entry?.ttl ?? 60;
  let owner = name;
  let target = entry;
  if (entry?.alias !== undefined) {
    records.push(record(name, typeAlias, ttl, nameBytes(entry.alias)));
    owner = entry.alias;
    target = zone[owner];
  }
  if (type === typeA) {
    for (const text of target?.a ?? [])
      records.push(record(owner, typeA, ttl, Buffer.from(text.split('.').map(Number))));
  } else if (type === typeAaaa) {
    for (const hex of target?.aaaa ?? []) records.push(record(owner, typeAaaa, ttl, Buffer.from(hex, 'hex')));
  }
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (entry === undefined ? 3 : (entry.code ?? 0)), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12, end + 4), ...records]);
}

function nameAt(bytes: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = bytes[at] ?? 0; length !== 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function record(name: string, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(name), fixed, data]);
}
