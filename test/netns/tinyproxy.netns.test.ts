/** TLS through the HTTP proxy that Debian has, with nothing else allowed: it connects, says in words what the proxy refuses, and outlasts it. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { Explanation } from '../../src/control/explain.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const program = 'tinyproxy';
const isThere = spawnSync(program, ['-v']).error === undefined;
const skip = skipReason() || (isThere ? false : `${program} is not on PATH (apt-get install tinyproxy-bin)`);
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
const trafficPort = 7071;
const [hub, proxyHost, proxyPort] = ['10.78.2.1', '10.78.1.254', 3128];

t.test('tinyproxy lets TLS through, and what it refuses is said in words', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  // The router forwards nothing: whoever wants to the other side asks the proxy there.
  const [a, router, b] = [lab.host('a'), lab.host('r'), lab.host('b')];
  lab.join(a, router, { interfaces: ['wan', 'ra'], addresses: [['10.78.1.1/24'], [`${proxyHost}/24`]] });
  lab.join(b, router, { interfaces: ['wan', 'rb'], addresses: [[`${hub}/24`], ['10.78.2.254/24']] });
  a.ip(`route add default via ${proxyHost}`);
  b.ip('route add default via 10.78.2.254');
  let running: ChildProcess | undefined;
  const endProxy = async (): Promise<void> => {
    const one = running;
    if (one === undefined) return;
    const ended = once(one, 'exit');
    one.kill('SIGKILL');
    await ended;
  };
  const startProxy = async (tunnelPort: number): Promise<void> => {
    await endProxy();
    const file = path.join(lab.folder, 'tinyproxy.conf');
    const lines = [`Port ${proxyPort}`, 'Timeout 600', 'MaxClients 20', 'BasicAuth joe secret', 'LogLevel Error'];
    writeFileSync(file, [...lines, `ConnectPort ${tunnelPort}`, ''].join('\n'));
    running = router.spawn(program, ['-d', '-c', file], { stdio: 'ignore' });
    await until('the proxy', async () => router.run('ss', ['-Htln', `sport = :${proxyPort}`]) !== '');
  };
  const password = path.join(lab.folder, 'password');
  writeFileSync(password, 'secret\n', { mode: 0o600 });
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const endpoints = [`${hub}:${port}`, `tls://${hub}:443`];
  const proxied = { proxy: `http://joe@${proxyHost}:${proxyPort}`, proxyPasswordFile: password };
  const near = new Daemon(lab, a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    peers: [{ name: 'peer', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints, keepalive: '1s' }],
    more: { links: [{ name: 'wan', interface: 'wan' }], tls: proxied },
  });
  const far = new Daemon(lab, b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    peers: [{ name: 'peer', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
    more: { listen: { udp: port, tls: 443 } },
  });
  const isSaid = async (what: RegExp, remedy = /./): Promise<boolean> =>
    (await near.ask<readonly Explanation[]>('explain')).some(
      (one) => what.test(one.text) && remedy.test(one.remedy ?? ''),
    );
  const answers = async (): Promise<boolean> => (await ping(a, inside.b4, { count: 2, intervalMs: 50 })).received > 0;
  const giveAccount = async (tls: object): Promise<void> => {
    const config = JSON.parse(readFileSync(near.configPath, 'utf8'));
    writeFileSync(near.configPath, JSON.stringify({ ...config, tls }));
    t.match(await near.cli('reload'), { status: 0 });
  };

  // It lets nobody through to the hub's port.
  await Promise.all([startProxy(444), far.start()]);
  await near.start();
  await until('a word about 403', () => isSaid(/answers 403/));
  await startProxy(443);
  await until('a first answer', answers);
  t.notOk(await isSaid(/answers 403/), 'nobody is told what is over');
  const paths = await near.ask<readonly PathStatus[]>('paths');
  t.match(
    paths.filter(({ state }) => state === 'up'),
    [{ transport: 'tls', endpoint: `tls://${hub}:443` }],
    'nothing else leads there',
  );
  await serveTcp(b, trafficPort);
  t.ok((await push(a, inside.b4, trafficPort, 1 << 20)).isIntact);
  t.ok((await pull(a, inside.b4, trafficPort, 1 << 20)).isIntact);

  await endProxy();
  running = undefined;
  await until('a word about the proxy that is gone', () => isSaid(/proxy .* is not reached: .*ECONNREFUSED/));
  await startProxy(443);
  await until('an answer by the proxy that is back', answers);

  // It wants an account, and is shown none.
  await giveAccount({ proxy: `http://${proxyHost}:${proxyPort}` });
  await until('a word about 407', () => isSaid(/answers 407/, /tls\.proxyPasswordFile/));
  await giveAccount(proxied);
  await until('an answer with the account', answers);
});
