/**
 * The thread that seals is killed again and again (HAWSER_LONG=1: 1,000 times) at moments of no one's choosing. What it left in the log and in the link's ring
 * is read by this thread: no counter is ever used twice, and no segment is lost.
 */

import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { cipher, session, slotState } from '../../src/contract/peer-tables.ts';
import { descriptor, recordType, train } from '../../src/contract/records.ts';
import { log } from '../../src/contract/rings.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { isLong } from '../support/long-run.ts';
import { tcpTrain } from '../support/packets.ts';
import { random } from '../support/ring-program.ts';
import type { SealerProgram } from '../support/sealer-program.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const seed = Number(process.env.HAWSER_SEED ?? 20261121);
/** A death costs a thread's start, 20 to 40 ms. */
const deaths = isLong ? 1_000 : 60;
const spares = 3;
const program = new URL('../support/sealer-program.js', import.meta.url);
const payloadBytes = 8_000;
const segmentBytes = 900;
const segmentsPerTrain = Math.ceil(payloadBytes / segmentBytes);
const headerBytes = 52;
const dataHeaderBytes = 16;
const nobody = { ring: () => 0 };

t.setTimeout(600_000);
t.comment(`HAWSER_SEED=${seed}`);

/** Everything that outlives a sealer, and the two neighbours of it that this thread plays. */
class Surroundings {
  readonly plainMemory = createRingMemory(1 << 18);
  readonly linkMemory = createRingMemory(1 << 16);
  readonly logMemory = createSealedLogMemory(1 << 24);
  readonly sessionMemory = usedSessionMemory(1, 128);
  readonly doorbell = createDoorbellMemory();
  readonly #template = tcpTrain({ version: 4, payloadBytes, segmentBytes, push: false });
  readonly #plain = new RingProducer(this.plainMemory, new Doorbell(this.doorbell, -1, nobody));
  readonly #link = new RingConsumer(this.linkMemory);
  readonly #log = new DataView(this.logMemory);
  readonly #logUnits = (this.logMemory.byteLength - log.dataAt) / log.unitBytes;
  /** One byte a counter: how often it was used. */
  readonly used = new Uint8Array(1 << 25);
  /** Bits of the segments of each train that were seen. */
  readonly seen: number[] = [];
  offered = 0;
  packets = 0;
  repeated = 0;
  broken = 0;

  constructor() {
    const sessions = new SessionTable(this.sessionMemory);
    sessions.setInt(0, session.sendCipherAt, cipher.plaintext);
    sessions.setNumber(0, session.expiryAt, 1e18);
    sessions.setInt(0, session.stateAt, slotState.ready);
  }

  part(turns: SharedArrayBuffer, go: SharedArrayBuffer): SealerProgram {
    const port = (ring: SharedArrayBuffer) => ({
      ring: new Uint8Array(ring),
      doorbell: new Uint8Array(this.doorbell),
      doorbellFd: -1,
    });
    return {
      plain: port(this.plainMemory),
      link: port(this.linkMemory),
      log: new Uint8Array(this.logMemory),
      sessions: new Uint8Array(this.sessionMemory),
      allowedIps: new Uint8Array(
        createAllowedIpsMemory([{ family: 4, addressHex: '00000000', prefix: 0, peerRow: 0 }]),
      ),
      stash: new Uint8Array(createStashMemory({ small: 1, large: 1 })),
      go,
      turns,
      mtu: 1420,
    };
  }

  /** Fills the ring with trains; the first word of every segment's payload says which train and segment it is. */
  feed(): void {
    const { packet, vnet } = this.#template;
    for (;;) {
      const at = this.#plain.claim(train.packetAt + packet.length + 16);
      if (at < 0) break;
      const view = this.#plain.view;
      view.setInt32(at + train.progressAt, 0, true);
      view.setInt32(at + train.lengthAt, packet.length, true);
      this.#plain.bytes.set(vnet, at + train.vnetAt);
      this.#plain.bytes.set(packet, at + train.packetAt);
      for (let segment = 0; segment < segmentsPerTrain; segment += 1) {
        const payloadAt = at + train.packetAt + headerBytes + segment * segmentBytes;
        view.setInt32(payloadAt, this.offered, true);
        view.setInt32(payloadAt + 4, segment, true);
      }
      this.#plain.commit(train.packetAt + packet.length + 16, recordType.train);
      this.seen.push(0);
      this.offered += 1;
    }
    this.#plain.publish();
  }

