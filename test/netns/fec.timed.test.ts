/** Parity between two real daemons over emulated links that lose packets: what it brings back, and what it costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import type { ActorStatus } from '../../src/control/rows.ts';
import { type Bond, type BondOptions, startBond } from '../support/bond.ts';
import type { Daemon } from '../support/daemon.ts';
import { sendUdp, UdpSink } from '../support/flows.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
/** A copy for each: tap writes the test itself into it. */
const options = skip === false ? { buffered: true } : { skip };
t.setTimeout(300_000);
/** 8 Mbit/s each: a machine that does nothing else carries two at once. */
t.jobs = 2;

const fibre = { name: 'fibre', rateMbit: 50, delayMs: 10 };
const lte = { name: 'lte', rateMbit: 50, delayMs: 25 };

/** Without a process of the CLI: it would take seconds on a busy machine. */
async function counter(daemon: Daemon, role: string, name: string): Promise<number> {
  const actors = await daemon.ask<readonly ActorStatus[]>('actors');
  return actors.filter((actor) => actor.role === role).reduce((sum, actor) => sum + (actor.counters[name] ?? 0), 0);
}

interface Measured {
  readonly sent: number;
  readonly missing: number;
  readonly parity: number;
  readonly rebuilt: number;
  readonly lostOnWire: number;
  readonly resent: number;
}

/** 8 Mbit/s up for 12 s. */
async function measure({ net, rope }: Bond): Promise<Measured> {
  const read = async () => {
    const { links } = await net.stats();
    const paths = await rope.client.ask<readonly PathStatus[]>('paths');
    return {
      parity: await counter(rope.client, 'sealer', 'sealer_parity_packets'),
      rebuilt: await counter(rope.server, 'opener', 'opener_rebuilt_packets'),
      lostOnWire: links.reduce((sum, link) => sum + link.up.lost, 0),
      resent: paths.reduce((sum, path) => sum + path.resentPackets, 0),
    };
  };
  const sink = await UdpSink.start(net.server, 7100);
  const before = await read();
  await sendUdp(net.client, inside.b4, 7100, { rateMbit: 8, bytes: 1000, seconds: 12 }).done;
  await sleep(1_000);
  const after = await read();
  await sink.cut();
  const report = await sink.report();
  sink.close();
  return {
    sent: report.expected,
    missing: report.expected - report.uniqueEver,
    parity: after.parity - before.parity,
    rebuilt: after.rebuilt - before.rebuilt,
    lostOnWire: after.lostOnWire - before.lostOnWire,
    resent: after.resent - before.resent,
  };
}

async function run(t: Test, bond: BondOptions): Promise<Measured> {
  const started = await startBond(bond);
  t.teardown(() => started.lab.close());
  const found = await measure(started);
  const percent = (part: number) => `${((100 * part) / found.sent).toFixed(2)} %`;
  t.comment(
    `${found.sent} packets, ${percent(found.parity)} parity; ${found.lostOnWire} frames lost on the wire, ${found.rebuilt} rebuilt ` +
      `(${percent(Math.max(0, found.lostOnWire - found.rebuilt))} left), ${found.resent} sent again, ${percent(found.missing)} never came`,
  );
  return found;
}

t.test('parity of 20+3 brings back what 2 % of loss takes', { ...options }, async (t) => {
  const found = await run(t, {
    emulated: [
      { ...fibre, loss: 0.02 },
      { ...lte, loss: 0.02 },
    ],
    bonding: { fec: { data: 20, parity: 3 } },
  });
  t.ok(found.parity <= 0.22 * found.sent, 'groups that the timer ends get at least their share');
  t.ok(found.rebuilt >= 0.5 * found.lostOnWire, 'most losses are rebuilt');
  t.ok(found.missing <= 0.002 * found.sent, 'and next to nothing stays lost');
});

t.test('fec: auto chooses parity under 2 % of loss', { ...options }, async (t) => {
  const found = await run(t, { emulated: [{ ...fibre, loss: 0.02 }], bonding: { fec: 'auto' } });
  t.ok(found.parity > 0, 'it is on');
  t.ok(found.parity <= 0.22 * found.sent, 'groups that the timer ends get at least their share');
  t.ok(found.rebuilt > 0.4 * found.lostOnWire, 'most losses are rebuilt');
  t.ok(found.missing < 0.6 * found.lostOnWire, 'they arrive');
});

// Alone: a thread that waits for a processor looks like a path that loses.
t.test('fec: auto costs nothing without loss', { ...options, buffered: false }, async (t) => {
  const found = await run(t, { emulated: [fibre, lte], bonding: { fec: 'auto' } });
  t.ok(found.parity <= 0.01 * found.sent, 'no more than 1 % parity');
  // Unprotected bulk may lose a packet to our own queue where its rate is still being found.
  t.ok(found.missing <= 0.001 * found.sent, `${found.missing} missing`);
});
