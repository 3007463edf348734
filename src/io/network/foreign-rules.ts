/**
 * Finds rules of others (`ip rule`) that lead packets elsewhere than the configuration wants: the daemon's own by their mark or their
 * source, and those that shall enter the tunnel. The kernel is asked for the way; rules are read only to name the one at fault.
 */

import { type Family, familyOfHex } from '../../base/family.ts';
import { formatAddress, formatCidr, maskCidr } from '../../config/address.ts';
import type { Cidr, LinkConfig } from '../../config/config.ts';
import { type RulePrefix, type RuleSelectors, type RuleState, ruleParse, ruleSelectors } from '../../wire/fib-rule.ts';
import { netlinkFlag } from '../../wire/netlink.ts';
import { dumpQueryEmit, mainTable, rtm } from '../../wire/rtnetlink.ts';
import type { LinkState } from '../../wire/rtnetlink-link.ts';
import type { Netlink } from '../netlink.ts';
import { listAddresses, listLinks } from '../netlink-tables.ts';
import { findSource } from '../source-finder.ts';
import { askWay, routesTo } from '../ways.ts';
import type { Trouble } from './conflicts.ts';
import { hawserProtocol } from './own-tables.ts';
import { type NetworkPlan, type Place, placesOf } from './plan.ts';

/** What the daemon sends past the tunnel. */
export interface OwnTraffic {
  readonly links: readonly Pick<LinkConfig, 'name' | 'interface'>[];
  /** Hexadecimal: endpoints that are known. */
  readonly destinations: readonly string[];
}

type ForeignRule = RuleState & RuleSelectors;

/** What rules choose by. */
interface Packet {
  readonly mark: number;
  readonly destinationHex: string;
  /** undefined = not chosen yet. */
  readonly sourceHex: string | undefined;
  /** undefined = any. */
  readonly output: LinkState | undefined;
}

/** Some host of the Internet (RFC 5737, RFC 3849), where no endpoint is known. */
const somewhere = { 4: 'c0000201', 6: '20010db8000000000000000000000001' } as const;
/** RTPROT_KERNEL: the kernel's rules for local, main, default and VRFs. Before Linux 4.17 it says nothing; these are theirs. */
const kernelProtocol = 2;
const kernelPriorities: readonly number[] = [0, 32766, 32767];
const allBits = 0xffffffff;
/** Of a long list of allowedIPs; each costs a question, and only while there are such rules. */
const mostPlaces = 64;
/** Free in the table of docs/operating/routing.md, and within what Calico leaves. */
const firstSpareMark = 0x48;
const spareMarks = 0x10000;
/** Behind the rules of every instance, before main's. */
const behindOurs = 'between 32384 and 32765';

export function findMisled(netlink: Netlink, plan: NetworkPlan, traffic: OwnTraffic): readonly Trouble[] {
  const search = new Search(netlink, plan, traffic);
  const found = ([4, 6] as const).flatMap((family) => search.look(family));
  return [...new Map(found.map((trouble) => [trouble.text, trouble])).values()];
}

class Search {
  readonly #netlink: Netlink;
  readonly #plan: NetworkPlan;
  readonly #traffic: OwnTraffic;
  #rules: readonly ForeignRule[] = [];
  #links: readonly LinkState[] = [];

  constructor(netlink: Netlink, plan: NetworkPlan, traffic: OwnTraffic) {
    this.#netlink = netlink;
    this.#plan = plan;
    this.#traffic = traffic;
  }

