import t from 'tap';
import { allowedIps, session } from '../../src/contract/peer-tables.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { pathTable, peerTable } from '../../src/rings/table.ts';
import { createTables } from '../../src/supervisor/shared-tables.ts';

const plan = {
  shards: 1,
  sealedLogBytes: 1 << 20,
  windowBits: 65_600,
  leastPeerRows: 64,
  linkRows: 32,
  allowedIpsNodes: 8192,
};

t.test('createTables() reserves what is wished for, and nothing of it counts as used', async (t) => {
  const before = process.memoryUsage.rss();
  const tables = createTables({ ...plan, peerRows: 4096 });
  t.equal(peerTable(tables.peers).rows, 4096);
  const sessions = new SessionTable(tables.sessions);
  t.ok(sessions.rows >= 3 * 4096);
  t.same([peerTable(tables.peers).used(), pathTable(tables.paths).used(), sessions.used()], [0, 0, 0]);
  t.ok(tables.sessions.byteLength > 4096 * 3 * (session.slotBytes + sessions.windowBytes));
  const grownMb = (process.memoryUsage.rss() - before) / 2 ** 20;
  t.ok(grownMb < 30, `${grownMb.toFixed(0)} MiB are in memory`);
});

t.test('createTables() makes do with less where the kernel refuses, down to what there must be room for', async (t) => {
  // A session table of a petabyte.
  const tables = createTables({ ...plan, peerRows: 2 ** 35 });
  const { rows } = peerTable(tables.peers);
  t.ok(rows >= 64 && rows < 2 ** 35, `${rows} rows`);
  t.ok((new Int32Array(tables.allowedIps)[allowedIps.capacityAt >> 2] as number) >= 8192);
  t.throws(() => createTables({ ...plan, peerRows: 2 ** 35, leastPeerRows: 2 ** 35 }), RangeError);
});
