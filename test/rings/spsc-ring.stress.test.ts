/** Rings between real threads: order and bytes at speed, wake-ups that nothing but the doorbell brings, and deaths of either side. */

import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import { createRingMemory } from '../../src/rings/spsc-ring.ts';
import { isLong } from '../support/long-run.ts';
import { batchRecords, control, type RingProgram, random } from '../support/ring-program.ts';

const addon = loadAddon();
const program = new URL('../support/ring-program.js', import.meta.url);
const seed = Number(process.env.HAWSER_SEED ?? 20261121);
/** A thread that is parked this long while there is work for it has lost a wake-up: real ones take microseconds. */
const lostMs = 5_000;

t.setTimeout(isLong ? 1_800_000 : 240_000);
t.comment(`HAWSER_SEED=${seed}`);

interface Stage {
  readonly ring: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly doorbellFd: number;
}

function createStage(t: { teardown(done: () => void): void }, capacityBytes: number): Stage {
  const doorbellFd = addon.openDoorbell();
  t.teardown(() => addon.closeFd(doorbellFd));
  return { ring: createRingMemory(capacityBytes), doorbell: createDoorbellMemory(), doorbellFd };
}

/** Starts one side; the promise is its end: undefined, or the error it died of. */
function start(part: Partial<RingProgram> & Stage & Pick<RingProgram, 'mode' | 'count'>) {
  const cells = part.control ?? new SharedArrayBuffer(control.cells * 4);
  const data: RingProgram = { from: 0, seed, ...part, control: cells };
  const worker = new Worker(program, { workerData: data });
  let error: Error | undefined;
  worker.on('error', (thrown) => {
    error = thrown as Error;
  });
  const ended = new Promise<Error | undefined>((resolve) => worker.on('exit', () => resolve(error)));
  return { worker, ended, cells: new Int32Array(cells) };
}

type Side = ReturnType<typeof start>;

/**
 * Waits for the end of `sides`, and counts how often one of them stood still in its endless wait; such a one is woken by hand, so
 * that a lost wake-up fails the test and does not hang it.
 */
async function watch(sides: readonly Side[], stages: readonly Stage[]): Promise<number> {
  let lost = 0;
  let isOver = false;
  const all = Promise.all(sides.map((side) => side.ended)).then(() => {
    isOver = true;
  });
  const progress = (): string => sides.map((side) => side.cells.join()).join();
  let before = progress();
  let sinceMs = Date.now();
  while (!isOver) {
    await Promise.race([all, sleep(50)]);
    const now = progress();
    if (now !== before) sinceMs = Date.now();
    before = now;
    if (isOver || Date.now() - sinceMs < lostMs) continue;
    lost += 1;
    sinceMs = Date.now();
    for (const stage of stages) addon.ring(stage.doorbellFd);
  }
  return lost;
}

/** Terminates a thread, ringing it out of its native wait, and waits for its end. */
async function kill(side: Side, stage: Stage): Promise<void> {
  const gone = side.worker.terminate();
  addon.ring(stage.doorbellFd);
  await gone;
  await side.ended;
}

for (const capacityBytes of [1 << 14, 1 << 20]) {
  const records = isLong ? 50_000_000 : 500_000;
  t.test(`${records} records cross a ring of ${capacityBytes} bytes whole and in order`, async (t) => {
    const stage = createStage(t, capacityBytes);
    const cells = new SharedArrayBuffer(control.cells * 4);
    const consumer = start({ ...stage, mode: 'consume', count: records, control: cells });
    const producer = start({ ...stage, mode: 'produce', count: records, control: cells });
    const lost = await watch([consumer, producer], [stage]);
    const seen = consumer.cells;
    t.equal(seen[control.errors], 0, `first error ${seen[control.firstError]}`);
    t.equal(seen[control.consumed], records);
    t.equal(lost, 0, 'timed out with work waiting');
    t.ok((seen[control.parks] as number) > 0, 'the consumer was parked at times');
    t.equal(new Int32Array(stage.ring)[ring.publishedAt >> 2], records);
  });
}

t.test('a doorbell loses no wake-up when the wait has no end', async (t) => {
  const rounds = isLong ? 2_000_000 : 20_000;
  const there = createStage(t, 4096);
  const back = createStage(t, 4096);
  const one = start({ ...back, mode: 'echo', count: rounds, from: 1, back: there });
  const other = start({ ...there, mode: 'echo', count: rounds, seed: seed + 1, back });
  t.equal(await watch([one, other], [there, back]), 0, 'timed out with work waiting');
  const parks = (one.cells[control.parks] as number) + (other.cells[control.parks] as number);
  t.ok(parks > rounds / 10, `${parks} waits in ${rounds} rounds`);
  t.equal(other.cells[control.consumed], rounds);
});