  /** Reads what the descriptors tell of, as a link would; returns how many there were. */
  drain(): number {
    const { view } = this.#link;
    let count = 0;
    for (let at = this.#link.peek(); at >= 0; at = this.#link.peek()) {
      const position = view.getUint32(at + descriptor.positionAt, true);
      const packets = view.getInt32(at + descriptor.countAt, true);
      const step = view.getInt32(at + descriptor.segmentBytesAt, true);
      const first = Number(view.getBigUint64(at + descriptor.counterAt, true));
      const from = log.dataAt + (position % this.#logUnits) * log.unitBytes;
      for (let index = 0; index < packets; index += 1) this.#book(from + index * step, first + index);
      count += 1;
      this.#link.advance();
      this.#link.release();
    }
    return count;
  }

  #book(at: number, expected: number): void {
    const counter = Number(this.#log.getBigUint64(at + 8, true));
    const payloadAt = at + dataHeaderBytes + headerBytes;
    const number = this.#log.getInt32(payloadAt, true);
    const segment = this.#log.getInt32(payloadAt + 4, true);
    if (counter !== expected || number >= this.offered || segment >= segmentsPerTrain) this.broken += 1;
    this.used[counter] = (this.used[counter] as number) + 1;
    if ((this.used[counter] as number) > 1) this.repeated += 1;
    this.seen[number] = (this.seen[number] as number) | (1 << segment);
    this.packets += 1;
  }
}

interface Life {
  readonly worker: Worker;
  readonly ready: Promise<unknown>;
  readonly turns: Int32Array;
  readonly go: Int32Array;
}

function bear(around: Surroundings): Life {
  const [turns, go] = [new SharedArrayBuffer(4), new SharedArrayBuffer(4)];
  const worker = new Worker(program, { workerData: around.part(turns, go) });
  const ready = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, ready, turns: new Int32Array(turns), go: new Int32Array(go) };
}

function start(life: Life): void {
  Atomics.store(life.go, 0, 1);
  Atomics.notify(life.go, 0);
}

/** Plays the neighbours for at least `ms`, and until the sealer has turned once. */
async function play(around: Surroundings, life: Life, ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  do {
    around.feed();
    if (around.drain() === 0) await sleep(0);
  } while (Atomics.load(life.turns, 0) === 0 || performance.now() < untilMs);
}

t.test(`no counter is used twice and no segment lost in ${deaths} deaths of the sealer`, async (t) => {
  const around = new Surroundings();
  const next = random(seed);
  const waiting = Array.from({ length: spares }, () => bear(around));
  for (let death = 0; death < deaths; death += 1) {
    const life = waiting.shift() as Life;
    waiting.push(bear(around));
    await life.ready;
    start(life);
    await play(around, life, (next() % 2_000) / 1_000);
    await life.worker.terminate();
  }
  const last = waiting.shift() as Life;
  await last.ready;
  start(last);
  for (let quietMs = 0; quietMs < 100; quietMs += 10) {
    if (around.drain() > 0) quietMs = 0;
    await sleep(10);
  }
  for (const life of [last, ...waiting]) await life.worker.terminate();
  around.drain();
  const all = (1 << segmentsPerTrain) - 1;
  const counters = new DataView(around.sessionMemory).getBigUint64(session.dataAt + session.sendCounterAt, true);
  t.equal(around.repeated, 0, 'counters used twice');
  t.equal(around.broken, 0, 'every packet bears the counter its descriptor says');
  t.equal(
    around.seen.findIndex((segments) => segments !== all),
    -1,
    'every segment of every train was sealed',
  );
  t.ok(Number(counters) >= around.packets, `${counters} counters taken, ${around.packets} used`);
  t.ok(around.packets > deaths * segmentsPerTrain, `${around.packets} packets`);
});
