/** Peers as the field has them: false addresses, moves in the middle of a download, hundreds that are elsewhere. */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Status } from '../../src/control/rows.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port, startPair } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const stockSkip = skip === false ? stockSkipReason() : skip;
t.setTimeout(900_000);
const program = path.join(import.meta.dirname, '../support/spraying-program.js');

interface Outcome {
  readonly sources: number;
  readonly seconds: number;
  readonly worst: number;
  readonly sentBytes: number;
  readonly drawnBytes: number;
}

t.test('false addresses draw three times their bytes at most, at the wire, and traffic goes on', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [a, m, b] = [lab.host('a'), lab.host('m'), lab.host('b')];
  lab.join(a, m, { addresses: [['10.1.0.1/24'], ['10.1.0.2/24']] });
  lab.join(m, b, { addresses: [['10.2.0.2/24'], ['10.2.0.1/24']] });
  m.ip('route add local 10.66.0.0/16 dev lo');
  b.ip('route add 10.66.0.0/16 via 10.2.0.2');
  const relay = m.spawn(process.execPath, [program, String(port), '10.2.0.1', String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout } = relay;
  if (stdin === null || stdout === null) throw new Error('relay without pipes');
  const lines = readline.createInterface({ input: stdout })[Symbol.asyncIterator]();
  await lines.next();
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const peerA = { name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] };
  const daemonB = new Daemon(lab, b, { keys: keysB, addresses: [`${inside.b4}/24`], port, peers: [peerA] });
  const daemonA = new Daemon(lab, a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    peers: [
      { name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints: [`10.1.0.2:${port}`] },
    ],
  });
  await daemonB.start();
  await daemonA.start();
  t.ok((await ping(a, inside.b4, { count: 10, intervalMs: 100 })).received > 0);
  for (const sources of [1, 30, 300, 3000]) {
    const packets = Math.max(60, sources);
    stdin.write(`spray ${sources} ${packets}\n`);
    const flood = ping(a, inside.b4, { count: packets, intervalMs: 2 });
    const { value } = await lines.next();
    const outcome = JSON.parse(String(value)) as Outcome;
    await flood;
    t.comment(JSON.stringify(outcome));
    t.equal(outcome.sources, sources);
    t.ok(outcome.worst <= 3, `${sources} addresses: the worst drew ${outcome.worst.toFixed(2)} times its bytes`);
    t.ok(outcome.drawnBytes <= (32 + 8 * outcome.seconds) * 240, `${outcome.drawnBytes} bytes in all`);
  }
  const after = await ping(a, inside.b4, { count: 20, intervalMs: 100 });
  t.ok(after.received >= 10, `${after.received} of 20 pings afterwards`);
});

t.test(
  'peers come, change and go by a reload without a new thread, and without a lost packet of another',
  options,
  async (t) => {
    const pair = await startPair();
    const { lab, hosts, b } = pair;
    t.teardown(() => lab.close());
    const c = lab.host('c');
    lab.join(c, hosts.b, { addresses: [['10.78.0.1/24'], ['10.78.0.2/24']] });
    const [keysC, phone] = [generateKeys(), generateKeys()];
    const { publicKey } = await b.ask<Status>('status');
    const toB = { name: 'b', publicKey, allowedIPs: [`${inside.b4}/32`] };
    const daemonC = new Daemon(lab, c, {
      keys: keysC,
      addresses: ['10.9.0.3/24'],
      peers: [{ ...toB, endpoints: [`10.78.0.2:${port}`] }],
    });
    await daemonC.start();
    t.equal((await ping(c, inside.b4, { count: 2 })).received, 0, 'b does not know c yet');
    const threads = async () => (await b.actors()).map(({ id, threadId, restarts }) => `${id} ${threadId} ${restarts}`);
    const keysOf = async () => (await b.peers()).find(({ name }) => name === 'a')?.generation;
    const [threadsBefore, keysBefore] = [await threads(), await keysOf()];
    const reload = async (peers: (before: object[]) => object[]): Promise<void> => {
      const config = JSON.parse(readFileSync(b.configPath, 'utf8')) as { peers: object[] };
      writeFileSync(b.configPath, JSON.stringify({ ...config, peers: peers(config.peers) }));
      const { status, stderr } = await b.cli('reload');
      t.equal(status, 0, stderr);
    };
    const others = ping(hosts.a, inside.b4, { count: 1000, intervalMs: 10 });
    const peerC = { name: 'c', publicKey: keysC.publicKey, allowedIPs: ['10.9.0.3/32'] };
    await reload((before) => [
      ...before,
      peerC,
      { name: 'phone', publicKey: phone.publicKey, allowedIPs: ['10.9.0.4/32'] },
    ]);
    let served = 0;
    for (let tries = 0; served === 0 && tries < 20; tries += 1)
      served = (await ping(c, inside.b4, { count: 2 })).received;
    t.ok(served > 0, 'c is served');
    await reload((before) =>
      before.map((peer) => ('name' in peer && peer.name === 'c' ? { ...peer, keepalive: '1s' } : peer)),
    );
    t.ok(
      (await ping(c, inside.b4, { count: 5, intervalMs: 100 })).received >= 4,
      'a change of c is none of its session',
    );
    await reload((before) => before.slice(0, 1));
    t.equal((await ping(c, inside.b4, { count: 2 })).received, 0, 'b does not know c any more');
    const { sent, received } = await others;
    t.ok(received >= sent - 1, `${received} of ${sent} pings of a arrived meanwhile`);
    t.same(await threads(), threadsBefore);
    t.equal(await keysOf(), keysBefore);
  },
);

