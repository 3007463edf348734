/** The same ring with TypeScript at one end and C++ at the other, both ways, at speed and between threads. */

import { setImmediate as breathe } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { recordType, train } from '../../src/contract/records.ts';
import { ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { isLong } from '../support/long-run.ts';
import type { PumpProgram } from '../support/pump-program.ts';

const addon = loadAddon();
const records = isLong ? 20_000_000 : 200_000;
const loopback = Uint8Array.of(127, 0, 0, 1);

t.setTimeout(600_000);

function lengthOf(sequence: number): number {
  const mixed = Math.imul(sequence, 0x9e3779b1) >>> 0;
  return (mixed & 31) === 0 ? 20 + (mixed >>> 19) : 20 + (mixed >>> 24);
}

/** Writes trains `from`… while there is room; returns the next. */
function produce(producer: RingProducer, words: Int32Array, from: number): number {
  let sequence = from;
  for (; sequence < records; sequence += 1) {
    const length = lengthOf(sequence);
    const at = producer.claim(train.packetAt + length + 16);
    if (at < 0) break;
    producer.view.setInt32(at + train.progressAt, 1, true);
    producer.view.setInt32(at + train.lengthAt, length, true);
    producer.bytes.fill(0, at + train.vnetAt, at + train.packetAt);
    const first = (at + train.packetAt) >> 2;
    producer.bytes.fill(sequence & 255, at + train.packetAt, at + train.packetAt + length);
    words[first] = sequence;
    words[first + 1] = length;
    producer.commit(train.packetAt + length, recordType.train);
  }
  producer.publish();
  return sequence;
}

/** Checks what there is from `expected` on; returns the next, or -1 at the first wrong one. */
function consume(consumer: RingConsumer, words: Int32Array, from: number): number {
  let expected = from;
  for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
    const length = consumer.view.getInt32(at + train.lengthAt, true);
    const first = (at + train.packetAt) >> 2;
    const last = consumer.bytes[at + train.packetAt + length - 1];
    const isSound = words[first] === expected && words[first + 1] === length && length === lengthOf(expected);
    if (!isSound || last !== (expected & 255) || consumer.type !== recordType.train) return -1;
    expected += 1;
    consumer.advance();
  }
  consumer.release();
  return expected;
}

t.test(`${records} trains from TypeScript through C++ and back to TypeScript`, async (t) => {
  const sink = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  const source = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => [sink, source].map(({ fd }) => addon.closeFd(fd)));
  t.equal(addon.connectUdp(source.fd, loopback, sink.port, 0), 0);
  const there = createRingMemory(1 << 18);
  const back = createRingMemory(1 << 19);
  const doorbell = createDoorbellMemory();
  const port = (memory: SharedArrayBuffer) => ({
    ring: new Uint8Array(memory),
    doorbell: new Uint8Array(doorbell),
    doorbellFd: -1,
  });
  const workerData: PumpProgram = {
    from: port(there),
    to: port(back),
    writeFd: source.fd,
    readFd: sink.fd,
    count: records,
  };
  const worker = new Worker(new URL('../support/pump-program.js', import.meta.url), { workerData });
  const ended = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  const producer = new RingProducer(there, new Doorbell(doorbell, -1, { ring: () => 0 }));
  const consumer = new RingConsumer(back);
  const [out, back32] = [new Int32Array(there, ring.dataAt), new Int32Array(back, ring.dataAt)];
  let produced = 0;
  let consumed = 0;
  let progressMs = Date.now();
  while (consumed >= 0 && consumed < records && Date.now() - progressMs < 10_000) {
    const before = consumed;
    produced = produce(producer, out, produced);
    consumed = consume(consumer, back32, consumed);
    if (consumed !== before) progressMs = Date.now();
    else await breathe();
  }
  t.equal(consumed, records, 'every train, whole and in order');
  if (consumed === records) await ended;
  else await worker.terminate();
});
