/**
 * The allowed-IPs trie in shared memory (map in `contract/`): longest-prefix match from an inner address to a peer row. One
 * writer changes it a few prefixes at a time, or as a whole; threads of the data path walk it, in the addon or here, without a lock.
 */

import { assert } from '../base/assert.ts';
import { HawserError } from '../base/errors.ts';
import { addressBytesOf, type Family } from '../base/family.ts';
import { allowedIps as layout } from '../contract/peer-tables.ts';

/** Bits of the address beyond the prefix are ignored. `Cidr` of the config fits in here. */
export interface Prefix {
  readonly family: Family;
  /** 4 or 16 bytes as hexadecimal. */
  readonly addressHex: string;
  readonly prefix: number;
}

/** One prefix and the row it leads to. */
export interface AllowedPrefix extends Prefix {
  readonly peerRow: number;
}

const none = -1;
const nodeWords = layout.nodeBytes >> 2;
const roots = 2;
/** A small configuration shall be able to grow without a restart. */
const leastCapacityNodes = 8192;

/** Nodes of a trie that holds `prefixes` now and has room to become four times as large. */
export function allowedIpsCapacity(prefixes: readonly Prefix[]): number {
  return Math.max(leastCapacityNodes, 4 * countNodes(prefixes));
}

/** Memory for `capacity` nodes, with `prefixes` in it. */
export function createAllowedIpsMemory(
  prefixes: readonly AllowedPrefix[],
  capacity = allowedIpsCapacity(prefixes),
): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(layout.dataAt + 2 * capacity * layout.nodeBytes);
  const words = new Int32Array(memory);
  words[layout.magicAt >> 2] = layout.magic;
  words[layout.capacityAt >> 2] = capacity;
  new AllowedIps(memory).replace(prefixes);
  return memory;
}

