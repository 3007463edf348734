/**
 * How links that have IPv6 alone reach IPv4 (a mobile network, most often): by the translator of their network, whose prefix its name
 * servers tell (RFC 7050). Until they do, and where nobody does, by the prefix that most networks use: what is no translator's leads nowhere.
 */
import { HawserError } from '../base/errors.ts';
import { formatAddress, parseCidr } from '../config/address.ts';
import { ipv4Only, nat64PrefixOf, wellKnownNat64 } from '../wire/nat64.ts';

export interface Nat64FinderParts {
  /** Addresses of a name (hexadecimal) as each of the host's name servers has them, asked by an interface ('' = by any). */
  readonly ask: (name: string, interfaceName: string) => Promise<readonly (readonly string[])[]>;
  /** Another prefix is known of some link. */
  readonly onFound: () => void;
  /** For tests. */
  readonly retryMs?: number;
}

interface Network {
  /** Another one when the link is elsewhere. */
  readonly key: string;
  prefix: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

const retryMs = 60_000;

export class Nat64Finder {
  readonly #parts: Nat64FinderParts;
  /** By link. */
  readonly #networks = new Map<string, Network>();

  constructor(parts: Nat64FinderParts) {
    this.#parts = parts;
  }

  /** The prefix (CIDR) for a link that has IPv6 alone now, on the network that gave it these addresses. */
  prefixOf(link: string, interfaceName: string, addresses: readonly string[]): string {
    // Temporary addresses come and go within a network (RFC 8981).
    const networks = addresses.map((address) => parseCidr(address)?.addressHex.slice(0, 16) ?? '');
    const key = `${interfaceName} ${[...new Set(networks)].sort().join()}`;
    let network = this.#networks.get(link);
    if (network?.key !== key) {
      this.forget(link);
      network = { key, prefix: undefined, timer: undefined };
      this.#networks.set(link, network);
      void this.#look(network, interfaceName);
    }
    return network.prefix ?? wellKnownNat64;
  }

  /** It has IPv4, or nothing. */
  forget(link: string): void {
    clearTimeout(this.#networks.get(link)?.timer);
    this.#networks.delete(link);
  }

  close(): void {
    for (const link of [...this.#networks.keys()]) this.forget(link);
  }

  async #look(network: Network, interfaceName: string): Promise<void> {
    let answers: readonly (readonly string[])[] = [];
    try {
      answers = await this.#parts.ask(ipv4Only, interfaceName);
    } catch (error) {
      // No server answers, or the instance stops.
      if (!(error instanceof HawserError)) throw error;
    }
    if (![...this.#networks.values()].includes(network)) return;
    const found = answers.flat().flatMap((hex) => nat64PrefixOf(Buffer.from(hex, 'hex')) ?? [])[0];
    if (found === undefined) {
      network.timer = setTimeout(() => void this.#look(network, interfaceName), this.#parts.retryMs ?? retryMs).unref();
      return;
    }
    network.prefix = `${formatAddress(Buffer.from(found.bytes))}/${found.bits}`;
    if (network.prefix !== wellKnownNat64) this.#parts.onFound();
  }
}
