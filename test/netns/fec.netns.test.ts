/** Parity between two real daemons over emulated links that lose packets: what it brings back, and what it costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Bond, type BondOptions, startBond } from '../support/bond.ts';
import type { Daemon } from '../support/daemon.ts';
import { sendUdp, UdpSink } from '../support/flows.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

const fibre = { name: 'fibre', rateMbit: 50, delayMs: 10 };
const lte = { name: 'lte', rateMbit: 50, delayMs: 25 };

async function counter(daemon: Daemon, role: string, name: string): Promise<number> {
  const actors = await daemon.actors();
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

/** 8 Mbit/s up for 10 s, after 3 s in which the policy learns the loss. */
async function measure({ net, rope }: Bond): Promise<Measured> {
  const sink = await UdpSink.start(net.server, 7100);
  const flow = sendUdp(net.client, inside.b4, 7100, { rateMbit: 8, bytes: 1000, seconds: 14 });
  const read = async () => {
    const { links } = await net.stats();
    const peers = await rope.client.peers();
    return {
      parity: await counter(rope.client, 'sealer', 'sealer_parity_packets'),
      rebuilt: await counter(rope.server, 'opener', 'opener_rebuilt_packets'),
      lostOnWire: links.reduce((sum, link) => sum + link.up.lost, 0),
      resent: peers.reduce((sum, peer) => sum + peer.resentPackets, 0),
    };
  };
  await sleep(3_000);
  await sink.cut();
  const before = await read();
  await sleep(10_000);
  await sink.cut();
  const after = await read();
  await flow.done;
  const report = await sink.report();
  sink.close();
  return {
    sent: report.expected,
    missing: report.missing,
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

t.test('parity of 20+3 brings back what 2 % of loss takes, at 15 % more packets', options, async (t) => {
  const found = await run(t, {
    emulated: [
      { ...fibre, loss: 0.02 },
      { ...lte, loss: 0.02 },
    ],
    bonding: { fec: { data: 20, parity: 3 } },
  });
  t.ok(found.parity <= 0.18 * found.sent, 'overhead, short groups included');
  t.ok(found.rebuilt >= 0.5 * found.lostOnWire, 'most losses are rebuilt');
  t.ok(found.missing <= 0.002 * found.sent, 'and next to nothing stays lost');
});

t.test('fec: auto chooses parity under 2 % of loss', options, async (t) => {
  const found = await run(t, { emulated: [{ ...fibre, loss: 0.02 }], bonding: { fec: 'auto' } });
  t.ok(found.parity > 0, 'it is on');
  t.ok(found.parity <= 0.16 * found.sent, 'overhead');
  t.ok(found.rebuilt > 0.4 * found.lostOnWire, 'most losses are rebuilt');
  t.ok(found.missing < 0.6 * found.lostOnWire, 'they arrive');
});

t.test('fec: auto costs nothing without loss', options, async (t) => {
  const found = await run(t, { emulated: [fibre, lte], bonding: { fec: 'auto' } });
  t.ok(found.parity <= 0.01 * found.sent, 'no more than 1 % parity');
  t.equal(found.missing, 0);
});
