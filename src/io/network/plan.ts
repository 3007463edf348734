/**
 * What the kernel's network shall look like while an instance runs, and after it stopped `closed`: pure, nothing is touched.
 *
 * Ordinary prefixes of `allowedIPs` become routes of the main table. Wide ones (the default route, its halves, whatever
 * contains a literal endpoint) go to a table of our own, behind two rules as wg-quick sets them:
 * ```
 * P      from all lookup main suppress_prefixlength 0      every route of main but the default one comes first
 * P + 1  not from all fwmark M lookup T                    what does not carry our mark goes to the tunnel
 * ```
 * so the daemon's own packets, which carry the mark, fall through to main's default route. P lies in 30464 to 32463 and M
 * (`fwmark: auto`) in 0x68770000 to 0x6877ffff; both derive from the instance's name alone. T is M, or the automatic number
 * where M was chosen below 256, the numbers of the kernel's own tables. All that is ours carries the
 * route protocol 77; routes that block carry the instance's tag as their metric, so leftovers are known by the name.
 *
 * With `onExit: closed` the blocking routes (type unreachable) stand behind the tunnel's from the first moment: traffic is
 * blocked also when the process or the interface dies.
 */
import { createHash } from 'node:crypto';
import { maskCidr, parseCidr } from '../../config/address.ts';
import type { Cidr, Config } from '../../config/config.ts';
import { type AddressState, type Family, mainTable, type RouteState, type RuleState } from '../../wire/rtnetlink.ts';

/** rtm_protocol and FRA_PROTOCOL of everything we add; free in iproute2's rt_protos. */
export const hawserProtocol = 77;
/** "hw", then 16 bits of the name's hash: tag, automatic fwmark and table number. */
const tagBase = 0x68770000;
const rulePriorityBase = 30464;
const rulePriorities = 1000;
/** RT_TABLE_MAX of the kernels that had 8 bits; 253 to 255 are default, main and local. */
const firstOwnTable = 256;
/** IPv6 puts routes without a metric at 1024; said openly so that wanted and present compare. */
const ipv6Metric = 1024;
/** Prefixes this short cover half the Internet (0.0.0.0/1, 2000::/3) and thus some endpoint. */
const wideBits = { 4: 7, 6: 6 } as const;

export interface NetworkPlan {
  readonly name: string;
  readonly interface: string;
  readonly addresses: readonly Cidr[];
  readonly mtu: number;
  /** Networks reached through the tunnel. */
  readonly routes: readonly Cidr[];
  /** Endpoints known as addresses, /32 or /128. */
  readonly endpoints: readonly Cidr[];
  readonly fwmark: number;
  /** Of the wide prefixes, with `routeTable: auto`. */
  readonly table: number;
  /** Where the routes go; `off` = there are none. */
  readonly routeTable: Config['routing']['table'];
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
  const fwmark = fwmarkOf(config);
  return {
    name: config.name,
    interface: config.tunnel.interface,
    addresses: config.tunnel.addresses,
    mtu: config.tunnel.mtu,
    routes: config.peers.flatMap((peer) => peer.allowedIPs),
    endpoints: endpoints.filter((endpoint) => endpoint !== undefined),
    fwmark,
    table: fwmark < firstOwnTable ? tagOf(config.name) : fwmark,
    routeTable: config.routing.table,
    onExit: config.routing.onExit,
    runDirectory: config.runtime.runDirectory,
  };
}

/** The mark on every packet the daemon itself sends to the outside. */
export function fwmarkOf(config: Pick<Config, 'name' | 'routing'>): number {
  return config.routing.fwmark === 'auto' ? tagOf(config.name) : config.routing.fwmark;
}

/** The number that leftovers of an instance are known by. */
export function tagOf(name: string): number {
  return tagBase + hashOf(name);
}

/** Of the first of its two rules; the second has the next one. */
export function rulePriorityOf(name: string): number {
  return rulePriorityBase + 2 * (hashOf(name) % rulePriorities);
}

