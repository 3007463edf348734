/** Rules of others (`ip rule`) that lead our packets elsewhere, or keep those of this host out of the tunnel. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { parseCidr } from '../../src/config/address.ts';
import type { OwnTraffic } from '../../src/io/network/foreign-rules.ts';
import type { NetworkPlan } from '../../src/io/network/plan.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import type { NetworkAnswer, NetworkCall } from '../support/network-program.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
const program = path.join(import.meta.dirname, '../support/network-program.js');
const mark = 0x68000045;
const markText = `0x${mark.toString(16)}`;
const anywhere: OwnTraffic = { links: [{ name: 'default', interface: undefined }], destinations: ['0a4d0002'] };
const bound: OwnTraffic = { links: [{ name: 'fibre', interface: 'wan0' }], destinations: ['0a4d0002'] };

interface Case {
  readonly what: string;
  /** Of `ip rule add`. */
  readonly rule: string;
  readonly traffic?: OwnTraffic;
  readonly text: RegExp;
  readonly remedy: RegExp;
}

const cases: readonly Case[] = [
  {
    what: 'a mask of others that takes our mark',
    rule: 'pref 100 fwmark 0x68000000/0xff000000 lookup 200',
    text: /^IPv4 rule 100 \(from all fwmark 0x68000000\/0xff000000 lookup 200\) leads what Hawser sends out by vpn0, and not by wan0, which carries the mark 0x68000045$/,
    remedy: /^routing\.fwmark: 0x48 is a mark that no rule takes; or ip -4 rule del priority 100/,
  },
  {
    what: 'one that refuses',
    rule: 'pref 101 to 10.77.0.2 fwmark 0x68000000/0xf8000000 prohibit',
    text: /^IPv4 rule 101 \(.* prohibit\) refuses what Hawser sends \(EACCES\)/,
    remedy: /routing\.fwmark/,
  },
  {
    what: 'one that leads into our own tunnel',
    rule: 'pref 103 lookup 201',
    text: /^IPv4 rule 103 \(from all lookup 201\) leads what Hawser sends into its own tunnel hw0$/,
    remedy: /^ip -4 rule del priority 103/,
  },
  {
    what: 'one that comes before ours',
    rule: 'pref 104 lookup 200',
    text: /^IPv4 rule 104 \(from all lookup 200\) comes before Hawser's own: 10\.9\.0\.2\/32 leads to vpn0 and not to hw0$/,
    remedy: /^give that rule a priority between 32384 and 32765/,
  },
  {
    what: 'one for our source',
    rule: 'pref 105 from 10.77.0.1 lookup 200',
    text: /^IPv4 rule 105 \(from 10\.77\.0\.1 lookup 200\) leads what Hawser sends from 10\.77\.0\.1 out by vpn0, and not by wan0$/,
    remedy: /^ip -4 rule del priority 105/,
  },
  {
    what: 'one that refuses by one link',
    rule: 'pref 106 from 10.77.0.0/24 lookup 203',
    traffic: bound,
    text: /^IPv4 rule 106 \(from 10\.77\.0\.0\/24 lookup 203\) refuses what Hawser sends by link fibre \(EHOSTUNREACH\)$/,
    remedy: /^ip -4 rule del priority 106/,
  },
  {
    what: 'the other family',
    rule: '-6 pref 107 fwmark 0x68000000/0xff000000 unreachable',
    text: /^IPv6 rule 107 .* refuses what Hawser sends \(E[A-Z]+\)/,
    remedy: /ip -6 rule del priority 107/,
  },
];

/** What hosts with several uplinks have, or who steers Hawser by its whole mark. */
const harmless = [
  'pref 50 from 10.77.0.1 lookup 202',
  `pref 51 fwmark ${markText} lookup main`,
  'pref 52 fwmark 0x4000/0x4000 lookup 200',
  'pref 53 from 192.168.7.0/24 lookup 200',
  'pref 54 iif vpn0 lookup 200',
  'pref 55 from all lookup 204',
];

function ipRule(host: Host, verb: 'add' | 'del', rule: string): void {
  const family = rule.startsWith('-6 ') ? '-6 ' : '';
  host.ip(`${family}rule ${verb} ${rule.replace('-6 ', '')}`);
}

