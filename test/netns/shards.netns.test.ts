/** A hub of two pairs of sealer and opener: every peer's flows are whole and in order, and what befalls one pair the other does not notice. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runTcp, sendUdp, serveFlows, type UdpReport, UdpSink } from '../support/flows.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, skipReason } from '../support/netns.ts';
import { hubAddress, type ShardLab, type ShardPeer, startShardLab } from '../support/shard-lab.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
const tcpPort = 7000;

/** What sealers have given up by their own judgement, at both ends of every tunnel: on a busy machine CoDel does. */
async function givenUp({ hub, peers }: ShardLab): Promise<number> {
  const ends = await Promise.all([hub, ...peers.map(({ daemon }) => daemon)].map((daemon) => daemon.actors()));
  const reasons = ['sealer_codel_packets', 'sealer_overflow_packets', 'sealer_expired_packets'];
  return ends
    .flat()
    .reduce((sum, { counters }) => sum + reasons.reduce((all, name) => all + (counters[name] ?? 0), 0), 0);
}

/** A counter at the hub, of each actor that has it. */
async function counterOf({ hub }: ShardLab, counter: string): Promise<Record<string, number>> {
  const rows = (await hub.actors()).filter(({ counters }) => counter in counters);
  return Object.fromEntries(rows.map(({ id, counters }) => [id, counters[counter] ?? 0]));
}

async function packetsOf({ hub }: ShardLab, ids: readonly string[]): Promise<number[]> {
  const rows = await hub.actors();
  return ids.map((id) => rows.find((row) => row.id === id)?.packets ?? 0);
}

/** Each stream has a port of its own: on a busy machine something of the one before may still come. */
let nextPort = 7100;
const patienceMs = 3_000;

/** Numbered datagrams from one host to another: what became of them, when nothing more is missing or has been for long. */
async function stream(from: Host, to: Host, address: string, seconds: number): Promise<UdpReport> {
  const port = nextPort;
  nextPort += 1;
  const sink = await UdpSink.start(to, port);
  await sendUdp(from, address, port, { rateMbit: 2, bytes: 600, seconds }).done;
  await sleep(500);
  await sink.cut();
  let report = await sink.report();
  for (const endMs = performance.now() + patienceMs; report.missing > 0 && performance.now() < endMs; ) {
    await sleep(200);
    report = await sink.report();
  }
  sink.close();
  return report;
}

t.test('peers of two shards are carried, by UDP, FakeTCP and TLS', options, async (t) => {
  const lab = await startShardLab({ transports: ['udp', 'udp', 'faketcp', 'tls'], placement: 'dedicated' });
  t.teardown(() => lab.lab.close());
  const { hubHost, peers } = lab;
  await serveTcp(hubHost, tcpPort);
  await Promise.all(
    peers.map(async ({ host }) => {
      t.match(await pull(host, hubAddress, tcpPort, 3e6), { bytes: 3e6, isIntact: true }, `${host.name}: down`);
      t.match(await push(host, hubAddress, tcpPort, 3e6), { isIntact: true }, `${host.name}: up`);
    }),
  );
  const reports = await Promise.all(
    peers.flatMap(({ host, address }) => [stream(host, hubHost, hubAddress, 1.5), stream(hubHost, host, address, 1.5)]),
  );
  for (const [index, report] of reports.entries()) {
    t.ok(report.expected > 500, `stream ${index}: ${report.expected} datagrams`);
    t.equal(report.reordered, 0, `stream ${index}: in order`);
  }
  const ids = ['sealer', 'sealer-2', 'opener', 'opener-2', 'tun-writer', 'tun-writer-2'];
  for (const packets of await packetsOf(lab, ids)) t.ok(packets > 1000, `${packets} packets`);
  t.strictSame(await counterOf(lab, 'opener_unknown_packets'), { opener: 0, 'opener-2': 0 });
  t.ok((await lab.hub.peers()).every(({ rejectedPackets }) => rejectedPackets === 0));
  // From one peer to another, of the other shard.
  const [first, second] = peers as readonly [ShardPeer, ShardPeer];
  hubHost.forward();
  t.equal(
    (await ping(first.host, second.address, { count: 5 })).received,
    5,
    'through the hub to a peer of the other shard',
  );
  t.ok((await lab.hub.actors()).every(({ state, restarts }) => state === 'running' && restarts === 0));
});

