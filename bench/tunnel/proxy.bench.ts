/**
 * TLS through a real HTTP proxy, with nothing else allowed: goodput of one TCP flow over a link of 100 Mbit/s and 40 ms, up and down, and round
 * trips of pings beside it. `npm run bench -- tunnel/proxy [--parts tinyproxy,squid] [--runs 3] [--seconds 10]`; what is not on PATH is left out
 * (apt-get install tinyproxy-bin squid).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Rope, startRope } from '../../test/support/bond.ts';
import { echoFlows, goodputMbit, pingUdp, runTcp, serveFlows } from '../../test/support/flows.ts';
import { type EmulatedNet, emulate, linkAddresses } from '../../test/support/link-emulator.ts';
import { Lab } from '../../test/support/netns.ts';
import { inside, port } from '../../test/support/pair.ts';
import { median, option, report, runSeconds, spread } from '../support/bench.ts';

const seconds = Math.max(6, runSeconds);
const settledSeconds = 3;
const [rateMbit, rttMs, proxyPort] = [100, 40, 3128];
const ports = { tcp: 7000, echo: 7001 } as const;
const runs = Number(option('runs', '3'));

interface Proxy {
  readonly program: string;
  readonly args: (file: string) => readonly string[];
  readonly config: () => string;
}

const proxies: Readonly<Record<string, Proxy>> = {
  tinyproxy: {
    program: 'tinyproxy',
    args: (file) => ['-d', '-c', file],
    config: () =>
      [`Port ${proxyPort}`, 'Timeout 600', 'MaxClients 100', `ConnectPort ${port + 1}`, 'LogLevel Error', ''].join(
        '\n',
      ),
  },
  squid: {
    program: 'squid',
    args: (file) => ['-N', '-f', file],
    // It becomes somebody who may not write to the lab's folder.
    config: () =>
      [
        `http_port ${proxyPort}`,
        `acl hub port ${port + 1}`,
        'http_access allow CONNECT hub',
        'http_access deny all',
        'cache deny all',
        'access_log none',
        'cache_log /dev/null',
        'pid_filename none',
        'shutdown_lifetime 0 seconds',
        '',
      ].join('\n'),
  },
};

/** The provider's router forwards nothing: whoever wants to the other side asks the proxy on it. */
function allowNothing({ isp }: EmulatedNet): void {
  isp.run('nft', ['table inet shut { chain c { type filter hook forward priority 0; policy drop; }; }']);
}

async function measure(name: string, { net, rope }: { net: EmulatedNet; rope: Rope }): Promise<void> {
  const [path] = await rope.upPaths('client');
  if (path?.transport !== 'tls') throw new Error(`${path?.transport} carries, and not tls`);
  await serveFlows(net.server, ports.tcp);
  await echoFlows(net.server, ports.echo);
  for (const direction of ['up', 'down'] as const) {
    const figures: { goodput: number[]; idle: number[]; loaded: number[] } = { goodput: [], idle: [], loaded: [] };
    for (let run = 0; run < runs; run += 1) {
      const ping = (count: number) => pingUdp(net.client, inside.b4, ports.echo, { intervalMs: 20, count });
      figures.idle.push((await ping(100)).p50Ms);
      const loaded = sleep(settledSeconds * 1000).then(() => ping(((seconds - settledSeconds) * 1000) / 20));
      const streams = await runTcp(net.client, inside.b4, ports.tcp, { seconds, direction });
      figures.goodput.push(goodputMbit(streams, settledSeconds, seconds));
      figures.loaded.push((await loaded).p95Ms);
    }
    const words = { proxy: name, direction, link: rateMbit, rtt: rttMs, runs };
    const tell = (what: string, values: readonly number[], unit: string) =>
      report(what, { ...words, spread: spread(values) }, median(values), unit);
    tell('proxy-goodput', figures.goodput, 'Mbit/s');
    tell('proxy-ping-idle-p50', figures.idle, 'ms');
    tell('proxy-ping-loaded-p95', figures.loaded, 'ms');
  }
}

async function runOne(name: string, { program, args, config }: Proxy): Promise<void> {
  const lab = new Lab();
  try {
    const hosts = { client: lab.host('client'), server: lab.host('server') };
    const links = [{ name: 'one', rateMbit, delayMs: rttMs / 2, queueMs: 100 }];
    const net = await emulate(lab, { ...hosts, links });
    allowNothing(net);
    const folder = path.join(lab.folder, name);
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'conf'), config());
    net.isp.spawn(program, args(path.join(folder, 'conf')), { stdio: 'ignore' });
    await sleep(1500);
    const proxy = `http://${linkAddresses(0).router4}:${proxyPort}`;
    const rope = await startRope(lab, net, { transport: 'tls', more: { tls: { proxy } } });
    await measure(name, { net, rope });
  } finally {
    await lab.close();
  }
}

for (const name of option('parts', 'tinyproxy,squid').split(',')) {
  const proxy = proxies[name];
  if (proxy === undefined) throw new Error(`no proxy "${name}" (${Object.keys(proxies).join(', ')})`);
  if (spawnSync(proxy.program, ['-v']).error === undefined) await runOne(name, proxy);
  else console.error(`${name} is not on PATH (apt-get install tinyproxy-bin squid): its figures are left out`);
}
