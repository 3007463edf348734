/**
 * The allowed-IPs trie in shared memory (map in `contract/`): longest-prefix match from an inner address to a peer row. One
 * writer replaces the whole of it at once; threads of the data path walk it, in the addon or here, without a lock.
 */
import { assert } from '../base/assert.ts';
import { HawserError } from '../base/errors.ts';
import { allowedIps as layout } from '../contract/peer-tables.ts';

/** One prefix and the row it leads to. Bits of the address beyond the prefix are ignored. `Cidr` of the config fits in here. */
export interface AllowedPrefix {
  readonly family: 4 | 6;
  /** 4 or 16 bytes as hexadecimal. */
  readonly addressHex: string;
  readonly prefix: number;
  readonly peerRow: number;
}

const none = -1;
const nodeWords = layout.nodeBytes >> 2;
/** A small configuration shall be able to grow by reload without a restart. */
const leastCapacityNodes = 8192;

/** Memory for a trie that holds `prefixes` now and has room to become four times as large. */
export function createAllowedIpsMemory(prefixes: readonly AllowedPrefix[]): SharedArrayBuffer {
  const capacity = Math.max(leastCapacityNodes, 4 * (buildNodes(prefixes).length / nodeWords));
  const memory = new SharedArrayBuffer(layout.dataAt + 2 * capacity * layout.nodeBytes);
  const words = new Int32Array(memory);
  words[layout.magicAt >> 2] = layout.magic;
  words[layout.capacityAt >> 2] = capacity;
  new AllowedIps(memory).replace(prefixes);
  return memory;
}

/** Both sides of the trie: the supervisor calls `replace`, everybody may call `find`. */
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
    const nodes = buildNodes(prefixes);
    const count = nodes.length / nodeWords;
    if (count > this.#capacity) {
      const message = `Cannot load ${prefixes.length} allowed IPs: ${count} trie nodes, room for ${this.#capacity}`;
      throw new HawserError('ALLOWED_IPS', message, 'restart the daemon to make room');
    }
    const version = Atomics.load(this.#words, layout.versionAt >> 2) + 1;
    this.#words.set(nodes, this.#areaAt(version));
    Atomics.store(this.#words, layout.versionAt >> 2, version);
  }

  /** The row of the longest prefix that holds the address of 4 or 16 bytes at `at`, or -1. */
  find(bytes: Uint8Array, at: number, addressBytes: number): number {
    for (;;) {
      const version = Atomics.load(this.#words, layout.versionAt >> 2);
      const row = this.#walk(this.#areaAt(version), bytes, at, addressBytes);
      if (Atomics.load(this.#words, layout.versionAt >> 2) === version) return row;
    }
  }

  #areaAt(version: number): number {
    return (layout.dataAt >> 2) + (version & 1) * this.#capacity * nodeWords;
  }

  #walk(areaAt: number, bytes: Uint8Array, at: number, addressBytes: number): number {
    const words = this.#words;
    let node = areaAt + (addressBytes === 4 ? layout.rootV4 : layout.rootV6) * nodeWords;
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
}

function bitOf(bytes: Uint8Array, at: number, bit: number): number {
  return ((bytes[at + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1;
}

function buildNodes(prefixes: readonly AllowedPrefix[]): Int32Array {
  const nodes = [0, 0, none, 0, 0, none];
  for (const one of prefixes) {
    const address = bytesOfHex(one.addressHex);
    assert(address.length === (one.family === 4 ? 4 : 16), `address ${one.addressHex} of family ${one.family}`);
    assert(one.prefix >= 0 && one.prefix <= address.length * 8, `prefix length ${one.prefix}`);
    assert(one.peerRow >= 0, `peer row ${one.peerRow}`);
    let node = (one.family === 4 ? layout.rootV4 : layout.rootV6) * nodeWords;
    for (let bit = 0; bit < one.prefix; bit += 1) {
      const slot = node + bitOf(address, 0, bit);
      let child = nodes[slot] as number;
      if (child === 0) {
        child = nodes.length / nodeWords;
        nodes[slot] = child;
        nodes.push(0, 0, none);
      }
      node = child * nodeWords;
    }
    nodes[node + 2] = one.peerRow;
  }
  return Int32Array.from(nodes);
}

function bytesOfHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}
