/**
 * Gives the tunnel its addresses, MTU and routes, and takes them back. Each call looks at what is there and changes only the
 * difference, so all are idempotent and a restart keeps the routes that traffic is flowing over. Called by the main thread.
 */
import { writeFileSync } from 'node:fs';
import { HawserError } from '../../base/errors.ts';
import type { Family } from '../../base/family.ts';
import { formatAddress } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';
import { rtm } from '../../wire/rtnetlink.ts';
import {
  type Netlink,
  type NetlinkRefusal,
  type NetlinkRequest,
  type NetlinkSockets,
  openNetlink,
} from '../netlink.ts';
import { findLink, listAddresses } from '../netlink-tables.ts';
import { type ApplyMode, NetworkChange } from './change.ts';
import { type Conflict, findConflicts, type Trouble } from './conflicts.ts';
import { findMisled, type OwnTraffic } from './foreign-rules.ts';
import { describeHostRules, forgetHostRules } from './host-rules.ts';
import { checkIpv6, hasIpv6 } from './ipv6.ts';
import { deleteLink, linkRequests, setLink } from './link-requests.ts';
import {
  mayHoldEndpoints,
  type NetworkPlan,
  nothingWanted,
  placesOf,
  type WantedNetwork,
  wantedRunning,
  wantedStopped,
} from './plan.ts';
import { listReached, overlapsOf } from './pool-overlaps.ts';
import { differenceOf, type Ownership, readPresent } from './reconcile.ts';
import {
  allowMarkedAnswers,
  describeLostAnswers,
  describeStrictLinks,
  forgetMarkedAnswers,
  readAnswerChecks,
} from './source-mark.ts';

const reconcileRounds = 3;

export interface NetworkReport {
  /** Requests the kernel was given; 0 = all was as wanted already. */
  readonly changes: number;
  /** The kernel has refused nothing. */
  readonly isWhole: boolean;
  /** What of the plan others have already. */
  readonly conflicts: readonly Trouble[];
  /** For the log: what could not be done, in whole sentences. */
  readonly warnings: readonly string[];
}

/**
 * Brings addresses, MTU, link, routes and rules to what `plan` wants, from whatever a previous run left. What others have already is
 * left to them, with a warning. What else the kernel refuses is a warning in mode `most`; in mode `whole` everything is put back as it
 * was, and a HawserError thrown with the kernel's words.
 */
export function applyNetwork(addon: NetlinkSockets, plan: NetworkPlan, mode: ApplyMode): NetworkReport {
  return withNetlink(addon, (netlink) => {
    const link = findLink(netlink, plan.interface);
    if (link === undefined) {
      const message = `Cannot find the tunnel's interface "${plan.interface}"`;
      throw new HawserError('ENODEV', message, 'the TUN device has to be open first');
    }
    const ipv6 = checkIpv6(plan);
    const families = familiesOf(ipv6.onInterface);
    const conflicts = findConflicts(netlink, plan.interface, placesOf(plan, families));
    const wanted = merge(
      wantedRunning(plan, link.index, families, takenBy(conflicts)),
      // Where the tunnel cannot carry IPv6, `closed` still keeps it from leaving beside the tunnel.
      ipv6.inKernel && !ipv6.onInterface ? wantedStopped(plan, [6]) : nothingWanted,
    );
    const change = new NetworkChange(netlink, mode);
    change.apply(linkRequests(plan, link, ipv6.onInterface));
    reconcile(
      netlink,
      plan,
      { name: plan.name, interfaceIndex: link.index },
      wanted,
      familiesOf(ipv6.inKernel),
      change,
    );
    const warnings = mayHoldEndpoints(plan, 4) ? allowMarkedAnswers(plan) : [];
    return {
      changes: change.count,
      isWhole: change.refusals.length === 0,
      conflicts,
      warnings: [...ipv6.warnings, ...warnings, ...change.refusals],
    };
  });
}

/**
 * Throws when a TUN device of the tunnel's name has been set up by others: it would lose their addresses now, and be gone with our end.
 * What a killed instance left bears an address that is wanted, or a route or rule of ours.
 */
export function refuseForeignTun(addon: NetlinkSockets, plan: NetworkPlan): void {
  withNetlink(addon, (netlink) => {
    const link = findLink(netlink, plan.interface);
    if (link?.kind !== 'tun') return;
    const owner = { name: plan.name, interfaceIndex: link.index };
    const { addresses, routes, rules } = readPresent(netlink, owner, familiesOf(hasIpv6()));
    const wanted = plan.addresses.map(({ addressHex }) => addressHex);
    const isOurs = routes.length + rules.length > 0 || addresses.some(({ addressHex }) => wanted.includes(addressHex));
    const [first] = addresses;
    if (isOurs || first === undefined) return;
    const text = formatAddress(Buffer.from(first.addressHex, 'hex'));
    const message = `There is a TUN device "${plan.interface}" already, and somebody else has given it the address ${text}`;
    const remedy = `choose another tunnel.interface, or \`ip link del ${plan.interface}\` if nobody needs it`;
    throw new HawserError('EEXIST', message, remedy);
  });
}

/** Settings of the host that nobody tells of when they change; another text than after `applyNetwork`: it has to be applied again. */
export function describeSilentSettings(plan: NetworkPlan): string {
  return readAnswerChecks(plan.interface);
}

/** What others have that the plan wants, and no route of ours stands in its place. */
export function describeConflicts(addon: NetlinkSockets, plan: NetworkPlan): readonly Trouble[] {
  const places = placesOf(plan, familiesOf(checkIpv6(plan).onInterface));
  return withNetlink(addon, (netlink) => findConflicts(netlink, plan.interface, places));
}

