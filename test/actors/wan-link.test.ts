/** The wan-link above a socket that has nothing to read, or an error; what it does with packets is in data-path.test. */
import t from 'tap';
import type { ActorSpec } from '../../src/actors/kit/contract.ts';
import type { Readable } from '../../src/actors/kit/readable.ts';
import { definition, type WanLinkSettings } from '../../src/actors/wan-link.ts';
import { carrier, link } from '../../src/contract/link-tables.ts';
import { path } from '../../src/contract/peer-tables.ts';
import { counters } from '../../src/contract/rings.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import { createRingMemory } from '../../src/rings/spsc-ring.ts';
import { carrierTable, createRowTable } from '../../src/rings/table.ts';
import { createFakeAddon } from '../support/fake-addon.ts';
import { fakeContext } from '../support/fake-context.ts';

const nothing = -11;

function portOf(name: string, side: 'producer' | 'consumer') {
  return { name, side, ring: createRingMemory(4096), doorbell: createDoorbellMemory(), doorbellFd: 9 };
}

/** One whose socket answers as `answers` says, then with nothing. */
async function start(answers: number[]) {
  const readable: Readable = { mayHave: true, wasNamed: false };
  const seen = { reads: 0, emptied: 0 };
  const addon = Object.assign(createFakeAddon(), {
    LinkSender: class {
      sendDatagrams = () => 0;
      sendDescriptors = () => 0;
      measureQueue = () => 0;
      readErrors = () => {
        seen.emptied += 1;
      };
    },
    LinkReceiver: class {
      receive(): number {
        seen.reads += 1;
        return answers.shift() ?? nothing;
      }
    },
  });
  const memory = {
    sealedLog: new SharedArrayBuffer(4096),
    carriers: createRowTable(carrier, 1),
    links: createRowTable(link, 1),
    paths: createRowTable(path, 1),
    counters: new SharedArrayBuffer(counters.bytes),
  };
  const spec: ActorSpec = {
    id: 'wan-link.default',
    role: 'wan-link',
    settings: { carrier: 0, gso: false, takesPlain: true } satisfies WanLinkSettings,
    ports: {
      descriptors: portOf('descriptors', 'consumer'),
      out: portOf('out', 'consumer'),
      received: portOf('received', 'producer'),
      handshakes: portOf('handshakes', 'producer'),
    },
    fds: { udp4: 7 },
    wakeOn: ['udp4'],
    memory,
  };
  const actor = await definition.start(fakeContext({ spec, addon, readable: () => readable }));
  // A predecessor's errors are read at the start.
  seen.emptied = 0;
  return { actor, readable, seen, memory };
}

const name = (readable: Readable): void => {
  readable.mayHave = true;
  readable.wasNamed = true;
};

t.test('an empty socket is read no more until a park names it', async (t) => {
  const { actor, readable, seen } = await start([]);
  actor.work(1000);
  actor.work(1001);
  t.same(seen, { reads: 1, emptied: 0 });
  name(readable);
  actor.work(1002);
  t.equal(seen.reads, 2);
});

t.test('one that a park has named, and that has nothing, has an error of which somebody else was told', async (t) => {
  const { actor, readable, seen } = await start([]);
  name(readable);
  actor.work(1000);
  t.same(seen, { reads: 1, emptied: 1 }, 'or each park would end at once');
  actor.work(1001);
  t.equal(seen.emptied, 1);
});

t.test('one that had something has been read to its end, and nothing is wrong', async (t) => {
  const { actor, readable, seen } = await start([3]);
  name(readable);
  actor.work(1000);
  actor.work(1001);
  t.same(seen, { reads: 2, emptied: 0 });
});

t.test('an error that the read is told of is read', async (t) => {
  const { actor, seen } = await start([-111]);
  actor.work(1000);
  t.same(seen, { reads: 1, emptied: 1 });
});

t.test('what a sealer has sent beside it counts as its own, though it has nothing to do', async (t) => {
  const { actor, memory } = await start([]);
  const row = carrierTable(memory.carriers);
  row.setNumber(0, carrier.sentPacketsAt, 5);
  row.setNumber(0, carrier.sentBytesAt, 700);
  t.equal(actor.work(1000), 0);
  const cells = new Float64Array(memory.counters);
  t.same([cells[counters.packetsAt >> 3], cells[counters.bytesAt >> 3]], [5, 700]);
});
