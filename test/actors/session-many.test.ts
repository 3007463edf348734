/** A hub of many peers of which most are elsewhere: what nobody asks for costs nothing, and what is asked for comes at once. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import nodePath from 'node:path';
import t, { type Test } from 'tap';
import { formatKey } from '../../src/config/keys.ts';
import { link } from '../../src/contract/link-tables.ts';
import { path, pathState, peer } from '../../src/contract/peer-tables.ts';
import { RowTable } from '../../src/rings/table.ts';
import { messageType, wireguardType } from '../../src/wire/wireguard.ts';
import { Host, Lab, labWithHub } from '../support/session-lab.ts';

/** Peers in the configuration of a hub that calls them. */
const elsewhere = 300;

/** A hub with a peer that is there, and `absent` others without an endpoint that are not. */
async function startHub(t: Test, absent: number): Promise<{ lab: Lab; hub: Host; client: Host }> {
  const { lab, hub } = labWithHub(t, { peerRows: absent + 1 });
  const client = new Host(lab, { name: 'client', address: '10.0.0.2:51820', privateKey: Buffer.alloc(32, 2) });
  const others = Array.from({ length: absent }, (_, index) => ({
    ...hub.peer(client),
    row: index + 1,
    name: `absent${index}`,
    publicKey: formatKey(randomBytes(32)),
  }));
  await hub.start([hub.peer(client, { endpoints: [{ host: '10.0.0.2', port: 51820 }] }), ...others]);
  await client.start([client.peer(hub, { endpoints: [{ host: '10.0.0.1', port: 51820 }] })]);
  return { lab, hub, client };
}

/** Cells of shared tables, or of one of them, that are read while `act` runs. */
function countReads(act: () => void, of?: RowTable): number {
  const isCounted = (table: RowTable): boolean => of === undefined || table.bytes.buffer === of.bytes.buffer;
  const { int, number } = RowTable.prototype;
  let reads = 0;
  RowTable.prototype.int = function (this: RowTable, row, column) {
    if (isCounted(this)) reads += 1;
    return int.call(this, row, column);
  };
  RowTable.prototype.number = function (this: RowTable, row, column) {
    if (isCounted(this)) reads += 1;
    return number.call(this, row, column);
  };
  try {
    act();
  } finally {
    Object.assign(RowTable.prototype, { int, number });
  }
  return reads;
}

t.test('absent peers are looked at neither while nothing happens nor when another has data', async (t) => {
  const costs: { idle: number; busy: number }[] = [];
  for (const absent of [3, 300]) {
    const { lab, client, hub } = await startHub(t, absent);
    lab.run(1);
    const idle = countReads(() => lab.run(30));
    const busy = countReads(() => {
      client.sendData('wakes the hub');
      lab.settle();
      t.equal(hub.sendSlot() >= 0, true, 'the one that calls is served, and says HELLO');
      for (let round = 0; round < 20; round += 1) {
        client.sendData('more');
        lab.settle();
      }
    });
    costs.push({ idle, busy });
  }
  const [few, many] = costs as [(typeof costs)[0], (typeof costs)[0]];
  t.ok(many.idle < few.idle * 1.5 + 100, `idle: ${few.idle} reads with 3 absent peers, ${many.idle} with 300`);
  t.ok(many.busy < few.busy * 1.1, `busy: ${few.busy} reads with 3 absent peers, ${many.busy} with 300`);
});

t.test('connected peers that say nothing are not looked at when another has data', async (t) => {
  const costs: number[] = [];
  for (const quiet of [2, 20]) {
    const rows = quiet + 1;
    const { lab, hub } = labWithHub(t, { peerRows: rows, slots: 4 * rows });
    const clients = Array.from(
      { length: rows },
      (_, index) =>
        new Host(lab, {
          name: `client${index}`,
          address: `10.0.1.${index}:51820`,
          privateKey: Buffer.alloc(32, 10 + index),
        }),
    );
    await hub.start(clients.map((client, row) => ({ ...hub.peer(client), row })));
    for (const client of clients) {
      await client.start([client.peer(hub, { endpoints: [{ host: '10.0.0.1', port: 51820 }] })]);
      client.sendData('calls');
      lab.settle();
    }
    lab.run(25);
    t.ok(
      clients.every((_, row) => hub.sendSlot(row) >= 0),
      'all are connected',
    );
    costs.push(
      countReads(() => {
        for (let round = 0; round < 50; round += 1) {
          clients[0]?.sendData('more');
          lab.settle();
        }
      }, hub.peers),
    );
  }
  const [few, many] = costs as [number, number];
  // 50 rounds of 4 ms: a look each 5 s is one for some of them.
  t.ok(many < few + 20 * 20, `${few} reads with 2 quiet peers, ${many} with 20`);
});

t.test('a connected stock peer to whom nothing happens is looked at, but not its paths', async (t) => {
  const { lab, hub, client } = await startHub(t, 0);
  client.wantHandshake(0);
  lab.settle();
  t.ok(client.sendSlot() >= 0);
  lab.run(40);
  t.equal(
    countReads(() => lab.run(20), hub.paths),
    0,
  );
  t.ok(countReads(() => lab.run(20), hub.peers) > 0);
  client.sendData('a word');
  lab.settle();
  t.ok(countReads(() => lab.run(6), hub.paths) > 0, 'what has moved is looked at in full');
});

t.test('the first data of a session that was silent for long brings a HELLO at once', async (t) => {
  const { lab, hub, client } = await startHub(t, 1);
  client.wantHandshake(0);
  lab.settle();
  t.ok(client.sendSlot() >= 0);
  lab.run(40);
  const before = client.framesSent.length;
  client.sendData('first');
  lab.settle();
  t.ok(client.framesSent.length > before, 'says HELLO');
  t.ok(hub.framesSent.length > 0, 'and is answered');
});

