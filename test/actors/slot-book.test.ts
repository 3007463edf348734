/** Key slots: memory grows with how many are in use at once, and nothing of the keys before is left. */
import t from 'tap';
import { SlotBook } from '../../src/actors/session/slot-book.ts';
import { cipher, session, slotState } from '../../src/contract/peer-tables.ts';
import { createSessionMemory, SessionTable } from '../../src/rings/session-table.ts';

const second = 1_000_000;

function makeBook(slots: number) {
  const table = new SessionTable(createSessionMemory(slots, 8192));
  const book = new SlotBook(table, cipher.chacha20poly1305);
  const key = () => new Uint8Array(32).fill(7);
  const publish = (nowUs: number): number => {
    const keys = { send: key(), receive: key(), sendAes: key(), receiveAes: key() };
    const localIndex = book.reserveIndex(0);
    return book.publish({ peerRow: 0, keys, localIndex, remoteIndex: 5, isInitiator: true, hasAes: false }, nowUs);
  };
  const acknowledge = (): void => {
    for (const userAt of [session.sealerSeenAt, session.openerSeenAt]) table.acknowledge(userAt, table.version());
  };
  return { table, book, publish, acknowledge };
}

t.test('publish() takes slots that were used before, however many were never', async (t) => {
  const { table, book, publish, acknowledge } = makeBook(1000);
  let nowUs = second;
  for (let round = 0; round < 100; round += 1) {
    const slot = publish(nowUs);
    t.ok(slot >= 0 && slot < 3, `round ${round}: slot ${slot}`);
    book.linger(slot, nowUs);
    nowUs += 6 * second;
    book.sweep(nowUs);
    acknowledge();
    book.sweep(nowUs);
  }
  t.ok(table.used() <= 3, `${table.used()} slots were ever used`);
});

t.test('a successor goes on with the slots that were used', async (t) => {
  const { table, publish, book, acknowledge } = makeBook(10);
  const [one, two] = [publish(second), publish(second)];
  book.retire(one);
  acknowledge();
  book.sweep(2 * second);
  const successor = new SlotBook(table, cipher.chacha20poly1305);
  const keys = {
    send: new Uint8Array(32),
    receive: new Uint8Array(32),
    sendAes: new Uint8Array(32),
    receiveAes: new Uint8Array(32),
  };
  const localIndex = successor.reserveIndex(0);
  t.equal(
    successor.publish({ peerRow: 1, keys, localIndex, remoteIndex: 6, isInitiator: false, hasAes: false }, 3 * second),
    one,
  );
  t.same(
    [...successor.readySlots().values()]
      .flat()
      .map(({ slot }) => slot)
      .sort(),
    [one, two].sort(),
  );
});

t.test('a full table gives up the slot that lingers longest', async (t) => {
  const { book, publish, acknowledge } = makeBook(2);
  const [one, two] = [publish(second), publish(second)];
  book.linger(two, second);
  book.linger(one, second);
  t.equal(publish(2 * second), -1);
  acknowledge();
  book.sweep(2 * second);
  t.equal(publish(2 * second), two);
});

t.test('wipe() zeroes what was written of a replay window, and no more', async (t) => {
  const { table, publish } = makeBook(4);
  const slot = publish(second);
  const windowAt = session.dataAt + table.rows * session.slotBytes + slot * table.windowBytes;
  const fill = (bytes: number): void => {
    table.bytes.fill(255, windowAt, windowAt + bytes);
  };
  fill(table.windowBytes);
  // As far as this the slot's own bitmap serves.
  table.setInt(slot, session.receiveNextAt, 960);
  table.slice(slot, session.earlyWindowAt, session.earlyWindowBytes).fill(255);
  table.wipe(slot);
  t.ok(table.slice(slot, session.earlyWindowAt, session.earlyWindowBytes).every((byte) => byte === 0));
  t.ok(table.bytes.subarray(windowAt, windowAt + table.windowBytes).every((byte) => byte === 255));
  table.setInt(slot, session.receiveNextAt, 961);
  table.wipe(slot);
  t.same(
    [...table.bytes.subarray(windowAt + 127, windowAt + 130)],
    [255, 255, 255].map((_, at) => (at + 127 < 128 ? 0 : 255)),
  );
  fill(table.windowBytes);
  table.setInt(slot, session.receiveNextAt, 100_000);
  table.wipe(slot);
  t.ok(table.bytes.subarray(windowAt, windowAt + table.windowBytes).every((byte) => byte === 0));
});

t.test('with several shards an index is of the shard of its peer, and a slot waits for the users of all', async (t) => {
  const table = new SessionTable(createSessionMemory(10, 8192));
  const book = new SlotBook(table, cipher.chacha20poly1305, 3);
  for (const peerRow of [0, 1, 2, 3, 700])
    for (let round = 0; round < 20; round += 1) t.equal(book.reserveIndex(peerRow) % 3, peerRow % 3);
  const key = () => new Uint8Array(32).fill(7);
  const keys = { send: key(), receive: key(), sendAes: key(), receiveAes: key() };
  const fresh = { peerRow: 2, keys, localIndex: book.reserveIndex(2), remoteIndex: 5, isInitiator: true, hasAes: true };
  const slot = book.publish(fresh, second);
  t.equal((table.int(slot, session.localIndexAesAt) >>> 0) % 3, 2);
  book.retire(slot);
  for (const userAt of [session.sealerSeenAt, session.openerSeenAt])
    for (const shard of [0, 1]) table.acknowledge(userAt, table.version(), shard);
  table.acknowledge(session.sealerSeenAt, table.version(), 2);
  book.sweep(2 * second);
  t.equal(table.int(slot, session.stateAt), slotState.retired, 'one opener has not seen it');
  table.acknowledge(session.openerSeenAt, table.version(), 2);
  book.sweep(2 * second);
  t.equal(table.int(slot, session.stateAt), slotState.free);
});
