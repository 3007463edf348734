/**
 * ENROL, a control frame (docs/wire-format.md): a machine that was invited names the key that it will have, and its hub answers with what
 * a client has to know. The answer repeats the key; where it is a refusal it ends there.
 *
 * ```
 *          0      1        2       3        4         36               68        70      71     72
 * asked    zero   kind=12  flags   0        key (32)                                                      36 bytes
 * answer   zero   kind=12  flags   status   key (32)  preshared (32)   lengths of two names, counts of    1024 bytes at most
 *                                                                      addresses, name servers, networks
 * behind   the client's name, the hub's (UTF-8) · addresses, name servers: 4 or 6, then 4 or 16 bytes · networks: 4 or 6, length, bytes
 * ```
 * flags bit 0: the answer. A preshared key of zeros is none.
 */
import { assert } from '../base/assert.ts';
import { controlKind } from '../contract/frames.ts';
import { controlKindOf } from './control-frame.ts';

/** What became of it; a number that is none of these is a refusal that a later version knows. */
export const enrolStatus = {
  welcome: 0,
  /** The hub knows the key already, as somebody else's. */
  knownKey: 1,
  /** Another machine is joining with this invitation, or has just done so. */
  busy: 2,
  /** There is no room for another client: addresses, or as many as the hub takes. */
  full: 3,
  /** The hub cannot write it down now. */
  unwritten: 4,
  /** Something at the hub is in the way, which it has told its own people. */
  refused: 5,
} as const;

export const enrolAskBytes = 36;
export const enrolMostBytes = 1024;
/** Of each kind: addresses, name servers, networks. */
export const enrolMostItems = 32;
const mostNameBytes = 64;
/** What a terminal obeys, or does not show. Joiners are parts of pictures. */
const unseen = /(?!\u200d)[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/u;

const flagsAt = 2;
const flagAnswer = 1;
const statusAt = 3;
const keyAt = 4;
const keyEnd = 36;
const presharedEnd = 68;
const countsEnd = 73;

/** 4 or 16 bytes. */
export type EnrolAddress = Uint8Array;

export interface EnrolNetwork {
  readonly address: EnrolAddress;
  readonly prefix: number;
}

/** What a new client has to know. */
export interface EnrolWelcome {
  /** 32 bytes, zeros = none. */
  readonly presharedKey: Uint8Array;
  readonly name: string;
  readonly hubName: string;
  readonly addresses: readonly EnrolAddress[];
  readonly dns: readonly EnrolAddress[];
  readonly networks: readonly EnrolNetwork[];
}

/** Whether `bytes[at, end)` is an ENROL, asked or answered. What stands behind its key `enrolWelcome` judges. */
export function enrolCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= enrolAskBytes && bytes[at] === 0 && controlKindOf(bytes, at) === controlKind.enrol;
}

export function enrolIsAnswer(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + flagsAt] as number) & flagAnswer) !== 0;
}

/** Of an answer: one of `enrolStatus`, or a later one. */
export function enrolStatusOf(bytes: Uint8Array, at: number): number {
  return bytes[at + statusAt] as number;
}

/** A copy. */
export function enrolKey(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.slice(at + keyAt, at + keyEnd);
}

export function enrolAsk(key: Uint8Array): Uint8Array {
  return emitHead(new Uint8Array(enrolAskBytes), key, 0, 0);
}

export function enrolRefusal(key: Uint8Array, status: number): Uint8Array {
  return emitHead(new Uint8Array(enrolAskBytes), key, flagAnswer, status);
}

/** undefined = it would be longer than a frame may be. */
export function enrolAnswer(key: Uint8Array, welcome: EnrolWelcome): Uint8Array | undefined {
  const { presharedKey, addresses, dns, networks } = welcome;
  const [name, hubName] = [welcome.name, welcome.hubName].map((text) => new TextEncoder().encode(text));
  assert(name !== undefined && hubName !== undefined, 'two names');
  if (name.length > mostNameBytes || hubName.length > mostNameBytes) return undefined;
  if ([addresses, dns, networks].some(({ length }) => length > enrolMostItems)) return undefined;
  const parts = [
    presharedKey,
    Uint8Array.of(name.length, hubName.length, addresses.length, dns.length, networks.length),
    name,
    hubName,
    ...[...addresses, ...dns].flatMap((address) => [Uint8Array.of(familyOf(address)), address]),
    ...networks.flatMap(({ address, prefix }) => [Uint8Array.of(familyOf(address), prefix), address]),
  ];
  const length = parts.reduce((sum, part) => sum + part.length, keyEnd);
  if (length > enrolMostBytes) return undefined;
  const bytes = emitHead(new Uint8Array(length), key, flagAnswer, enrolStatus.welcome);
  let at = keyEnd;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What an answer of status `welcome` in `bytes[at, end)` says; undefined = it makes no sense. Padding may follow it. */
export function enrolWelcome(bytes: Uint8Array, at: number, end: number): EnrolWelcome | undefined {
  if (end - at < countsEnd || end - at > enrolMostBytes + 16) return undefined;
  const reader = new Reader(bytes, at + presharedEnd, end);
  const [nameBytes = 0, hubNameBytes = 0, addressCount = 0, dnsCount = 0, networkCount = 0] = reader.take(5) ?? [];
  if ([addressCount, dnsCount, networkCount].some((count) => count > enrolMostItems)) return undefined;
  const name = reader.text(nameBytes);
  const hubName = reader.text(hubNameBytes);
  const addresses = reader.list(addressCount, () => reader.address(reader.byte()));
  const dns = reader.list(dnsCount, () => reader.address(reader.byte()));
  const networks = reader.list(networkCount, () => reader.network());
  if (name === undefined || hubName === undefined) return undefined;
  if (addresses === undefined || dns === undefined || networks === undefined) return undefined;
  return { presharedKey: bytes.slice(at + keyEnd, at + presharedEnd), name, hubName, addresses, dns, networks };
}

/** Takes one thing after the other, and nothing beyond the end. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** A copy. */
  take(length: number): Uint8Array | undefined {
    if (this.#end - this.#at < length) return undefined;
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  byte(): number | undefined {
    return this.take(1)?.[0];
  }

  /** A name, which will be printed to a terminal. */
  text(length: number): string | undefined {
    const bytes = length > mostNameBytes ? undefined : this.take(length);
    if (bytes === undefined) return undefined;
    const text = new TextDecoder().decode(bytes);
    return text.includes('\ufffd') || unseen.test(text) ? undefined : text;
  }

  address(family: number | undefined): EnrolAddress | undefined {
    if (family !== 4 && family !== 6) return undefined;
    return this.take(family === 4 ? 4 : 16);
  }

  network(): EnrolNetwork | undefined {
    const family = this.byte();
    const prefix = this.byte();
    const address = this.address(family);
    if (address === undefined || prefix === undefined || prefix > address.length * 8) return undefined;
    return { address, prefix };
  }

  list<T>(count: number, next: () => T | undefined): T[] | undefined {
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) {
      const item = next();
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
}

function emitHead(bytes: Uint8Array, key: Uint8Array, flags: number, status: number): Uint8Array {
  assert(key.length === keyEnd - keyAt, `a key of ${key.length} bytes`);
  bytes[1] = controlKind.enrol;
  bytes[flagsAt] = flags;
  bytes[statusAt] = status;
  bytes.set(key, keyAt);
  return bytes;
}

function familyOf(address: EnrolAddress): 4 | 6 {
  assert(address.length === 4 || address.length === 16, `an address of ${address.length} bytes`);
  return address.length === 4 ? 4 : 6;
}