t.test('a link that an operator takes out is noticed by all its peers at once', async (t) => {
  const { lab, hub, client } = await startHub(t, 1);
  client.sendData('calls');
  lab.run(60);
  const row = client.peers.int(0, peer.pathAt);
  client.links.setInt(0, link.disabledAt, 1);
  lab.run(0.5);
  t.equal(client.paths.int(row, path.stateAt), pathState.down);
  t.ok(hub.sendSlot() >= 0);
});

t.test('data for one of many sleeping peers calls it at once', async (t) => {
  const { lab, hub } = await startHub(t, 50);
  lab.run(61);
  t.same(lab.sent, []);
  hub.sendData('waits');
  lab.settle();
  t.ok(hub.sendSlot() >= 0);
  t.equal(lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation).length, 1);
});

/** A hub whose configuration has a way to 300 peers that are not there, and to `hosts`, the last of all. */
async function startCaller(lab: Lab, hosts: readonly Host[] = [], more: object = {}): Promise<Host> {
  const hub = new Host(lab, {
    name: 'hub',
    address: '10.0.0.1:51820',
    privateKey: Buffer.alloc(32, 1),
    peerRows: elsewhere + hosts.length,
    slots: 12 + 3 * hosts.length,
  });
  const nobody = new Host(lab, { name: 'nobody', address: '10.0.0.2:51820', privateKey: Buffer.alloc(32, 2) });
  const settings = (row: number, host: Host, address: string) => ({
    ...hub.peer(host, { keepaliveMs: 25_000, endpoints: [{ host: address, port: 51_820 }] }),
    ...more,
    row,
  });
  await hub.start([
    ...Array.from({ length: elsewhere }, (_, row) => ({
      ...settings(row, nobody, '10.0.0.9'),
      name: `absent${row}`,
      publicKey: formatKey(randomBytes(32)),
    })),
    ...hosts.map((host, index) => settings(elsewhere + index, host, host.address.split(':')[0] ?? '')),
  ]);
  return hub;
}

t.test('a hub that calls 300 absent peers does so ever more rarely, whatever its clock does meanwhile', async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = await startCaller(lab);
  const file = nodePath.join(lab.folder, 'hub.timestamp');
  /** Calls of the next so many seconds, of all peers together, and how often the file of stamps was written. */
  const watch = (seconds: number): { calls: number; writes: number } => {
    const before = lab.sent.length;
    let writes = 0;
    let text = '';
    for (let second = 0; second < seconds; second += 1) {
      lab.run(1);
      const now = readFileSync(file, 'utf8');
      if (now !== text) writes += 1;
      text = now;
    }
    return { calls: lab.sent.length - before, writes };
  };
  const first = watch(10);
  t.ok(first.calls >= 60, `in the first ten seconds each has its turn: ${first.calls} calls`);
  t.ok(first.calls <= 100, `and not all in one instant: ${first.calls} calls`);
  const dayMs = 86_400_000;
  for (const [skewMs, what] of [
    [0, 'the first minute'],
    [-400 * dayMs, 'after the clock was set back'],
    [400 * dayMs, 'and forward'],
  ] as const) {
    hub.wallSkewMs = skewMs;
    const { calls, writes } = watch(60);
    t.ok(calls <= 60 * 6, `${what}: ${calls} calls`);
    t.ok(writes <= 3, `${what}: ${writes} writes`);
  }
  hub.wallSkewMs = 0;
  watch(120);
  const { calls } = watch(60);
  t.ok(calls <= 300, `after five minutes: ${calls} calls a minute`);
});

t.test('data for the last of 300 absent peers calls it at once, while the others wait for their turn', async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = await startCaller(lab);
  lab.settle();
  const before = lab.sent.length;
  hub.sendData('waits', elsewhere - 1);
  lab.settle();
  t.equal(lab.sent.length, before + 1);
});

t.test('peers that were there before a restart are called before 300 that were not', async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const clients = Array.from({ length: 40 }, (_, index) => {
    const address = `10.0.1.${index}:51820`;
    return new Host(lab, { name: `here${index}`, address, privateKey: Buffer.alloc(32, 10 + index) });
  });
  const rows = clients.map((_, index) => elsewhere + index);
  const first = await startCaller(lab, clients);
  for (const client of clients) await client.start([client.peer(first)]);
  lab.run(80);
  t.ok(
    rows.every((row) => first.sendSlot(row) >= 0),
    'each had its turn',
  );
  for (const [index, client] of clients.entries()) {
    client.sendData('makes it say HELLO');
    first.sendData('and us', elsewhere + index);
  }
  lab.run(5);
  first.stop();
  lab.hosts.splice(lab.hosts.indexOf(first), 1);
  const second = await startCaller(lab, clients);
  lab.run(0.2);
  t.ok(
    rows.every((row) => second.sendSlot(row) >= 0),
    'they answer, and nobody waits for those who do not',
  );
});

t.test(
  'clients that were there at the end are called before 300 that had long gone, though they never said HELLO',
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const clients = Array.from({ length: 40 }, (_, index) => {
      const address = `10.0.1.${index}:51820`;
      return new Host(lab, { name: `here${index}`, address, privateKey: Buffer.alloc(32, 10 + index) });
    });
    const first = await startCaller(lab, clients, { isClient: true });
    for (const client of clients) await client.start([client.peer(first)]);
    lab.run(80);
    first.stop();
    lab.hosts.splice(lab.hosts.indexOf(first), 1);
    const second = await startCaller(lab, clients, { isClient: true });
    lab.run(0.2);
    t.ok(clients.every((_, index) => second.sendSlot(elsewhere + index) >= 0));
  },
);
