import fc from 'fast-check';
import t from 'tap';
import { ring } from '../../src/contract/rings.ts';
import { createDoorbellMemory, Doorbell, ParkingSpot } from '../../src/rings/doorbell.ts';
import { createRingMemory, findPoison, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';

function pair(capacityBytes = 4096): {
  memory: SharedArrayBuffer;
  producer: RingProducer;
  consumer: RingConsumer;
  rings: () => number;
  spot: ParkingSpot;
} {
  const memory = createRingMemory(capacityBytes);
  const bell = createDoorbellMemory();
  let rings = 0;
  const ringer = {
    ring: () => {
      rings += 1;
      return 0;
    },
  };
  return {
    memory,
    producer: new RingProducer(memory, new Doorbell(bell, 1, ringer)),
    consumer: new RingConsumer(memory),
    rings: () => rings,
    spot: new ParkingSpot(bell),
  };
}

function takeAll(consumer: RingConsumer): number[][] {
  const records: number[][] = [];
  for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
    records.push([consumer.type, ...consumer.bytes.subarray(at, at + consumer.length)]);
    consumer.advance();
  }
  return records;
}

t.test('publish() makes committed records visible, and nothing before', async (t) => {
  const { producer, consumer } = pair();
  const at = producer.claim(3);
  producer.bytes.set([1, 2, 3], at);
  producer.commit(3, 7);
  t.equal(consumer.peek(), -1);
  producer.publish();
  t.same(takeAll(consumer), [[7, 1, 2, 3]]);
});

t.test('release() alone makes space reusable', async (t) => {
  const { producer, consumer } = pair();
  while (producer.offer(new Uint8Array(504), 1));
  takeAll(consumer);
  t.equal(producer.offer(new Uint8Array(504), 1), false, 'read, but not released');
  consumer.release();
  t.equal(producer.offer(new Uint8Array(504), 1), true);
});

t.test('records of any length keep their bytes and order across the wrap', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 900 }), fc.nat(3)), { maxLength: 200 }), (steps) => {
      const { producer, consumer } = pair();
      const sent: number[][] = [];
      const got: number[][] = [];
      for (const [payload, takes] of steps) {
        if (producer.offer(payload, takes + 1)) sent.push([takes + 1, ...payload]);
        for (let taken = 0; taken < takes; taken += 1) {
          const at = consumer.peek();
          if (at < 0) break;
          got.push([consumer.type, ...consumer.bytes.subarray(at, at + consumer.length)]);
          consumer.advance();
          consumer.release();
        }
      }
      got.push(...takeAll(consumer));
      t.same(got, sent);
    }),
    { numRuns: 200 },
  );
});

t.test('positions survive the wrap at 2^32', async (t) => {
  const memory = createRingMemory(4096);
  const words = new Int32Array(memory);
  const near = -64;
  words[ring.tailAt >> 2] = near;
  words[ring.headAt >> 2] = near;
  const producer = new RingProducer(memory, new Doorbell(createDoorbellMemory(), 1, { ring: () => 0 }));
  const consumer = new RingConsumer(memory);
  for (let round = 0; round < 40; round += 1) {
    t.ok(producer.offer(new Uint8Array(40).fill(round), 1));
    t.same(takeAll(consumer), [[1, ...new Uint8Array(40).fill(round)]]);
    consumer.release();
  }
  t.ok((words[ring.tailAt >> 2] as number) > 0, 'it did wrap');
});

t.test('a full ring refuses and counts; nothing is lost', async (t) => {
  const { memory, producer, consumer } = pair();
  let accepted = 0;
  while (producer.offer(new Uint8Array(100), 1)) accepted += 1;
  t.equal(new Int32Array(memory)[ring.fullAt >> 2], 1);
  t.equal(takeAll(consumer).length, accepted);
});

t.test('a producer that dies before publish leaves nothing torn', async (t) => {
  const { memory, producer, consumer } = pair();
  producer.offer(Uint8Array.of(1), 1);
  producer.bytes.set([9, 9], producer.claim(2));
  producer.commit(2, 1);
  const heir = new RingProducer(memory, new Doorbell(createDoorbellMemory(), 1, { ring: () => 0 }));
  heir.offer(Uint8Array.of(2), 1);
  t.same(takeAll(consumer), [
    [1, 1],
    [1, 2],
  ]);
});

t.test('a consumer that dies before release is followed by one that sees its records again', async (t) => {
  const { memory, producer, consumer } = pair();
  producer.offer(Uint8Array.of(1), 1);
  producer.offer(Uint8Array.of(2), 1);
  takeAll(consumer);
  t.same(takeAll(new RingConsumer(memory)), [
    [1, 1],
    [1, 2],
  ]);
});

t.test('a record on which two consumers died is skipped and counted; those around it are not', async (t) => {
  const { memory, producer, consumer } = pair();
  for (const value of [1, 2, 3]) producer.offer(Uint8Array.of(value), 1);
  consumer.peek();
  consumer.advance();
  consumer.peek();
  consumer.begin();
  const second = new RingConsumer(memory);
  t.equal(second.bytes[second.peek()], 1, 'the first death blames nobody yet');
  second.advance();
  second.peek();
  second.begin();
  t.same(takeAll(new RingConsumer(memory)), [
    [1, 1],
    [1, 3],
  ]);
  t.equal(new Int32Array(memory)[ring.poisonedAt >> 2], 1);
});

t.test('findPoison() copies the beginning of the record that will be skipped, and only of that', async (t) => {
  const { memory, producer, consumer } = pair();
  for (const value of [1, 2, 3]) producer.offer(new Uint8Array(300).fill(value), 7);
  t.equal(findPoison(memory), undefined, 'nobody died');
  consumer.peek();
  consumer.advance();
  consumer.peek();
  consumer.begin();
  t.equal(findPoison(memory), undefined, 'one death blames nobody yet');
  const second = new RingConsumer(memory);
  second.peek();
  second.advance();
  second.peek();
  second.begin();
  t.same(findPoison(memory), { type: 7, lengthBytes: 300, head: new Uint8Array(256).fill(2) });
  const third = new RingConsumer(memory);
  t.equal(takeAll(third).length, 2);
  t.equal(findPoison(memory), undefined, 'it is past');
  producer.offer(Uint8Array.of(4), 7);
  third.peek();
  third.begin();
  t.equal(findPoison(memory), undefined, 'another record');
});

t.test('claim() throws for a record that takes more than half of the ring', async (t) => {
  const { producer } = pair(4096);
  t.equal(producer.claim(2048 - ring.recordHeaderBytes), ring.recordHeaderBytes);
  t.throws(() => producer.claim(2048 - ring.recordHeaderBytes + 1), /a record of 2041 bytes in a ring of 4096/);
});

t.test('a death without blame does not add to one with it', async (t) => {
  const { memory, producer, consumer } = pair();
  producer.offer(Uint8Array.of(1), 1);
  consumer.peek();
  consumer.begin();
  const second = new RingConsumer(memory);
  second.peek();
  second.begin();
  second.end();
  t.same(takeAll(new RingConsumer(memory)), [[1, 1]]);
});

t.test('wake() rings only an armed doorbell, once', async (t) => {
  const { producer, rings, spot } = pair();
  producer.offer(Uint8Array.of(1), 1);
  t.equal(rings(), 0);
  spot.arm();
  producer.offer(Uint8Array.of(1), 1);
  producer.offer(Uint8Array.of(1), 1);
  t.equal(rings(), 1);
  spot.arm();
  spot.disarm();
  producer.offer(Uint8Array.of(1), 1);
  t.equal(rings(), 1);
});
