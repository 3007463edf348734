/**
 * How long an instance takes to be there: from the start of the process until systemd hears READY=1, until the first ping went through the tunnel and
 * back, and until all threads run. `plain`, and `full`: with API, history, webhooks and a plugin. With `--hogs 0,8` processes beside it that take
 * whatever they get. `--against FOLDER`: another checkout, in turns; `--pairs` of each.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../../test/support/daemon.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { type Host, Lab } from '../../test/support/netns.ts';
import { until } from '../../test/support/until.ts';
import { median, option, pairCount, report, spread } from '../support/bench.ts';

const other = option('against', '');
const inside = { client: '10.99.0.2', hub: '10.99.0.1' };
const port = 51820;
const kinds = option('parts', 'plain,full').split(',');

/** Tells the time at which each datagram of sd_notify(3) came, CLOCK_MONOTONIC in seconds, as performance.timeOrigin cannot. */
const listenerText = (socketPath: string): string => `import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("${socketPath}"); print("bound", flush=True)
while True:
  text = s.recv(4096).decode().replace("\\n", " "); print(time.time(), text, flush=True)`;

/** Echoes as fast as they are answered, until one is. */
const pingerText = (address: string): string =>
  `until ping -n -q -c 1 -W 0.05 ${address} >/dev/null 2>&1; do sleep 0.01; done; date +%s.%N`;

function listen(host: Host, socketPath: string): { readonly child: ChildProcess; text(): string } {
  const child = host.spawn('python3', ['-c', listenerText(socketPath)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  return { child, text: () => heard };
}

/** Whom others may read. */
const pluginFolder = mkdtempSync(path.join(tmpdir(), 'hw-start-'));
const plugin = path.join(pluginFolder, 'quiet.mjs');
chmodSync(pluginFolder, 0o755);
writeFileSync(plugin, 'export const hawserPlugin = 1;\nexport function event() {}\n', { mode: 0o644 });

function sectionsOf(kind: string, folder: string): Record<string, unknown> {
  if (kind === 'plain') return {};
  const secretFile = path.join(folder, 'hook.secret');
  writeFileSync(secretFile, `whsec_${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return {
    api: { listen: '127.0.0.1:8474', tokensFile: path.join(folder, 'tokens') },
    history: {},
    webhooks: [{ url: 'http://10.3.0.2:9/hook', events: ['failover'], allowPrivate: true, secretFile }],
    plugins: [plugin],
  };
}

interface Times {
  readonly ready: number;
  readonly packet: number;
  readonly all: number;
}

async function startOnce(host: Host, hub: Daemon, heard: () => string): Promise<Times> {
  const before = heard().length;
  const beganMs = Date.now();
  const pinger = host.spawn('sh', ['-c', pingerText(inside.hub)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let answered = '';
  pinger.stdout?.on('data', (chunk: Buffer) => {
    answered += chunk.toString();
  });
  await hub.start();
  const rows = () => hub.actors();
  await until('all threads run', async () => (await rows()).every(({ state }) => state === 'running'), 300_000);
  const allMs = Math.max(...(await rows()).map(({ startedAtMs }) => startedAtMs));
  await until('READY=1', () => heard().slice(before).includes('READY=1'), 300_000);
  await until('a packet', () => answered !== '', 60_000);
  const readyLine =
    heard()
      .slice(before)
      .split('\n')
      .find((line) => line.includes('READY=1')) ?? '';
  return {
    ready: Number(readyLine.split(' ')[0]) * 1000 - beganMs,
    packet: Number(answered) * 1000 - beganMs,
    all: allMs - beganMs,
  };
}

async function measure(kind: string, hogs: number): Promise<void> {
  const lab = new Lab();
  const busy: ChildProcess[] = [];
  try {
    const [client, host] = [lab.host('one'), lab.host('hub')];
    lab.join(client, host, { addresses: [['10.3.0.2/24'], ['10.3.0.1/24']] });
    const [keysHub, keysClient] = [generateKeys(), generateKeys()];
    const socketPath = path.join(lab.folder, 'notify');
    const listener = listen(host, socketPath);
    await once(listener.child.stdout ?? listener.child, 'data');
    const sides =
      other === '' ? { ours: undefined } : { ours: undefined, theirs: path.join(other, 'build/src/cli/main.js') };
    const hubs = Object.entries(sides).map(([side, program]) => ({
      side,
      hub: new Daemon(lab, host, {
        instance: `hub-${side}`,
        keys: keysHub,
        addresses: [`${inside.hub}/24`],
        port,
        peers: [
          // So that it calls, as a hub whose clients are known does.
          {
            name: 'one',
            publicKey: keysClient.publicKey,
            allowedIPs: [`${inside.client}/32`],
            endpoints: ['10.3.0.2:51821'],
            keepalive: '25s',
          },
        ],
        more: sectionsOf(kind, lab.folder),
        env: { NOTIFY_SOCKET: socketPath },
        ...(program === undefined ? {} : { program }),
      }),
      times: [] as Times[],
    }));
    const one = new Daemon(lab, client, {
      keys: keysClient,
      addresses: [`${inside.client}/24`],
      port: 51_821,
      peers: [
        {
          name: 'hub',
          publicKey: keysHub.publicKey,
          allowedIPs: [`${inside.hub}/32`],
          endpoints: [`10.3.0.1:${port}`],
        },
      ],
    });
    await one.start();
    for (let count = 0; count < hogs; count += 1)
      busy.push(host.spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
    // Pair -1 is not counted: files come into memory.
    for (let pair = -1; pair < pairCount; pair += 1)
      for (const { hub, times } of hubs) {
        const took = await startOnce(client, hub, listener.text);
        if (pair >= 0) times.push(took);
        await hub.stop('SIGTERM').catch(async () => await hub.stop('SIGKILL'));
        await sleep(200);
      }
    for (const figure of ['ready', 'packet', 'all'] as const) {
      for (const { side, times } of hubs) {
        const values = times.map((one) => one[figure]);
        report(`start-${figure}`, { kind, hogs, side, spread: spread(values) }, median(values), 'ms');
      }
      const [ours, theirs] = hubs;
      if (ours === undefined || theirs === undefined) continue;
      const ratios = ours.times.map((one, pair) => one[figure] / (theirs.times[pair]?.[figure] ?? Number.NaN));
      report(
        `start-${figure}`,
        { kind, hogs, side: 'ours/theirs', pairs: pairCount, spread: spread(ratios) },
        median(ratios),
        'x',
      );
    }
  } finally {
    for (const one of busy) one.kill('SIGKILL');
    await lab.close();
  }
}

try {
  for (const kind of kinds) for (const hogs of option('hogs', '0,8').split(',')) await measure(kind, Number(hogs));
} finally {
  rmSync(pluginFolder, { recursive: true, force: true });
}
