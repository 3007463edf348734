/** Path rows come from one pool: whose a row is, what it is called there, and when somebody else may have it. */
import t from 'tap';
import { PathBook, type Route } from '../../src/actors/session/path-book.ts';
import { transport } from '../../src/contract/link-tables.ts';
import { endpoint, path, pathState, peer } from '../../src/contract/peer-tables.ts';
import { PathChain } from '../../src/rings/path-chain.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';

const second = 1_000_000;
const carrierRow = 0;

class Pool {
  readonly paths;
  readonly peers;
  book: PathBook;
  nowUs = 100 * second;

  constructor(rows: number, peerRows = 4) {
    this.paths = pathTable(createRowTable(path, rows));
    this.peers = peerTable(createRowTable(peer, peerRows));
    this.book = new PathBook(this.paths, this.peers);
  }

  claim(peerRow: number, host = 1): number {
    return this.book.claim(peerRow, routeTo(host), this.nowUs);
  }

  claimMany(peerRow: number, count: number): number[] {
    return Array.from({ length: count }, (_, host) => this.claim(peerRow, host));
  }

  free(row: number): void {
    this.book.free(row, this.nowUs);
  }

  /** As another thread walks them. */
  seen(peerRow: number): number[] {
    const chain = new PathChain(this.peers, this.paths);
    const rows: number[] = [];
    for (let row = chain.first(peerRow); row >= 0; row = chain.next(row, peerRow)) rows.push(row);
    return rows;
  }
}

function routeTo(host: number): Route {
  const bytes = new Uint8Array(endpoint.bytes);
  bytes.set([endpoint.ip4, 0, 0xca, 0x6c, 10, 0, host >> 8, host & 255]);
  return { link: 0, transport: transport.udp, endpoint: bytes, local: new Uint8Array(16), interfaceIndex: 0 };
}

const numberOf = (row: number): number => row % path.mostPerPeer;

t.test('a peer has up to 64 paths, each with a number of its own, beside those of others', async (t) => {
  const pool = new Pool(4096);
  const rows = [0, 1, 2, 3].map((peerRow) => ({ peerRow, rows: [] as number[] }));
  // In turns, so that each peer's numbers have gaps that others filled.
  for (let each = 0; each < path.mostPerPeer; each += 1) {
    for (const one of rows) one.rows.push(pool.claim(one.peerRow, each));
  }
  for (const one of rows) {
    t.equal(new Set(one.rows.map(numberOf)).size, path.mostPerPeer);
    t.same(pool.seen(one.peerRow), one.rows, 'others find them in this order');
    t.equal(pool.claim(one.peerRow), -1, 'and no more');
  }
  t.equal(new Set(rows.flatMap((one) => one.rows)).size, 4 * path.mostPerPeer);
  t.ok(pool.paths.used() <= 5 * path.mostPerPeer, `${pool.paths.used()} rows were touched`);
});

t.test('many peers with two paths each touch two rows each', async (t) => {
  const pool = new Pool(80_000, 10_000);
  for (let peerRow = 0; peerRow < 10_000; peerRow += 1) pool.claimMany(peerRow, 2);
  t.equal(pool.paths.used(), 20_000);
});

t.test('a row that was set free rests, number included, and is anybody else after that', async (t) => {
  const pool = new Pool(128);
  const [first = -1, other = -1] = pool.claimMany(0, 2);
  pool.free(first);
  t.same(pool.book.rowsOf(0), [other]);
  pool.nowUs += 9 * second;
  const next = pool.claim(0);
  t.not(numberOf(next), numberOf(first), 'what is under way under the number is not of the new path');
  t.not(pool.claim(1), first);
  pool.nowUs += 2 * second;
  t.equal(pool.claim(1), first);
  t.same(pool.seen(0), [other, next]);
  t.ok(pool.seen(1).includes(first));
});

t.test('a peer that has all it may have gets its own row back before others could', async (t) => {
  const pool = new Pool(128);
  const rows = pool.claimMany(0, path.mostPerPeer);
  pool.free(rows[7] as number);
  pool.nowUs += second;
  t.equal(pool.claim(0), rows[7]);
});

t.test('when the pool is empty a peer gets none, and loses none', async (t) => {
  const pool = new Pool(8);
  const rows = pool.claimMany(0, 8);
  t.equal(pool.claim(1), -1);
  pool.free(rows[0] as number);
  t.equal(pool.claim(1), -1, 'what rests is not for others');
  pool.nowUs += 11 * second;
  t.equal(pool.claim(1), rows[0]);
});

t.test('a reader that stands on a row while it goes to another peer does not follow it there', async (t) => {
  const pool = new Pool(128);
  const [row = -1, behind] = pool.claimMany(0, 2);
  const theirs = pool.claimMany(1, 2);
  pool.free(row);
  pool.nowUs += 11 * second;
  t.equal(pool.claim(1), row);
  const chain = new PathChain(pool.peers, pool.paths);
  t.equal(chain.next(row, 0), -1);
  t.same(pool.seen(0), [behind]);
  t.same(pool.seen(1), [...theirs, row]);
});

t.test('a successor goes on: what rests rests, what nobody can find is set free', async (t) => {
  const pool = new Pool(256);
  const [kept = -1, rests = -1, lost = -1] = pool.claimMany(0, 3);
  pool.free(rests);
  // As when the thread ended between a row's writing and its linking.
  pool.paths.setInt(rests, path.nextAt, 0);
  pool.book = new PathBook(pool.paths, pool.peers);
  pool.book.repair([carrierRow], pool.nowUs);
  t.equal(pool.book.state(lost), pathState.free);
  t.same(pool.book.rowsOf(0), [kept]);
  t.notOk([rests, lost].includes(pool.claim(1)));
  pool.nowUs += 11 * second;
  t.same([pool.claim(1), pool.claim(1)].sort(), [rests, lost].sort());
});
