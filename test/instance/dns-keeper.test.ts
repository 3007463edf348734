/** Name servers of the host, with tools in the place of resolvectl and resolvconf that write down how they were called. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import t, { type Test } from 'tap';
import type { TunnelDns } from '../../src/config/config.ts';
import { textOfEvent } from '../../src/control/event-text.ts';
import type { InstanceEvent } from '../../src/control/events.ts';
import { DnsKeeper, describeDns, takeBackDns } from '../../src/instance/dns-keeper.ts';
import { dnsRecordFile, readDnsRecord } from '../../src/io/dns-record.ts';
import { parseResolvConf, withoutInside } from '../../src/io/name-sources.ts';

const resolved = 'nameserver 127.0.0.53\noptions edns0\n';
const dns: TunnelDns = { servers: ['10.9.0.1', 'fd00:9::1'], search: ['corp.example'], names: 'all' };

interface Scene {
  readonly folder: string;
  readonly keeper: DnsKeeper;
  readonly notes: string[];
  readonly files: { readonly resolv: string; readonly nsswitch: string; readonly order: string };
  follow(dns: TunnelDns | undefined, interfaceName?: string): Promise<void>;
  /** What the tools were called with since the last look, standard input behind "<". */
  calls(): string[];
  /** From now on the tool of that name does this. */
  tool(name: string, script: string): void;
}

function stage(t: Test, tools: readonly string[], resolv: string): Scene {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-dns-'));
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  const log = path.join(folder, 'calls');
  writeFileSync(log, '');
  const tool = (name: string, script: string): void =>
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  for (const name of tools)
    tool(name, `echo "${name} $*" >>${log}; while read -r line; do echo "< $line" >>${log}; done; exit 0`);
  const files = {
    resolv: path.join(folder, 'resolv'),
    nsswitch: path.join(folder, 'ns'),
    order: path.join(folder, 'order'),
  };
  writeFileSync(files.resolv, resolv);
  const before = process.env.PATH;
  // A shell finds its built-in commands without it.
  process.env.PATH = bin;
  t.teardown(() => {
    process.env.PATH = before;
    rmSync(folder, { recursive: true });
  });
  const notes: string[] = [];
  const note = (event: InstanceEvent): void => void notes.push(`${event.kind}: ${textOfEvent(event)}`);
  const keeper = new DnsKeeper({ name: 'home', runDirectory: folder, note, files });
  return {
    folder,
    keeper,
    notes,
    files,
    tool,
    follow: (wanted, name = 'hw0') =>
      keeper.follow({ tunnel: { interface: name, addresses: [], mtu: 1420, fragment: 'auto', dns: wanted } }),
    calls: () => {
      const lines = readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      writeFileSync(log, '');
      return lines;
    },
  };
}

t.test('DnsKeeper asks systemd-resolved where programs of the host do', async (t) => {
  const { keeper, follow, calls, notes, folder } = stage(t, ['resolvectl', 'resolvconf'], resolved);
  await follow(dns);
  t.strictSame(calls(), [
    'resolvectl dns hw0 10.9.0.1 fd00:9::1',
    'resolvectl domain hw0 ~. corp.example',
    'resolvectl default-route hw0 yes',
  ]);
  t.match(notes, [/^dns: The host asks 10\.9\.0\.1, fd00:9::1 for every name, by systemd-resolved$/]);
  t.equal(statSync(dnsRecordFile(folder, 'home')).mode & 0o777, 0o600);
  await follow({ ...dns, names: 'search' });
  t.strictSame(calls().slice(1), ['resolvectl domain hw0 corp.example', 'resolvectl default-route hw0 no']);
  await follow(undefined);
  t.strictSame(calls(), ['resolvectl revert hw0']);
  await keeper.takeBack();
  t.strictSame(calls(), [], 'nothing is taken back twice');
});

