/** What is known of the links: what the configuration says, and what kernel, operator and health-checker say from moment to moment. */
import { addressBytesOf } from '../../base/family.ts';
import { formatAddress, parseCidr } from '../../config/address.ts';
import { link } from '../../contract/link-tables.ts';
import { isOfInternet } from '../../io/public-address.ts';
import { healthOf, isLinkDead, isLinkDisabled, isLinkForced } from '../../rings/link-health.ts';
import type { RowTable } from '../../rings/table.ts';
import { namedEndpointIs } from '../../wire/named-endpoint.ts';
import { nat64Embed } from '../../wire/nat64.ts';
import { sockaddrAddress } from '../../wire/sockaddr.ts';
import type { LinkSettings, LinkStateCommand } from './settings.ts';

/** `wellKnownNat64`, as `translatorOf` says it. */
const wellKnown = '0064ff9b000000000000000000000000/96';

interface Prefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

interface KernelState {
  readonly isUp: boolean;
  readonly reason: string;
  readonly addresses: string;
  /** undefined = anything may be reached. */
  readonly routes: readonly Prefix[] | undefined;
  readonly nat64: Prefix | undefined;
}

export class LinkBook {
  /** The preferred first. */
  readonly all: readonly LinkSettings[];
  readonly #table: RowTable;
  readonly #kernel = new Map<number, KernelState>();
  /** Since when a link is in order without a break. */
  readonly #fitSinceUs = new Map<number, number>();

  constructor(links: readonly LinkSettings[], table: RowTable) {
    this.all = [...links].sort((a, b) => a.priority - b.priority);
    this.#table = table;
  }

  get(row: number): LinkSettings | undefined {
    return this.all.find((one) => one.row === row);
  }

  nameOf(row: number): string {
    return this.get(row)?.name ?? `row ${row}`;
  }

  find(name: string): LinkSettings | undefined {
    return this.all.find((one) => one.name === name);
  }

  /** 0 is the most preferred. */
  rank(row: number): number {
    const rank = this.all.findIndex((one) => one.row === row);
    return rank < 0 ? this.all.length : rank;
  }

  /**
   * What the kernel says of a link: `same` as before, `news`, or that this host `moved`: the link is there again, or has other addresses.
   * The first word about a link moves nobody.
   */
  handleState(command: LinkStateCommand): 'same' | 'news' | 'moved' {
    const known = this.find(command.link);
    if (known === undefined) return 'same';
    const before = this.#kernel.get(known.row);
    const { isUp, reason } = command;
    const [nat64] = command.nat64 === undefined ? [] : prefixOf(command.nat64);
    const routes = command.routes?.flatMap(prefixOf);
    const now = { isUp, reason, addresses: command.addresses.join(), routes, nat64 };
    this.#kernel.set(known.row, now);
    if (JSON.stringify(before) === JSON.stringify(now)) return 'same';
    const isElsewhere = before !== undefined && (!before.isUp || before.addresses !== now.addresses);
    return isUp && isElsewhere ? 'moved' : 'news';
  }

  /** Why nothing can leave for `sockaddr` by a link; undefined = it can, as far as this host is concerned. */
  refusal(row: number, sockaddr: Uint8Array): string | undefined {
    if (!this.all.some((one) => one.row === row)) return 'link removed';
    if (isLinkDisabled(this.#table, row)) return 'link disabled';
    const state = this.#kernel.get(row);
    if (state === undefined) return undefined;
    if (!state.isUp) return state.reason;
    // What address is behind it, or which proxy before it, its carrier alone knows.
    if (namedEndpointIs(sockaddr)) return this.#hasNoAddress(state) ? state.reason : undefined;
    const address = sockaddrAddress(sockaddr, 0);
    if (isRouted(state, address)) return undefined;
    return this.#hasNoAddress(state) ? state.reason : 'no route by this link';
  }

  /** Of a link without an interface the kernel says neither addresses nor routes. */
  #hasNoAddress({ addresses, routes }: KernelState): boolean {
    return addresses === '' && routes !== undefined;
  }

  /** The address of IPv6 by which a link that has no IPv4 reaches one of IPv4; undefined = there is no need, or no way. */
  translate(row: number, sockaddr: Uint8Array): Uint8Array | undefined {
    const state = this.#kernel.get(row);
    if (state?.nat64 === undefined || namedEndpointIs(sockaddr)) return undefined;
    const address = sockaddrAddress(sockaddr, 0);
    const isNeeded = address.length === addressBytesOf(4) && (state.routes === undefined || !isRouted(state, address));
    if (!isNeeded) return undefined;
    // RFC 6052 section 3.1: behind the well-known prefix there is the Internet alone; and a host as a whole may reach its neighbours without.
    const mustBePublic = state.routes === undefined || this.translatorOf(row) === wellKnown;
    if (mustBePublic && !isOfInternet(formatAddress(Buffer.from(address)))) return undefined;
    return nat64Embed(state.nat64, address);
  }

  /** Changes with what `translate` answers. */
  translatorOf(row: number): string {
    const nat64 = this.#kernel.get(row)?.nat64;
    return nat64 === undefined ? '' : `${Buffer.from(nat64.bytes).toString('hex')}/${nat64.bits}`;
  }

  /** Changes with the addresses of the link's interface. */
  addressesOf(row: number): string {
    return this.#kernel.get(row)?.addresses ?? '';
  }

  isDisabled(row: number): boolean {
    return isLinkDisabled(this.#table, row);
  }

  /** The same, and nobody outside the tunnel says that the link is dead. */
  isFit(row: number, sockaddr: Uint8Array, nowUs: number): boolean {
    return this.refusal(row, sockaddr) === undefined && !isLinkDead(this.#table, row, nowUs);
  }

  /** The link that an operator wants all data on. */
  forced(): LinkSettings | undefined {
    return this.all.find(({ row }) => isLinkForced(this.#table, row));
  }

  /** Changes with what operators and health-checker say of the links. */
  verdicts(nowUs: number): string {
    const table = this.#table;
    const verdictOf = ({ row }: LinkSettings): string =>
      `${table.int(row, link.disabledAt)}${table.int(row, link.forcedAt)}${healthOf(table, row, nowUs)}`;
    return this.all.map(verdictOf).join();
  }

  /** Called at every look: how long a link has been fit, 0 while it is not. */
  fitForUs(row: number, sockaddr: Uint8Array, nowUs: number): number {
    if (!this.isFit(row, sockaddr, nowUs)) {
      this.#fitSinceUs.delete(row);
      return 0;
    }
    const sinceUs = this.#fitSinceUs.get(row) ?? nowUs;
    this.#fitSinceUs.set(row, sinceUs);
    return nowUs - sinceUs;
  }
}

function prefixOf(text: string): Prefix[] {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [{ bytes: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), bits: cidr.prefix }];
}

function isRouted({ routes }: KernelState, address: Uint8Array): boolean {
  return routes?.some((prefix) => covers(prefix, address)) ?? true;
}

function covers({ bytes, bits }: Prefix, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit));
    if ((((bytes[bit >> 3] as number) ^ (address[bit >> 3] as number)) & mask & 0xff) !== 0) return false;
  }
  return true;
}
