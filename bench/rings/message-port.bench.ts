/** Messages a second from one thread to another, the same payload in a ring and in a MessagePort: the sender writes it, the receiver reads its ends. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { answer, comparePairs, measure, measuredWords, runSeconds } from '../support/bench.ts';

const ringBytes = 1 << 20;
/** Records published, or messages posted, at once. */
const batchCount = 32;
/** Messages that may be under way in a MessagePort; more only grows its queue. */
const windowCount = 4096;
const filling = 7;

interface ProducerData {
  readonly kind: 'ring' | 'port';
  readonly payloadBytes: number;
  readonly memory: SharedArrayBuffer;
  /** [0] = set to stop the producer, [1] = messages taken by the consumer. */
  readonly shared: SharedArrayBuffer;
  readonly port: MessagePort | undefined;
}

/** Nobody parks in this bench: both sides spin, so no bell is ever rung. */
const silentRinger = { ring: () => 0 };

function readEnds(bytes: Uint8Array, at: number, length: number): number {
  return (bytes[at] ?? 0) + (bytes[at + length - 1] ?? 0);
}

function produceIntoRing(data: ProducerData, state: Int32Array): void {
  const producer = new RingProducer(data.memory, new Doorbell(createDoorbellMemory(), -1, silentRinger));
  const payload = new Uint8Array(data.payloadBytes).fill(filling);
  for (;;) {
    for (let i = 0; i < batchCount; i += 1) {
      const at = producer.claim(data.payloadBytes);
      if (at < 0) break;
      producer.bytes.set(payload, at);
      producer.commit(data.payloadBytes, 1);
    }
    producer.publish();
    if (Atomics.load(state, 0) !== 0) return;
  }
}

function produceIntoPort(port: MessagePort, payloadBytes: number, state: Int32Array): void {
  const payload = new Uint8Array(payloadBytes).fill(filling);
  let posted = 0;
  while (Atomics.load(state, 0) === 0) {
    if (posted - Atomics.load(state, 1) > windowCount - batchCount) continue;
    for (let i = 0; i < batchCount; i += 1) port.postMessage(payload);
    posted += batchCount;
  }
  port.close();
}

function consumeRing(memory: SharedArrayBuffer, payloadBytes: number, endMs: number): number {
  const consumer = new RingConsumer(memory);
  let count = 0;
  let sum = 0;
  for (let turn = 0; (turn & 63) !== 0 || performance.now() < endMs; turn += 1) {
    for (let i = 0; i < batchCount; i += 1) {
      const at = consumer.peek();
      if (at < 0) break;
      sum += readEnds(consumer.bytes, at, payloadBytes);
      consumer.advance();
      count += 1;
    }
    consumer.release();
  }
  if (sum !== count * 2 * filling) throw new Error(`${count} messages sum up to ${sum}`);
  return count;
}

/**
 * Takes messages by `receiveMessageOnPort`, which is faster than the event for a reader that is always behind. Returns how many
 * were taken since the beginning: the producer's window counts from there.
 */
function consumePort(port: MessagePort, state: Int32Array, endMs: number): number {
  let count = Atomics.load(state, 1);
  for (let turn = 0; (turn & 63) !== 0 || performance.now() < endMs; turn += 1) {
    const received: { message: Uint8Array } | undefined = receiveMessageOnPort(port);
    if (received === undefined) continue;
    if (readEnds(received.message, 0, received.message.length) !== 2 * filling) throw new Error('a message is torn');
    count += 1;
    Atomics.store(state, 1, count);
  }
  return count;
}

async function runOne(kind: 'ring' | 'port', payloadBytes: number): Promise<void> {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const memory = createRingMemory(ringBytes);
  const { port1, port2 } = new MessageChannel();
  const data: ProducerData = { kind, payloadBytes, memory, shared, port: kind === 'port' ? port2 : undefined };
  const worker = new Worker(new URL(import.meta.url), {
    workerData: data,
    argv: [],
    transferList: kind === 'port' ? [port2] : [],
  });
  const take = (milliseconds: number) => {
    const endMs = performance.now() + milliseconds;
    return kind === 'ring' ? consumeRing(memory, payloadBytes, endMs) : consumePort(port1, state, endMs);
  };
  await new Promise((resolve) => worker.once('online', resolve));
  const warm = take(300);
  const startMs = performance.now();
  const taken = take(runSeconds * 1000);
  const count = kind === 'ring' ? taken : taken - warm;
  const seconds = (performance.now() - startMs) / 1000;
  Atomics.store(state, 0, 1);
  port1.close();
  await worker.terminate();
  answer(count / seconds);
}

function main(): void {
  for (const payload of [64, 1420]) {
    const side = (kind: string) => () => measure(import.meta.url, [kind, String(payload)])[0] ?? Number.NaN;
    comparePairs(
      'ring-throughput',
      { payloadBytes: payload },
      'messages/s',
      { label: 'ring', take: side('ring') },
      { label: 'MessagePort', take: side('port') },
    );
  }
}

const data: unknown = workerData;
if (data !== null) {
  const job = data as ProducerData;
  const state = new Int32Array(job.shared);
  if (job.port === undefined) produceIntoRing(job, state);
  else produceIntoPort(job.port, job.payloadBytes, state);
} else {
  const words = measuredWords();
  if (words === undefined) main();
  else await runOne(words[0] === 'ring' ? 'ring' : 'port', Number(words[1]));
}
