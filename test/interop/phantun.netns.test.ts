/**
 * Hawser beside phantun: its client calls us, and we call its server, over IPv4 and IPv6, again after it was started anew. The folder of its
 * programs `client` and `server` is named by PHANTUN (cargo install phantun --version 0.8.1 --root FOLDER puts them into FOLDER/bin).
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const folder = process.env.PHANTUN ?? '';
const hasPhantun = ['client', 'server'].every((name) => existsSync(path.join(folder, name)));
const skip = skipReason() || (hasPhantun ? false : 'needs phantun 0.8.1 (PHANTUN=FOLDER with its client and server)');
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);
const fakePort = 4567;
const localPort = 7777;
const trafficPort = 7070;
const transferBytes = 20e6;

/** What phantun needs of the host it runs on: its README, "Firewall rules". */
function prepare(host: Host, rules: readonly string[]): void {
  host.forward();
  host.run('nft', [['table inet phantun {', ...rules, '}'].join('\n')]);
}

const clientRules = [
  'chain out {',
  'type nat hook postrouting priority 100;',
  'ip saddr 192.168.200.2 masquerade',
  'ip6 saddr fcc8::2 masquerade',
  '}',
];
const serverRules = [
  'chain in {',
  'type nat hook prerouting priority -100;',
  `meta nfproto ipv4 tcp dport ${fakePort} dnat ip to 192.168.201.2`,
  `meta nfproto ipv6 tcp dport ${fakePort} dnat ip6 to fcc9::2`,
  '}',
];

for (const family of [4, 6] as const) {
  const far = family === 4 ? outside.b4 : `[${outside.b6}]`;
  for (const ours of ['server', 'client'] as const) {
    t.test(`hawser as ${ours} of phantun over IPv${family}`, options, async (t) => {
      const lab = new Lab();
      t.teardown(() => lab.close());
      const { a, b } = buildWire(lab);
      const [keysA, keysB] = [generateKeys(), generateKeys()];
      const style = ours === 'client' ? { faketcp: { style: 'phantun' } } : {};
      const endpoint = ours === 'client' ? `faketcp://${far}:${fakePort}` : `127.0.0.1:${localPort}`;
      const [daemonA, daemonB] = [
        new Daemon(lab, a, {
          keys: keysA,
          addresses: [`${inside.a4}/24`],
          peers: [
            {
              name: 'b',
              publicKey: keysB.publicKey,
              allowedIPs: [`${inside.b4}/32`],
              endpoints: [endpoint],
              keepalive: '1s',
            },
          ],
          mtu: 1380,
          more: style,
        }),
        new Daemon(lab, b, {
          keys: keysB,
          addresses: [`${inside.b4}/24`],
          port,
          peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
          mtu: 1380,
          ...(ours === 'server' ? { more: { listen: { udp: port, faketcp: fakePort } } } : {}),
        }),
      ];
      const phantun = (): ChildProcess =>
        ours === 'server'
          ? a.spawn(path.join(folder, 'client'), ['-l', `127.0.0.1:${localPort}`, '-r', `${far}:${fakePort}`])
          : b.spawn(path.join(folder, 'server'), ['-l', String(fakePort), '-r', `127.0.0.1:${port}`]);
      prepare(ours === 'server' ? a : b, ours === 'server' ? clientRules : serverRules);
      const first = phantun();
      await daemonB.start();
      await daemonA.start();
      const answers = async (): Promise<boolean> =>
        (await ping(a, inside.b4, { count: 5, intervalMs: 100 })).received > 0;
      const comesUp = async (): Promise<boolean> => {
        const endMs = performance.now() + 30_000;
        while (performance.now() < endMs) if (await answers()) return true;
        return false;
      };
      t.ok(await comesUp(), `it carries\n${daemonA.log()}`);
      await serveTcp(b, trafficPort);
      t.ok((await push(a, inside.b4, trafficPort, transferBytes)).isIntact);
      t.ok((await pull(a, inside.b4, trafficPort, transferBytes)).isIntact);
      first.kill('SIGKILL');
      await sleep(500);
      phantun();
      t.ok(await comesUp(), 'and again after it was started anew');
    });
  }
}
