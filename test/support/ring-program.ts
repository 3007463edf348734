/**
 * Worker of the stress tests in `test/rings`: one end of a ring, driven hard. What it saw is counted in `control`, shared with the
 * test, because a worker that is terminated tells nothing.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { Doorbell, ParkingSpot } from '../../src/rings/doorbell.ts';
import { RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';

/** Cells of `control` (i32). */
export const control = {
  /** Records the producer has published, and those the consumer has dealt with. */
  published: 0,
  consumed: 1,
  errors: 2,
  /** What went wrong first: 1 sequence, 2 checksum, 3 canary, 4 length. */
  firstError: 3,
  parks: 4,
  /** 1 while the thread is parked or about to be. */
  parked: 5,
  cells: 16,
} as const;

export interface RingProgram {
  readonly mode: 'produce' | 'consume' | 'deliver' | 'echo';
  readonly ring: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly doorbellFd: number;
  readonly control: SharedArrayBuffer;
  /** Sequence of the first record, and how many there are. */
  readonly from: number;
  readonly count: number;
  readonly seed: number;
  /** `deliver`: how often each sequence was delivered (i32 a record), and the sequence to throw at (-1 = none). */
  readonly deliveries?: SharedArrayBuffer;
  readonly throwAt?: number;
  /** `echo`: the way back. */
  readonly back?: {
    readonly ring: SharedArrayBuffer;
    readonly doorbell: SharedArrayBuffer;
    readonly doorbellFd: number;
  };
}

const spareMs = 1;
const foreverUs = 3600e6;
const canary = 0x5ea1ed00;
/** Most records of a batch; every batch ends with a publish or a release. */
export const batchRecords = 48;

/** xorshift32: seeded, so that a failure can be had again. */
export function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Words of record `sequence`: mostly short, now and then several kilobytes, and never the same rhythm as the ring. */
function wordsOf(sequence: number): number {
  const mixed = Math.imul(sequence, 0x9e3779b1) >>> 0;
  return (mixed & 63) === 0 ? 4 + (mixed >>> 22) : 4 + (mixed >>> 28);
}

const idle = new Int32Array(new SharedArrayBuffer(4));

class Program {
  readonly #data = workerData as RingProgram;
  readonly #addon = loadAddon();
  readonly #control = new Int32Array(this.#data.control);
  readonly #words = new Int32Array(this.#data.ring, ring.dataAt);

  run(): void {
    const { mode } = this.#data;
    if (mode === 'produce') this.#produce();
    else if (mode === 'echo') this.#echo();
    else this.#consumeAll(mode === 'deliver');
  }

  #produce(): void {
    const { from, count, seed, doorbell, doorbellFd } = this.#data;
    const producer = new RingProducer(this.#data.ring, new Doorbell(doorbell, doorbellFd, this.#addon));
    const next = random(seed);
    let sequence = from;
    while (sequence < from + count) {
      const end = Math.min(from + count, sequence + 1 + (next() % batchRecords));
      const before = sequence;
      for (; sequence < end && this.#write(producer, sequence); sequence += 1);
      producer.publish();
      Atomics.store(this.#control, control.published, sequence);
      if (sequence === before) Atomics.wait(idle, 0, 0, spareMs);
    }
  }

  #write(producer: RingProducer, sequence: number): boolean {
    const count = wordsOf(sequence);
    const at = producer.claim(count * 4);
    if (at < 0) return false;
    const words = this.#words;
    const first = at >> 2;
    words[first] = sequence;
    let sum = sequence;
    for (let index = first + 2; index < first + count - 1; index += 1) {
      const value = Math.imul(sequence + index - first, 0x85ebca6b);
      words[index] = value;
      sum = (sum + value) | 0;
    }
    words[first + 1] = sum;
    words[first + count - 1] = canary ^ sequence;
    producer.commit(count * 4, 1);
    return true;
  }

  /** `deliver`: a batch is told to the test when all of it was read and before it is released: what dies in between must come again. */
  #consumeAll(isDelivering: boolean): void {
    const { from, count, doorbell, deliveries, throwAt } = this.#data;
    const consumer = new RingConsumer(this.#data.ring);
    const spot = new ParkingSpot(doorbell);
    const told = new Int32Array(deliveries ?? new SharedArrayBuffer(0));
    const sequences = new Int32Array(batchRecords);
    let expected = from;
    while (Atomics.load(this.#control, control.consumed) < from + count) {
      let batch = 0;
      for (let at = consumer.peek(); at >= 0 && batch < batchRecords; at = consumer.peek()) {
        const sequence = this.#words[at >> 2] as number;
        consumer.begin();
        if (sequence === throwAt) throw new Error('the poison record');
        this.#check(at, consumer.length, isDelivering ? sequence : expected);
        consumer.end();
        sequences[batch] = sequence;
        expected = sequence + 1;
        batch += 1;
        consumer.advance();
      }
      if (isDelivering) for (let index = 0; index < batch; index += 1) Atomics.add(told, sequences[index] as number, 1);
      consumer.release();
      if (batch > 0) Atomics.store(this.#control, control.consumed, expected);
      else if (expected < from + count || isDelivering) this.#park(consumer, spot);
    }
  }

  #check(at: number, lengthBytes: number, sequence: number): void {
    const words = this.#words;
    const first = at >> 2;
    const count = wordsOf(sequence);
    if (words[first] !== sequence) this.#fail(1);
    if (lengthBytes !== count * 4) this.#fail(4);
    if (words[first + count - 1] !== (canary ^ sequence)) this.#fail(3);
    let sum = sequence;
    for (let index = first + 2; index < first + count - 1; index += 1) sum = (sum + (words[index] as number)) | 0;
    if (sum !== words[first + 1]) this.#fail(2);
  }

  #fail(kind: number): void {
    if (Atomics.add(this.#control, control.errors, 1) === 0) Atomics.store(this.#control, control.firstError, kind);
  }

  /** Arms, looks again, and waits for an hour: nothing but the doorbell ends it. */
  #park(consumer: RingConsumer, spot: ParkingSpot): void {
    spot.arm();
    if (consumer.peek() < 0) {
      Atomics.add(this.#control, control.parks, 1);
      Atomics.store(this.#control, control.parked, 1);
      const { doorbell, doorbellFd } = this.#data;
      this.#addon.wait(doorbellFd, new Uint8Array(doorbell), new Int32Array(0), this.#addon.nowUs() + foreverUs);
      Atomics.store(this.#control, control.parked, 0);
    }
    spot.disarm();
  }

  /** Each side waits for the other's only record, and nobody rings twice: a lost wake-up stops both. */
  #echo(): void {
    const { back, count, seed, from } = this.#data;
    if (back === undefined) throw new Error('echo needs a way back');
    const consumer = new RingConsumer(this.#data.ring);
    const spot = new ParkingSpot(this.#data.doorbell);
    const producer = new RingProducer(back.ring, new Doorbell(back.doorbell, back.doorbellFd, this.#addon));
    const next = random(seed);
    const payload = new Uint8Array(8);
    if (from === 1) producer.offer(payload, 1);
    for (let round = 0; round < count; round += 1) {
      while (consumer.peek() < 0) this.#park(consumer, spot);
      consumer.advance();
      consumer.release();
      Atomics.store(this.#control, control.consumed, round + 1);
      // A pause of any length, so that the answer falls into every moment of the other's parking.
      for (let pause = next() % 20_000; pause > 0; pause -= 1);
      if (from !== 1 || round + 1 < count) producer.offer(payload, 1);
      Atomics.store(this.#control, control.published, round + 1);
    }
  }
}

if (!isMainThread) new Program().run();