/** Networks of this host that a hub's pools share addresses with. */
export function describeOverlaps(addon: NetlinkSockets, ours: string, pools: readonly Cidr[]): readonly Trouble[] {
  return withNetlink(addon, (netlink) => overlapsOf(pools, listReached(netlink, ours)));
}

/** Rules of others that lead packets elsewhere than plan and links want, and links where answers are dropped. */
export function describeMisled(addon: NetlinkSockets, plan: NetworkPlan, traffic: OwnTraffic): readonly Trouble[] {
  return withNetlink(addon, (netlink) => {
    const hasIpv4 = (name: string): boolean => {
      const link = findLink(netlink, name);
      return link !== undefined && listAddresses(netlink, link.index).some(({ family }) => family === 4);
    };
    return [
      ...findMisled(netlink, plan, traffic),
      ...describeStrictLinks(traffic, plan.interface, hasIpv4),
      ...describeLostAnswers(plan),
    ];
  });
}

function takenBy(conflicts: readonly Conflict[]): Conflict['place'][] {
  return conflicts.map(({ place }) => place);
}

/**
 * Looks again after it took something away, or was refused something: with its last IPv4 address the kernel takes every route through an
 * interface.
 */
function reconcile(
  netlink: Netlink,
  plan: NetworkPlan,
  owner: Ownership,
  wanted: WantedNetwork,
  families: readonly Family[],
  change: NetworkChange,
): void {
  keepSecondAddresses(plan.interface);
  for (let round = 0; round < reconcileRounds; round++) {
    const before = change.refusals.length;
    const requests = differenceOf(readPresent(netlink, owner, families), wanted, plan.interface);
    const isDone = !change.apply(requests);
    if (isDone || (change.refusals.length === before && requests.every(isAddition))) break;
  }
}

function isAddition({ type }: NetlinkRequest): boolean {
  return type === rtm.newAddress || type === rtm.newRoute || type === rtm.newRule;
}

/**
 * Takes back what `applyNetwork` did, up to the interface itself (it belongs to whoever opened it). With `onExit: closed` the
 * rules and the routes that block stay until the next `applyNetwork`, or `releaseClosed`.
 */
export function removeNetwork(addon: NetlinkSockets, plan: NetworkPlan): NetworkReport {
  const { name, runDirectory } = plan;
  return withNetlink(addon, (netlink) => {
    const link = findLink(netlink, plan.interface);
    const owner = { name, interfaceIndex: link?.index ?? 0 };
    const families = familiesOf(hasIpv6());
    const wanted = wantedStopped(plan, families);
    const requests = differenceOf(readPresent(netlink, owner, families), wanted, plan.interface);
    if (link?.up === true) requests.push(setLink(plan.interface, { index: link.index, up: false }, 'take down'));
    const refusals = netlink.apply(requests);
    const kept = wanted.rules.length > 0 ? [] : forgetMarkedAnswers(name, runDirectory);
    return reportOf(requests, refusals, kept);
  });
}

/**
 * Lifts what a stop with `onExit: closed`, or a killed process, left behind: everything that bears the instance's name in the
 * kernel, and its interface when `interfaceName` is given and it is a TUN. Must not run while the instance does.
 */
export function releaseClosed(
  addon: NetlinkSockets,
  name: string,
  options: { readonly runDirectory: string; readonly interfaceName?: string },
): NetworkReport {
  return withNetlink(addon, (netlink) => {
    const families = familiesOf(hasIpv6());
    const link = options.interfaceName === undefined ? undefined : findLink(netlink, options.interfaceName);
    const owner = { name, interfaceIndex: link?.index ?? 0 };
    const present = readPresent(netlink, owner, families);
    const requests = differenceOf(present, nothingWanted, options.interfaceName ?? name);
    if (link?.kind === 'tun') requests.push(deleteLink(link));
    const refusals = netlink.apply(requests);
    return reportOf(requests, refusals, forgetHostRules(name, options.runDirectory));
  });
}

/** Where an instance stands that `releaseClosed` would lift; empty when nothing of it is in the kernel. */
export function describeLeftovers(addon: NetlinkSockets, name: string, runDirectory: string): readonly string[] {
  return withNetlink(addon, (netlink) => {
    const owner = { name, interfaceIndex: 0 };
    const present = readPresent(netlink, owner, familiesOf(hasIpv6()));
    const requests = differenceOf(present, nothingWanted, name).map(({ what }) => what.replace('remove ', ''));
    return [...requests, ...describeHostRules(name, runDirectory)];
  });
}

function withNetlink<T>(addon: NetlinkSockets, use: (netlink: Netlink) => T): T {
  const netlink = openNetlink(addon);
  try {
    return use(netlink);
  } finally {
    netlink.close();
  }
}

/** Without it the kernel takes an interface's other addresses of a network together with the first (ip-sysctl.rst). */
function keepSecondAddresses(interfaceName: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv4/conf/${interfaceName}/promote_secondaries`, '1');
  } catch (error) {
    // Read-only in a container: then `reconcile` puts back in its next round what went.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

function merge(a: WantedNetwork, b: WantedNetwork): WantedNetwork {
  return {
    addresses: [...a.addresses, ...b.addresses],
    routes: [...a.routes, ...b.routes],
    rules: [...a.rules, ...b.rules],
  };
}

function familiesOf(ipv6: boolean): readonly Family[] {
  return ipv6 ? [4, 6] : [4];
}

function reportOf(
  requests: readonly NetlinkRequest[],
  refusals: readonly NetlinkRefusal[],
  warnings: readonly string[],
): NetworkReport {
  const refused = refusals.map(({ error }) => error.message);
  return {
    changes: requests.length - refused.length,
    isWhole: refused.length === 0,
    conflicts: [],
    warnings: [...refused, ...warnings],
  };
}
