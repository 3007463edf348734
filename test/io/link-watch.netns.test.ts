/** Events of the kernel about links, addresses and default routes, as a namespace sees them. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Lab, skipReason } from '../support/netns.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const program = path.join(import.meta.dirname, '../support/link-watch-program.js');

t.test('LinkWatch tells of links, addresses and default routes, each once', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [host, other] = [lab.host('host'), lab.host('other')];
  for (const each of [host, other]) each.setSysctl('net.ipv6.conf.default.disable_ipv6', '1');
  lab.join(host, other, { interfaces: ['wan0', 'far0'] });
  const child = host.spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  if (child.stdout === null) throw new Error('no pipe');
  readline.createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const heard = async (line: string): Promise<void> => {
    for (let waitedMs = 0; lines.at(-1) !== line; waitedMs += 10) {
      // The kernel itself tells of a carrier up to a second late (net/core/link_watch.c).
      if (waitedMs > 5000) throw new Error(`no "${line}" among ${lines.join('; ')}`);
      await sleep(10);
    }
  };
  /** The events that follow a command, once a marker that came after them has arrived. */
  const after = async (...commands: readonly string[]): Promise<readonly string[]> => {
    lines.length = 0;
    for (const command of commands) host.ip(command);
    host.ip('address add 127.0.0.99/32 dev lo');
    host.ip('address del 127.0.0.99/32 dev lo');
    await heard('address-removed lo 127.0.0.99/32');
    return lines.filter((line) => !line.includes('127.0.0.99'));
  };
  while (!lines[0]?.startsWith('ready')) await sleep(10);
  t.equal(lines[0], 'ready 2 true', 'what there was is known and not told');
  t.same(await after('address add 192.0.2.2/24 dev wan0'), ['address-added wan0 192.0.2.2/24']);
  t.same(await after('address replace 192.0.2.2/24 dev wan0'), [], 'nothing new');
  t.same(await after('route add default via 192.0.2.1'), ['default-route 4']);
  t.same(await after('link set wan0 down'), ['link wan0 down'], 'the kernel tells no routes that go with a link');
  lines.length = 0;
  host.ip('link set wan0 up');
  await heard('link wan0 up running');
  other.ip('link set far0 down');
  await heard('link wan0 up');
  t.equal(lines.at(-1), 'link wan0 up', 'up without a carrier');
  other.ip('link set far0 up');
  await heard('link wan0 up running');
  host.setSysctl('net.ipv6.conf.lo.disable_ipv6', '0');
  const by = (prefix: string) => `${prefix} dev ${prefix.includes(':') ? 'lo' : 'wan0'}`;
  const foreign = ['10.1.0.0/16', '203.0.113.64/26', '203.0.113.8/32', '2001:db7:5::/48', '203.0.114.0/24'];
  t.same(await after(...foreign.map((each) => `route add ${by(each)}`)), [], 'routes that are nobody of ours');
  for (const each of ['203.0.113.0/24', '203.0.113.9/32', '203.0.113.8/31', '128.0.0.0/1', '2001:db8:5::/48'])
    t.match(await after(`route add ${by(each)}`), ['route'], `leads to where we go: ${each}`);
  t.same(await after('route add 198.51.100.0/24 dev wan0 proto 77'), []);
  t.same(await after('route del 198.51.100.0/24 dev wan0 proto 77'), ['own-gone']);
  t.same(await after('rule add from 192.0.2.9 lookup 77', '-6 rule add from 2001:db8::9 lookup 77'), ['rule', 'rule']);
  t.same(await after('rule add from 192.0.2.9 lookup 78 protocol 77', 'rule del from 192.0.2.9 lookup 78'), [
    'own-gone',
  ]);
  t.same(await after('tuntap add hw7 mode tun', 'address add 10.9.0.1/24 dev hw7', 'link delete hw7'), [
    'new hw7 down',
    'address-added hw7 10.9.0.1/24',
    'address-removed hw7 10.9.0.1/24',
    'gone hw7',
  ]);

  // The kernel drops what a program that sleeps does not take, and marks the socket as one with an error.
  child.kill('SIGSTOP');
  const many = Array.from({ length: 9000 }, (_, index) => `10.8.${index >> 8}.${index & 255}/32 dev lo`);
  const batch = [...many.map((one) => `address add ${one}`), ...many.map((one) => `address del ${one}`)];
  const file = path.join(lab.folder, 'batch');
  writeFileSync(file, batch.join('\n'));
  host.ip(`-batch ${file}`);
  host.ip('address add 192.0.2.3/24 dev wan0');
  lines.length = 0;
  child.kill('SIGCONT');
  for (let waitedMs = 0; waitedMs < 5000 && !lines.includes('address-added wan0 192.0.2.3/24'); waitedMs += 10)
    await sleep(10);
  t.ok(lines.includes('address-added wan0 192.0.2.3/24'), 'what was dropped is asked for');
  t.ok(lines.includes('default-route 4'), 'it was dropped');
  t.same(await after('address del 192.0.2.3/24 dev wan0'), ['address-removed wan0 192.0.2.3/24'], 'and it listens on');
  child.stdin?.end();
});
