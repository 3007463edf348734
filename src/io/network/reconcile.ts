/** Compares what the kernel has of ours with what is wanted, and makes the requests for the difference alone. */

import type { Family } from '../../base/family.ts';
import { formatAddress } from '../../config/address.ts';
import { errnoOf } from '../../contract/errnos.ts';
import { type RuleState, ruleEmit, ruleParse } from '../../wire/fib-rule.ts';
import { netlinkFlag } from '../../wire/netlink.ts';
import { dumpQueryEmit, rtm } from '../../wire/rtnetlink.ts';
import { type AddressState, addressEmit } from '../../wire/rtnetlink-address.ts';
import { type RouteState, routeEmit, routeParse } from '../../wire/rtnetlink-route.ts';
import type { Netlink, NetlinkRequest } from '../netlink.ts';
import { listAddresses } from '../netlink-tables.ts';
import { hawserProtocol, isOwnPriority, isOwnTable, tagOf } from './own-tables.ts';
import type { WantedNetwork } from './plan.ts';

/** RT_SCOPE_LINK: the addresses the kernel gives an interface by itself. */
const linkScope = 253;

/** Whose things are looked for; `interfaceIndex` is 0 when the caller does not know it. */
export interface Ownership {
  readonly name: string;
  readonly interfaceIndex: number;
}

/**
 * Reads what belongs to the instance: addresses of its interface, rules of its priorities, and routes of our protocol that
 * lead to its interface, bear its tag, or stand in its tables.
 */
export function readPresent(netlink: Netlink, owner: Ownership, families: readonly Family[]): WantedNetwork {
  const rules = families.flatMap((family) => listRules(netlink, family));
  const routes = families.flatMap((family) => listRoutes(netlink, family));
  return {
    addresses: owner.interfaceIndex === 0 ? [] : ownAddresses(netlink, owner.interfaceIndex),
    routes: routes.filter((route) => ownsRoute(owner, route)),
    rules: rules.filter((rule) => isOwnPriority(owner.name, rule.priority)),
  };
}

/** The requests that lead from `present` to `wanted`, in an order that never lets traffic past the tunnel in between. */
export function differenceOf(present: WantedNetwork, wanted: WantedNetwork, interfaceName: string): NetlinkRequest[] {
  const before = keysOf(present);
  const after = keysOf(wanted);
  const isNew = (item: object): boolean => !before.keys.has(after.of(item) ?? '');
  const isGone = (item: object): boolean => !after.keys.has(before.of(item) ?? '');
  const added = <T extends object>(items: readonly T[]): T[] => items.filter(isNew);
  const gone = <T extends object>(items: readonly T[]): T[] => items.filter(isGone);
  const address = pairOf<AddressState>(addAddress, deleteAddress, interfaceName);
  const route = pairOf<RouteState>(addRoute, deleteRoute, interfaceName);
  const rule = pairOf<RuleState>(addRule, deleteRule, interfaceName);
  return [
    ...added(wanted.addresses).map(address.add),
    ...added(wanted.routes).map(route.add),
    ...added(wanted.rules).map(rule.add),
    ...gone(present.rules).map(rule.remove),
    ...gone(present.routes).map(route.remove),
    ...gone(present.addresses).map(address.remove),
  ];
}

/** `undo`: makes what takes it back; of ten thousand requests few are. */
type Requester<T> = (item: T, interfaceName: string, undo?: () => NetlinkRequest) => NetlinkRequest;

/** Each of the two takes back what the other did. */
function pairOf<T>(add: Requester<T>, remove: Requester<T>, interfaceName: string) {
  const both =
    (one: Requester<T>, other: Requester<T>) =>
    (item: T): NetlinkRequest =>
      one(item, interfaceName, () => other(item, interfaceName));
  return { add: both(add, remove), remove: both(remove, add) };
}

export function listRules(netlink: Netlink, family: Family): RuleState[] {
  const rules = new Map<string, RuleState>();
  dump(netlink, rtm.getRule, { family }, 'list rules', (type, bytes, at, end) => {
    const rule = type === rtm.newRule ? ruleParse(bytes, at, end) : undefined;
    if (rule?.protocol === hawserProtocol) rules.set(keyOfRule(rule), rule);
  });
  return [...rules.values()];
}

function listRoutes(netlink: Netlink, family: Family): RouteState[] {
  const routes = new Map<string, RouteState>();
  dump(netlink, rtm.getRoute, { family, protocol: hawserProtocol }, 'list routes', (type, bytes, at, end) => {
    const route = type === rtm.newRoute ? routeParse(bytes, at, end) : undefined;
    // Kernels before 4.20 do not filter.
    if (route?.protocol !== hawserProtocol) return;
    const ours = route.kind === 'unicast' ? route : { ...route, interfaceIndex: 0 };
    routes.set(keyOfRoute(ours), ours);
  });
  return [...routes.values()];
}

