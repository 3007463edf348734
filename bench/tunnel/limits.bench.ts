/**
 * What a client's rate limits hold: a hub gives it 20 Mbit/s down and 10 up; TCP and UDP (60 Mbit/s offered) in both directions, by a Hawser
 * and by wireguard-go (`--wireguard-go PATH`), `--seconds` each (10), `--trials` times. Rates are inner bytes as the hub counts them, less
 * 1 s of beginning; `goodput` is what iperf3 got. Pings go beside each load. `--parts hawser,stock` and `--mode tcp,udp` choose.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerStatus } from '../../src/control/rows.ts';
import { Daemon } from '../../test/support/daemon.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { type Host, Lab } from '../../test/support/netns.ts';
import { ping } from '../../test/support/traffic.ts';
import { findWireguardGo, WireguardGo } from '../../test/support/wireguard-go.ts';
import { option, report } from '../support/bench.ts';

const limits = { up: 10, down: 20 };
const offeredMbit = 60;
const seconds = Number(option('seconds', '10'));
const trials = Number(option('trials', '1'));
const kinds = option('parts', 'hawser,stock').split(',');
const protocols = option('mode', 'tcp,udp').split(',');
/** TCP finds its rate in it. */
const beginMs = 1000;

interface Bench {
  readonly lab: Lab;
  readonly client: Host;
  readonly hub: Daemon;
}

async function build(kind: string): Promise<Bench> {
  const lab = new Lab();
  const [client, host] = [lab.host('client'), lab.host('hub')];
  lab.join(client, host, { addresses: [['10.77.0.1/24'], ['10.77.0.2/24']] });
  const [keysClient, keysHub] = [generateKeys(), generateKeys()];
  const hub = new Daemon(lab, host, {
    keys: keysHub,
    addresses: ['10.9.0.2/24'],
    port: 51820,
    peers: [{ name: 'client', publicKey: keysClient.publicKey, allowedIPs: ['10.9.0.1/32'], limits }],
  });
  await hub.start();
  const theHub = { publicKey: keysHub.publicKey, allowedIPs: ['10.9.0.2/32'] };
  if (kind === 'stock') {
    const peer = { ...theHub, endpoint: '10.77.0.2:51820' };
    await WireguardGo.start(lab, client, {
      privateKey: keysClient.privateKey,
      addresses: ['10.9.0.1/24'],
      peers: [peer],
    });
  } else {
    const peers = [{ ...theHub, name: 'hub', endpoints: ['10.77.0.2:51820'] }];
    await new Daemon(lab, client, { keys: keysClient, addresses: ['10.9.0.1/24'], peers }).start();
  }
  host.spawn('iperf3', ['-s'], { stdio: 'ignore' });
  await ping(client, '10.9.0.2', { count: 10, intervalMs: 100 });
  return { lab, client, hub };
}

async function innerBytes(hub: Daemon, direction: string): Promise<{ atMs: number; bytes: number }> {
  const [peer] = (await hub.peers()) as readonly [PeerStatus];
  return { atMs: performance.now(), bytes: direction === 'down' ? peer.limits.sentBytes : peer.limits.receivedBytes };
}

async function iperf(child: ChildProcess): Promise<number> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  const parsed = JSON.parse(text) as {
    error?: string;
    end?: { sum_received?: { bits_per_second: number }; sum?: { bits_per_second: number; lost_percent: number } };
  };
  if (parsed.error !== undefined) throw new Error(parsed.error);
  const udp = parsed.end?.sum;
  const received = parsed.end?.sum_received?.bits_per_second;
  if (received !== undefined && received > 0) return received / 1e6;
  return ((udp?.bits_per_second ?? 0) * (1 - (udp?.lost_percent ?? 0) / 100)) / 1e6;
}

async function measure(bench: Bench, kind: string, protocol: string, direction: 'up' | 'down'): Promise<void> {
  const { client, hub } = bench;
  const idle = await ping(client, '10.9.0.2', { count: 50, intervalMs: 20 });
  const args = ['-J', '-t', String(seconds + 2), '-c', '10.9.0.2', ...(direction === 'down' ? ['-R'] : [])];
  const how = protocol === 'udp' ? ['-u', '-b', `${offeredMbit}M`, '-l', '1300'] : ['-C', 'cubic'];
  const running = iperf(client.spawn('iperf3', [...args, ...how], { stdio: ['ignore', 'pipe', 'inherit'] }));
  await sleep(beginMs);
  const before = await innerBytes(hub, direction);
  const loadedPing = ping(client, '10.9.0.2', { count: Math.floor((seconds * 1000) / 50), intervalMs: 50 });
  await sleep(seconds * 1000);
  const after = await innerBytes(hub, direction);
  const loaded = await loadedPing;
  const goodput = await running;
  const mbit = ((after.bytes - before.bytes) * 8) / 1000 / (after.atMs - before.atMs);
  const words = { client: kind, protocol, direction };
  report('limit-inner', words, mbit / limits[direction], 'x of the limit');
  report('limit-goodput', words, goodput, 'Mbit/s');
  const lost = loaded.sent - loaded.received;
  report('limit-ping', { ...words, idle: idle.averageMs, max: loaded.maxMs, lost }, loaded.averageMs, 'ms');
}

for (const kind of kinds) {
  if (kind === 'stock' && findWireguardGo() === undefined) {
    console.error(
      'wireguard-go not found: put it on PATH or name it by --wireguard-go PATH; figures of it are left out',
    );
    continue;
  }
  const bench = await build(kind);
  try {
    for (let trial = 0; trial < trials; trial += 1)
      for (const protocol of protocols)
        for (const direction of ['down', 'up'] as const) await measure(bench, kind, protocol, direction);
  } finally {
    await bench.lab.close();
  }
}
