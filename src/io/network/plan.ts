/**
 * What the kernel's network shall look like while an instance runs, and after it stopped `closed`: pure, nothing is touched.
 *
 * Where the prefixes of `allowedIPs` (and the networks of the tunnel's addresses) become routes:
 * - `auto`: in tables of our own (`own-tables.ts`), which the daemon's packets, known by their mark, do not see;
 * - `main`: in the main table, but those of our own tables that are wide or contain an endpoint that is written as an address;
 * - a number: in that table, and no rule leads to it;
 * - `off`: nowhere.
 *
 * With `onExit: closed` routes that block (type unreachable) stand behind the tunnel's from the first moment: traffic is blocked
 * also when the process or the interface dies. All that is ours carries the route protocol 77.
 */
import { createHash } from 'node:crypto';
import type { Family } from '../../base/family.ts';
import { maskCidr, maskHex, parseCidr } from '../../config/address.ts';
import type { Cidr, Config } from '../../config/config.ts';
import { poolsOf } from '../../config/server.ts';
import type { RuleState } from '../../wire/fib-rule.ts';
import { mainTable } from '../../wire/rtnetlink.ts';
import type { AddressState } from '../../wire/rtnetlink-address.ts';
import type { RouteState } from '../../wire/rtnetlink-route.ts';
import { hawserProtocol, isWide, type Mark, ownRulesOf, ownTablesOf, tagOf } from './own-tables.ts';

/** IPv6 puts routes without a metric at 1024; said openly so that wanted and present compare. */
const ipv6Metric = 1024;
/**
 * `fwmark: auto` sets and compares these bits alone. The others are in use: 0x00ff0000 by Tailscale, Weave and OpenWrt's pbr,
 * 0xc000 by Kubernetes and flannel, 0x3f00 by mwan3, 0x2000 by CNI port maps, 0x0f00 by Cilium, 0x80 by the AWS CNI.
 */
const autoMark = { base: 0x68000000, own: 0x7f, mask: 0xff00007f } as const;
const allBits = 0xffffffff;
/** RFC 1918, RFC 6598, RFC 4193: no peer of unknown address is likely to be there. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].flatMap(
  (text) => parseCidr(text) ?? [],
);

export type RouteTable = 'auto' | 'main' | 'off' | number;

export interface NetworkPlan {
  readonly name: string;
  readonly interface: string;
  readonly addresses: readonly Cidr[];
  readonly mtu: number;
  /** Networks reached through the tunnel. */
  readonly routes: readonly Cidr[];
  /** Endpoints known as addresses, /32 or /128. */
  readonly endpoints: readonly Cidr[];
  /** Other endpoints are host names, or learnt. */
  readonly hasUnknownEndpoints: boolean;
  readonly mark: Mark;
  readonly table: RouteTable;
  readonly onExit: 'open' | 'closed';
  /** Where a changed sysctl's old value is kept for a successor. */
  readonly runDirectory: string;
}

/** The state wanted in the kernel, complete: what is ours there and not here is to go. */
export interface WantedNetwork {
  readonly addresses: readonly AddressState[];
  readonly routes: readonly RouteState[];
  readonly rules: readonly RuleState[];
}

export const nothingWanted: WantedNetwork = { addresses: [], routes: [], rules: [] };

export function planNetwork(config: Config): NetworkPlan {
  const endpoints = config.peers.flatMap((peer) => peer.endpoints.map((endpoint) => parseCidr(endpoint.host)));
  return {
    name: config.name,
    interface: config.tunnel.interface,
    addresses: config.tunnel.addresses,
    mtu: config.tunnel.mtu,
    // One for all clients of a pool, however many.
    routes: [
      ...config.peers.flatMap((peer) => peer.allowedIPs),
      ...(config.server === undefined ? [] : poolsOf(config.server)),
    ],
    endpoints: endpoints.filter((endpoint) => endpoint !== undefined),
    hasUnknownEndpoints:
      config.server !== undefined ||
      endpoints.includes(undefined) ||
      config.peers.some((peer) => peer.endpoints.length === 0),
    mark: markOf(config),
    table: config.routing.table,
    onExit: config.routing.onExit,
    runDirectory: config.runtime.runDirectory,
  };
}

/** The mark on every packet the daemon itself sends to the outside. */
export function fwmarkOf(config: Pick<Config, 'name' | 'routing'>): number {
  return markOf(config).value;
}

function markOf({ name, routing }: Pick<Config, 'name' | 'routing'>): Mark {
  if (routing.fwmark !== 'auto') return { value: routing.fwmark, mask: allBits };
  const hash = createHash('sha256').update(name).digest().readUInt16BE(0);
  return { value: autoMark.base + (hash & autoMark.own), mask: autoMark.mask };
}

