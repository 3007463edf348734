/**
 * The nft table of an instance's address translation, as text. Rules do not depend on clients: what does stands in sets and maps, by
 * their addresses (`elements.ts`), so that 10,000 clients cost a packet what one costs. What is established passes one rule at the
 * forward hook and one as it leaves; the rest is for the first packet of a connection.
 *
 * ```
 * forward   (before other tables' filters)  between clients: isolation · from clients: limit, timeout, count `asked`
 * leaving   (postrouting, before that)    count `passed`: less than `asked` means that another table drops them
 * inward    (prerouting)                  a client's own outside address; ports that lead to clients
 * translate (postrouting)                 hairpin; a client's own outside address; its block of ports; what is shared
 * ```
 * A block is of a client, whose devices are counted together: the kernel counts by what can be read of a packet, so the number of the block
 * stands in its priority for as long as it takes to count it. Only the first packet of a connection passes there.
 * Sets: `refused` holds who met the limit within the last minute, `busy` who has how many connections.
 */
import type { Family } from '../../base/family.ts';
import { formatCidr, maskCidr } from '../../config/address.ts';
import { nftTableOf } from '../network/nft.ts';
import { limitOf, type NatPlan, ofFamily } from './plan.ts';

/** One for each client of the largest pool (/16), with room; the kernel gives up at 65,535 by itself. */
const mostLeases = 131_072;
/** Destinations to which no port is left (`full-destinations.ts`). */
const mostFull = 4_096;
/** Sets of `refused`: an event is told once for as long as it goes on. */
const refusedSeconds = 60;
/** RFC 4787 section 4.3: well-known ports may have shorter timers; each name that is asked for would hold a port for minutes. */
const wellKnownSeconds = 60;
const translated = '{ tcp, udp, udplite, sctp, dccp }';

interface FamilyWords {
  readonly family: Family;
  /** Of nft: what addresses of the family are called in expressions, as a type, and as a layer. */
  readonly ip: 'ip' | 'ip6';
  readonly type: 'ipv4_addr' | 'ipv6_addr';
}

const families: readonly FamilyWords[] = [
  { family: 4, ip: 'ip', type: 'ipv4_addr' },
  { family: 6, ip: 'ip6', type: 'ipv6_addr' },
];

/** The whole table, empty of leases; `head` of a transaction that replaces it. */
export function natTable(plan: NatPlan): string {
  const used = families.filter(({ family }) => ofFamily(plan.pools, family).length > 0);
  const translating = used.filter(({ family }) => plan.masquerade[family]);
  return [
    `table inet ${nftTableOf(plan.name)} {`,
    ...['asked', 'passed', 'refused'].map((name) => `  counter ${name} { }`),
    ...used.map((words) => poolSet(plan, words)),
    ...translating.flatMap((words) => sets(plan, words)),
    ...forwardChains(plan, used, translating),
    ...(translating.length === 0 ? [] : [...inwardChain(plan, translating), ...snatChains(plan, translating)]),
    '}',
    '',
  ].join('\n');
}

function poolSet(plan: NatPlan, { family, type }: FamilyWords): string {
  const pools = ofFamily(plan.pools, family).map((pool) => formatCidr(maskCidr(pool)));
  return `  set pool${family} { type ${type}; flags interval; auto-merge; elements = { ${pools.join(', ')} }; }`;
}

function sets(plan: NatPlan, { family, type, ip }: FamilyWords): string[] {
  const seconds = plan.timeoutSeconds;
  const layer = ip;
  return [
    `  set own${family} { type ${type}; size ${mostLeases}; }`,
    `  map outside${family} { type ${type} : ${type}; size ${mostLeases}; }`,
    `  map inside${family} { type ${type} : ${type}; size ${mostLeases}; }`,
    `  map forwards${family} { type inet_proto . inet_service : ${type} . inet_service; size ${mostLeases}; }`,
    `  set refused${family} { type ${type}; size ${mostLeases}; flags dynamic, timeout; timeout ${refusedSeconds}s; }`,
    ...(plan.perClient === 0
      ? [`  set full${family} { type inet_proto . ${type} . inet_service; size ${mostFull}; flags timeout; }`]
      : []),
    ...(limitOf(plan) === 0 ? [] : [`  set busy${family} { type ${type}; size ${mostLeases}; flags dynamic; }`]),
    ...(hasBlocks(plan, family)
      ? [
          `  set ready${family} { type ${type}; size ${mostLeases}; }`,
          `  map blocks${family} { type ${type} : interval ${type} . inet_service; size ${mostLeases}; }`,
          `  map blockof${family} { type ${type} : ${type}; size ${mostLeases}; }`,
          `  map together${family} { type ${type} : classid; size ${mostLeases}; }`,
          `  set all${family} { type classid; size ${mostLeases}; flags dynamic; }`,
        ]
      : []),
    `  ct timeout udp${family} { protocol udp; l3proto ${layer}; policy = { unreplied : ${seconds}, replied : ${seconds} }; }`,
    `  ct timeout known${family} { protocol udp; l3proto ${layer}; policy = { unreplied : ${Math.min(seconds, wellKnownSeconds)}, replied : ${seconds} }; }`,
  ];
}

/** Blocks are of IPv4's ports, which are few. */
function hasBlocks({ perClient, addresses }: NatPlan, family: Family): boolean {
  return family === 4 && perClient > 0 && ofFamily(addresses, 4).length > 0;
}

