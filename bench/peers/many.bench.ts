/**
 * A hub and many connected peers: `--peers 1000,10000` WireGuard initiators with real handshakes, each from an address of its own, with a
 * keepalive of 25 s, and one Hawser client beside them. How soon all are connected; what the hub costs then (`--seconds`, 30: processor and
 * memory); the client's goodput, alone and beside them; how soon all are back when the hub was restarted. `--against FOLDER`: the hub of
 * another checkout.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../../test/support/daemon.ts';
import { measureIdle } from '../../test/support/idle.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { type Host, Lab } from '../../test/support/netns.ts';
import { ping } from '../../test/support/traffic.ts';
import { median, option, report } from '../support/bench.ts';
import { innerAddressOf, publicKeyOf, Swarm, swarmNetwork } from './swarm.ts';

const port = 51820;
const client = '10.99.0.2';
const hubInside = '10.99.0.1';
const settleS = 15;
const idleS = Number(option('seconds', '30'));
const goodputRuns = 3;
const goodputS = 4;
const other = option('against', '');
const program = other === '' ? {} : { program: path.join(other, 'build/src/cli/main.js') };
const connectMs = 120_000;
const returnMs = 300_000;

/** Kilobytes that are in memory. */
function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Gbit/s up and down, the median of a few runs each. */
function goodput(host: Host): readonly [up: number, down: number] {
  const once = (way: readonly string[]): number => {
    const args = ['-J', '-C', 'cubic', '-t', String(goodputS), '-c', hubInside, ...way];
    for (let tries = 0; ; tries += 1) {
      const said = JSON.parse(host.run('iperf3', args)) as {
        error?: string;
        end?: { sum_received?: { bits_per_second: number } };
      };
      const rate = said.end?.sum_received?.bits_per_second;
      if (rate !== undefined && rate > 0) return rate / 1e9;
      if (tries === 20) throw new Error(`iperf3: ${said.error}`);
      spawnSync('sleep', ['0.25']);
    }
  };
  const runs = (way: readonly string[]): number => median(Array.from({ length: goodputRuns }, () => once(way)));
  return [runs([]), runs(['-R'])];
}

async function measure(count: number): Promise<void> {
  const lab = new Lab();
  try {
    const [many, hub, one] = [lab.host('many'), lab.host('hub'), lab.host('one')];
    lab.join(many, hub, { addresses: [['10.2.0.2/24'], ['10.2.0.1/24']] });
    lab.join(one, hub, { addresses: [['10.3.0.2/24'], ['10.3.0.1/24']] });
    hub.ip(`route add ${swarmNetwork} via 10.2.0.2`);
    const seed = randomBytes(8).toString('hex');
    const [keysHub, keysOne] = [generateKeys(), generateKeys()];
    const beside = { name: 'one', publicKey: keysOne.publicKey, allowedIPs: [`${client}/32`] };
    const peers = Array.from({ length: count }, (_, index) => ({
      name: `p${index}`,
      publicKey: publicKeyOf(seed, index),
      allowedIPs: [`${innerAddressOf(index)}/32`],
      // So that the hub calls them when it was restarted.
      keepalive: '25s',
    }));
    const daemon = new Daemon(lab, hub, {
      keys: keysHub,
      addresses: [`${hubInside}/24`],
      port,
      peers: [beside, ...peers],
      ...program,
    });
    const toHub = { name: 'hub', publicKey: keysHub.publicKey, allowedIPs: [`${hubInside}/32`] };
    const peer = new Daemon(lab, one, {
      keys: keysOne,
      addresses: [`${client}/24`],
      peers: [{ ...toHub, endpoints: [`10.3.0.1:${port}`] }],
    });
    hub.spawn('iperf3', ['-s'], { stdio: 'ignore' });
    const swarm = new Swarm(many, { count, seed, server: '10.2.0.1', port, serverKey: keysHub.publicKey });
    await daemon.start();
    await peer.start();
    await swarm.state();
    if ((await ping(one, hubInside, { count: 5, intervalMs: 200 })).received === 0) throw new Error('no tunnel');
    const alone = goodput(one);
    await sleep(settleS * 1000);
    const facts = { peers: count };
    const tell = (name: string, value: number, unit: string, more = {}): void =>
      report(`many-${name}`, { ...facts, ...more }, value, unit);
    const idleBefore = await measureIdle(daemon.pid, idleS);
    const before = residentKb(daemon.pid);
    tell('idle-cpu', idleBefore.cpuPercent, '%', { connected: 0, seconds: idleS });
    tell('memory', before / 1024, 'MiB', { connected: 0 });

    const pings = ping(one, hubInside, { count: 100, intervalMs: 50 });
    swarm.say('connect');
    const connected = await swarm.connected(connectMs);
    tell('connect', connected.lastMs / 1000, 's', { connected: connected.connected, calls: connected.calls });
    const { received, averageMs = Number.NaN } = await pings;
    tell('ping-meanwhile', averageMs, 'ms', { received: `${received}/100` });

    await sleep(settleS * 1000);
    const idle = await measureIdle(daemon.pid, idleS);
    const after = residentKb(daemon.pid);
    tell('idle-cpu', idle.cpuPercent, '%', { connected: connected.connected, seconds: idleS });
    tell('idle-wakeups', idle.wakeupsPerSecond, '1/s', { connected: connected.connected });
    tell('memory', after / 1024, 'MiB', { connected: connected.connected });
    tell('memory-each', (after - before) / count, 'KiB');
    process.stderr.write(`${idle.threads.join(', ')}\n`);
    const crowded = goodput(one);
    for (const [index, way] of ['up', 'down'].entries()) {
      const [lonely, beside] = [alone[index] as number, crowded[index] as number];
      tell('goodput', beside, 'Gbit/s', { way, alone: lonely.toFixed(2) });
      tell('goodput-share', beside / lonely, 'x', { way });
    }

    await daemon.stop();
    swarm.say('count');
    await daemon.start();
    const back = await swarm.connected(returnMs);
    tell('return', back.lastMs / 1000, 's', { connected: back.connected });
  } finally {
    await lab.close();
  }
}

for (const count of option('peers', '1000').split(',')) await measure(Number(count));
