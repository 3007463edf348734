/**
 * Hawser beside amneziawg-go, as client and as server, with junk, signature packets, paddings and header ranges. The peer is found on PATH
 * or named by AMNEZIAWG_GO.
 */
import t from 'tap';
import { capture } from '../support/capture.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';
import { amneziaSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason() || amneziaSkipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
const transferBytes = 20e6;

const signature = '<b 0xc0ffee><r 16><rd 4><rc 4><t>';
const common = { s1: 15, s2: 33, s3: 7, s4: 12, h1: '100-200', h2: '300-400', h3: '500', h4: '1000-2147483647' };
const lists = {
  all: { jc: 4, jmin: 40, jmax: 70, ...common, i1: signature, i2: '<r 100>' },
  'S and H alone': common,
  'junk alone': { jc: 3, jmin: 50, jmax: 100, i1: signature },
} as const;

for (const hawserRole of ['client', 'server'] as const) {
  for (const [what, worn] of Object.entries(lists)) {
    t.test(`hawser as ${hawserRole} of amneziawg-go, ${what}`, options, async (t) => {
      const lab = new Lab();
      t.teardown(() => lab.close());
      const { a, b, ports } = buildWire(lab);
      const [ours, theirs] = [generateKeys(), generateKeys()];
      const isClient = hawserRole === 'client';
      const onlooker = await capture(lab, ports[0]).catch(() => undefined);
      await WireguardGo.start(lab, b, {
        privateKey: theirs.privateKey,
        addresses: [`${inside.b4}/24`],
        port: isClient ? port : 0,
        amnezia: Object.entries(worn).map(([key, value]) => `${key}=${value}`),
        peers: [
          {
            publicKey: ours.publicKey,
            allowedIPs: [`${inside.a4}/32`],
            ...(isClient ? {} : { endpoint: `${outside.a4}:${port}` }),
          },
        ],
      });
      const peer = { name: 'amnezia', publicKey: theirs.publicKey, allowedIPs: [`${inside.b4}/32`] };
      const hawser = new Daemon(lab, a, {
        keys: ours,
        addresses: [`${inside.a4}/24`],
        ...(isClient ? {} : { port }),
        more: { obfuscation: worn },
        peers: [{ ...peer, ...(isClient ? { endpoints: [`${outside.b4}:${port}`] } : {}) }],
      });
      await hawser.start();
      const [client, target] = isClient ? [a, inside.b4] : [b, inside.a4];
      const result = await ping(client, target, { count: 10, intervalMs: 200 });
      t.ok(result.received >= 7, `${result.received} of 10 pings`);
      await serveTcp(b, 7000);
      t.match(await pull(a, inside.b4, 7000, transferBytes), { isIntact: true });
      t.match(await push(a, inside.b4, 7000, transferBytes), { isIntact: true });
      t.match((await hawser.peers())[0], { state: 'connected' });
      const seen = (await onlooker?.stop()) ?? [];
      const plain = seen.filter((bytes) => bytes.length >= 4 && [1, 2, 3, 4].includes(bytes.readUInt32LE(0)));
      if (what !== 'junk alone') t.equal(plain.length, 0, `of ${seen.length} packets none has a type of WireGuard's`);
      t.equal(await hawser.stop(), 0, 'an orderly stop');
    });
  }
}
