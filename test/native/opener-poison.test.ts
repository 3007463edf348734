/** The addon's Opener after deaths between look and open: the record that kills is found out and skipped, and no other. */
import t from 'tap';
import { gaps, lateness, opened, runs } from '../../src/contract/columns.ts';
import { path } from '../../src/contract/peer-tables.ts';
import { received, recordType } from '../../src/contract/records.ts';
import { ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import type { Opener } from '../../src/native/opener-api.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { innerLimitParts } from '../support/bonding.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const addon = loadAddon();
const records = 12;
const poison = 5;
const datagramBytes = 32;

/** Works off the ring as the actor does, and dies at the poison. Returns what it got done: the receiver index is the number. */
function live(opener: Opener, rows: Int32Array): number[] {
  const done: number[] = [];
  for (;;) {
    const count = opener.look(0, 16);
    if (count === 0) return done;
    const batch: number[] = [];
    for (let run = 0; run < count; run += 1) batch.push(rows[run * runs.columns + runs.receiverIndex] as number);
    if (batch.includes(poison)) return done;
    opener.open(0, count, 1);
    done.push(...batch);
  }
}

t.test('a record that kills its opener in mid-batch is skipped at last, and its neighbours are not', async (t) => {
  const memory = createRingMemory(1 << 16);
  const doorbell = createDoorbellMemory();
  const portOf = (bytes: SharedArrayBuffer) => ({
    ring: new Uint8Array(bytes),
    doorbell: new Uint8Array(doorbell),
    doorbellFd: -1,
  });
  const producer = new RingProducer(memory, new Doorbell(doorbell, -1, { ring: () => 0 }));
  for (let number = 0; number < records; number += 1) {
    const at = producer.claim(received.payloadAt + datagramBytes);
    producer.bytes.fill(0, at, at + received.payloadAt + datagramBytes);
    producer.view.setInt32(at + received.segmentBytesAt, datagramBytes, true);
    producer.view.setInt32(at + received.lengthAt, datagramBytes, true);
    producer.view.setInt32(at + received.payloadAt, 4, true);
    producer.view.setInt32(at + received.payloadAt + 4, number, true);
    producer.commit(received.payloadAt + datagramBytes, recordType.received);
  }
  producer.publish();
  const rows = new Int32Array(runs.max * runs.columns);
  const bear = () =>
    new addon.Opener({
      received: [portOf(memory)],
      plain: portOf(createRingMemory(1 << 18)),
      events: portOf(createRingMemory(1 << 12)),
      reports: portOf(createRingMemory(1 << 12)),
      heard: portOf(createRingMemory(1 << 12)),
      sessions: new Uint8Array(usedSessionMemory(1, 128)),
      ...innerLimitParts(),
      paths: new Uint8Array(createRowTable(path, path.mostPerPeer)),
      allowedIps: new Uint8Array(createAllowedIpsMemory([])),
      joinUdp: false,
      runs: new Uint8Array(rows.buffer),
      result: new Uint8Array(4 * opened.columns),
      unreported: new Uint8Array(8),
      orderFromPaths: 2,
      awaitsRepairs: false,
      gaps: new Uint8Array(8 * (1 + gaps.max * gaps.columns)),
      lateness: new Uint8Array(8 * (1 + lateness.max * lateness.columns)),
      maxFecBytes: 1412,
    });
  const lives = [live(bear(), rows), live(bear(), rows), live(bear(), rows), live(bear(), rows)];
  t.same(lives.slice(0, 3), [[], [0, 1, 2, 3, 4], []], 'one death in a batch, then two at the very record');
  t.same(lives[3], [6, 7, 8, 9, 10, 11]);
  t.equal(new Int32Array(memory)[ring.poisonedAt >> 2], 1);
});
