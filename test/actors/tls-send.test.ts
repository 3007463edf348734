/** Descriptors on their way into a stream: who goes first, who is too late, and what the ring and the tables say of it. */
import t from 'tap';
import type { Parcel } from '../../src/actors/tls/calls.ts';
import { type Outlet, SendDesk, type Waiting } from '../../src/actors/tls/send-desk.ts';
import { carrier } from '../../src/contract/link-tables.ts';
import { path } from '../../src/contract/peer-tables.ts';
import { descriptor, recordType, trafficClass } from '../../src/contract/records.ts';
import { log } from '../../src/contract/rings.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory, SealedLogReader } from '../../src/rings/sealed-log.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { carrierTable, createRowTable, pathTable } from '../../src/rings/table.ts';
import { namedEndpointEmit } from '../../src/wire/named-endpoint.ts';
import { tlsMessageCheck, tlsMessageSegment } from '../../src/wire/tls-message.ts';

const segment = 1000;
const row = 3;

class Stream implements Outlet {
  readonly #lanes: Waiting[][] = [[], [], []];
  looks = 0;
  readonly sent: Uint8Array[] = [];
  backlogBytes = 0;

  get lanes(): Waiting[][] {
    this.looks += 1;
    return this.#lanes;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
    this.backlogBytes += bytes.length;
  }
}

function bench() {
  const ring = createRingMemory(65_536);
  const logMemory = createSealedLogMemory(1 << 20);
  const paths = pathTable(createRowTable(path, 8));
  const carriers = carrierTable(createRowTable(carrier, 8));
  namedEndpointEmit(paths.slice(row, path.endpointAt, 64), 'hub.example.net', 443);
  const producer = new RingProducer(ring, new Doorbell(createDoorbellMemory(), -1, { ring: () => 0 }));
  const stream = new Stream();
  const wanted: Parcel[] = [];
  const state = { isOpen: true };
  const words = new Int32Array(logMemory);
  const desk = (): SendDesk =>
    new SendDesk({
      descriptors: new RingConsumer(ring),
      log: new SealedLogReader(logMemory),
      paths,
      carriers,
      carrier: 2,
      find: () => (state.isOpen ? stream : undefined),
      want: (_, parcel) => wanted.push(parcel),
    });
  /** Seals `count` packets filled with `mark`, the last of `lastBytes`. */
  const seal = (mark: number, count: number, of: number, lastBytes = segment): void => {
    const bytes = (count - 1) * segment + lastBytes;
    const position = words[log.reservedAt >> 2] as number;
    new Uint8Array(logMemory, log.dataAt + position * log.unitBytes, bytes).fill(mark);
    words[log.reservedAt >> 2] = position + Math.ceil(bytes / log.unitBytes);
    const at = producer.claim(descriptor.bytes);
    const fields = { positionAt: position, countAt: count, segmentBytesAt: segment, lastBytesAt: lastBytes } as const;
    producer.bytes.fill(0, at, at + descriptor.bytes);
    for (const [name, value] of Object.entries({ ...fields, pathAt: row, classAt: of, lengthAt: bytes }))
      producer.view.setInt32(at + descriptor[name as keyof typeof fields], value, true);
    producer.commit(descriptor.bytes, recordType.descriptor);
    producer.publish();
  };
  const booked = () => [path.sentBytesAt, path.lateBytesAt, path.refusedBytesAt].map((at) => paths.number(row, at));
  return { desk, seal, stream, wanted, state, booked, producer, paths, words };
}

t.test(
  'control and latency go before bulk that came first, and the ring is given back when all before are done',
  async (t) => {
    const { desk, seal, stream, booked, producer } = bench();
    const one = desk();
    seal(1, 40, trafficClass.bulk, 300);
    seal(2, 1, trafficClass.latency, 80);
    t.equal(one.take(10, 0), 2);
    stream.backlogBytes = 8_000;
    one.pump(stream, 0);
    t.same(
      stream.sent.map((message) => message[2]),
      [2],
      'bulk waits while so much lies in the stream',
    );
    one.release();
    t.ok(producer.usedBytes() > 100, 'the first is not done');
    for (let turn = 0; turn < 10; turn += 1) {
      stream.backlogBytes = 0;
      one.pump(stream, 0);
    }
    one.release();
    t.equal(producer.usedBytes(), 0);
    const bulk = stream.sent.slice(1);
    t.ok(
      bulk.every(
        (message) => tlsMessageCheck(message) && tlsMessageSegment(message) === segment && message.length <= 16_002,
      ),
    );
    t.equal(
      bulk.reduce((sum, message) => sum + message.length - 2, 0),
      39_300,
    );
    t.same(booked(), [39_380, 0, 0]);
    t.equal(one.waitingBytes, 0);
  },
);

