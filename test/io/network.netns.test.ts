/** The tunnel's network in namespaces: what is applied, what endpoint traffic does meanwhile, and that nothing is left. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { parseCidr } from '../../src/config/address.ts';
import type { Cidr } from '../../src/config/config.ts';
import { lockInstance } from '../../src/instance/instance-lock.ts';
import type { NetworkPlan } from '../../src/io/network/plan.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import type { NetworkAnswer, NetworkCall } from '../support/network-program.ts';
import { echoUdp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
/** Many small processes: a loaded machine takes its time. */
t.setTimeout(300_000);
const program = path.join(import.meta.dirname, '../support/network-program.js');
const dnsProgram = path.join(import.meta.dirname, '../support/dns-program.js');
const cli = path.join(import.meta.dirname, '../../src/cli/main.js');
const fwmark = 0x68000001;
const echoPort = 7001;
/** The server beyond the router, where the default route leads. */
const far = { v4: '198.51.100.1', v6: '2001:db8:5::1' };
const everything = ['0.0.0.0/0', '::/0', '10.9.0.0/24'];

function cidrs(...texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined);
}

function call(host: Host, request: NetworkCall): NetworkAnswer {
  // By a file: thousands of routes do not fit into an argument.
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-net-call-'));
  try {
    const file = path.join(folder, 'call.json');
    writeFileSync(file, JSON.stringify(request));
    return JSON.parse(host.run(process.execPath, [program, file])) as NetworkAnswer;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Waits for what takes a new veth a moment: its link-local addresses, and thus its IPv6. */
async function untilAnswered(host: Host, address: string): Promise<void> {
  for (let attempt = 0; attempt < 40; attempt++) {
    if (host.ip('-6 address show tentative') === '' && ask(host, 0, address) === 'answered') return;
    await sleep(100);
  }
  throw new Error(`${address} does not answer`);
}

function ask(host: Host, mark: number, address: string): string | undefined {
  return call(host, { action: 'ask', fwmark: mark, address, port: echoPort }).outcome;
}

interface Scene {
  readonly client: Host;
  readonly server: Host;
  readonly plan: NetworkPlan;
  apply(change?: Partial<NetworkPlan>): NetworkAnswer;
  remove(): NetworkAnswer;
  release(): NetworkAnswer;
  /** Interfaces, addresses, routes, rules, sockets and src_valid_mark of the client. */
  snapshot(): Record<string, string>;
}

function makePlan(runDirectory: string, change: Partial<NetworkPlan>): NetworkPlan {
  return {
    name: 'home',
    interface: 'hw0',
    addresses: cidrs('10.9.0.2/24', 'fd00:9::2/64'),
    mtu: 1380,
    routes: cidrs('10.9.0.0/24', '10.20.0.0/16', 'fd00:20::/32'),
    endpoints: [],
    hasUnknownEndpoints: false,
    mark: { value: fwmark, mask: 0xff00007f },
    table: 'auto',
    onExit: 'open',
    runDirectory,
    ...change,
  };
}

/** A client behind a router, a far server that echoes UDP, and a TUN that nobody reads. */
async function stage(t: Test, change: Partial<NetworkPlan> = {}): Promise<Scene> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const runDirectory = mkdtempSync(path.join(os.tmpdir(), 'hw-net-'));
  t.teardown(() => rmSync(runDirectory, { recursive: true }));
  const [client, router, server] = [lab.host('client'), lab.host('router'), lab.host('server')];
  lab.join(client, router, {
    interfaces: ['wan0', 'client'],
    addresses: [
      ['192.0.2.2/24', '2001:db8:2::2/64'],
      ['192.0.2.1/24', '2001:db8:2::1/64'],
    ],
  });
  lab.join(router, server, {
    addresses: [
      ['198.51.100.254/24', '2001:db8:5::fe/64'],
      [`${far.v4}/24`, `${far.v6}/64`],
    ],
  });
  router.forward();
  client.ip('route add default via 192.0.2.1');
  client.ip('-6 route add default via 2001:db8:2::1');
  server.ip('route add default via 198.51.100.254');
  server.ip('-6 route add default via 2001:db8:5::fe');
  await echoUdp(server, echoPort);
  client.ip('tuntap add hw0 mode tun');
  await untilAnswered(client, far.v6);
  t.equal(ask(client, 0, far.v4), 'answered', 'the scene works by itself');
  const plan = makePlan(runDirectory, change);
  return {
    client,
    server,
    plan,
    apply: (other = {}) => call(client, { action: 'apply', plan: { ...plan, ...other } }),
    remove: () => call(client, { action: 'remove', plan }),
    release: () => call(client, { action: 'release', plan }),
    snapshot: () => ({
      ...client.snapshot(),
      sourceMark: client.run('cat', ['/proc/sys/net/ipv4/conf/all/src_valid_mark']).trim(),
      saved: readdirSync(runDirectory).join(),
    }),
  };
}

function differences(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys(before).filter((key) => before[key] !== after[key]);
}

t.test(
  'applyNetwork() sets addresses, MTU and routes once, and removeNetwork() takes them back',
  options,
  async (t) => {
    const { client, apply, remove, snapshot, plan } = await stage(t);
    const before = snapshot();
    t.same(apply().warnings, []);
    t.match(client.ip('-br address show hw0'), /10\.9\.0\.2\/24 fd00:9::2\/64 $/m, 'no link-local address either');
    t.match(client.ip('link show hw0'), /mtu 1380/);
    t.match(client.ip('route get 10.20.1.1'), /dev hw0/);
    t.match(client.ip('-6 route get fd00:20::1'), /dev hw0/);
    t.match(client.ip('route get 10.9.0.77'), /dev hw0/);
    t.match(
      client.ip(`route get 10.20.1.1 mark ${fwmark}`),
      /dev wan0/,
      'marked packets stay outside ordinary prefixes too',
    );
    t.match(
      client.ip(`-6 route get fd00:20::1 mark ${fwmark + 0x4f00}`),
      /dev wan0/,
      'whatever bits others add to the mark',
    );
    t.match(
      client.ip(`route get 10.9.0.77 mark ${fwmark}`),
      /dev wan0/,
      'and outside the network of the tunnel itself',
    );
    t.notMatch(client.ip('route show table main'), /hw0/);
    t.equal(apply().changes, 0, 'a second time there is nothing to do');
    const routes = cidrs('10.30.0.0/16', '10.20.0.0/16');
    const { changes = 0 } = call(client, {
      action: 'change',
      plan: { ...plan, routes, addresses: cidrs('10.9.0.3/24') },
    });
    t.ok(changes > 0 && changes < 20, `a reload changes the difference alone: ${changes}`);
    t.match(client.ip('-br address show hw0'), / 10\.9\.0\.3\/24 $/m);
    t.match(client.ip('route get 10.30.0.1'), /dev hw0/);
    t.notMatch(client.ip('-6 route get fd00:20::1'), /dev hw0/);
    remove();
    t.same(differences(before, snapshot()), []);
    t.equal(remove().changes, 0);
  },
);

t.test('a default route through the tunnel leaves marked packets outside', options, async (t) => {
  const { client, apply, remove, snapshot, plan } = await stage(t, { routes: cidrs(...everything) });
  const before = snapshot();
  t.same(apply().warnings, []);
  for (const [family, address] of [
    ['-4', far.v4],
    ['-6', far.v6],
  ] as const) {
    t.match(client.ip(`${family} route get ${address}`), /dev hw0/);
    t.match(client.ip(`${family} route get ${address} mark ${plan.mark.value}`), /dev wan0/);
    t.equal(ask(client, plan.mark.value, address), 'answered');
    t.equal(ask(client, 0, address), 'EAGAIN', 'in the tunnel, which nobody reads');
  }
  t.match(client.ip('route get 192.0.2.77'), /dev wan0/, 'the local network stays local');
  t.equal(snapshot().sourceMark, '1');
  t.equal(apply().changes, 0);
  remove();
  t.same(differences(before, snapshot()), []);
  t.equal(ask(client, 0, far.v4), 'answered', 'open: the ordinary routes serve again');
});

t.test('a host name resolves outside the tunnel while the default route leads into it', options, async (t) => {
  const { client, server, apply, remove, plan } = await stage(t, { routes: cidrs(...everything), onExit: 'closed' });
  const zone = { 'hub.example.net': { alias: 'real.example.net' }, 'real.example.net': { a: [far.v4] } };
  const dns = server.spawn(process.execPath, [dnsProgram, JSON.stringify(zone)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(dns.stdout ?? dns, 'data');
  const resolvFile = path.join(plan.runDirectory, 'resolv.conf');
  writeFileSync(resolvFile, `nameserver ${far.v6}\noptions timeout:1 attempts:1\n`);
  const resolve = (mark: number) =>
    call(client, { action: 'resolve', fwmark: mark, host: 'hub.example.net', resolvFile });
  t.same(resolve(plan.mark.value).addresses, [far.v4], 'before the tunnel is up');
  t.equal(apply().error, undefined);
  t.same(resolve(plan.mark.value).addresses, [far.v4], 'while it is up, and nobody at its other end');
  t.match(resolve(0).error, /no answer from 2001:db8:5::1/, 'unmarked questions would go into the tunnel');
  remove();
  t.same(resolve(plan.mark.value).addresses, [far.v4], 'after a closed stop');
  t.match(resolve(0).error, /says EHOSTUNREACH/);
});

t.test('marked packets are answered where rp_filter is strict', options, async (t) => {
  const { client, apply, remove, plan } = await stage(t, { routes: cidrs(...everything) });
  client.setSysctl('net.ipv4.conf.wan0.rp_filter', '1');
  t.same(apply().warnings, []);
  t.equal(ask(client, plan.mark.value, far.v4), 'answered');
  t.match(client.run('nft', ['list', 'tables']), /hawser_6877/);
  remove();
  t.equal(client.run('nft', ['list', 'tables']), '');
});

t.test('onExit closed blocks after a stop and after the interface died, until released', options, async (t) => {
  const scene = await stage(t, { routes: cidrs(...everything, '198.51.0.0/16'), onExit: 'closed' });
  const { client, apply, remove, release, plan } = scene;
  const before = scene.snapshot();
  apply();
  t.equal(ask(client, plan.mark.value, far.v6), 'answered');
  t.match(client.ip('route get 198.51.100.1'), /dev hw0/);
  client.ip('link delete hw0');
  t.equal(ask(client, 0, far.v6), 'EHOSTUNREACH', 'a killed process whose TUN goes with it');
  client.ip('tuntap add hw0 mode tun');
  t.ok((apply().changes ?? 0) > 0);
  t.equal(ask(client, 0, far.v6), 'EAGAIN', 'taken over: traffic enters the tunnel again');
  remove();
  t.equal(ask(client, 0, far.v6), 'EHOSTUNREACH');
  t.equal(ask(client, 0, far.v4), 'EHOSTUNREACH');
  t.equal(ask(client, plan.mark.value, far.v6), 'answered', 'a successor reaches its endpoint');
  t.match(client.ip('route get 192.0.2.77'), /dev wan0/);
  const { leftovers = [] } = call(client, { action: 'describe', plan });
  t.ok(leftovers.some((text) => /^route 198\.51\.0\.0\/16 \(unreachable\) in table \d+$/.test(text)));
  t.equal(release().error, undefined);
  t.same(call(client, { action: 'describe', plan }).leftovers, []);
  client.ip('tuntap add hw0 mode tun');
  t.same(differences(before, scene.snapshot()), []);
  t.equal(ask(client, 0, far.v6), 'answered');
});

t.test('hawser release lifts the block of a stopped instance, and of no running one', options, async (t) => {
  const { client, apply, remove, plan } = await stage(t, { routes: cidrs('::/0'), onExit: 'closed' });
  const hawser = (...args: readonly string[]) =>
    client.run(process.execPath, [cli, 'release', '--name', 'home', '--run-directory', plan.runDirectory, ...args]);
  apply();
  remove();
  t.equal(ask(client, 0, far.v6), 'EHOSTUNREACH');
  t.match(hawser('--dry-run'), /would remove route ::\/0 \(unreachable\)/);
  t.equal(ask(client, 0, far.v6), 'EHOSTUNREACH');
  const lock = lockInstance(plan.runDirectory, 'home');
  t.throws(() => hawser(), /"home" runs already/);
  lock.release();
  t.match(hawser('--interface', 'hw0'), /^removed rule/);
  t.equal(ask(client, 0, far.v6), 'answered');
  t.notMatch(client.ip('link'), /hw0/);
  t.match(hawser(), /Nothing of "home" blocks traffic/);
});

t.test('applyNetwork() reuses and cleans what a killed run left, also under another mark', options, async (t) => {
  const { client, apply, remove, snapshot } = await stage(t, { routes: cidrs('0.0.0.0/0', '10.20.0.0/16') });
  const before = snapshot();
  // Each call is a process of its own that ends without taking anything back, as after SIGKILL.
  const mark = { value: 4242, mask: 0xffffffff };
  apply({ mark, onExit: 'closed', routes: cidrs(...everything, '10.77.0.0/16') });
  t.match(client.ip('route get 10.77.0.1'), /dev hw0/);
  apply();
  t.notMatch(client.ip('route get 10.77.0.1 mark 4242'), /unreachable/);
  t.equal(client.ip('rule').match(/proto 77/g)?.length, 6, 'a pair for /24, /16 and the wide ones');
  t.equal(apply().changes, 0);
  remove();
  t.same(differences(before, snapshot()), [], 'src_valid_mark is restored although another process set it');
});

t.test('two instances do not touch each other', options, async (t) => {
  const { client, apply, remove, snapshot, plan } = await stage(t, { routes: cidrs('0.0.0.0/0') });
  client.ip('tuntap add hw1 mode tun');
  const before = snapshot();
  const mark = { value: 4242, mask: 0xffffffff };
  const other = { name: 'office', interface: 'hw1', mark, addresses: cidrs('10.8.0.2/24') };
  t.equal(apply({ ...other, routes: cidrs('::/0', '10.8.0.0/16') }).error, undefined);
  const { sourceMark, saved, ...alone } = snapshot();
  t.equal(sourceMark, '0');
  apply();
  remove();
  t.same(differences(alone, snapshot()), []);
  call(client, { action: 'remove', plan: { ...plan, ...other } });
  client.ip('link set hw0 down');
  t.same(differences(before, snapshot()), [], 'with the last one goes what both needed');
});

t.test('IPv6 that is disabled is a warning with the remedy', options, async (t) => {
  const { client, apply, remove, snapshot } = await stage(t, { routes: cidrs(...everything) });
  client.setSysctl('net.ipv6.conf.hw0.disable_ipv6', '1');
  const before = snapshot();
  const { warnings = [], error } = apply();
  t.equal(error, undefined);
  t.match(warnings, [/fd00:9::2\/64, ::\/0 on hw0: IPv6 is disabled.*net\.ipv6\.conf\.hw0\.disable_ipv6=0/]);
  t.match(client.ip(`route get ${far.v4}`), /dev hw0/);
  t.equal(apply({ onExit: 'closed' }).error, undefined);
  t.equal(ask(client, 0, far.v6), 'EHOSTUNREACH', 'closed: it does not leave beside the tunnel');
  remove();
  t.same(differences(before, snapshot()), []);
  t.match(apply({ mtu: 1200 }).warnings, [/IPv6 needs an MTU of 1280 and tunnel\.mtu is 1200/]);
});

t.test('what others have already is left to them, in both families, with a warning each', options, async (t) => {
  const routes = cidrs('192.168.1.0/24', '192.168.77.0/24', 'fd00:77::/64', 'fd00:78::/64');
  const { client, plan, snapshot } = await stage(t, { routes });
  client.ip('link add lan0 type veth peer name lan0p');
  for (const name of ['lan0', 'lan0p']) client.ip(`link set ${name} up`);
  for (const address of ['192.168.1.50/24', 'fd00:77::50/64 nodad']) client.ip(`address add ${address} dev lan0`);
  for (const each of ['192.168.1.0/24', 'fd00:77::/64']) client.ip(`route add ${each} dev lan0 table 200`);
  client.ip('rule add to 192.168.77.0/24 lookup 200');
  await sleep(100);
  const before = snapshot();
  for (const table of [200, 'main', 'auto'] as const) {
    const mine = { ...plan, table };
    const { error, conflicts = [], warnings, isWhole } = call(client, { action: 'apply', plan: mine });
    t.same([error, warnings, isWhole], [undefined, [], true]);
    t.equal(conflicts.length, 2, String(table));
    for (const [index, prefix] of ['192.168.1.0/24', 'fd00:77::/64'].entries()) {
      t.ok(conflicts[index]?.startsWith(`${prefix} is reached by lan0 already`), String(conflicts[index]));
      t.match(conflicts[index], `take ${prefix} out of allowedIPs`);
    }
    t.match(client.ip('route get 192.168.1.9'), /dev lan0/);
    t.match(client.ip('-6 route get fd00:77::9'), /dev lan0/);
    t.match(client.ip('route get 192.168.77.1'), /dev hw0/, 'everything else is there');
    if (table !== 200) t.match(client.ip('-6 route get fd00:78::1'), /dev hw0/);
    t.same(call(client, { action: 'apply', plan: mine }).changes, 0);
    if (table === 'auto') break;
    call(client, { action: 'remove', plan: mine });
    t.same(differences(before, snapshot()), [], 'what is not ours stays');
  }
  client.ip('link delete lan0');
  t.match(client.ip('route get 192.168.1.9'), /dev hw0/, 'ours serves when the other one has gone');
  t.same(call(client, { action: 'conflicts', plan }).conflicts, []);
});

t.test('the longest prefix wins over the main table and ours together', options, async (t) => {
  const routes = cidrs('0.0.0.0/1', '10.0.0.0/8', '10.20.0.0/16', '10.20.30.0/24');
  const { client, apply, plan } = await stage(t, { routes, addresses: cidrs('10.9.0.2/32'), onExit: 'closed' });
  for (const each of ['10.20.0.0/14', '10.20.30.128/25', '10.99.0.0/24']) client.ip(`route add ${each} dev wan0`);
  t.same(apply().conflicts, []);
  const led = {
    '10.20.30.1': 'hw0',
    '10.20.30.129': 'wan0',
    '10.20.31.1': 'hw0',
    '10.21.0.1': 'wan0',
    '10.99.0.1': 'wan0',
    '10.99.1.1': 'hw0',
    '11.0.0.1': 'hw0',
    '200.0.0.1': 'wan0',
  };
  const look = () =>
    Object.keys(led).map((address) => [address, /dev (\S+)/.exec(client.ip(`route get ${address}`))?.[1]]);
  t.same(look(), Object.entries(led));
  client.ip('route add unreachable 10.16.0.0/12');
  t.match(call(client, { action: 'conflicts', plan }).conflicts, [
    /^A route of this host \(unreachable 10\.16\.0\.0\/12\) refuses 10\.20/,
  ]);
  client.ip('route del unreachable 10.16.0.0/12');
  client.ip('link delete hw0');
  t.match(client.ip('route get 10.99.0.1'), /dev wan0/, 'blocked: the networks around stay reachable');
  t.throws(() => client.ip('route get 10.20.30.1'), /No route to host/);
});

t.test('a change that is refused leaves all as it was', options, async (t) => {
  const { client, apply, plan, snapshot } = await stage(t);
  apply();
  const before = snapshot();
  const change = (other: Partial<NetworkPlan>) => call(client, { action: 'change', plan: { ...plan, ...other } });
  // Nobody may have an address of many hosts: the kernel refuses one of many requests.
  const addresses = cidrs('10.9.0.2/24', '10.8.0.2/24', 'fd00:9::2/64', 'ff02::1/64', 'fd00:8::2/64');
  const refused = { addresses, mtu: 1400, routes: cidrs('10.66.0.0/16', 'fd00:66::/64') };
  t.match(change(refused).error, /^Cannot add address ff02::1\/64 to hw0: E/);
  t.same(differences(before, snapshot()), []);
  const { error, isWhole, warnings } = apply(refused);
  t.same([error, isWhole], [undefined, false], 'a start does what can be done');
  t.match(warnings, [/^Cannot add address ff02::1\/64/]);
  t.match(client.ip('route get 10.66.0.1'), /dev hw0/);
  t.match(client.ip('-6 route get fd00:8::9'), /dev hw0/);
  t.match(apply({ interface: 'hw9' }).error, /Cannot find the tunnel's interface "hw9"/);
});

t.test('applyNetwork() sets thousands of routes in batches', options, async (t) => {
  const many = Array.from({ length: 4000 }, (_, index) => `10.${128 + (index >> 8)}.${index & 255}.0/24`);
  const { client, apply, remove } = await stage(t);
  const routes = cidrs(...many);
  t.equal(apply({ routes }).error, undefined);
  t.equal(
    client.ip('route show table all proto 77').trim().split('\n').length,
    4002,
    'also the two networks of its addresses',
  );
  t.equal(apply({ routes }).changes, 0);
  remove();
  t.equal(client.ip('route show table all proto 77').trim(), '');
});
