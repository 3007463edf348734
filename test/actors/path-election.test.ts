// Which of several paths by one link carries data, when they are of different transports.
import t from 'tap';
import { electPaths, type PathTrack } from '../../src/actors/session/path-track.ts';
import { lifeState } from '../../src/bonding/life/path-life-states.ts';
import { transport } from '../../src/contract/link-tables.ts';
import { path, pathState } from '../../src/contract/peer-tables.ts';
import { AddressCredit } from '../../src/protocols/session/address-credit.ts';
import { PathProof } from '../../src/protocols/session/path-proof.ts';
import { carrierOf } from '../../src/rings/carriers.ts';
import { createRowTable, pathTable } from '../../src/rings/table.ts';
import { pathWish } from '../../src/wire/control-frame.ts';

const [udp, other] = [0, 1];
const { up, standby } = pathState;

/** One link with a path by UDP and one by another transport, farther away or nearer. */
class Link {
  readonly table = pathTable(createRowTable(path, 4));
  readonly tracks: PathTrack[];

  constructor(rttMs: readonly number[] = [20, 20]) {
    this.tracks = [transport.udp, transport.test].map((by, row) => ({
      row,
      carrier: carrierOf(2, by),
      link: 2,
      isConfigured: true,
      proof: new PathProof(true),
      credit: new AddressCredit(),
      heardBytes: 0,
      isProven: true,
      peerWish: pathWish.none,
      notice: undefined,
      named: undefined,
      renamedUs: 0,
      withdrawAtUs: 0,
      addresses: '',
      refusal: undefined,
    }));
    for (const [row, ms] of rttMs.entries()) this.table.setNumber(row, path.smoothedRttUsAt, ms * 1000);
    this.live(udp, other);
  }

  live(...rows: readonly number[]): void {
    for (const row of rows) this.set(row, lifeState.live);
  }

  set(row: number, life: number): void {
    this.table.setInt(row, path.lifeAt, life);
  }

  /** States of both, which are what the next election begins with. */
  elect(): number[] {
    const states = electPaths(this.table, this.tracks).map(({ state }) => state);
    for (const [row, state] of states.entries()) this.table.setInt(row, path.stateAt, state);
    return states;
  }
}

t.test('electPaths() gives the data of a link to the preferred transport, however far away it is', async (t) => {
  t.same(new Link([90, 10]).elect(), [up, standby]);
  const link = new Link();
  (link.tracks[udp] as PathTrack).isProven = false;
  t.same(link.elect(), [pathState.unproven, up]);
  (link.tracks[udp] as PathTrack).isProven = true;
  link.set(udp, lifeState.unproven);
  t.same(link.elect(), [standby, up], 'what nobody has judged takes nothing over');
  link.live(udp);
  t.same(link.elect(), [up, standby]);
});

t.test(
  'electPaths() goes to another transport as soon as one is in doubt, and back when it has been stable',
  async (t) => {
    const link = new Link();
    link.elect();
    link.set(udp, lifeState.suspect);
    t.same(link.elect(), [standby, up]);
    for (const life of [lifeState.dead, lifeState.recovering, lifeState.flapping]) {
      link.set(udp, life);
      t.same(link.elect(), [standby, up]);
    }
    link.live(udp);
    t.same(link.elect(), [up, standby]);
    link.set(udp, lifeState.suspect);
    link.set(other, lifeState.suspect);
    t.same(link.elect(), [up, standby], 'nothing better is there');
  },
);

t.test('electPaths() does not change places between two endpoints by one transport', async (t) => {
  const link = new Link([20, 20]);
  link.tracks[other] = { ...(link.tracks[other] as PathTrack), carrier: carrierOf(2, transport.udp) };
  link.elect();
  link.table.setNumber(udp, path.smoothedRttUsAt, 90_000);
  t.same(link.elect(), [up, standby]);
  link.set(udp, lifeState.suspect);
  t.same(link.elect(), [up, standby], 'what ails one ails the other');
  link.set(udp, lifeState.dead);
  t.same(link.elect(), [standby, up]);
});
