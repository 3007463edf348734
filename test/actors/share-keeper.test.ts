/** ShareKeeper: who may send how much while all together send too much. */
import t from 'tap';
import { ShareKeeper } from '../../src/actors/opener/share-keeper.ts';
import { peer } from '../../src/contract/peer-tables.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';

const stepUs = 10_000;

/** Peers that send at given rates, Mbit/s, and the shares they are given. */
class Hub {
  readonly peers = peerTable(createRowTable(peer, 8));
  readonly keeper = new ShareKeeper(this.peers, () => undefined);
  nowUs = 1e9;

  constructor(totalMbit: number, priorities: readonly number[]) {
    this.peers.setHeadNumber(peer.totalTakeBpsAt, totalMbit * 1e6);
    for (const [row, priority] of priorities.entries()) this.peers.setInt(row, peer.priorityAt, priority);
  }

  /** Row → Mbit/s that it sends; half of it is dropped, which is the same here. */
  send(mbit: readonly number[], seconds: number): void {
    for (const endUs = this.nowUs + seconds * 1e6; this.nowUs < endUs; this.nowUs += stepUs) {
      for (const [row, rate] of mbit.entries()) {
        if (rate === 0) continue;
        if (this.keeper.isOn) this.keeper.note(row, this.nowUs);
        this.peers.addNumber(row, peer.innerRxBytesAt, (rate * stepUs) / 16);
        this.peers.addNumber(row, peer.policedBytesAt, (rate * stepUs) / 16);
      }
      this.keeper.turn(this.nowUs);
    }
  }

  shares(): number[] {
    return [0, 1, 2].map((row) => Math.round(this.peers.number(row, peer.shareBpsAt) / 1e5) / 10);
  }
}

t.test('nobody has a share while all fits, nor where there is no total', async (t) => {
  const hub = new Hub(100, [50, 50]);
  hub.send([30, 40], 2);
  t.same(hub.shares(), [0, 0, 0]);
  const free = new Hub(0, [50, 50]);
  t.notOk(free.keeper.isOn);
});

t.test('80 and 20 get four to one of what is too much', async (t) => {
  const hub = new Hub(10, [80, 20]);
  hub.send([30, 30], 1);
  t.same(hub.shares(), [8, 2, 0]);
});

t.test("a share that somebody does not use is the others', and comes back", async (t) => {
  const hub = new Hub(10, [80, 20]);
  hub.send([30, 30], 1);
  hub.send([1, 30], 1);
  const [first = 0, second = 0] = hub.shares();
  t.ok(first < 1.5 && second > 8.5, `${first} and ${second}`);
  hub.send([30, 30], 1);
  t.same(hub.shares(), [8, 2, 0]);
});

t.test('who stops is forgotten, and the one that is left is held to nothing it does not reach', async (t) => {
  const hub = new Hub(10, [80, 20]);
  hub.send([30, 30], 1);
  hub.send([0, 5], 2);
  t.same(hub.shares(), [0, 0, 0]);
});

t.test('a total that is taken away leaves no share behind', async (t) => {
  const hub = new Hub(10, [80, 20]);
  hub.send([30, 30], 1);
  hub.peers.setHeadNumber(peer.totalTakeBpsAt, 0);
  hub.send([30, 30], 1);
  t.same(hub.shares(), [0, 0, 0]);
});

t.test('a limit of its own is all that a peer can ask for', async (t) => {
  const hub = new Hub(10, [50, 50]);
  hub.peers.setNumber(0, peer.takeBpsAt, 2e6);
  hub.send([30, 30], 1);
  t.same(hub.shares(), [2, 8, 0]);
});

/** Rows 0 and 1 are devices of one client, which may send so much. */
function asDevices({ peers }: Hub, mbit: number): void {
  peers.setHeadNumber(peer.haveLeadsAt, 1);
  for (const row of [0, 1]) {
    peers.setInt(row, peer.leadAt, 1);
    peers.setNumber(row, peer.takeBpsAt, mbit * 1e6);
  }
}

t.test('devices of one client share its rate, where nobody else has a share', async (t) => {
  const hub = new Hub(0, [50, 50, 50]);
  asDevices(hub, 10);
  hub.send([0, 30, 30], 1);
  t.same(hub.shares(), [0, 0, 0], 'one alone has it all');
  hub.send([30, 30, 30], 1);
  t.same(hub.shares(), [5, 5, 0]);
  hub.send([1, 30, 30], 1);
  const [first = 0, second = 0] = hub.shares();
  t.ok(first < 1.5 && second > 8.5, `${first} and ${second}`);
  hub.send([30, 0, 30], 2);
  t.same(hub.shares(), [0, 0, 0]);
});

t.test('of the rate of all a client has one share, whatever its devices', async (t) => {
  const hub = new Hub(20, [50, 50, 50]);
  asDevices(hub, 0);
  hub.send([30, 30, 30], 1);
  t.same(hub.shares(), [5, 5, 10]);
  asDevices(hub, 4);
  hub.send([30, 30, 30], 1);
  t.same(hub.shares(), [2, 2, 16]);
});

t.test('whoever its share holds back asks for more at once', async (t) => {
  const hub = new Hub(0, [50, 50]);
  asDevices(hub, 10);
  hub.send([0.1, 30], 1);
  // As a Hawser that is told its share, once a second, sends no more than that.
  for (let tells = 0; tells < 3; tells += 1) {
    const told = hub.peers.number(0, peer.shareBpsAt) * 0.97;
    hub.peers.setNumber(0, peer.saidBpsAt, told);
    hub.send([told / 1e6, 30], 1);
  }
  t.same(hub.shares(), [5, 5, 0]);
});

t.test('a Hawser that was told little, in packets, has its part within two seconds', async (t) => {
  for (const [first, wanted] of [
    [0.08, 30],
    [0.3, 30],
    [0.08, 0.06],
  ] as const) {
    const hub = new Hub(0, [50, 50, 50]);
    asDevices(hub, 4);
    hub.send([0.06, 30], 1);
    // As it is done: who is looked at once a second is told of a share that is another by a tenth.
    let told: number = first;
    let owed = 0;
    const shares: number[] = [];
    for (let step = 0; step < 300; step += 1) {
      const share = hub.peers.number(0, peer.shareBpsAt) / 1e6;
      if (step % 100 === 99 && Math.abs(share * 0.97 - told) > told * 0.1) told = share * 0.97;
      hub.peers.setNumber(0, peer.saidBpsAt, told * 1e6);
      owed += (Math.min(told, wanted) * stepUs) / 8;
      const packets = Math.floor(owed / 1328);
      owed -= packets * 1328;
      hub.send([(packets * 1328 * 8) / stepUs, 30], stepUs / 1e6);
      shares.push(hub.shares()[0] ?? 0);
    }
    const last = shares.slice(-50);
    if (wanted > 1)
      t.ok(
        last.every((one) => one === 2),
        `told ${first}: ${last.join()}`,
      );
    else
      t.ok(
        last.every((one) => one < 0.2),
        `wants no more than ${wanted}: ${last.join()}`,
      );
  }
});