/** All that shall be there while the instance runs on the interface of that index, but what others have (`taken`). */
export function wantedRunning(
  plan: NetworkPlan,
  interfaceIndex: number,
  families: readonly Family[],
  taken: readonly Place[] = [],
): WantedNetwork {
  const own = new Set(plan.addresses.map((address) => keyOf(maskCidr(address))));
  const allowed = new Set(plan.routes.map((route) => keyOf(maskCidr(route))));
  const hasPrefixRoute = plan.table !== 'auto';
  const others = new Set(taken.map(({ prefix }) => keyOf(prefix)));
  const isTaken = (place: Place): boolean => others.has(keyOf(place.prefix));
  // In a table of ours the route waits behind the other one, and serves when that has gone.
  const places = placesOf(plan, families).filter((place) => place.isHidden || !isTaken(place));
  const routes = places.flatMap(({ prefix, table }): RouteState[] => {
    const metric = prefix.family === 6 ? ipv6Metric : 0;
    const route: RouteState = { ...routeTo(prefix, table), kind: 'unicast', interfaceIndex, metric };
    const isBlocked = plan.onExit === 'closed' && allowed.has(keyOf(prefix));
    const block = isBlocked ? [blockOf(plan.name, prefix, table)] : [];
    return table === mainTable && own.has(keyOf(prefix)) ? block : [route, ...block];
  });
  const usable = plan.addresses.filter((address) => families.includes(address.family));
  const addresses = usable.map(({ family, addressHex, prefix }): AddressState => {
    return { family, index: interfaceIndex, addressHex, prefix, scope: 0, hasPrefixRoute };
  });
  return { addresses, routes, rules: rulesOf(plan, families) };
}

/** What stays behind after a stop. */
export function wantedStopped(plan: NetworkPlan, families: readonly Family[]): WantedNetwork {
  if (plan.onExit === 'open') return nothingWanted;
  const allowed = { ...plan, addresses: [] };
  const routes = placesOf(allowed, families).map(({ prefix, table }) => blockOf(plan.name, prefix, table));
  return { addresses: [], routes, rules: rulesOf(allowed, families) };
}

/** Whether answers to the daemon's own packets may come from where the tunnel leads: then a strict rp_filter drops them. */
export function mayHoldEndpoints(plan: NetworkPlan, family: Family): boolean {
  const isPrivate = (prefix: Cidr): boolean => privateNetworks.some((network) => contains(network, prefix));
  const holds = (prefix: Cidr): boolean =>
    isUnsafe(plan, prefix) || (plan.table === 'auto' && plan.hasUnknownEndpoints && !isPrivate(prefix));
  const leads = plan.table === 'auto' || plan.table === 'main';
  return leads && plan.routes.some((prefix) => prefix.family === family && holds(prefix));
}

/** A network that leads into the tunnel, and where its route stands. */
export interface Place {
  readonly prefix: Cidr;
  readonly table: number;
  /** The table is one of our own. */
  readonly isHidden: boolean;
}

/** Each once. */
export function placesOf(plan: NetworkPlan, families: readonly Family[]): readonly Place[] {
  const { table } = plan;
  if (table === 'off') return [];
  return families.flatMap((family) => {
    const hidden = hiddenOf(plan, family);
    const tableOf = ownTablesOf(plan.name, hidden);
    const keys = new Set(hidden.map(keyOf));
    return networksOf(plan, family).map((prefix): Place => {
      if (keys.has(keyOf(prefix))) return { prefix, table: tableOf(prefix), isHidden: true };
      return { prefix, table: typeof table === 'number' ? table : mainTable, isHidden: false };
    });
  });
}

function rulesOf(plan: NetworkPlan, families: readonly Family[]): RuleState[] {
  return families.flatMap((family) => ownRulesOf(plan.name, plan.mark, family, hiddenOf(plan, family)));
}

/** Those that marked packets must not see. */
function hiddenOf(plan: NetworkPlan, family: Family): readonly Cidr[] {
  if (plan.table === 'auto') return networksOf(plan, family);
  if (plan.table === 'main') return networksOf(plan, family).filter((prefix) => isUnsafe(plan, prefix));
  return [];
}

/** What the peers have; and, where the kernel does not do it, what the tunnel's addresses are on. */
function networksOf(plan: NetworkPlan, family: Family): readonly Cidr[] {
  const isHost = ({ addressHex, prefix }: Cidr): boolean => prefix === addressHex.length * 4;
  const own = plan.table === 'auto' ? plan.addresses.filter((address) => !isHost(address)) : [];
  const networks = [...plan.routes, ...own].filter((one) => one.family === family).map(maskCidr);
  return [...new Map(networks.map((network) => [keyOf(network), network])).values()];
}

function routeTo(prefix: Cidr, table: number): Omit<RouteState, 'kind' | 'interfaceIndex' | 'metric'> {
  const { family, addressHex, prefix: bits } = prefix;
  return { family, destinationHex: addressHex, prefix: bits, table, protocol: hawserProtocol };
}

function blockOf(name: string, prefix: Cidr, table: number): RouteState {
  return { ...routeTo(prefix, table), kind: 'unreachable', interfaceIndex: 0, metric: tagOf(name) };
}

function isUnsafe(plan: NetworkPlan, prefix: Cidr): boolean {
  return isWide(prefix) || plan.endpoints.some((endpoint) => contains(prefix, endpoint));
}

type Network = Pick<Cidr, 'family' | 'addressHex' | 'prefix'>;

/** Whether `inner` lies in `outer`, or is it. */
export function contains(outer: Network, inner: Network): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  return maskHex(inner.addressHex, outer.prefix) === maskHex(outer.addressHex, outer.prefix);
}

function keyOf(cidr: Cidr): string {
  return `${cidr.addressHex}/${cidr.prefix}`;
}