function forwardChains(plan: NatPlan, used: readonly FamilyWords[], translating: readonly FamilyWords[]): string[] {
  const tunnel = quoted(plan.interface);
  return [
    ...chain('refuse', ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited']),
    ...translating.flatMap((words) => outwardChains(plan, words)),
    ...chain('outward', [
      ...translating.map(({ family, ip }) => `${ip} saddr @pool${family} goto outward${family}`),
      ...used
        .filter((words) => !translating.includes(words))
        .map(({ family, ip }) => `${ip} saddr @pool${family} ct state new counter name asked`),
    ]),
    // Also what was begun before isolation was: so this comes before what is established.
    ...(plan.isolation
      ? chain('between', [
          'ct status dnat accept',
          ...used.map(({ family, ip }) => `${ip} saddr @pool${family} ${ip} daddr @pool${family} goto refuse`),
        ])
      : []),
    ...chain('forward', [
      'type filter hook forward priority filter - 10; policy accept;',
      ...(plan.isolation ? [`iifname ${tunnel} oifname ${tunnel} jump between`] : []),
      'ct state established,related accept',
      `iifname ${tunnel} oifname != ${tunnel} jump outward`,
    ]),
    ...chain('leaving', [
      'type filter hook postrouting priority srcnat - 10; policy accept;',
      'ct state established,related accept',
      ...used.map(({ family, ip }) => `oifname != ${tunnel} ${ip} saddr @pool${family} counter name passed`),
    ]),
  ];
}

/** For what begins. What connection tracking cannot place would leave with the client's own address. */
function outwardChains(plan: NatPlan, { family, ip }: FamilyWords): string[] {
  const limit = limitOf(plan);
  return [
    ...chain(`exhausted${family}`, [`update @refused${family} { ${ip} saddr }`, 'counter name refused', 'goto refuse']),
    ...(hasBlocks(plan, family)
      ? chain(`counted${family}`, [
          `add @all${family} { meta priority ct count over ${limit} } goto exhausted${family}`,
          'meta priority set none',
        ])
      : []),
    ...chain(`outward${family}`, [
      'ct state invalid,untracked drop',
      `udp dport 0-1023 ct timeout set "known${family}"`,
      `udp dport 1024-65535 ct timeout set "udp${family}"`,
      ...(hasBlocks(plan, family)
        ? [`${ip} saddr != @own${family} ${ip} saddr != @ready${family} goto exhausted${family}`]
        : []),
      ...(plan.perClient === 0
        ? [`meta l4proto { tcp, udp } meta l4proto . ${ip} daddr . th dport @full${family} goto refuse`]
        : []),
      ...(limit === 0
        ? []
        : [
            `${ip} saddr != @own${family} add @busy${family} { ${ip} saddr ct count over ${limit} } goto exhausted${family}`,
          ]),
      ...(hasBlocks(plan, family)
        ? [`${ip} saddr != @own${family} meta priority set ${ip} saddr map @together${family} jump counted${family}`]
        : []),
      'counter name asked',
    ]),
  ];
}

function inwardChain({ ownPorts }: NatPlan, translating: readonly FamilyWords[]): string[] {
  return chain('inward', [
    'type nat hook prerouting priority dstnat; policy accept;',
    ...(['udp', 'tcp'] as const).flatMap((protocol) => {
      const ports = ownPorts[protocol];
      return ports.length === 0 ? [] : [`fib daddr type local ${protocol} dport { ${ports.join(', ')} } accept`];
    }),
    ...translating.flatMap(({ family, ip }) => [
      `dnat ${ip} to ${ip} daddr map @inside${family}`,
      `meta nfproto ipv${family} meta l4proto { tcp, udp } fib daddr type local dnat ${ip} to meta l4proto . th dport map @forwards${family}`,
    ]),
  ]);
}

function snatChains(plan: NatPlan, translating: readonly FamilyWords[]): string[] {
  const tunnel = quoted(plan.interface);
  return [
    ...translating.flatMap((words) => chain(`translate${words.family}`, snatRules(plan, words))),
    ...chain('translate', [
      'type nat hook postrouting priority srcnat; policy accept;',
      // From one client to another by an outside address: the answer has to come back this way, and tells nobody's inner address.
      ...translating.map(({ family, ip }) => `oifname ${tunnel} ct status dnat ${ip} saddr @pool${family} masquerade`),
      `oifname { ${tunnel}, "lo" } accept`,
      ...translating.map(({ family, ip }) => `${ip} saddr @pool${family} goto translate${family}`),
    ]),
  ];
}

function snatRules(plan: NatPlan, { family, ip }: FamilyWords): string[] {
  const { ports, perClient } = plan;
  const range = `${ports.first}-${ports.last}`;
  const addresses = ofFamily(plan.addresses, family).map(({ address }) => address);
  const own = `snat ${ip} to ${ip} saddr map @outside${family}`;
  if (perClient > 0 && hasBlocks(plan, family)) {
    return [
      own,
      `meta l4proto ${translated} snat ${ip} to ${ip} saddr map @blocks${family} random`,
      `snat ${ip} to ${ip} saddr map @blockof${family}`,
    ];
  }
  if (addresses.length === 0) return [own, `meta l4proto ${translated} masquerade to :${range} random`, 'masquerade'];
  return [
    own,
    ...addresses.flatMap((address, index) => {
      // A client keeps its address (RFC 4787 section 4.1, "paired"). A map of addresses and ranges is refused for IPv6 by nft 1.0.6.
      const share = addresses.length === 1 ? '' : `jhash ${ip} saddr mod ${addresses.length} == ${index} `;
      const host = family === 6 ? `[${address}]` : address;
      return [
        `${share}meta l4proto ${translated} snat ${ip} to ${host}:${range} random`,
        `${share}snat ${ip} to ${address}`,
      ];
    }),
  ];
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'];
}

/** nft takes "*" at the end of an interface's name for any end; it is escaped by a backslash. */
function quoted(name: string): string {
  return `"${name.replace(/\*$/, '\\*')}"`;
}
