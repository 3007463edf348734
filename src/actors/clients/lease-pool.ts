/**
 * Addresses of one pool: who has which is said by the clients' records; here is what is free. One that was given back rests as long as
 * others are free, so that what was meant for the one before does not reach the next. Pure.
 */
import { formatAddress, maskHex, parseCidr } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

export class LeasePool {
  readonly pool: Cidr;
  readonly #base: bigint;
  /** How many addresses there are, usable or not. */
  readonly #size: bigint;
  /** Not to be given: the network's own name, broadcast, this host, networks of other peers. In order, apart. */
  readonly #holes: readonly Range[];
  readonly #used = new Set<bigint>();
  #next = 0n;

  /** `taken`: addresses and networks of others; those that hold the whole pool are around it and count for nothing. */
  constructor(pool: Cidr, taken: readonly Cidr[]) {
    this.pool = pool;
    const bits = pool.addressHex.length * 4;
    this.#base = BigInt(`0x${pool.addressHex}`);
    this.#size = 1n << BigInt(bits - pool.prefix);
    const holes = taken.flatMap((cidr) => this.#rangeOf(cidr) ?? []);
    holes.push({ first: 0n, last: 0n });
    if (pool.family === 4) holes.push({ first: this.#size - 1n, last: this.#size - 1n });
    this.#holes = joined(holes);
  }

  get used(): number {
    return this.#used.size;
  }

  /** Of all that may be given, as far as a number can say it. */
  get size(): number {
    let count = this.#size;
    for (const { first, last } of this.#holes) count -= last - first + 1n;
    return Number(count);
  }

  /** A free address, marked as used; undefined = there is none. */
  take(): string | undefined {
    const offset = this.#freeFrom(this.#next) ?? this.#freeFrom(0n);
    if (offset === undefined) return undefined;
    this.#used.add(offset);
    this.#next = offset + 1n;
    return this.#textOf(offset);
  }

  /** Marks one as used. `outside`: not of this pool, or this host's or another peer's. */
  reserve(address: string): 'ok' | 'used' | 'outside' {
    const offset = this.#offsetOf(address);
    if (offset === undefined || this.#holeAt(offset) !== undefined) return 'outside';
    if (this.#used.has(offset)) return 'used';
    this.#used.add(offset);
    return 'ok';
  }

  release(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset !== undefined) this.#used.delete(offset);
  }

  holds(address: string): boolean {
    return this.#offsetOf(address) !== undefined;
  }

  #freeFrom(start: bigint): bigint | undefined {
    let offset = start;
    while (offset < this.#size) {
      const hole = this.#holeAt(offset);
      if (hole !== undefined) offset = hole.last + 1n;
      else if (this.#used.has(offset)) offset += 1n;
      else return offset;
    }
    return undefined;
  }

  #holeAt(offset: bigint): Range | undefined {
    let [from, to] = [0, this.#holes.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const hole = this.#holes[middle] as Range;
      if (offset < hole.first) to = middle;
      else if (offset > hole.last) from = middle + 1;
      else return hole;
    }
    return undefined;
  }

  #offsetOf(address: string): bigint | undefined {
    const cidr = parseCidr(address);
    if (cidr?.family !== this.pool.family) return undefined;
    const offset = BigInt(`0x${cidr.addressHex}`) - this.#base;
    return offset >= 0n && offset < this.#size ? offset : undefined;
  }

  #rangeOf(cidr: Cidr): Range | undefined {
    const bits = cidr.addressHex.length * 4;
    if (cidr.family !== this.pool.family || cidr.prefix <= this.pool.prefix) return undefined;
    const first = BigInt(`0x${maskHex(cidr.addressHex, cidr.prefix)}`) - this.#base;
    if (first < 0n || first >= this.#size) return undefined;
    return { first, last: first + (1n << BigInt(bits - cidr.prefix)) - 1n };
  }

  #textOf(offset: bigint): string {
    const { length } = this.pool.addressHex;
    return formatAddress(Buffer.from((this.#base + offset).toString(16).padStart(length, '0'), 'hex'));
  }
}

function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of [...ranges].sort((one, other) => (one.first < other.first ? -1 : 1))) {
    const before = all.at(-1);
    if (before === undefined || range.first > before.last + 1n) all.push(range);
    else if (range.last > before.last) all[all.length - 1] = { first: before.first, last: range.last };
  }
  return all;
}
