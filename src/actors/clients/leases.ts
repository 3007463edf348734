/** Addresses for clients, one of each pool: given, asked for by name, given back. What is refused has a reason that people can use. */
import { HawserError } from '../../base/errors.ts';
import { formatCidr, parseCidr } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';
import type { ClientRecord } from './client-record.ts';
import { LeasePool } from './lease-pool.ts';

export class Leases {
  readonly #pools: readonly LeasePool[];

  constructor(pools: readonly Cidr[], taken: readonly Cidr[]) {
    this.#pools = pools.map((pool) => new LeasePool(pool, taken));
  }

  /** Those of a record from the disk. Returns what no pool has, or another one has too. */
  recall(record: ClientRecord): string[] {
    return record.devices.flatMap(({ addresses }) => addresses).filter((address) => this.#reserve(address) !== 'ok');
  }

  /**
   * The addresses of `asked`, and one more of each pool that neither they nor those that are `held` already are of. Throws ADDRESS for one
   * that cannot be had, NO_LEASE when a pool is empty; then nothing is taken.
   */
  give(asked: readonly string[], held: readonly string[] = []): string[] {
    const given: string[] = [];
    try {
      for (const address of asked) given.push(this.#giveThis(address));
      for (const pool of this.#pools) {
        if ([...held, ...given].some((address) => pool.holds(address))) continue;
        const address = pool.take();
        if (address === undefined) throw emptyPool(pool);
        given.push(address);
      }
      return given;
    } catch (error) {
      this.takeBack(given);
      throw error;
    }
  }

  /** Exactly these, of whatever client they are. Throws ADDRESS, and has then taken none. */
  takeThese(addresses: readonly string[]): string[] {
    const given: string[] = [];
    try {
      for (const address of addresses) given.push(this.#giveThis(address));
      return given;
    } catch (error) {
      this.takeBack(given);
      throw error;
    }
  }

  takeBack(addresses: readonly string[]): void {
    for (const address of addresses) for (const pool of this.#pools) pool.release(address);
  }

  #giveThis(asked: string): string {
    const cidr = asked.includes('/') ? undefined : parseCidr(asked);
    if (cidr === undefined) throw new HawserError('ADDRESS', `"${asked}" is no address`, this.#words());
    const verdict = this.#reserve(cidr.address);
    if (verdict === 'used') throw new HawserError('ADDRESS', `${cidr.address} is the lease of another client`);
    if (verdict === 'outside') {
      const message = `${cidr.address} cannot be leased: it is not in the pool, or belongs to this host or to a peer of the file`;
      throw new HawserError('ADDRESS', message, this.#words());
    }
    return cidr.address;
  }

  #reserve(address: string): 'ok' | 'used' | 'outside' {
    const pool = this.#pools.find((one) => one.holds(address));
    return pool === undefined ? 'outside' : pool.reserve(address);
  }

  #words(): string {
    return `addresses are from ${this.#pools.map(({ pool }) => formatCidr(pool)).join(' and ')}`;
  }
}

function emptyPool(pool: LeasePool): HawserError {
  const message = `All ${pool.size} addresses of the pool ${formatCidr(pool.pool)} are leased`;
  return new HawserError('NO_LEASE', message, 'remove clients that are gone, or widen the pool in the file and reload');
}