for (const placement of ['dedicated', 'compact'] as const) {
  t.test(`a sealer or opener that is renewed costs the other shard nothing, ${placement}`, options, async (t) => {
    const lab = await startShardLab({ transports: ['udp', 'udp'], placement });
    t.teardown(() => lab.lab.close());
    const { hub, hubHost, peers } = lab;
    const keysBefore = (await hub.peers()).map(({ generation }) => generation);
    // In a compact instance what the pairs share is in the threads of the first.
    const victims = placement === 'dedicated' ? ['sealer', 'opener', 'sealer-2', 'opener-2'] : ['sealer-2', 'opener-2'];
    for (const id of victims) {
      const shard = id.endsWith('-2') ? 1 : 0;
      const seconds = 1.5;
      const before = await givenUp(lab);
      const both = peers.map(({ host, address }) => [
        stream(host, hubHost, hubAddress, seconds),
        stream(hubHost, host, address, seconds),
      ]);
      await sleep(600);
      await hub.actor('kill', id);
      let missing = 0;
      for (const [index, streams] of both.entries()) {
        for (const [way, report] of (await Promise.all(streams)).entries()) {
          const what = `${id} killed, shard ${index}, ${way === 0 ? 'up' : 'down'}: ${report.missing} of ${report.expected} missing`;
          // The shard itself sends again what its sealer had before it died: twice is better than lost.
          if (index === shard) t.ok(report.uniqueEver > report.expected / 2, what);
          else {
            t.equal(report.reordered, 0, `${what}, in order`);
            missing += report.missing;
          }
        }
      }
      const explained = (await givenUp(lab)) - before;
      t.ok(
        missing <= explained,
        `${id} killed: ${missing} of the other shard are missing, of ${explained} that queues gave up`,
      );
      await sleep(300);
    }
    t.strictSame(await counterOf(lab, 'tun_reader_shed_trains'), { 'tun-reader': 0 });
    t.strictSame(
      (await hub.peers()).map(({ generation }) => generation),
      keysBefore,
      'no new handshake',
    );
    for (const id of victims)
      t.match(
        (await hub.actors()).find((one) => one.id === id),
        { state: 'running', restarts: 1 },
      );
  });
}

t.test('peers come and go, and the number of shards stays as it was until a restart', options, async (t) => {
  const lab = await startShardLab({ transports: ['udp', 'udp', 'udp'], placement: 'compact' });
  t.teardown(() => lab.lab.close());
  const { hub, peers } = lab;
  const [first, second, third] = peers as readonly [ShardPeer, ShardPeer, ShardPeer];
  const threads = async () => (await hub.actors()).map(({ id, threadId }) => `${id} ${threadId}`);
  const before = await threads();
  const edit = async (change: (config: { peers: { name: string }[]; runtime: object }) => object) => {
    const config = JSON.parse(readFileSync(hub.configPath, 'utf8')) as { peers: { name: string }[]; runtime: object };
    writeFileSync(hub.configPath, JSON.stringify({ ...config, ...change(config) }));
    return hub.cli('reload');
  };
  const steady = ping(first.host, hubAddress, { count: 300, intervalMs: 10 });
  const phones = [4, 5].map((number) => ({
    name: `phone${number}`,
    publicKey: generateKeys().publicKey,
    allowedIPs: [`10.9.0.${number}/32`],
  }));
  const added = await edit(({ peers: known }) => ({
    peers: [...known.filter(({ name }) => name !== 'c1'), ...phones],
  }));
  t.equal(added.status, 0, added.stderr);
  t.equal((await ping(second.host, hubAddress, { count: 2 })).received, 0, 'a peer that was removed is not served');
  t.equal((await steady).received, 300, 'another lost nothing');
  t.equal((await ping(third.host, hubAddress, { count: 5 })).received, 5);
  t.strictSame(await threads(), before, 'no thread was renewed');
  // The removed peer's prefix moves to one of the other shard, row 3 to row 0: it is sorted anew.
  const moved = await edit(({ peers: known }) => ({
    peers: known.map((one) =>
      one.name === 'c0' ? { ...one, allowedIPs: [`${first.address}/32`, `${second.address}/32`] } : one,
    ),
  }));
  t.equal(moved.status, 0, moved.stderr);
  t.equal((await ping(first.host, hubAddress, { count: 5 })).received, 5);
  const more = await edit(({ runtime }) => ({ runtime: { ...runtime, shards: 4 } }));
  t.match(more, { status: 0, stdout: /runtime\.shards changed in the file: restart the instance to apply it/ });
  t.strictSame(await threads(), before);
});

t.test('a stream that fills a shard leaves the other one its share', options, async (t) => {
  const lab = await startShardLab({ transports: ['udp', 'udp'], placement: 'compact' });
  t.teardown(() => lab.lab.close());
  const { hubHost, peers } = lab;
  await serveFlows(hubHost, tcpPort);
  const [first, second] = peers as readonly [ShardPeer, ShardPeer];
  const [bulk, quiet] = await Promise.all([
    runTcp(first.host, hubAddress, tcpPort, { direction: 'down', seconds: 3 }),
    stream(hubHost, second.host, second.address, 2.5),
  ]);
  const bytes = bulk.reduce((sum, { buckets }) => sum + buckets.reduce((all, one) => all + one, 0), 0);
  t.ok(bytes > 1e6, `${bytes} bytes of bulk`);
  t.equal(quiet.reordered, 0);
  const explained = await givenUp(lab);
  t.ok(quiet.missing <= explained, `${quiet.missing} of ${quiet.expected} missing, queues gave up ${explained}`);
});
