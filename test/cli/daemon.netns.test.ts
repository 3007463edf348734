/** The operator's commands against a real daemon: what they show is what runs, and what they change takes effect. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { ActorStatus, PeerStatus, RingStatus, Status } from '../../src/control/rows.ts';
import type { ReloadResult } from '../../src/control/supervisor-api.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const dataActors = ['tun-reader', 'sealer', 'wan-link.default', 'opener', 'tun-writer'];

/** Asks until `isSo` holds of the answer; returns the answer. */
async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await ask();
    if (isSo(value) || tries === 50) return value;
    await sleep(50);
  }
}

t.test('a running daemon is shown, commanded and reloaded by the commands', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = generateKeys();
  const daemon = new Daemon(lab, lab.host('home'), {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    port: 51_820,
    peers: [{ name: 'hub', publicKey: hub.publicKey, allowedIPs: ['10.9.0.0/24'] }],
    more: { runtime: { placement: 'dedicated' } },
  });
  await daemon.start();
  const hawser = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await daemon.cli(...args);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  const shown = async <T>(command: string): Promise<T> => JSON.parse(await hawser(command, '--json')) as T;
  const actors = () => shown<ActorStatus[]>('actors');
  const actor = async (id: string) => (await actors()).find((one) => one.id === id);
  const change = (edit: (config: { tunnel: { mtu: number }; peers: object[] }) => void) => {
    const config = JSON.parse(readFileSync(daemon.configPath, 'utf8'));
    edit(config);
    writeFileSync(daemon.configPath, JSON.stringify(config));
  };

  t.match(await shown<Status>('status'), {
    name: 'home',
    pid: daemon.pid,
    interface: 'hawser0',
    addresses: ['10.9.0.2/24'],
    listenPort: 51_820,
    peers: 1,
    warnings: [],
  });
  const rows = await actors();
  t.strictSame(rows.map((one) => one.id).sort(), [...dataActors, 'session-manager', 'control-server'].sort());
  t.ok(rows.every((one) => one.state === 'running' && one.restarts === 0));
  t.equal(new Set(rows.map((one) => one.threadId)).size, rows.length, 'each in a thread of its own');
  t.ok(
    rows.every((one) => one.heartbeatAgeMs < 1000),
    'every heart beats',
  );
  t.ok((await shown<RingStatus[]>('rings')).every((ring) => ring.capacityBytes > 0 && ring.usedBytes === 0));

  for (const verb of ['kill', 'restart', 'hang'] as const) {
    const before = await actor('sealer');
    await hawser('actor', verb, 'sealer');
    const after = await until(
      () => actor('sealer'),
      (one) => one?.state === 'running' && one.restarts > (before?.restarts ?? 0),
    );
    t.match(after, { state: 'running', restarts: (before?.restarts ?? 0) + 1 }, verb);
    t.not(after?.threadId, before?.threadId);
  }
  await hawser('actor', 'kill', 'control-server');
  const reborn = await until(
    () => actor('control-server').catch(() => undefined),
    (one) => one?.restarts === 1,
  );
  t.match(reborn, { state: 'running', lastExit: /killed on request/ }, 'it answers for its own end');
  t.match(await shown('errors'), [{ source: 'sealer', name: 'ActorKilled' }, { source: 'control-server' }]);
  await t.rejects(hawser('actor', 'kill', 'nobody'), /There is no actor "nobody" .*tun-reader/);

  change((config) => {
    config.tunnel.mtu = 1400;
    config.peers.push({ name: 'phone', publicKey: generateKeys().publicKey, allowedIPs: ['10.9.0.7/32'] });
  });
  const { changes } = await shown<ReloadResult>('reload');
  t.strictSame(changes, ['peer phone added', 'tunnel.mtu changed from 1420 to 1400']);
  t.match(await shown<PeerStatus[]>('peers'), [{ name: 'hub' }, { name: 'phone', allowedIPs: ['10.9.0.7/32'] }]);
  t.match(daemon.host.ip('link show hawser0'), /mtu 1400/);
  t.match(daemon.host.ip('route show table all'), /10\.9\.0\.7 dev hawser0/);

  change((config) => {
    config.tunnel.mtu = 1;
  });
  t.match(await daemon.cli('reload'), { status: 78, stderr: /tunnel\.mtu: 1 is out of range/ });
  t.match(await shown<Status>('status'), { mtu: 1400 }, 'a file with problems changes nothing');
  const events = await shown<EventRecord[]>('events');
  t.ok(events.some((event) => event.kind === 'reload' && event.change === 'peer phone added'));
  t.ok(events.every((event, index) => index === 0 || event.id === (events[index - 1]?.id ?? 0) + 1));

  t.equal(await daemon.stop(), 0);
  t.notOk(existsSync(path.join(lab.folder, 'run', 'home.sock')));
  t.match(await daemon.cli('status'), { status: 1, stderr: /"home" is not running/ });
});
