/**
 * Five actors in one thread hand packets of 1420 bytes along four rings: what a core carries when nothing but rings costs.
 * `payload=log`: packets lie in an arena, as a device would put them there; the source stamps each, one descriptor a packet
 * travels (as sealer → wan-link does), the sink checks the stamp. `payload=train`: 45 packets a record, the record's bytes
 * copied at every hop, by TypeScript; `payload=copied`: the same with one packet a record.
 */

import { descriptor } from '../../src/contract/records.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { answer, measure, measuredWords, median, pairCount, report, runSeconds, spread } from '../support/bench.ts';

const packetBytes = 1420;
const arenaBytes = 1 << 24;
const batchCount = 64;
const silentRinger = { ring: () => 0 };

interface Turned {
  work(): number;
}

/** Stamps one packet of the arena after the other and publishes a descriptor for each. */
class LogSource implements Turned {
  readonly #out: RingProducer;
  readonly #arena: DataView;
  #position = 0;
  #stamp = 0;

  constructor(out: RingProducer, arena: SharedArrayBuffer) {
    this.#out = out;
    this.#arena = new DataView(arena);
  }

  work(): number {
    let count = 0;
    for (; count < batchCount; count += 1) {
      const at = this.#out.claim(descriptor.bytes);
      if (at < 0) break;
      if (this.#position + packetBytes > arenaBytes) this.#position = 0;
      this.#arena.setInt32(this.#position, this.#stamp, true);
      this.#stamp = (this.#stamp + 1) | 0;
      this.#out.view.setInt32(at + descriptor.positionAt, this.#position, true);
      this.#out.view.setInt32(at + descriptor.countAt, 1, true);
      this.#out.view.setInt32(at + descriptor.lengthAt, packetBytes, true);
      this.#position += packetBytes;
      this.#out.commit(descriptor.bytes, 1);
    }
    this.#out.publish();
    return count;
  }
}

/** Publishes records of `recordBytes`. */
class CopySource implements Turned {
  readonly #out: RingProducer;
  readonly #record: Uint8Array;

  constructor(out: RingProducer, recordBytes: number) {
    this.#out = out;
    this.#record = new Uint8Array(recordBytes).fill(9);
  }

  work(): number {
    let count = 0;
    for (; count < batchCount; count += 1) {
      const at = this.#out.claim(this.#record.length);
      if (at < 0) break;
      this.#out.bytes.set(this.#record, at);
      this.#out.commit(this.#record.length, 1);
    }
    this.#out.publish();
    return count;
  }
}

/** Takes records from one ring, looks at the first word, and copies them to the next. */
class Relay implements Turned {
  readonly #in: RingConsumer;
  readonly #out: RingProducer;
  seen = 0;

  constructor(input: RingConsumer, out: RingProducer) {
    this.#in = input;
    this.#out = out;
  }

  work(): number {
    let count = 0;
    for (; count < batchCount; count += 1) {
      const from = this.#in.peek();
      if (from < 0) break;
      const length = this.#in.length;
      const at = this.#out.claim(length);
      if (at < 0) break;
      this.seen = (this.seen + this.#in.view.getInt32(from, true)) | 0;
      if (length === descriptor.bytes) this.#copyDescriptor(from, at);
      else this.#out.bytes.set(this.#in.bytes.subarray(from, from + length), at);
      this.#out.commit(length, 1);
      this.#in.advance();
    }
    this.#out.publish();
    this.#in.release();
    return count;
  }

  /** Ten words: a loop beats `set` with its view object by far at this size. */
  #copyDescriptor(from: number, at: number): void {
    for (let i = 0; i < descriptor.bytes; i += 4) {
      this.#out.view.setInt32(at + i, this.#in.view.getInt32(from + i, true), true);
    }
  }
}

/** Counts records; with an arena, every descriptor must lead to the packet with the next stamp. */
class Sink implements Turned {
  readonly #in: RingConsumer;
  readonly #arena: DataView | undefined;
  records = 0;

  constructor(input: RingConsumer, arena: SharedArrayBuffer | undefined) {
    this.#in = input;
    this.#arena = arena === undefined ? undefined : new DataView(arena);
  }

  work(): number {
    let count = 0;
    for (; count < batchCount; count += 1) {
      const at = this.#in.peek();
      if (at < 0) break;
      if (this.#arena !== undefined) this.#check(this.#arena, at);
      this.records += 1;
      this.#in.advance();
    }
    this.#in.release();
    return count;
  }

  #check(arena: DataView, at: number): void {
    const stamp = arena.getInt32(this.#in.view.getInt32(at + descriptor.positionAt, true), true);
    if (stamp !== (this.records | 0)) throw new Error(`packet ${this.records} carries stamp ${stamp}`);
  }
}

function runOne(payload: string): void {
  const recordBytes = payload === 'train' ? packetBytes * 45 : packetBytes;
  const capacity = payload === 'train' ? 1 << 19 : 1 << 17;
  const rings = Array.from({ length: 4 }, () => createRingMemory(capacity));
  const outs = rings.map((memory) => new RingProducer(memory, new Doorbell(createDoorbellMemory(), -1, silentRinger)));
  const ins = rings.map((memory) => new RingConsumer(memory));
  const [first, second, third, fourth] = outs;
  const [one, two, three, four] = ins;
  if (!first || !second || !third || !fourth || !one || !two || !three || !four) throw new Error('four rings');
  const arena = payload === 'log' ? new SharedArrayBuffer(arenaBytes) : undefined;
  const sink = new Sink(four, arena);
  const source = arena === undefined ? new CopySource(first, recordBytes) : new LogSource(first, arena);
  const actors: Turned[] = [source, new Relay(one, second), new Relay(two, third), new Relay(three, fourth), sink];
  const turnUntil = (endMs: number) => {
    while (performance.now() < endMs) {
      for (let i = 0; i < 50; i += 1) for (const actor of actors) actor.work();
    }
  };
  turnUntil(performance.now() + 300);
  const before = sink.records;
  const startMs = performance.now();
  turnUntil(startMs + runSeconds * 1000);
  const packets = (sink.records - before) * (payload === 'train' ? 45 : 1);
  answer(packets / (performance.now() - startMs) / 1e3);
}

function main(): void {
  for (const payload of ['log', 'train', 'copied']) {
    const values = Array.from({ length: pairCount }, () => measure(import.meta.url, [payload])[0] ?? Number.NaN);
    report('ring-chain', { actors: 5, packetBytes, payload, spread: spread(values) }, median(values), 'Mpps/core');
  }
}

const words = measuredWords();
if (words === undefined) main();
else runOne(words[0] ?? 'log');
