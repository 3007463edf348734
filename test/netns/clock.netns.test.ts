/**
 * A device without a clock chip whose state lies in RAM: it was at the hub with a clock that was ahead, and boots with the right time.
 * Real daemons under faketime(1).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { formatKey, newPrivateKey, publicKeyOf } from '../../src/config/keys.ts';
import type { Explanation } from '../../src/control/explain.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip =
  skipReason() ||
  (spawnSync('faketime', ['--version']).error !== undefined && 'needs faketime (apt-get install faketime)');
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

/** What faketime(1) sets for a program whose clock is `ahead` (`+3d`). */
function fakeClock(ahead: string): Record<string, string> {
  const run = spawnSync('faketime', ['-f', ahead, 'env'], { encoding: 'utf8' });
  const preload = /^LD_PRELOAD=(.+)$/m.exec(run.stdout)?.[1];
  if (preload === undefined) throw new Error(`faketime sets no LD_PRELOAD: ${run.stdout}${run.stderr}`);
  return { LD_PRELOAD: preload, FAKETIME: ahead, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

interface Device {
  readonly host: Host;
  readonly hub: Daemon;
  /** Boots with nothing in RAM and this clock, and stays. */
  readonly boot: (ahead?: string) => Promise<Daemon>;
}

async function build(t: Test): Promise<Device> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { a, b } = buildWire(lab);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const hub = new Daemon(lab, b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    port,
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
  });
  await hub.start();
  let device: Daemon | undefined;
  const boot = async (ahead?: string): Promise<Daemon> => {
    await device?.stop();
    rmSync(path.join(lab.folder, 'a/state'), { recursive: true, force: true });
    device = new Daemon(lab, a, {
      keys: keysA,
      addresses: [`${inside.a4}/24`],
      peers: [
        {
          name: 'b',
          publicKey: keysB.publicKey,
          allowedIPs: [`${inside.b4}/32`],
          endpoints: [`${outside.b4}:${port}`],
          keepalive: '25s',
        },
      ],
      ...(ahead === undefined ? {} : { env: fakeClock(ahead) }),
    });
    await device.start();
    return device;
  };
  return { host: a, hub, boot };
}

/** Whether the hub answers a ping within so many seconds. */
async function reaches(host: Host, seconds: number): Promise<boolean> {
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    if ((await ping(host, inside.b4, { count: 1 })).received > 0) return true;
    await sleep(200);
  }
  return false;
}

async function explained(hub: Daemon, text: RegExp, seconds: number): Promise<Explanation | undefined> {
  const endMs = performance.now() + seconds * 1000;
  for (;;) {
    const found = (await hub.ask<readonly Explanation[]>('explain')).find((one) => text.test(one.text));
    if (found !== undefined || performance.now() > endMs) return found;
    await sleep(300);
  }
}

t.test('three days ahead once: nobody is locked out, before and after a restart of the hub', options, async (t) => {
  const { host, hub, boot } = await build(t);
  await boot('+3d');
  t.ok(await reaches(host, 15), 'with the wrong clock');
  t.match(hub.log(), /peer-clock: peer=a aheadSeconds=2592\d\d reason=its clock is ahead of ours/);
  await boot();
  t.ok(await reaches(host, 20), 'with the right one');
  await hub.stop();
  await hub.start();
  t.ok(await reaches(host, 20), 'and at a hub that was started again');
  t.match((await hub.cli('events', '--kind', 'session')).stdout, /session +peer=a/);
  t.equal((await hub.cli('events', '--kind', 'peer-clock')).status, 0, 'a kind that can be asked for');
});