t.test(
  'thousands of peers more than at the start come by a reload, and the last of them is served',
  options,
  async (t) => {
    const pair = await startPair();
    const { lab, hosts, b } = pair;
    t.teardown(() => lab.close());
    const c = lab.host('c');
    lab.join(c, hosts.b, { addresses: [['10.78.0.1/24'], ['10.78.0.2/24']] });
    const keysC = generateKeys();
    const { publicKey } = await b.ask<Status>('status');
    const threads = async () => (await b.actors()).map(({ id, threadId, restarts }) => `${id} ${threadId} ${restarts}`);
    const threadsBefore = await threads();
    const others = ping(hosts.a, inside.b4, { count: 400, intervalMs: 20 });
    const config = JSON.parse(readFileSync(b.configPath, 'utf8')) as { peers: object[] };
    const many = Array.from({ length: 5000 }, (_, index) => ({
      name: `p${index}`,
      publicKey: Buffer.from(randomBytes(32)).toString('base64'),
      allowedIPs: [`10.${50 + (index >> 8)}.${index & 255}.1/32`],
    }));
    const peerC = { name: 'c', publicKey: keysC.publicKey, allowedIPs: ['10.9.0.3/32'] };
    writeFileSync(b.configPath, JSON.stringify({ ...config, peers: [...config.peers, ...many, peerC] }));
    const startMs = performance.now();
    const { status, stderr } = await b.cli('reload');
    t.comment(`the reload took ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    t.equal(status, 0, stderr);
    const daemonC = new Daemon(lab, c, {
      keys: keysC,
      addresses: ['10.9.0.3/24'],
      peers: [{ name: 'b', publicKey, allowedIPs: [`${inside.b4}/32`], endpoints: [`10.78.0.2:${port}`] }],
    });
    await daemonC.start();
    let served = 0;
    for (let tries = 0; served === 0 && tries < 20; tries += 1)
      served = (await ping(c, inside.b4, { count: 2 })).received;
    t.ok(served > 0, 'the last is served');
    const { sent, received } = await others;
    t.ok(received >= sent - 2, `${received} of ${sent} pings of a arrived meanwhile`);
    t.same(await threads(), threadsBefore);
  },
);

/** Replaces the outer address of `a` and waits for the first packet that `b` has sent to the new place and `a` could read. */
async function secondsToMove(pair: { a: Daemon; host: ReturnType<Lab['host']>; wire: string }): Promise<number> {
  const received = async () => (await pair.a.peers())[0]?.receivedPackets ?? 0;
  pair.host.ip(`address del ${outside.a4}/24 dev ${pair.wire}`);
  pair.host.ip(`address add 10.77.0.9/24 dev ${pair.wire}`);
  const startMs = performance.now();
  const before = await received();
  while (performance.now() - startMs < 30_000) {
    await sleep(50);
    if ((await received()) > before + 20) break;
  }
  return (performance.now() - startMs) / 1000;
}

/** Datagrams from `b` to `a` for ever: a download in which `a` has nothing to say. */
const stream = `
const socket = require('node:dgram').createSocket('udp4');
setInterval(() => socket.send(Buffer.alloc(500), 9, '${inside.a4}'), 10);`;

t.test('a Hawser peer that only receives is found when its address was replaced', options, async (t) => {
  const pair = await startPair();
  t.teardown(() => pair.lab.close());
  pair.hosts.b.spawn(process.execPath, ['-e', stream]);
  await sleep(3000);
  const seconds = await secondsToMove({ a: pair.a, host: pair.hosts.a, wire: pair.ports[0].interface });
  t.comment(`${seconds.toFixed(1)} s`);
  t.ok(seconds < 6, `${seconds} s`);
});

t.test('a stock peer goes on sending to a Hawser that only receives and has moved', { skip: stockSkip }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { a, b, ports } = buildWire(lab);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  await WireguardGo.start(lab, b, {
    privateKey: keysB.privateKey,
    addresses: [`${inside.b4}/24`],
    port,
    peers: [{ publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
  });
  const daemon = new Daemon(lab, a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    peers: [
      { name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints: [`${outside.b4}:${port}`] },
    ],
  });
  await daemon.start();
  t.ok((await ping(a, inside.b4, { count: 10, intervalMs: 100 })).received > 0);
  b.spawn(process.execPath, ['-e', stream]);
  await sleep(3000);
  const seconds = await secondsToMove({ a: daemon, host: a, wire: ports[0].interface });
  t.comment(`${seconds.toFixed(1)} s`);
  t.ok(seconds < 6, `${seconds} s`);
});

t.test('a hub with 300 absent peers: next to no work, and the stamp file is left alone', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { b } = buildWire(lab);
  b.ip(`route add default via ${outside.a4}`);
  const peers = Array.from({ length: 300 }, (_, index) => ({
    name: `p${index}`,
    publicKey: generateKeys().publicKey,
    allowedIPs: [`10.10.${index >> 8}.${index & 255}/32`],
    endpoints: [`192.0.2.${(index % 250) + 1}:${port}`],
    keepalive: '25s',
  }));
  const hub = new Daemon(lab, b, { keys: generateKeys(), addresses: [`${inside.b4}/24`], port, peers });
  await hub.start();
  await sleep(8000);
  const ticks = () => {
    const fields = readFileSync(`/proc/${hub.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const stampFile = path.join(path.dirname(hub.configPath), 'state', 'b.timestamp');
  const [before, { ino }] = [ticks(), statSync(stampFile)];
  const startMs = performance.now();
  await sleep(8000);
  // A tick is 10 ms.
  const percent = ((ticks() - before) * 10 * 100) / (performance.now() - startMs);
  t.comment(`${percent.toFixed(1)} % of a core`);
  t.ok(percent < 15, `${percent} %`);
  t.equal(statSync(stampFile).ino, ino);
});
