/** Where a host was last: a probe asks the address that is known at once, and a fresh one is looked up beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCidr } from '../../config/address.ts';
import type { Resolver } from '../../io/resolver.ts';

export class LastAddresses {
  readonly #resolver: Pick<Resolver, 'resolve'>;
  readonly #known = new Map<string, Uint8Array>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(resolver: Pick<Resolver, 'resolve'>) {
    this.#resolver = resolver;
  }

  /** 4 or 16 bytes. Waits only for a name that was never resolved; undefined when that takes longer than `timeoutMs`. */
  async find(host: string, timeoutMs: number): Promise<Uint8Array | undefined> {
    const literal = parseCidr(host);
    if (literal !== undefined) return Buffer.from(literal.addressHex, 'hex');
    const looking = this.#pending.get(host) ?? this.#look(host);
    if (!this.#known.has(host)) await Promise.race([looking, sleep(timeoutMs)]);
    return this.#known.get(host);
  }

  #look(host: string): Promise<void> {
    const looking = this.#resolver.resolve(host).then(
      ({ addresses: [first] }) => {
        this.#pending.delete(host);
        if (first !== undefined) this.#known.set(host, Buffer.from(first.addressHex, 'hex'));
      },
      // The probe fails without an address, and that is what counts.
      () => void this.#pending.delete(host),
    );
    this.#pending.set(host, looking);
    return looking;
  }
}
