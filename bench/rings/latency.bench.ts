/**
 * Latency between two threads: a spinning round trip through two rings against MessagePort and a C twin, and the wake-up of a
 * thread parked in the native wait against a C thread parked in poll on an eventfd.
 */
import { once } from 'node:events';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import { loadAddon } from '../../src/native/addon.ts';
import { createDoorbellMemory, Doorbell, ParkingSpot } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import {
  answer,
  comparePairs,
  compileTwin,
  measure,
  measuredWords,
  quantile,
  runForNumbers,
  runSeconds,
} from '../support/bench.ts';

const ringBytes = 1 << 16;
const payloadBytes = 16;
const wakeCount = 2000;
/** Records that come while the thread still loads its modules and compiles: waits of milliseconds that are no wake-ups. */
const warmCount = 1000;
/** Long enough for the consumer to be parked again before the next record. */
const wakePauseUs = 300;

interface EchoData {
  readonly kind: 'ring' | 'port' | 'wake';
  readonly there: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly bellFd: number;
  readonly port: MessagePort | undefined;
}

const silentRinger = { ring: () => 0 };

function createSilentProducer(memory: SharedArrayBuffer): RingProducer {
  return new RingProducer(memory, new Doorbell(createDoorbellMemory(), -1, silentRinger));
}

/** Moves one record from one ring to another, spinning until there is one. */
function echoOnce(input: RingConsumer, output: RingProducer): void {
  let from = input.peek();
  while (from < 0) from = input.peek();
  const at = output.claim(payloadBytes);
  output.view.setFloat64(at, input.view.getFloat64(from, true), true);
  output.commit(payloadBytes, 1);
  output.publish();
  input.advance();
  input.release();
}

/** The echoing side; ends with its worker. */
function echo(data: EchoData): void {
  if (data.port !== undefined) {
    for (;;) {
      const received: { message: unknown } | undefined = receiveMessageOnPort(data.port);
      if (received !== undefined) data.port.postMessage(received.message);
    }
  }
  const input = new RingConsumer(data.there);
  const output = createSilentProducer(data.back);
  for (;;) echoOnce(input, output);
}

/** Parks as the duty runner does, and answers each record with how long its wake-up took. */
function sleepAndMeasure(data: EchoData): void {
  const addon = loadAddon();
  const input = new RingConsumer(data.there);
  const spot = new ParkingSpot(data.bell);
  const armed = new Uint8Array(data.bell);
  const none = new Int32Array(0);
  const latenciesUs = new Float64Array(warmCount + wakeCount);
  for (let count = 0; count < latenciesUs.length; ) {
    spot.arm();
    if (input.peek() < 0) addon.wait(data.bellFd, armed, none, addon.nowUs() + 50_000);
    const nowUs = addon.nowUs();
    spot.disarm();
    for (let at = input.peek(); at >= 0; at = input.peek()) {
      latenciesUs[count] = nowUs - input.view.getFloat64(at, true);
      count += 1;
      input.advance();
    }
    input.release();
  }
  new Float64Array(data.back, 0, wakeCount).set(latenciesUs.subarray(warmCount).sort());
}

function startWorker(data: EchoData): Worker {
  const transferList = data.port === undefined ? [] : [data.port];
  return new Worker(new URL(import.meta.url), { workerData: data, argv: [], transferList });
}

async function measureRoundTrips(kind: 'ring' | 'port'): Promise<void> {
  const [there, back] = [createRingMemory(ringBytes), createRingMemory(ringBytes)];
  const { port1, port2 } = new MessageChannel();
  const port = kind === 'port' ? port2 : undefined;
  const worker = startWorker({ kind, there, back, bell: createDoorbellMemory(), bellFd: -1, port });
  await once(worker, 'online');
  const output = createSilentProducer(there);
  const input = new RingConsumer(back);
  const payload = new Uint8Array(payloadBytes);
  const tripRing = () => {
    output.offer(payload, 1);
    while (input.peek() < 0);
    input.advance();
    input.release();
  };
  const tripPort = () => {
    port1.postMessage(payload);
    while (receiveMessageOnPort(port1) === undefined);
  };
  const trip = kind === 'ring' ? tripRing : tripPort;
  for (let i = 0; i < 5000; i += 1) trip();
  const startMs = performance.now();
  let count = 0;
  for (; (count & 15) !== 0 || performance.now() < startMs + runSeconds * 1000; count += 1) trip();
  const seconds = (performance.now() - startMs) / 1000;
  await worker.terminate();
  port1.close();
  answer(count / seconds);
}

async function measureWakeUps(): Promise<void> {
  const addon = loadAddon();
  const there = createRingMemory(ringBytes);
  const bell = createDoorbellMemory();
  const bellFd = addon.openDoorbell();
  const back = new SharedArrayBuffer(wakeCount * 8);
  const worker = startWorker({ kind: 'wake', there, back, bell, bellFd, port: undefined });
  await once(worker, 'online');
  const output = new RingProducer(there, new Doorbell(bell, bellFd, addon));
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < warmCount + wakeCount; i += 1) {
    Atomics.wait(pause, 0, 0, wakePauseUs / 1000);
    const at = output.claim(payloadBytes);
    output.view.setFloat64(at, addon.nowUs(), true);
    output.commit(payloadBytes, 1);
    output.publish();
  }
  await once(worker, 'exit');
  addon.closeFd(bellFd);
  const latenciesUs = new Float64Array(back);
  answer(quantile(latenciesUs, 0.5), quantile(latenciesUs, 0.99));
}

function main(): void {
  const twin = compileTwin('rings/twin.c');
  const first = (numbers: readonly number[]) => numbers[0] ?? Number.NaN;
  const spin = { label: 'ring', take: () => first(measure(import.meta.url, ['ring'])) };
  const others = [
    { label: 'MessagePort', take: () => first(measure(import.meta.url, ['port'])) },
    { label: 'C-spin', take: () => first(runForNumbers(twin.program, ['roundtrip-spin', String(runSeconds)])) },
    { label: 'C-futex', take: () => first(runForNumbers(twin.program, ['roundtrip-futex', String(runSeconds)])) },
  ];
  for (const other of others) comparePairs('ring-roundtrip', { payloadBytes }, 'trips/s', spin, other);
  const wakeArguments = ['wake', String(wakeCount), String(wakePauseUs)];
  for (const [index, name] of ['p50', 'p99'].entries()) {
    const ours = { label: 'ring', take: () => measure(import.meta.url, ['wake'])[index] ?? Number.NaN };
    const take = () => runForNumbers(twin.program, wakeArguments)[index] ?? Number.NaN;
    comparePairs('ring-wake-up', { quantile: name }, 'us', ours, { label: 'C-eventfd', take });
  }
  twin.remove();
}

const data: unknown = workerData;
if (data !== null) {
  const job = data as EchoData;
  if (job.kind === 'wake') sleepAndMeasure(job);
  else echo(job);
} else {
  const words = measuredWords();
  if (words === undefined) main();
  else if (words[0] === 'wake') await measureWakeUps();
  else await measureRoundTrips(words[0] === 'ring' ? 'ring' : 'port');
}