t.test('findMisled() names each rule that is in the way, with the remedy, and no other', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [host, other] = [lab.host('host'), lab.host('other')];
  const addresses = (net: number): [string[], string[]] => [
    [`10.${net}.0.1/24`, `fd${net}::1/64`],
    [`10.${net}.0.2/24`],
  ];
  lab.join(host, other, { interfaces: ['wan0', 'wan0'], addresses: addresses(77) });
  lab.join(host, other, { interfaces: ['vpn0', 'vpn0'], addresses: addresses(55) });
  host.ip('-6 route add default via fd77::2');
  for (const route of [
    'default via 10.55.0.2 table 200',
    '10.77.0.0/24 dev wan0 table 202',
    'unreachable default table 203',
    // A table that does not know the way is passed over.
    '192.168.8.0/24 via 10.55.0.2 table 204',
  ])
    host.ip(`route add ${route}`);
  host.ip('tuntap add hw0 mode tun');
  const network = parseCidr('10.9.0.2/32');
  const plan: NetworkPlan = {
    name: 'home',
    interface: 'hw0',
    addresses: [],
    mtu: 1420,
    routes: network === undefined ? [] : [network],
    endpoints: [],
    hasUnknownEndpoints: false,
    mark: { value: mark, mask: 0xff00007f },
    table: 'auto',
    onExit: 'open',
    runDirectory: lab.folder,
  };
  const call = (request: NetworkCall): NetworkAnswer => {
    const file = path.join(lab.folder, 'call.json');
    writeFileSync(file, JSON.stringify(request));
    return JSON.parse(host.run(process.execPath, [program, file])) as NetworkAnswer;
  };
  const misled = (traffic: OwnTraffic) => call({ action: 'misled', plan, traffic });
  t.match(call({ action: 'apply', plan }), { error: undefined, warnings: [] });
  host.ip('route add default dev hw0 table 201');
  for (const rule of harmless) ipRule(host, 'add', rule);
  for (const traffic of [anywhere, bound]) t.same(misled(traffic), { troubles: [] });
  for (const rule of harmless) ipRule(host, 'del', rule);
  for (const { what, rule, traffic = anywhere, text, remedy } of cases) {
    ipRule(host, 'add', rule);
    const { troubles = [], error } = misled(traffic);
    t.equal(error, undefined);
    t.equal(troubles.length, 1, what);
    t.match(troubles[0], { text, remedy });
    ipRule(host, 'del', rule);
  }

  for (const name of ['all', 'wan0', 'vpn0']) host.setSysctl(`net.ipv4.conf.${name}.rp_filter`, '1');
  const links = ['wan0', 'vpn0'].map((name) => ({ name, interface: name }));
  const strict = (...destinations: string[]) =>
    (misled({ links, destinations }).troubles ?? []).map(({ text }) => /by (\w+) unless/.exec(text)?.[1]);
  t.same(strict('0a4d0002'), ['wan0', 'vpn0'], 'a strict rp_filter');
  t.same(strict(), ['wan0', 'vpn0'], 'and nobody knows where peers are');
  t.same(strict('fd770000000000000000000000000002'), [], 'peers that IPv6 alone leads to');
  host.ip('-4 address flush dev vpn0');
  t.same(strict('0a4d0002'), ['wan0'], 'a link of IPv6 alone');

  const everything = parseCidr('0.0.0.0/0');
  const full = { ...plan, routes: everything === undefined ? [] : [everything] };
  const lost = () => {
    const { troubles = [] } = call({ action: 'misled', plan: full, traffic: { links: [], destinations: [] } });
    return troubles.filter(({ text }) => text.startsWith('The kernel drops answers'));
  };
  host.setSysctl('net.ipv4.conf.all.src_valid_mark', '1');
  t.same(lost(), []);
  host.setSysctl('net.ipv4.conf.all.src_valid_mark', '0');
  t.match(lost(), [{ text: /rp_filter is 1 \(strict\) on .*wan0/, remedy: /src_valid_mark=1/ }]);
});