t.test('DnsKeeper gives them to resolvconf elsewhere, by the name that comes first there', async (t) => {
  const { keeper, follow, calls, files } = stage(t, ['resolvectl', 'resolvconf'], 'nameserver 192.0.2.53\n');
  await follow(dns);
  t.strictSame(calls(), [
    'resolvconf -a hw0 -m 0 -x',
    '< nameserver 10.9.0.1',
    '< nameserver fd00:9::1',
    '< search corp.example',
  ]);
  await keeper.takeBack();
  t.strictSame(calls(), ['resolvconf -d hw0 -f']);
  writeFileSync(files.order, 'lo.inet*\nlo\ntun*\ntap*\n');
  await follow({ servers: ['10.9.0.1'], search: [], names: 'all' });
  t.strictSame(calls(), ['resolvconf -a tun.hw0 -m 0 -x', '< nameserver 10.9.0.1']);
  await keeper.takeBack();
  writeFileSync(files.nsswitch, 'hosts: files resolve [!UNAVAIL=return] dns\n');
  await follow(dns);
  t.match(
    calls(),
    ['resolvconf -d tun.hw0 -f', /^resolvectl dns/, /domain/, /default/],
    'who asks by the module asks resolved',
  );
});

t.test('DnsKeeper says once that nobody keeps the servers, or what the tool says', async (t) => {
  const none = stage(t, [], 'nameserver 192.0.2.53\n');
  await none.follow(dns);
  await none.follow(dns);
  t.match(none.notes, [/^warning: Cannot give the host the name servers of tunnel\.dns: neither .*openresolv/]);
  t.equal(none.notes.length, 1);
  const broken = stage(t, ['resolvectl'], resolved);
  broken.tool(
    'resolvectl',
    'echo "Failed to set DNS configuration: Unit dbus-org.freedesktop.resolve1.service not found." >&2; exit 1',
  );
  await broken.follow(dns);
  t.match(broken.notes, [/by systemd-resolved: resolvectl: Failed to set DNS configuration: Unit/]);
  t.equal(readDnsRecord(dnsRecordFile(broken.folder, 'home')), undefined, 'nothing is left to take back');
});

t.test('DnsKeeper takes back what a killed process has set, as the release command does', async (t) => {
  const { folder, follow, calls, files } = stage(t, ['resolvectl', 'resolvconf'], 'nameserver 192.0.2.53\n');
  await follow(dns);
  t.equal(calls().length, 4);
  const successor = new DnsKeeper({ name: 'home', runDirectory: folder, note: () => undefined, files });
  await successor.follow({ tunnel: { interface: 'hw1', addresses: [], mtu: 1420, fragment: 'auto', dns } });
  t.match(calls(), ['resolvconf -d hw0 -f', 'resolvconf -a hw1 -m 0 -x', /</, /</, /</]);
  t.match(describeDns(folder, 'home'), /^name servers 10\.9\.0\.1, fd00:9::1 of hw1 \(resolvconf\)$/);
  t.equal(takeBackDns(folder, 'home', files), undefined);
  t.strictSame(calls(), ['resolvconf -d hw1 -f']);
  t.equal(describeDns(folder, 'home'), undefined);
  t.equal(takeBackDns(folder, 'home', files), undefined);
  t.strictSame(calls(), []);
});

t.test('withoutInside() leaves out servers in the tunnel, and knows those that were there before', async (t) => {
  const { folder, follow, files } = stage(t, ['resolvconf'], 'nameserver 192.0.2.53\nnameserver 10.9.0.1\n');
  await follow(dns);
  const settings = (text: string) => parseResolvConf(text, () => 0);
  const asked = (text: string, file = dnsRecordFile(folder, 'home')) =>
    withoutInside(settings(text), readDnsRecord(file)).servers.map((server) => server.address);
  t.strictSame(asked('nameserver 10.9.0.1\nnameserver 198.51.100.53\n'), ['198.51.100.53']);
  t.strictSame(asked('nameserver 10.9.0.1\nnameserver fd00:9::1\n'), ['192.0.2.53']);
  t.strictSame(
    asked('nameserver fd00:9::1\nnameserver 127.0.0.53\n'),
    ['192.0.2.53', '127.0.0.53'],
    'the stub asks those inside',
  );
  t.strictSame(asked('nameserver 10.9.0.1\n', path.join(folder, 'none')), ['10.9.0.1']);
  writeFileSync(files.resolv, 'nameserver 10.9.0.1\n');
  await follow({ ...dns, search: [] });
  t.strictSame(
    asked('nameserver 10.9.0.1\n'),
    ['192.0.2.53'],
    'a change does not take the new servers for the old ones',
  );
});