/** Both sides of the trie: the supervisor calls `replace` and `change`, everybody may call `find`. */
export class AllowedIps {
  readonly #words: Int32Array;
  readonly #capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    assert(this.#words[layout.magicAt >> 2] === layout.magic, 'not the memory of an allowed-IPs trie');
    this.#capacity = this.#words[layout.capacityAt >> 2] as number;
  }

  /** Puts `prefixes` in the place of all there were; of two equal ones the later wins. The version store publishes. */
  replace(prefixes: readonly AllowedPrefix[]): void {
    this.#checkRoom(prefixes);
    const version = this.#version + 1;
    const area = this.#areaAt(version);
    for (let root = 0; root < roots; root += 1) this.#writeNode(area + root * nodeWords);
    let used = roots;
    for (const one of prefixes) used = this.#insert(area, one, used);
    this.#words[layout.usedAt >> 2] = used;
    Atomics.store(this.#words, layout.versionAt >> 2, version);
  }

  /**
   * Takes prefixes out and puts others in, and touches nothing else. `all`: what there is then, for when nodes that nothing leads to any
   * more must make room. Throws when there is none, and has then changed nothing.
   */
  change(gone: readonly AllowedPrefix[], fresh: readonly AllowedPrefix[], all: () => readonly AllowedPrefix[]): void {
    let used = this.#words[layout.usedAt >> 2] as number;
    const mostNodes = fresh.reduce((sum, { prefix }) => sum + prefix, used);
    if (mostNodes > this.#capacity) {
      this.replace(all());
      return;
    }
    const area = this.#areaAt(this.#version);
    for (const one of fresh) used = this.#insert(area, one, used);
    for (const one of gone) this.#remove(area, one);
    this.#words[layout.usedAt >> 2] = used;
    Atomics.store(this.#words, layout.versionAt >> 2, this.#version + 2);
  }

  /** The row of the longest prefix that holds the address of 4 or 16 bytes at `at`, or -1. */
  find(bytes: Uint8Array, at: number, addressBytes: number): number {
    for (;;) {
      const version = this.#version;
      const row = this.#walk(this.#areaAt(version), bytes, at, addressBytes);
      if (this.#version === version) return row;
    }
  }

  get #version(): number {
    return Atomics.load(this.#words, layout.versionAt >> 2);
  }

  #areaAt(version: number): number {
    return (layout.dataAt >> 2) + (version & 1) * this.#capacity * nodeWords;
  }

  #walk(areaAt: number, bytes: Uint8Array, at: number, addressBytes: number): number {
    const words = this.#words;
    let node = areaAt + rootOf(addressBytes === 4 ? 4 : 6);
    let found = words[node + 2] as number;
    for (let bit = 0; bit < addressBytes * 8; bit += 1) {
      const child = words[node + bitOf(bytes, at, bit)] as number;
      if (child === 0) return found;
      node = areaAt + child * nodeWords;
      const row = words[node + 2] as number;
      if (row !== none) found = row;
    }
    return found;
  }

  #checkRoom(prefixes: readonly AllowedPrefix[]): void {
    const count = countNodes(prefixes);
    if (count <= this.#capacity) return;
    const message = `Cannot load ${prefixes.length} allowed IPs: ${count} trie nodes, room for ${this.#capacity}`;
    throw new HawserError('ALLOWED_IPS', message, 'restart the daemon to make room');
  }

  /** `used`: nodes of the area until now; returns how many then. */
  #insert(area: number, one: AllowedPrefix, used: number): number {
    const address = bytesOfHex(one.addressHex);
    assert(address.length === addressBytesOf(one.family), `address ${one.addressHex} of family ${one.family}`);
    assert(one.prefix >= 0 && one.prefix <= address.length * 8, `prefix length ${one.prefix}`);
    assert(one.peerRow >= 0, `peer row ${one.peerRow}`);
    const words = this.#words;
    let next = used;
    let node = area + rootOf(one.family);
    for (let bit = 0; bit < one.prefix; bit += 1) {
      const link = node + bitOf(address, 0, bit);
      let child = words[link] as number;
      if (child === 0) {
        child = next;
        next += 1;
        this.#writeNode(area + child * nodeWords);
        Atomics.store(words, link, child);
      }
      node = area + child * nodeWords;
    }
    Atomics.store(words, node + 2, one.peerRow);
    return next;
  }

  /** A prefix that leads to another row by now stays. */
  #remove(area: number, { family, addressHex, prefix, peerRow }: AllowedPrefix): void {
    const address = bytesOfHex(addressHex);
    let node = area + rootOf(family);
    for (let bit = 0; bit < prefix; bit += 1) {
      const child = this.#words[node + bitOf(address, 0, bit)] as number;
      if (child === 0) return;
      node = area + child * nodeWords;
    }
    if (this.#words[node + 2] === peerRow) Atomics.store(this.#words, node + 2, none);
  }

  #writeNode(at: number): void {
    this.#words[at] = 0;
    this.#words[at + 1] = 0;
    this.#words[at + 2] = none;
  }
}

function rootOf(family: Family): number {
  return (family === 4 ? layout.rootV4 : layout.rootV6) * nodeWords;
}

function bitOf(bytes: Uint8Array, at: number, bit: number): number {
  return ((bytes[at + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1;
}

/** Each prefix adds the bits that it does not share with its neighbour in the order of addresses. */
function countNodes(prefixes: readonly Prefix[]): number {
  let count = roots;
  for (const family of [4, 6] as const) {
    const sorted = prefixes
      .filter((one) => one.family === family)
      .sort((a, b) => (a.addressHex < b.addressHex ? -1 : a.addressHex > b.addressHex ? 1 : a.prefix - b.prefix));
    let before: Prefix | undefined;
    for (const one of sorted) {
      count += one.prefix - (before === undefined ? 0 : sharedBits(before, one));
      before = one;
    }
  }
  return count;
}

function sharedBits(one: Prefix, other: Prefix): number {
  const most = Math.min(one.prefix, other.prefix);
  let digit = 0;
  while (digit * 4 < most && one.addressHex[digit] === other.addressHex[digit]) digit += 1;
  if (digit * 4 >= most) return most;
  const differing =
    Number.parseInt(one.addressHex[digit] as string, 16) ^ Number.parseInt(other.addressHex[digit] as string, 16);
  return Math.min(most, digit * 4 + Math.clz32(differing) - 28);
}

function bytesOfHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}
