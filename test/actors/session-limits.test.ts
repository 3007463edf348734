/** Rates of peers: what a Hawser is told of its own, and what stands in the rows that sealer and opener go by. */
import t, { type Test } from 'tap';
import type { PeerLimits } from '../../src/config/config.ts';
import { capability, controlKind } from '../../src/contract/frames.ts';
import { peer as layout, session } from '../../src/contract/peer-tables.ts';
import { limitsBps, limitsEmit } from '../../src/wire/control-frame.ts';
import { Host, Lab } from '../support/session-lab.ts';

const hubPlace = [{ host: '10.0.0.1', port: 51820 }];
const limits: PeerLimits = { upBps: 10e6, downBps: 20e6, priority: 80 };

interface Pair {
  readonly lab: Lab;
  readonly hub: Host;
  readonly client: Host;
}

/** A hub that limits its client, which has said HELLO. */
async function connect(t: Test, its: PeerLimits = limits): Promise<Pair> {
  const pair = await connectDeaf(t, hearsAll, hearsAll, its);
  pair.lab.run(2);
  return pair;
}

type Deafness = Host['refuse'];
const hearsAll: Deafness = () => false;

/** The same; what each end does not hear is named. */
async function connectDeaf(t: Test, client: Deafness, hub = hearsAll, its = limits): Promise<Pair> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const pair: Pair = {
    lab,
    hub: new Host(lab, { name: 'hub', address: '10.0.0.1:51820', privateKey: Buffer.alloc(32, 1) }),
    client: new Host(lab, { name: 'client', address: '10.0.0.2:51820', privateKey: Buffer.alloc(32, 2) }),
  };
  pair.hub.refuse = hub;
  pair.client.refuse = client;
  await pair.hub.start([pair.hub.peer(pair.client, { limits: its })]);
  await pair.client.start([pair.client.peer(pair.hub, { endpoints: hubPlace })]);
  talk(lab, pair.client);
  return pair;
}

/** Data under keys, beside which HELLO is said. */
function talk(lab: Lab, host: Host): void {
  if (host.sendData('hello')) return;
  lab.settle();
  host.sendData('hello');
}

function limit({ hub, client }: Pair, its: Partial<PeerLimits>): void {
  const put = [hub.peer(client, { limits: { ...limits, ...its } })];
  hub.command({ kind: 'peers', put, remove: [], isAll: false });
}

const told = (host: Host): number => host.peers.number(0, layout.toldBpsAt);
const sends = (host: Host): number => host.peers.number(0, layout.sendBpsAt);
const polices = (host: Host): number => host.peers.number(0, layout.policeBpsAt);
const said = (host: Host): Uint8Array[] => host.framesSent.filter((frame) => frame[1] === controlKind.limits);

t.test('a quota that comes or goes ends no session, and nothing is said anew', async (t) => {
  const { lab, hub, client } = await connect(t);
  const slot = hub.sendSlot();
  const before = said(hub).length;
  for (const [more, isMetered] of [
    [{ isMetered: true }, 1],
    [{}, 0],
  ] as const) {
    hub.command({ kind: 'peers', put: [hub.peer(client, { limits, ...more })], remove: [], isAll: false });
    lab.run(2);
    t.equal(hub.peers.int(0, layout.isMeteredAt), isMetered);
    t.equal(said(hub).length, before);
    t.ok(slot >= 0);
    t.equal(hub.sendSlot(), slot);
  }
});

t.test('a Hawser is told how fast it may send, and is policed above that only', async (t) => {
  const pair = await connect(t);
  const { hub, client } = pair;
  t.equal(sends(hub), 20e6, 'down: what the hub sends');
  t.equal(hub.peers.int(0, layout.priorityAt), 80);
  t.equal(told(client), 10e6, 'up: what the client was told');
  t.equal(sends(client), 10e6);
  t.ok(polices(hub) > 10e6 && polices(hub) < 12e6, `${polices(hub)}`);
  t.equal(said(hub).length, 1, 'once, for it was answered');
  t.equal(polices(client), 0);
});

t.test('a peer that knows no LIMITS is told nothing, and policed at its limit', async (t) => {
  const isFrame = (plain: Uint8Array): boolean => plain[0] === 0;
  const { lab, hub } = await connectDeaf(t, isFrame, isFrame);
  lab.run(10);
  t.equal(said(hub).length, 0);
  t.equal(polices(hub), 10e6);
  t.ok(hub.peers.number(0, layout.policeBurstBytesAt) > 0);
});

t.test('a Hawser that does not answer is told a few times, and policed at its limit', async (t) => {
  const { lab, hub } = await connectDeaf(t, (plain) => plain[1] === controlKind.limits && plain[0] === 0);
  lab.run(60);
  t.ok(said(hub).length > 2 && said(hub).length <= 5, `${said(hub).length} times`);
  t.equal(polices(hub), 10e6);
});