/** All that shall be there while the instance runs on the interface of that index. */
export function wantedRunning(plan: NetworkPlan, interfaceIndex: number, families: readonly Family[]): WantedNetwork {
  const own = plan.addresses.map((address) => keyOf(maskCidr(address)));
  const routes = routesOf(plan, families).flatMap(({ prefix, table }): RouteState[] => {
    const metric = prefix.family === 6 ? ipv6Metric : 0;
    const route: RouteState = { ...routeTo(prefix, table), kind: 'unicast', interfaceIndex, metric };
    const block = plan.onExit === 'closed' ? [blockOf(plan.name, prefix, table)] : [];
    // The kernel routes the network of an interface's own address by itself.
    return table === mainTable && own.includes(keyOf(prefix)) ? block : [route, ...block];
  });
  return { addresses: addressesOf(plan, interfaceIndex, families), routes, rules: rulesOf(plan, families) };
}

/** What stays behind after a stop. */
export function wantedStopped(plan: NetworkPlan, families: readonly Family[]): WantedNetwork {
  if (plan.onExit === 'open') return nothingWanted;
  const routes = routesOf(plan, families).map(({ prefix, table }) => blockOf(plan.name, prefix, table));
  return { addresses: [], routes, rules: rulesOf(plan, families) };
}

/** Whether the plan has routes that only packets without our mark may take. */
export function hasMarkedRoutes(plan: NetworkPlan, family: Family): boolean {
  return plan.routeTable === 'auto' && plan.routes.some((prefix) => prefix.family === family && isWide(plan, prefix));
}

function addressesOf(plan: NetworkPlan, index: number, families: readonly Family[]): AddressState[] {
  const usable = plan.addresses.filter((address) => families.includes(address.family));
  return usable.map(({ family, addressHex, prefix }) => ({ family, index, addressHex, prefix, scope: 0 }));
}

function routesOf(plan: NetworkPlan, families: readonly Family[]): { prefix: Cidr; table: number }[] {
  if (plan.routeTable === 'off') return [];
  const distinct = new Map(plan.routes.map((route) => [keyOf(maskCidr(route)), maskCidr(route)]));
  const usable = [...distinct.values()].filter((prefix) => families.includes(prefix.family));
  return usable.map((prefix) => ({ prefix, table: tableOf(plan, prefix) }));
}

function tableOf(plan: NetworkPlan, prefix: Cidr): number {
  if (typeof plan.routeTable === 'number') return plan.routeTable;
  return plan.routeTable === 'auto' && isWide(plan, prefix) ? plan.table : mainTable;
}

function routeTo(prefix: Cidr, table: number): Omit<RouteState, 'kind' | 'interfaceIndex' | 'metric'> {
  const { family, addressHex, prefix: bits } = prefix;
  return { family, destinationHex: addressHex, prefix: bits, table, protocol: hawserProtocol };
}

function blockOf(name: string, prefix: Cidr, table: number): RouteState {
  return { ...routeTo(prefix, table), kind: 'unreachable', interfaceIndex: 0, metric: tagOf(name) };
}

function rulesOf(plan: NetworkPlan, families: readonly Family[]): RuleState[] {
  const marked = families.filter((family) => hasMarkedRoutes(plan, family));
  const priority = rulePriorityOf(plan.name);
  const ours = { protocol: hawserProtocol, suppressPrefix: undefined, fwmark: undefined, invert: false };
  return marked.flatMap((family): RuleState[] => [
    { ...ours, family, priority, table: mainTable, suppressPrefix: 0 },
    { ...ours, family, priority: priority + 1, table: plan.table, fwmark: plan.fwmark, invert: true },
  ]);
}

function isWide(plan: NetworkPlan, prefix: Cidr): boolean {
  if (prefix.prefix <= wideBits[prefix.family]) return true;
  const masked = keyOf(maskCidr(prefix));
  return plan.endpoints.some(
    (endpoint) =>
      endpoint.family === prefix.family && keyOf(maskCidr({ ...endpoint, prefix: prefix.prefix })) === masked,
  );
}

function keyOf(cidr: Cidr): string {
  return `${cidr.addressHex}/${cidr.prefix}`;
}

function hashOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt16BE(0);
}