  look(family: Family): readonly Trouble[] {
    this.#rules = listForeign(this.#netlink, family);
    if (this.#rules.length === 0) return [];
    this.#links = listLinks(this.#netlink);
    const own = this.#traffic.links.flatMap((link) => this.#lookByLink(link, family));
    const tunnel = this.#links.find(({ name }) => name === this.#plan.interface);
    // Before the tunnel is up nothing leads there.
    const places = tunnel?.up === true ? placesOf(this.#plan, [family]).slice(0, mostPlaces) : [];
    return [...own, ...places.flatMap((place) => this.#lookIntoTunnel(place))];
  }

  #lookByLink({ name, interface: device }: OwnTraffic['links'][number], family: Family): readonly Trouble[] {
    const output = this.#links.find((link) => link.name === device);
    if (device !== undefined && output === undefined) return [];
    const destinationHex = this.#traffic.destinations.find((hex) => familyOfHex(hex) === family) ?? somewhere[family];
    const mark = this.#plan.mark.value;
    const sourceHex = output === undefined ? undefined : this.#sourceOf(output, destinationHex);
    // Without an address of the family nothing leaves by it.
    if (output !== undefined && sourceHex === undefined) return [];
    const what = device === undefined ? 'what Hawser sends' : `what Hawser sends by link ${name}`;
    const first: Packet = { mark, destinationHex, sourceHex, output };
    const found = this.#judge(first, what);
    if (device !== undefined || found !== undefined) return found ?? [];
    // An answer has its source before its route is looked up.
    const way = this.#rules.some((rule) => rule.source !== undefined) ? this.#ask(first) : 'none';
    if (typeof way === 'string' || way.sourceHex === '') return [];
    return this.#judge({ ...first, sourceHex: way.sourceHex }, `${what} from ${addressOf(way.sourceHex)}`) ?? [];
  }

  /** undefined = no rule of others decides. */
  #judge(packet: Packet, what: string): readonly Trouble[] | undefined {
    const { destinationHex, output } = packet;
    const matching = this.#rules.filter((rule) => matches(rule, packet));
    if (matching.length === 0) return undefined;
    const way = this.#ask(packet);
    if (typeof way === 'string') {
      const rule = matching.find((one) => this.#refuses(one, destinationHex));
      return rule === undefined ? undefined : [this.#describe(rule, `refuses ${what} (${way})`)];
    }
    const rule = matching.find(({ action, table }) => action === 'lookup' && table === way.table);
    if (rule === undefined) return undefined;
    const goes = this.#nameOf(way.interfaceIndex);
    if (goes === this.#plan.interface) return [this.#describe(rule, `leads ${what} into its own tunnel ${goes}`)];
    if (output !== undefined || isMeant(rule)) return undefined;
    const [usual] = routesTo(this.#netlink, mainTable, destinationHex);
    if (usual === undefined || usual.interfaceIndex === way.interfaceIndex) return undefined;
    return [this.#describe(rule, `leads ${what} out by ${goes}, and not by ${this.#nameOf(usual.interfaceIndex)}`)];
  }

  /** Traffic of this host for the other end of the tunnel. */
  #lookIntoTunnel({ prefix }: Place): readonly Trouble[] {
    const destinationHex = hostIn(prefix);
    const packet: Packet = { mark: 0, destinationHex, sourceHex: undefined, output: undefined };
    const matching = this.#rules.filter((rule) => matches(rule, packet));
    const way = matching.length === 0 ? undefined : this.#ask(packet);
    if (way === undefined) return [];
    const rule =
      typeof way === 'string'
        ? matching.find((one) => this.#refuses(one, destinationHex))
        : matching.find(({ action, table }) => action === 'lookup' && table === way.table);
    const goes = typeof way === 'string' ? 'nowhere' : `to ${this.#nameOf(way.interfaceIndex)}`;
    if (rule === undefined || goes === `to ${this.#plan.interface}`) return [];
    const network = formatCidr(maskCidr(prefix));
    const text = `${describeRule(rule)} comes before Hawser's own: ${network} leads ${goes} and not to ${this.#plan.interface}`;
    return [{ text, remedy: `give that rule a priority ${behindOurs}, or take ${network} out of allowedIPs` }];
  }

  /** The name of an errno: it is refused. */
  #ask({ mark, destinationHex, sourceHex, output }: Packet): ReturnType<typeof askWay> {
    const way = askWay(this.#netlink, {
      family: familyOfHex(destinationHex),
      destinationHex,
      sourceHex,
      interfaceIndex: output?.index ?? 0,
      fwmark: mark,
      // Bound to an interface, what a table refuses leaves for a neighbour there (ip_route_output_key_hash_rcu of net/ipv4/route.c).
      mustMatch: output !== undefined,
    });
    return typeof way !== 'string' && way.isRefusal ? 'EHOSTUNREACH' : way;
  }

  #sourceOf({ index }: LinkState, destinationHex: string): string | undefined {
    const addresses = listAddresses(this.#netlink, index);
    return findSource(this.#netlink, index, addresses, this.#plan.mark.value, destinationHex);
  }

  #refuses({ action, table }: ForeignRule, destinationHex: string): boolean {
    if (action !== 'lookup') return action !== 'other';
    const [route] = routesTo(this.#netlink, table, destinationHex);
    return route !== undefined && route.kind !== 'unicast';
  }

  #nameOf(index: number): string {
    return this.#links.find((link) => link.index === index)?.name ?? `interface ${index}`;
  }

  #describe(rule: ForeignRule, effect: string): Trouble {
    const { family, priority, fwmark } = rule;
    const removal = `ip -${family} rule del priority ${priority}, if nobody needs it`;
    if (fwmark === undefined) return { text: `${describeRule(rule)} ${effect}`, remedy: removal };
    const marked = `which carries the mark ${hexOf(this.#plan.mark.value)}`;
    return { text: `${describeRule(rule)} ${effect}, ${marked}`, remedy: `${this.#otherMark()}; or ${removal}` };
  }

  #otherMark(): string {
    const marks = this.#rules.filter(({ fwmark }) => fwmark !== undefined);
    for (let mark = firstSpareMark; mark < firstSpareMark + spareMarks; mark += 1) {
      if (!marks.some((rule) => isMarked(rule, mark)))
        return `routing.fwmark: ${hexOf(mark)} is a mark that no rule takes`;
    }
    return 'choose another routing.fwmark';
  }
}

/** Somebody wrote a rule for this very mark, or for all of the host that is not theirs: that is what the host wants. */
function isMeant({ fwmark, fwmask, invert, source }: ForeignRule): boolean {
  return fwmark === undefined ? source === undefined : fwmask === allBits || invert;
}

function isMarked({ fwmark, fwmask, invert }: ForeignRule, mark: number): boolean {
  return (((mark ^ (fwmark ?? 0)) & fwmask) === 0) !== invert;
}

/** fib_rule_match() of net/core/fib_rules.c and what the families add to it, for packets that this host makes. */
function matches(rule: ForeignRule, { mark, destinationHex, sourceHex, output }: Packet): boolean {
  const isSo =
    !rule.isSpecial &&
    rule.tos === 0 &&
    (rule.input === '' || rule.input === 'lo') &&
    (rule.output === '' || rule.output === output?.name) &&
    (rule.fwmark === undefined || isMarked({ ...rule, invert: false }, mark)) &&
    (rule.source === undefined || (sourceHex !== undefined && covers(rule.source, sourceHex))) &&
    (rule.destination === undefined || covers(rule.destination, destinationHex));
  return isSo !== rule.invert && !rule.isSpecial;
}

function covers({ hex, bits }: RulePrefix, addressHex: string): boolean {
  const difference = BigInt(`0x${hex}`) ^ BigInt(`0x${addressHex}`);
  return difference >> BigInt(addressHex.length * 4 - bits) === 0n;
}

/** The first address in a network that is a host's. */
function hostIn(prefix: Cidr): string {
  const { addressHex, prefix: bits, family } = maskCidr(prefix);
  if (bits === 0) return somewhere[family];
  const isHost = bits === addressHex.length * 4;
  return isHost ? addressHex : (BigInt(`0x${addressHex}`) + 1n).toString(16).padStart(addressHex.length, '0');
}

/** In the order in which they are asked. */
function listForeign(netlink: Netlink, family: Family): readonly ForeignRule[] {
  const rules: ForeignRule[] = [];
  netlink.query(
    {
      type: rtm.getRule,
      flags: netlinkFlag.dump,
      what: 'list rules',
      emit: (target, at) => dumpQueryEmit(target, at, rtm.getRule, { family }),
    },
    (type, bytes, at, end) => {
      const rule = type === rtm.newRule ? ruleParse(bytes, at, end) : undefined;
      const selectors = rule === undefined ? undefined : ruleSelectors(bytes, at, end);
      if (rule === undefined || selectors === undefined) return;
      const { protocol, priority } = rule;
      const isKernels = protocol === kernelProtocol || (protocol === 0 && kernelPriorities.includes(priority));
      if (!isKernels && protocol !== hawserProtocol) rules.push({ ...rule, ...selectors });
    },
  );
  return rules.sort((a, b) => a.priority - b.priority);
}

/** As `ip rule` shows it. */
function describeRule(rule: ForeignRule): string {
  const { family, priority, invert, source, destination, fwmark, fwmask, input, output, action, table } = rule;
  const words = [
    invert ? 'not' : '',
    `from ${source === undefined ? 'all' : textOf(source)}`,
    destination === undefined ? '' : `to ${textOf(destination)}`,
    fwmark === undefined ? '' : `fwmark ${hexOf(fwmark)}${fwmask === allBits ? '' : `/${hexOf(fwmask)}`}`,
    input === '' ? '' : `iif ${input}`,
    output === '' ? '' : `oif ${output}`,
    action === 'lookup' ? `lookup ${table === mainTable ? 'main' : table}` : action,
  ];
  return `IPv${family} rule ${priority} (${words.filter((word) => word !== '').join(' ')})`;
}

function addressOf(hex: string): string {
  return formatAddress(Buffer.from(hex, 'hex'));
}

function textOf({ hex, bits }: RulePrefix): string {
  return `${addressOf(hex)}${bits === hex.length * 4 ? '' : `/${bits}`}`;
}

function hexOf(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
