/** The addon's Sealer after deaths in the middle of a batch: the record that kills is found out and skipped, and no other. */
import t from 'tap';
import { facts } from '../../src/contract/columns.ts';
import { recordType, train } from '../../src/contract/records.ts';
import { ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import type { Sealer } from '../../src/native/data-api.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { createRingMemory, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { feedbackParts } from '../support/bonding.ts';
import { udpPacket } from '../support/packets.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const addon = loadAddon();
const records = 12;
const poison = 5;

/** Works off the ring as the actor does, and dies at the poison: leaves its batch unreleased. Returns what it got done. */
function live(sealer: Sealer, rows: Int32Array): number[] {
  const done: number[] = [];
  for (;;) {
    const count = sealer.look(16);
    if (count === 0) return done;
    const batch: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const number = (rows[index * facts.columns + facts.bytes] as number) - 28;
      if (number === poison) return done;
      batch.push(number);
    }
    sealer.release(count);
    done.push(...batch);
  }
}

t.test('a train that kills its sealer in mid-batch is skipped at last, and its neighbours are not', async (t) => {
  const memory = createRingMemory(1 << 16);
  const doorbell = createDoorbellMemory();
  const producer = new RingProducer(memory, new Doorbell(doorbell, -1, { ring: () => 0 }));
  for (let number = 0; number < records; number += 1) {
    const packet = udpPacket({ source: [10, 9, 0, 1], payloadBytes: number });
    const at = producer.claim(train.packetAt + packet.length + 16);
    producer.bytes.fill(0, at, at + train.packetAt);
    producer.view.setInt32(at + train.lengthAt, packet.length, true);
    producer.bytes.set(packet, at + train.packetAt);
    producer.commit(train.packetAt + packet.length + 16, recordType.train);
  }
  producer.publish();
  const rows = new Int32Array(64 * facts.columns);
  const port = { ring: new Uint8Array(memory), doorbell: new Uint8Array(doorbell), doorbellFd: -1 };
  const bear = () =>
    new addon.Sealer({
      plain: port,
      carriers: [],
      log: new Uint8Array(createSealedLogMemory(1 << 20)),
      sessions: new Uint8Array(usedSessionMemory(1, 128)),
      allowedIps: new Uint8Array(createAllowedIpsMemory([])),
      stash: new Uint8Array(createStashMemory({ small: 1, large: 1 })),
      facts: new Uint8Array(rows.buffer),
      ...feedbackParts(),
    });
  const lives = [live(bear(), rows), live(bear(), rows), live(bear(), rows), live(bear(), rows)];
  t.same(lives.slice(0, 3), [[], [0, 1, 2, 3, 4], []], 'one death in a batch, then two at the very record');
  t.same(lives[3], [6, 7, 8, 9, 10, 11]);
  t.equal(new Int32Array(memory)[ring.poisonedAt >> 2], 1);
});