function ownAddresses(netlink: Netlink, index: number): AddressState[] {
  return listAddresses(netlink, index).filter((address) => address.scope !== linkScope);
}

function dump(
  netlink: Netlink,
  type: number,
  filter: Parameters<typeof dumpQueryEmit>[3],
  what: string,
  visit: Parameters<Netlink['query']>[1],
): void {
  const emit = (target: Uint8Array, at: number): number => dumpQueryEmit(target, at, type, filter);
  netlink.query({ type, flags: netlinkFlag.dump, what, emit }, visit);
}

function ownsRoute(owner: Ownership, route: RouteState): boolean {
  if (route.metric === tagOf(owner.name) || isOwnTable(owner.name, route.table)) return true;
  return route.kind === 'unicast' && owner.interfaceIndex !== 0 && route.interfaceIndex === owner.interfaceIndex;
}

const makeFlags = netlinkFlag.create | netlinkFlag.exclusive;

function addAddress(address: AddressState, interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.newAddress,
    flags: makeFlags,
    get what() {
      return `add address ${textOf(address.addressHex)}/${address.prefix} to ${interfaceName}`;
    },
    tolerates: [errnoOf.EEXIST],
    emit: (target, at) => addressEmit(target, at, address),
    undo,
  };
}

function deleteAddress(address: AddressState, interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.deleteAddress,
    flags: 0,
    get what() {
      return `remove address ${textOf(address.addressHex)}/${address.prefix} from ${interfaceName}`;
    },
    tolerates: [errnoOf.EADDRNOTAVAIL, errnoOf.ENODEV],
    emit: (target, at) => addressEmit(target, at, address),
    undo,
  };
}

function addRoute(route: RouteState, interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.newRoute,
    flags: makeFlags,
    get what() {
      return `add route ${describeRoute(route, interfaceName)}`;
    },
    emit: (target, at) => routeEmit(target, at, route, false),
    undo,
  };
}

function deleteRoute(route: RouteState, interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.deleteRoute,
    flags: 0,
    get what() {
      return `remove route ${describeRoute(route, interfaceName)}`;
    },
    tolerates: [errnoOf.ESRCH, errnoOf.ENOENT, errnoOf.ENODEV],
    emit: (target, at) => routeEmit(target, at, route, true),
    undo,
  };
}

function addRule(rule: RuleState, _interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.newRule,
    flags: makeFlags,
    get what() {
      return `add rule ${rule.priority} to table ${rule.table}`;
    },
    tolerates: [errnoOf.EEXIST],
    emit: (target, at) => ruleEmit(target, at, rule),
    undo,
  };
}

function deleteRule(rule: RuleState, _interfaceName: string, undo?: () => NetlinkRequest): NetlinkRequest {
  return {
    type: rtm.deleteRule,
    flags: 0,
    get what() {
      return `remove rule ${rule.priority} to table ${rule.table}`;
    },
    tolerates: [errnoOf.ENOENT],
    emit: (target, at) => ruleEmit(target, at, rule),
    undo,
  };
}

function describeRoute(route: RouteState, interfaceName: string): string {
  const way = route.kind === 'unicast' ? `through ${interfaceName}` : `(${route.kind})`;
  return `${textOf(route.destinationHex)}/${route.prefix} ${way} in table ${route.table}`;
}

function textOf(hex: string): string {
  return formatAddress(Buffer.from(hex, 'hex'));
}

interface Keys {
  readonly keys: ReadonlySet<string>;
  of(item: object): string | undefined;
}

/** The key of each item is made once: there may be ten thousand routes. */
function keysOf({ addresses, routes, rules }: WantedNetwork): Keys {
  const known = new Map<object, string>();
  for (const address of addresses) known.set(address, keyOfAddress(address));
  for (const route of routes) known.set(route, keyOfRoute(route));
  for (const rule of rules) known.set(rule, keyOfRule(rule));
  return { keys: new Set(known.values()), of: (item) => known.get(item) };
}

function keyOfAddress({ index, addressHex, prefix, scope, hasPrefixRoute }: AddressState): string {
  return `${index} ${addressHex}/${prefix} ${scope} ${hasPrefixRoute}`;
}

function keyOfRoute({ destinationHex, prefix, table, kind, interfaceIndex, metric, protocol }: RouteState): string {
  return `${destinationHex}/${prefix} ${table} ${kind} ${interfaceIndex} ${metric} ${protocol}`;
}

function keyOfRule({ family, priority, table, fwmark, fwmask, suppressPrefix, invert, protocol }: RuleState): string {
  return `${family} ${priority} ${table} ${fwmark}/${fwmask} ${suppressPrefix} ${invert} ${protocol}`;
}