t.test('what has waited for 100 ms is dropped, and so is what the log no longer holds', async (t) => {
  const { desk, seal, stream, booked, words } = bench();
  const one = desk();
  seal(1, 2, trafficClass.bulk);
  one.take(10, 0);
  stream.backlogBytes = 1 << 20;
  one.pump(stream, 99_000);
  t.same(booked(), [0, 0, 0]);
  seal(2, 1, trafficClass.latency);
  one.take(10, 99_500);
  one.pump(stream, 101_000);
  t.same(booked(), [0, 2000, 0], 'the later one still has time');
  stream.backlogBytes = 0;
  words[log.reservedAt >> 2] = (words[log.reservedAt >> 2] as number) + (1 << 20);
  one.pump(stream, 102_000);
  t.same(booked(), [0, 3000, 0]);
  t.equal(stream.sent.length, 0);
});

t.test('a successor goes on with what is left, and sends nothing twice', async (t) => {
  const { desk, seal, stream, booked } = bench();
  const first = desk();
  seal(1, 30, trafficClass.bulk);
  seal(2, 1, trafficClass.latency);
  first.take(10, 0);
  first.pump(stream, 0);
  t.equal(stream.sent.length, 2, 'the urgent one, and a part');
  const [before] = booked();
  const second = desk();
  stream.lanes.forEach((lane) => {
    lane.length = 0;
  });
  stream.backlogBytes = 0;
  second.take(10, 0);
  for (let turn = 0; turn < 5; turn += 1) {
    second.pump(stream, 0);
    stream.backlogBytes = 0;
  }
  t.ok((before ?? 0) < 31_000);
  t.same(booked(), [31_000, 0, 0]);
  t.equal(
    stream.sent.reduce((sum, message) => sum + message.length - 2, 0),
    31_000,
  );
});

t.test('what finds no connection calls for one, and what waited for one that ended is refused', async (t) => {
  const { desk, seal, stream, state, wanted, booked, producer, paths } = bench();
  const one = desk();
  state.isOpen = false;
  seal(1, 1, trafficClass.control, 80);
  one.take(10, 0);
  seal(1, 2, trafficClass.bulk);
  one.take(10, 0);
  one.release();
  t.equal(wanted.length, 2);
  t.equal(producer.usedBytes(), 0, 'whoever calls has a copy');
  t.equal(one.waitingBytes, 0);
  t.same(booked(), [0, 0, 0], 'nobody knows yet what becomes of it');
  wanted[0]?.settle(true);
  wanted[1]?.settle(false);
  t.same(booked(), [80, 0, 2000]);
  t.equal(paths.number(row, path.sentPacketsAt), 1);
  state.isOpen = true;
  seal(2, 2, trafficClass.bulk);
  one.take(10, 0);
  one.drop(stream);
  t.same(booked(), [80, 0, 4000]);
});

t.test('a turn looks at those alone for whom something waits', async (t) => {
  const { desk, seal, stream, booked } = bench();
  const one = desk();
  seal(1, 1, trafficClass.bulk);
  one.take(10, 0);
  stream.backlogBytes = 1 << 20;
  one.pumpAll(0);
  stream.backlogBytes = 0;
  one.pumpAll(0);
  t.same(booked(), [1000, 0, 0]);
  stream.looks = 0;
  one.pumpAll(0);
  t.equal(stream.looks, 0, 'nothing waits there');
  seal(1, 1, trafficClass.bulk);
  one.take(10, 0);
  one.drop(stream);
  stream.looks = 0;
  one.pumpAll(0);
  t.equal(stream.looks, 0, 'it has ended');
});