t.test('eleven hours ahead once: the hub says by how much, and what it prints helps', options, async (t) => {
  const { host, hub, boot } = await build(t);
  await boot('+11h');
  t.ok(await reaches(host, 15), 'with the wrong clock');
  await boot();
  const told = await explained(hub, /^Handshakes of peer a are refused: its clock is 11 h behind/, 30);
  t.ok(told, 'within half a minute');
  t.match(hub.log(), /handshake-refused: peer=a .*behindSeconds=39[56]\d\d reason=its clock is behind/);
  t.match((await hub.cli('status')).stdout, /warning +Handshakes of peer a are refused/);
  t.match((await hub.cli('peers')).stdout, /REFUSED\na .*clock/);
  await hub.stop();
  await hub.start();
  t.notOk(await reaches(host, 3), 'a restart is no remedy');
  const remedy = /`hawser (.*) --name b` here/.exec(told?.remedy ?? '')?.[1] ?? 'none';
  const { status, stderr } = await hub.cli(...remedy.split(' '));
  t.equal(status, 0, `hawser ${remedy}: ${stderr}`);
  t.ok(await reaches(host, 20), 'the remedy is');

  // The same once more, mended by taking the peer out and putting it in again.
  await boot('+11h');
  t.ok(await reaches(host, 15), 'ahead again');
  await boot();
  t.ok(await explained(hub, /^Handshakes of peer a are refused/, 30), 'refused again');
  const whole = readFileSync(hub.configPath, 'utf8');
  for (const text of [JSON.stringify({ ...JSON.parse(whole), peers: [] }), whole]) {
    writeFileSync(hub.configPath, text);
    t.equal((await hub.cli('reload')).status, 0);
  }
  t.ok(await reaches(host, 20), 'two reloads help as well');
});

t.test(
  'a hub of 300 absent peers whose clock is set while it runs calls them no more often, and keeps the one',
  options,
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const { a, b } = buildWire(lab);
    b.ip(`route add default via ${outside.a4}`);
    const clock = path.join(lab.folder, 'clock');
    const setClock = (skew: string): void => writeFileSync(clock, `${skew}\n`);
    setClock('+0');
    const { LD_PRELOAD = '' } = fakeClock('+0');
    const [keysA, keysB] = [generateKeys(), generateKeys()];
    const absent = Array.from({ length: 300 }, (_, index) => ({
      name: `p${index}`,
      publicKey: formatKey(publicKeyOf(newPrivateKey())),
      allowedIPs: [`10.10.${index >> 8}.${index & 255}/32`],
      endpoints: [`192.0.2.${1 + (index % 250)}:${port}`],
      keepalive: '25s',
    }));
    const hub = new Daemon(lab, b, {
      keys: keysB,
      addresses: [`${inside.b4}/24`],
      port,
      peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }, ...absent],
      env: {
        LD_PRELOAD,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    await hub.start();
    await new Daemon(lab, a, {
      keys: keysA,
      addresses: [`${inside.a4}/24`],
      peers: [
        {
          name: 'b',
          publicKey: keysB.publicKey,
          allowedIPs: [`${inside.b4}/32`],
          endpoints: [`${outside.b4}:${port}`],
          keepalive: '1s',
        },
      ],
    }).start();
    const calls = async (): Promise<number> => {
      const manager = (await hub.actors()).find(({ role }) => role === 'session-manager');
      return manager?.counters.session_manager_initiation_messages ?? Number.NaN;
    };
    /** Handshakes with the one that is there. */
    const sessions = async (): Promise<number> =>
      ((await hub.cli('events', '--kind', 'session')).stdout.match(/peer=a/g) ?? []).length;
    t.ok(await reaches(a, 15), 'the one that is there');
    for (const skew of ['+400d', '-400d', '+0']) {
      setClock(skew);
      const [startMs, callsBefore, sessionsBefore] = [performance.now(), await calls(), await sessions()];
      await sleep(1500);
      t.equal((await hub.cli('peer', 'rekey', 'a')).status, 0);
      for (const endMs = performance.now() + 15_000; performance.now() < endMs; await sleep(300))
        if ((await sessions()) > sessionsBefore) break;
      t.ok((await sessions()) > sessionsBefore, `new keys with the clock at ${skew}`);
      t.ok(await reaches(a, 10), 'which serve');
      const [count, seconds] = [(await calls()) - callsBefore, (performance.now() - startMs) / 1000];
      t.ok(count < 60 + 25 * seconds, `${count} calls in ${seconds.toFixed(1)} s`);
    }
  },
);
