/** The tun-reader above a device that answers with errors; what it does with packets is in data-path.test. */
import t from 'tap';
import type { ActorSpec } from '../../src/actors/kit/contract.ts';
import { definition } from '../../src/actors/tun-reader.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import { createRingMemory } from '../../src/rings/spsc-ring.ts';
import { createFakeAddon } from '../support/fake-addon.ts';
import { fakeContext } from '../support/fake-context.ts';

t.test('work()', async (t) => {
  const held: number[] = [];
  const readable = { mayHave: true, wasNamed: false };
  let reads = 0;
  const create = async (answer: number) => {
    readable.mayHave = true;
    reads = 0;
    const addon = Object.assign(createFakeAddon(), {
      TunReader: class {
        read(): number {
          reads += 1;
          return answer;
        }
      },
    });
    const ring = createRingMemory(4096);
    const doorbell = createDoorbellMemory();
    const outbound = { name: 'outbound', side: 'producer', ring, doorbell, doorbellFd: 9 } as const;
    const spec: ActorSpec = {
      id: 'tun-reader',
      role: 'tun-reader',
      settings: {},
      ports: { outbound },
      fds: { tun: 7 },
      wakeOn: ['tun'],
      memory: {},
    };
    const holdFdsUntil = (untilUs: number): void => void held.push(untilUs);
    return definition.start(fakeContext({ spec, addon, holdFdsUntil, readable: () => readable }));
  };

  t.test('parks when the device is empty', async (t) => {
    t.equal((await create(-11)).work(1000), 0);
    t.same(held, []);
  });
  t.test('reads an empty device no more until there may be something', async (t) => {
    const actor = await create(-11);
    actor.work(1000);
    actor.work(1001);
    t.equal(reads, 1);
    readable.mayHave = true;
    actor.work(1002);
    t.equal(reads, 2);
  });
  t.test('leaves the device alone for a while when the ring is full', async (t) => {
    t.equal((await create(-28)).work(1000), 0);
    t.same(held.splice(0), [1200]);
    t.ok(readable.mayHave, 'packets wait there');
  });
  t.test('throws with the remedy when the device was deleted: it would be found readable for ever', async (t) => {
    const actor = await create(-77);
    t.throws(() => actor.work(1000), { code: 'TUN_GONE', message: /deleted \(restart the instance/ });
  });
  t.test('throws on any other error of the device', async (t) => {
    const actor = await create(-5);
    t.throws(() => actor.work(1000), { code: 'TUN', message: /errno 5/ });
  });
});