t.test('a change reaches the client at once, without new keys', async (t) => {
  const pair = await connect(t);
  const { lab, hub, client } = pair;
  const slot = hub.sendSlot();
  limit(pair, { upBps: 5e6, downBps: 0, priority: 10 });
  lab.settle();
  t.equal(told(client), 5e6);
  t.equal(sends(hub), 0);
  t.equal(hub.peers.int(0, layout.priorityAt), 10);
  limit(pair, { upBps: 0 });
  lab.settle();
  t.equal(told(client), 0, 'it is told, too, that there is no limit any more');
  t.equal(sends(client), 0);
  t.equal(polices(hub), 0);
  limit(pair, {});
  lab.settle();
  t.equal(told(client), 10e6);
  t.equal(hub.sendSlot(), slot);
});

t.test('new keys: the limit goes on, and is told again; one that is not told again is forgotten', async (t) => {
  const { lab, hub, client } = await connect(t);
  const rekey = (): void => {
    client.command({ kind: 'rekey', peer: 'hub' });
    lab.settle();
    talk(lab, client);
    lab.settle();
  };
  rekey();
  t.equal(told(client), 10e6);
  lab.run(15);
  t.equal(told(client), 10e6);
  t.equal(said(hub).length, 2);
  // A hub that was restarted with another configuration has nothing to say.
  hub.crash();
  await hub.start([hub.peer(client)]);
  rekey();
  t.equal(told(client), 10e6, 'for a moment');
  lab.run(15);
  t.equal(told(client), 0);
  t.equal(sends(client), 0);
});

t.test('a successor of the session-manager says a change in the same session, and is believed', async (t) => {
  const pair = await connect(t);
  const { lab, hub, client } = pair;
  for (const upBps of [1e6, 2e6, 3e6]) {
    limit(pair, { upBps });
    lab.settle();
  }
  hub.crash();
  await hub.start([hub.peer(client, { limits: { ...limits, upBps: 4e6 } })]);
  lab.run(2);
  t.equal(told(client), 4e6);
});

t.test('a successor of the session-manager knows what its predecessor was told', async (t) => {
  const { lab, hub, client } = await connect(t);
  client.crash();
  await client.start([client.peer(hub, { endpoints: hubPlace })]);
  lab.run(20);
  t.equal(sends(client), 10e6);
});

t.test("the lower one of both ends' limits holds", async (t) => {
  const { lab, hub, client } = await connect(t);
  const put = (downBps: number): void => {
    const own = { upBps: 0, downBps, priority: 50 };
    client.command({
      kind: 'peers',
      put: [client.peer(hub, { endpoints: hubPlace, limits: own })],
      remove: [],
      isAll: false,
    });
    lab.settle();
  };
  put(3e6);
  t.equal(sends(client), 3e6);
  put(30e6);
  t.equal(sends(client), 10e6);
});

t.test(
  'an older LIMITS that comes later changes nothing, nor does one of another session count against it',
  async (t) => {
    const { lab, hub, client } = await connect(t);
    hub.sendFrame(limitsEmit({ bps: 7e6, number: 1e9, hasHeard: false }));
    lab.settle();
    t.equal(told(client), 7e6);
    hub.sendFrame(limitsEmit({ bps: 9e6, number: 1e9 - 1, hasHeard: false }));
    lab.settle();
    t.equal(told(client), 7e6);
    hub.sendFrame(limitsEmit({ bps: 8e6, number: 1e9 + 1, hasHeard: false }));
    lab.settle();
    t.equal(told(client), 8e6);
  },
);

t.test('an answer that nobody asked for does not loosen the policing', async (t) => {
  const { lab, hub, client } = await connectDeaf(t, (plain) => plain[1] === controlKind.limits && plain[0] === 0);
  lab.run(2);
  client.sendFrame(limitsEmit({ bps: 10e6, number: 77, hasHeard: true }));
  lab.settle();
  t.equal(polices(hub), 10e6);
});

t.test('whoever limits nobody says nothing', async (t) => {
  const { hub, client } = await connect(t, { upBps: 0, downBps: 0, priority: 50 });
  t.equal(said(hub).length + said(client).length, 0);
  t.equal(sends(hub) + sends(client) + polices(hub), 0);
  const bits = hub.sessions.int(hub.sendSlot(), session.capabilitiesAt);
  t.not(bits & capability.limits, 0, 'though both could');
});

t.test('limitsEmit() tells a rate of any size', async (t) => {
  for (const bps of [0, 100_000, 10e6, 400e9])
    t.equal(limitsBps(limitsEmit({ bps, number: 1, hasHeard: false }), 0), bps);
  t.equal(limitsBps(limitsEmit({ bps: 1, number: 1, hasHeard: false }), 0), 1_000, 'never none where there is one');
});