/** Everything that was published is released. */
function isDrained(memory: SharedArrayBuffer): boolean {
  const words = new Int32Array(memory);
  return Atomics.load(words, ring.tailAt >> 2) === Atomics.load(words, ring.headAt >> 2);
}

t.test('a producer that is killed in mid-batch leaves nothing torn and takes back nothing it published', async (t) => {
  const deaths = isLong ? 300 : 10;
  const stage = createStage(t, 1 << 16);
  const next = random(seed);
  const perLife = 10_000_000;
  const deliveries = new SharedArrayBuffer(4 * 4_000_000);
  let from = 0;
  const consumerCells = new SharedArrayBuffer(control.cells * 4);
  const consumer = start({ ...stage, mode: 'deliver', count: 4_000_000, control: consumerCells, deliveries });
  for (let death = 0; death < deaths && from < 3_900_000; death += 1) {
    const producer = start({ ...stage, mode: 'produce', count: perLife, from, seed: next() });
    while (Atomics.load(producer.cells, control.published) <= from) await sleep(1);
    await sleep(next() % 4);
    await kill(producer, stage);
    const published = Atomics.load(producer.cells, control.published);
    // What was published and not yet booked when it died is delivered too, however long that takes; the next life begins behind
    // it. A consumer that parks after it emptied the ring has booked everything.
    while (!isDrained(stage.ring) || Atomics.load(consumer.cells, control.parked) === 0) await sleep(1);
    from = Math.max(published, Atomics.load(consumer.cells, control.consumed));
  }
  await kill(consumer, stage);
  const told = new Int32Array(deliveries);
  t.equal(consumer.cells[control.errors], 0, `first error ${consumer.cells[control.firstError]}`);
  t.equal(
    told.subarray(0, from).findIndex((count) => count !== 1),
    -1,
    'each record once, none missing',
  );
  t.equal(
    told.subarray(from).findIndex((count) => count !== 0),
    -1,
  );
  t.ok(from > deaths * batchRecords, `${from} records`);
});

t.test('a consumer that is killed in mid-batch loses nothing; what it had not released comes again', async (t) => {
  const deaths = isLong ? 300 : 10;
  const stage = createStage(t, 1 << 16);
  const next = random(seed + 1);
  const records = 4_000_000;
  const deliveries = new SharedArrayBuffer(4 * records);
  const producer = start({ ...stage, mode: 'produce', count: records });
  const cells = new SharedArrayBuffer(control.cells * 4);
  const consume = (): Side => start({ ...stage, mode: 'deliver', count: records, control: cells, deliveries });
  const told = new Int32Array(deliveries);
  let consumer = consume();
  let last = 0;
  for (let death = 0; death < deaths; death += 1) {
    while (Atomics.load(consumer.cells, control.consumed) <= last) await sleep(1);
    await sleep(next() % 4);
    await kill(consumer, stage);
    last = Atomics.load(consumer.cells, control.consumed);
    consumer = consume();
  }
  while (Atomics.load(consumer.cells, control.consumed) <= last) await sleep(1);
  await kill(producer, stage);
  const published = Atomics.load(producer.cells, control.published);
  while (Atomics.load(consumer.cells, control.consumed) < Math.min(published, records)) await sleep(1);
  await kill(consumer, stage);
  const counts = told.subarray(0, published);
  t.equal(consumer.cells[control.errors], 0, `first error ${consumer.cells[control.firstError]}`);
  const twice = counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  const poisoned = new Int32Array(stage.ring)[ring.poisonedAt >> 2] as number;
  const missing = counts.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  t.equal(missing, poisoned, 'none is missing but what two deaths in a row condemned');
  t.ok(twice <= deaths * batchRecords, `${twice} came twice in ${deaths} deaths`);
});

t.test('a record on which two consumers died is skipped by the third; no other is', async (t) => {
  const stage = createStage(t, 1 << 16);
  const records = 2_000;
  const throwAt = 1_234;
  const deliveries = new SharedArrayBuffer(4 * records);
  const producer = start({ ...stage, mode: 'produce', count: records });
  const cells = new SharedArrayBuffer(control.cells * 4);
  const errors: (string | undefined)[] = [];
  for (let life = 0; life < 3; life += 1) {
    const consumer = start({ ...stage, mode: 'deliver', count: records, control: cells, deliveries, throwAt });
    errors.push((await consumer.ended)?.message);
  }
  await kill(producer, stage);
  t.same(errors, ['the poison record', 'the poison record', undefined]);
  t.equal(new Int32Array(stage.ring)[ring.poisonedAt >> 2], 1);
  const told = new Int32Array(deliveries);
  t.equal(told[throwAt], 0);
  t.equal(
    told.findIndex((count, sequence) => count === 0 && sequence !== throwAt),
    -1,
    'all others arrived',
  );
  t.equal(new Int32Array(cells)[control.errors], 0);
});
