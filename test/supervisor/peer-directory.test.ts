/** Peers from sources: rows that are theirs alone, prefixes that lead to them, and what the session-manager is told. */
import t from 'tap';
import type { PeersCommand } from '../../src/actors/session/settings.ts';
import { parseCidr } from '../../src/config/address.ts';
import type { PeerConfig } from '../../src/config/config.ts';
import { peer as layout } from '../../src/contract/peer-tables.ts';
import { AllowedIps, createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';
import { filePeers, PeerDirectory } from '../../src/supervisor/peer-directory.ts';

const restMs = 15_000;

function peer(name: string, octet: number, ...more: string[]): PeerConfig {
  return {
    name,
    publicKey: Buffer.alloc(32, octet).toString('base64'),
    presharedKeyFile: undefined,
    allowedIPs: [`10.9.0.${octet}/32`, ...more].flatMap((text) => parseCidr(text) ?? []),
    endpoints: [],
    keepaliveMs: 0,
    cipher: 'auto',
    limits: { upBps: 0, downBps: 0, priority: 50 },
    obfuscation: undefined,
  };
}

function start(rows: number, shards = 1) {
  const told: PeersCommand[] = [];
  const clock = { nowMs: 0 };
  const table = peerTable(createRowTable(layout, rows));
  const memory = createAllowedIpsMemory([]);
  const directory = new PeerDirectory({
    table,
    allowedIps: new AllowedIps(memory),
    tell: (command) => told.push(command),
    nowMs: () => clock.nowMs,
    shards,
  });
  const trie = new AllowedIps(memory);
  const rowAt = (octet: number): number => trie.find(Uint8Array.of(10, 9, 0, octet), 0, 4);
  const rows_ = (): string[] => [...directory.all()].map((one) => `${one.peer.name} ${one.row}`);
  return { directory, told, clock, table, rowAt, rows: rows_ };
}

t.test('change() gives each peer a row of its own, and tells of what changed alone', async (t) => {
  const { directory, told, table, rowAt, rows } = start(4);
  directory.change(filePeers, { put: [peer('a', 1), peer('b', 2)], remove: [] });
  t.same(rows(), ['a 0', 'b 1']);
  t.same([rowAt(1), rowAt(2), rowAt(3)], [0, 1, -1]);
  t.equal(table.int(1, layout.sendSlotAt), -1, 'no key slot, before a packet can be led there');
  directory.change(filePeers, { put: [peer('c', 3)], remove: [] });
  t.match(told.at(-1), { kind: 'peers', put: [{ row: 2, name: 'c' }], remove: [], isAll: false });
  t.equal(told.at(-1)?.put.length, 1);
  const count = told.length;
  directory.change(filePeers, { put: [], remove: [] });
  t.equal(told.length, count, 'nothing is told of nothing');
});

t.test('change() keeps the row of a peer that is another, and moves its prefixes', async (t) => {
  const { directory, told, rowAt, rows } = start(4);
  directory.change(filePeers, { put: [peer('a', 1, '10.9.0.8/32'), peer('b', 2)], remove: [] });
  // What a had goes to b, and a gets another name.
  directory.change(filePeers, { put: [peer('a2', 1), peer('b', 2, '10.9.0.8/32')], remove: [] });
  t.same(rows(), ['a2 0', 'b 1']);
  t.same([rowAt(1), rowAt(2), rowAt(8)], [0, 1, 1]);
  t.equal(directory.find('a'), undefined);
  t.equal(directory.find('a2')?.row, 0);
  t.match(told.at(-1), { put: [{ row: 0, name: 'a2' }, { row: 1 }], remove: [] });
});

t.test('a row that was set free rests: keys and packets of the one before are gone when another has it', async (t) => {
  const { directory, told, clock, table, rowAt } = start(2);
  directory.change(filePeers, { put: [peer('a', 1), peer('b', 2)], remove: [] });
  table.setNumber(0, layout.receivedBytesAt, 7);
  directory.change(filePeers, { put: [], remove: [peer('a', 1).publicKey] });
  t.same(told.at(-1)?.remove, [0]);
  t.equal(rowAt(1), -1);
  clock.nowMs = restMs - 1;
  t.throws(() => directory.change(filePeers, { put: [peer('c', 3)], remove: [] }), { code: 'CONFIG' });
  t.equal(rowAt(3), -1, 'nothing has changed');
  clock.nowMs = restMs;
  directory.change(filePeers, { put: [peer('c', 3)], remove: [] });
  t.equal(directory.find('c')?.row, 0);
  t.equal(table.number(0, layout.receivedBytesAt), 0);
});

t.test('a peer of one source is not taken by another, unless it goes', async (t) => {
  const { directory } = start(4);
  directory.change(filePeers, { put: [peer('a', 1)], remove: [] });
  t.throws(() => directory.change('store', { put: [peer('b', 1)], remove: [] }), { code: 'PEER_EXISTS' });
  t.throws(() => directory.change('store', { put: [peer('a', 2)], remove: [] }), { code: 'PEER_EXISTS' });
  directory.change('store', { put: [peer('b', 2)], remove: [] });
  t.same(
    [...directory.all()].map((one) => one.source),
    ['file', 'store'],
  );
});

t.test('a session-manager that started meanwhile hears of everybody, once', async (t) => {
  const { directory, told } = start(4);
  directory.change(filePeers, { put: [peer('a', 1)], remove: [] });
  t.match(directory.settings('session-manager'), [{ row: 0, name: 'a' }]);
  directory.tellAgain('session-manager');
  t.equal(told.length, 1, 'it was started with what is');
  directory.change(filePeers, { put: [peer('b', 2)], remove: [] });
  directory.tellAgain('session-manager');
  t.match(told.at(-1), { put: [{ name: 'a' }, { name: 'b' }], isAll: true });
  const count = told.length;
  directory.tellAgain('session-manager');
  t.equal(told.length, count);
});

t.test('devices of one client have rows of one shard, whenever they come', async (t) => {
  const { directory, rows } = start(12, 2);
  const device = (name: string, octet: number, client: string): PeerConfig => ({ ...peer(name, octet), client });
  directory.change('store', { put: [device('a1', 1, 'a'), device('b1', 2, 'b'), device('a2', 3, 'a')], remove: [] });
  t.same(rows(), ['a1 0', 'b1 1', 'a2 2']);
  directory.change('store', { put: [device('b2', 4, 'b'), device('c1', 5, 'c')], remove: [] });
  t.same(rows().slice(3), ['b2 3', 'c1 4']);
  directory.change('store', { put: [device('b3', 6, 'b'), device('b4', 7, 'b')], remove: [] });
  t.same(rows().slice(5), ['b3 5', 'b4 7']);
  directory.change(filePeers, { put: [peer('x', 8), peer('y', 9)], remove: [] });
  t.same(rows().slice(7), ['x 6', 'y 8'], 'the row that was passed over is given');
  // A client whose devices are all gone may have any.
  const gone = [device('a1', 1, 'a'), device('a2', 3, 'a')].map(({ publicKey }) => publicKey);
  directory.change('store', { put: [], remove: gone });
  directory.change('store', { put: [device('a3', 10, 'a')], remove: [] });
  t.same(rows().at(-1), 'a3 9');
});
