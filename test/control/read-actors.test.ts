/** Rows of actors, joined from the supervisor's table and rings in shared memory. */
import t from 'tap';
import { counters } from '../../src/contract/rings.ts';
import { Rates } from '../../src/control/rates.ts';
import { ActorReader } from '../../src/control/read-actors.ts';
import type { ActorRow, SharedMemory } from '../../src/control/supervisor-api.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingProducer } from '../../src/rings/spsc-ring.ts';

/** A ring with one record of so many bytes in it. */
function ringWith(bytes: number): SharedArrayBuffer {
  const memory = createRingMemory(4096);
  const producer = new RingProducer(memory, new Doorbell(createDoorbellMemory(), -1, { ring: () => 0 }));
  producer.claim(bytes);
  producer.commit(bytes, 1);
  producer.publish();
  return memory;
}

t.test('what waits for an actor is what waits in the rings that end at it, each counted once', async (t) => {
  const rings = {
    'sealer.descriptors.fibre -> wan-link.fibre.descriptors': ringWith(100 - 8),
    'sealer.descriptors.fibre.test -> wan-link.fibre.test.descriptors': ringWith(1000 - 8),
    'wan-link.fibre.received -> opener.received.fibre': ringWith(200 - 8),
    'wan-link.fibre.test.received -> opener.received.fibre.test': ringWith(2000 - 8),
  };
  const memory = { rings, counters: {} } as unknown as SharedMemory;
  const rows = ['wan-link.fibre', 'wan-link.fibre.test', 'opener'].map((id) => ({ id, role: 'none' }) as ActorRow);
  const actors = new ActorReader(memory, () => undefined).actors(rows, 0, new Rates());
  t.same(
    actors.map(({ inputBytes }) => inputBytes),
    [104, 1000, 2200],
  );
});

t.test('what an evented actor does is what its thread runs; it has no turns to count', async (t) => {
  const memory = { rings: {}, counters: { 'control-server': new SharedArrayBuffer(counters.bytes) } };
  const rows = [{ id: 'control-server', role: 'control-server', kernelThreadId: 7 } as ActorRow];
  const time = { ranUs: 0, waitedUs: 0 };
  const reader = new ActorReader(memory as unknown as SharedMemory, () => ({ ...time }));
  const rates = new Rates();
  rates.sample(0, () => new Map(reader.counts(rows)));
  Object.assign(time, { ranUs: 330_000, waitedUs: 100_000 });
  t.match(reader.actors(rows, 1_000_000, rates), [{ busyPercent: 33, starvedPercent: 10 }]);
});
