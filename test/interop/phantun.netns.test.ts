/** Hawser beside phantun: its client calls us, and we call its server, over IPv4 and IPv6, again after it was started anew. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { phantunSkipReason, startPhantunClient, startPhantunServer } from '../support/phantun.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const skip = skipReason() || phantunSkipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);
const fakePort = 4567;
const localPort = 7777;
const trafficPort = 7070;
const transferBytes = 100e6;

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
          ? startPhantunClient(a, { localPort, remote: `${far}:${fakePort}` })
          : startPhantunServer(b, { port: fakePort, remote: `127.0.0.1:${port}` });
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
