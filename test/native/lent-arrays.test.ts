/** Arrays that both sides read by column: the addon refuses one of another size than its structs make. */
import t, { type Test } from 'tap';
import { facts, feedback, gaps, lateness, opened, runs, tooLong } from '../../src/contract/columns.ts';
import { path } from '../../src/contract/peer-tables.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { createSessionMemory } from '../../src/rings/session-table.ts';
import { createRingMemory } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { feedbackParts, innerLimitParts } from '../support/bonding.ts';

const addon = loadAddon();
const none = new Uint8Array(0);
const shared = {
  sessions: new Uint8Array(createSessionMemory(1, 128)),
  allowedIps: new Uint8Array(createAllowedIpsMemory([])),
};

function createPort() {
  return {
    ring: new Uint8Array(createRingMemory(1 << 18)),
    doorbell: new Uint8Array(createDoorbellMemory()),
    doorbellFd: -1,
  };
}

/** What the name of an array says it has: how many rows, of how many bytes. */
type Sizes = Readonly<Record<string, readonly [count: number, bytes: number]>>;

function refuses(t: Test, sizes: Sizes, create: (array: Readonly<Record<string, Uint8Array>>) => unknown): void {
  const good = Object.fromEntries(
    Object.entries(sizes).map(([name, [count, bytes]]) => [name, new Uint8Array(count * bytes)]),
  );
  t.ok(create(good), 'the right sizes are taken');
  for (const [name, [count, bytes]] of Object.entries(sizes)) {
    const right = count * bytes;
    // A column too few in each row, a byte too few, a row too many.
    for (const wrong of [right - 4 * count, right - 1, right + bytes, 0]) {
      const message = `Cannot use "${name}": ${wrong} bytes, not ${right} (${count} of ${bytes} bytes; run npm run build`;
      t.throws(() => create({ ...good, [name]: new Uint8Array(wrong) }), {
        name: 'RangeError',
        message: new RegExp(`^${message.replaceAll(/[()]/g, '\\$&')}`),
      });
    }
  }
}

t.test('new Sealer() refuses arrays of another size than its structs make', async (t) => {
  const sizes = {
    facts: [64, 4 * facts.columns],
    feedback: [path.mostPerPeer, 8 * feedback.columns],
    limits: [2 * path.mostPerPeer, 8],
    tooLong: [1, 8 * tooLong.columns],
  } as const;
  refuses(t, sizes, (arrays) => {
    const log = new Uint8Array(createSealedLogMemory(1 << 20));
    const stash = new Uint8Array(createStashMemory({ small: 1, large: 1 }));
    return new addon.Sealer({
      ...shared,
      facts: none,
      plain: createPort(),
      carriers: [],
      log,
      stash,
      ...feedbackParts(),
      ...arrays,
    });
  });
});

t.test('new Opener() refuses arrays of another size than its structs make', async (t) => {
  const sizes = {
    runs: [runs.max, 4 * runs.columns],
    result: [1, 4 * opened.columns],
    gaps: [1 + gaps.max * gaps.columns, 8],
    lateness: [1 + lateness.max * lateness.columns, 8],
  } as const;
  refuses(t, sizes, (arrays) => {
    return new addon.Opener({
      ...{
        ...shared,
        received: [],
        plain: createPort(),
        events: createPort(),
        reports: createPort(),
        heard: createPort(),
      },
      ...{
        ...innerLimitParts(),
        paths: new Uint8Array(createRowTable(path, path.mostPerPeer)),
      },
      ...{
        joinUdp: false,
        unreported: new Uint8Array(8),
        orderFromPaths: 2,
        awaitsRepairs: false,
        maxFecBytes: 1412,
      },
      ...{ runs: none, result: none, gaps: none, lateness: none },
      ...arrays,
    });
  });
});
