/** Two real daemons, and nothing between them but an HTTP proxy that knows CONNECT: TLS carries, and the rest of the world sees a web site. */
import { once } from 'node:events';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Explanation } from '../../src/control/explain.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { ownCertificate } from '../../src/io/tls/own-certificate.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(180_000);
const trafficPort = 7070;
const hub = '10.77.2.1';
const proxyPort = 3128;
/** `tuning.deadMs` of a peer's connection (actors/tls-link.ts), and the kernel's next look at it. */
const deadMs = 9_000;
const program = (name: string): string => path.join(import.meta.dirname, `../support/${name}-program.js`);

/** In /proc/net/tcp of the hub: a connection to its port 443 from its own address. */
const establishedOfHub = /:01BB 01024D0A:[0-9A-F]{4} 01 /;

/** What the site says to a host that is no peer. */
function visit(host: Host): unknown {
  return JSON.parse(host.run(process.execPath, [program('tls-visitor'), 'get', hub, '443']));
}

t.test('through a proxy, past a crowd, after a kill and with a new certificate', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  // The router forwards nothing: whoever wants to the other side asks the proxy there.
  const [a, router, b] = [lab.host('a'), lab.host('r'), lab.host('b')];
  lab.join(a, router, { interfaces: ['wan', 'ra'], addresses: [['10.77.1.1/24'], ['10.77.1.254/24']] });
  lab.join(b, router, { interfaces: ['wan', 'rb'], addresses: [[`${hub}/24`], ['10.77.2.254/24']] });
  a.ip('route add default via 10.77.1.254');
  b.ip('route add default via 10.77.2.254');
  const proxy = router.spawn(process.execPath, [program('connect-proxy'), '0.0.0.0', String(proxyPort), 'joe:secret'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (proxy.stdout !== null) await once(proxy.stdout, 'data');
  const site = path.join(lab.folder, 'site');
  mkdirSync(site);
  writeFileSync(path.join(site, 'index.html'), 'an ordinary site');
  writeFileSync(path.join(site, 'big'), '');
  truncateSync(path.join(site, 'big'), 64 << 20);
  const [password, certificate] = [path.join(lab.folder, 'password'), path.join(lab.folder, 'certificate.pem')];
  writeFileSync(password, 'secret\n', { mode: 0o600 });
  const writeCertificate = (name: string) =>
    writeFileSync(certificate, ownCertificate(lab.folder, name, `${name}.example.net`).certificate);
  writeCertificate('old');
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const endpoints = [`${hub}:${port}`, `tls://${hub}:443`];
  const near = new Daemon(lab, a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    peers: [{ name: 'peer', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints, keepalive: '1s' }],
    more: {
      links: [{ name: 'wan', interface: 'wan' }],
      tls: { proxy: `http://joe@10.77.1.254:${proxyPort}`, proxyPasswordFile: password },
    },
  });
  const far = new Daemon(lab, b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    peers: [{ name: 'peer', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
    more: { listen: { udp: port, tls: 443 }, tls: { certificate, key: certificate, site } },
  });
  await far.start();
  await near.start();
  await serveTcp(b, trafficPort);
  const answers = async (): Promise<boolean> => (await ping(a, inside.b4, { count: 3, intervalMs: 50 })).received > 0;

  await until('a first answer', answers);
  const paths = await near.ask<readonly PathStatus[]>('paths');
  t.match(
    paths.find(({ transport }) => transport === 'tls'),
    { endpoint: `tls://${hub}:443`, state: 'up' },
  );
  t.match((await far.peers())[0], { transport: 'tls', endpoint: /^tls:\/\/10\.77\.2\.254:\d+$/ });
  t.ok((await push(a, inside.b4, trafficPort, 8 << 20)).isIntact);
  t.ok((await pull(a, inside.b4, trafficPort, 8 << 20)).isIntact);

  const deaf = b.spawn(process.execPath, [program('tls-visitor'), 'deaf', hub, '443', '/big'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (deaf.stdout !== null) await once(deaf.stdout, 'data');
  const deafFromMs = performance.now();
  t.match(visit(router), { status: 200, name: 'old.example.net', body: 'an ordinary site' });
  const crowd = router.spawn(process.execPath, [program('tls-visitor'), 'crowd', hub, '443', '300'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (crowd.stdout !== null) await once(crowd.stdout, 'data');
  t.match(visit(router), { status: 200 }, 'the crowd keeps nobody out of the site');
  t.ok(await answers(), 'nor out of the tunnel');
  // Whoever calls anew finds the door open, from the very address of the crowd: the proxy's.
  await near.actor('kill', 'tls-link.wan.tls');
  await until('an answer after the kill', answers);
  crowd.kill('SIGKILL');

  writeCertificate('new');
  t.equal((await far.cli('reload')).status, 0);
  await until('the new certificate', async () => (visit(router) as { name: string }).name === 'new.example.net');
  t.ok(await answers(), 'nobody was cut off');

  await sleep(Math.max(0, deadMs - (performance.now() - deafFromMs)));
  t.match(b.run('cat', ['/proc/net/tcp']), establishedOfHub, 'a visitor is waited for longer than a peer');
  deaf.kill('SIGKILL');

  writeFileSync(password, 'wrong\n');
  await far.actor('kill', 'tls-link.default.tls');
  await until('a word about the proxy', async () => /the proxy answers 407 to CONNECT/.test(near.log()));
  const isTold = async (): Promise<boolean> =>
    (await near.ask<readonly Explanation[]>('explain')).some(
      ({ text, remedy }) => /link wan peer peer .* answers 407/.test(text) && remedy?.includes('tls.proxyPasswordFile'),
    );
  t.ok(await isTold(), 'explain says it as long as it lasts');
  writeFileSync(password, 'secret\n');
  await until('an answer after all', answers);
  t.notOk(await isTold());

  const connections = (): string[] =>
    router.run('ss', ['-Htn', 'state', 'established', 'dst', hub]).split('\n').filter(Boolean);
  const portsOf = (lines: string[]): string[] => lines.map((line) => line.trim().split(/\s+/)[2] ?? '');
  const before = portsOf(connections());
  t.ok(before.length > 0);
  const config = JSON.parse(readFileSync(far.configPath, 'utf8'));
  writeFileSync(far.configPath, JSON.stringify({ ...config, peers: [] }));
  t.match(await far.cli('reload'), { status: 0 });
  await until('the end of his connections', async () => portsOf(connections()).every((one) => !before.includes(one)));
});
