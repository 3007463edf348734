/** When a carrier is taken to another port: only while somebody asks by it and nothing comes back, and less and less often. */
import t from 'tap';
import type { MovePortRequest } from '../../../src/actors/kit/contract.ts';
import { PathBook } from '../../../src/actors/session/path-book.ts';
import type { Peer } from '../../../src/actors/session/peer-book.ts';
import { leastPatienceUs, mostPatienceUs, SilentPorts } from '../../../src/actors/session/silent-ports.ts';
import { lifeState } from '../../../src/bonding/life/path-life-states.ts';
import { transport } from '../../../src/contract/link-tables.ts';
import { endpoint, path, pathOrigin, pathState, peer } from '../../../src/contract/peer-tables.ts';
import { carrierOf } from '../../../src/rings/carriers.ts';
import { createRowTable, pathTable, peerTable } from '../../../src/rings/table.ts';

const second = 1_000_000;
const carrier = carrierOf(0, transport.udp);

/** A peer with a path by the carrier, on a clock of its own. */
class World {
  readonly table = pathTable(createRowTable(path, 4));
  readonly book = new PathBook(this.table, peerTable(createRowTable(peer, 2)));
  readonly moves: { atS: number; request: MovePortRequest }[] = [];
  readonly route = {
    link: 0,
    transport: transport.udp,
    endpoint: Uint8Array.from({ length: endpoint.bytes }, (_, index) => (index === 0 ? endpoint.ip4 : 1)),
    local: new Uint8Array(16),
    interfaceIndex: 0,
  };
  readonly row = this.book.claim(0, this.route, 1);
  nowUs = second;
  isAttempting = false;
  hasServed = false;
  readonly #ports: SilentPorts;

  constructor(carriers: readonly number[] = [carrier]) {
    const places = [{}];
    const one = { row: 0, called: [this.route], places, session: this.#session() } as unknown as Peer;
    const serving = { keys: { current: {} }, isAttempting: false };
    const other = { row: 1, called: [this.route], places: [], session: serving } as unknown as Peer;
    this.#ports = new SilentPorts({
      context: {
        emit: (event) => this.moves.push({ atS: this.nowUs / second, request: event as MovePortRequest }),
        wakeAt: () => undefined,
      },
      peers: { all: () => (this.hasServed ? [one, other] : [one]) },
      paths: this.book,
      links: { nameOf: () => 'fibre' },
      carriers,
    });
    this.book.setState(this.row, pathState.up);
    this.book.setOrigin(this.row, pathOrigin.configured);
  }

  #session() {
    const isAttempting = () => this.isAttempting;
    return {
      keys: { current: {} },
      get isAttempting() {
        return isAttempting();
      },
    };
  }

  die(): void {
    this.table.setInt(this.row, path.lifeAt, lifeState.dead);
  }

  hear(): void {
    this.table.setNumber(this.row, path.lastReceivedAt, this.nowUs);
  }

  run(seconds: number): void {
    for (let n = 0; n < 4 * seconds; n += 1) {
      this.nowUs += second / 4;
      this.#ports.turn(this.nowUs);
    }
  }
}

t.test(
  'a dead path takes its carrier to another port, and so again after twice the time, and no less than every ten minutes',
  (t) => {
    const world = new World();
    world.run(60);
    t.same(world.moves, [], 'nobody asks');
    world.die();
    world.run(17);
    t.match(world.moves, [{ request: { kind: 'move-port', carrier, link: 'fibre', transport: 'udp' } }]);
    t.ok((world.moves[0]?.request.silentMs ?? 0) * 1000 >= leastPatienceUs);
    world.run(31);
    t.equal(world.moves.length, 2);
    world.run(7200);
    const [before = 0, last = 0] = world.moves.slice(-2).map(({ atS }) => atS);
    t.ok(last - before >= mostPatienceUs / second && last - before < mostPatienceUs / second + 5, `${last - before} s`);
    t.end();
  },
);

t.test('what is heard ends it, and begins the patience anew', (t) => {
  const world = new World();
  world.die();
  world.run(40);
  t.equal(world.moves.length, 1);
  world.hear();
  world.run(14);
  t.equal(world.moves.length, 1);
  for (let n = 0; n < 60; n += 1) {
    world.hear();
    world.run(5);
  }
  t.equal(world.moves.length, 1, 'a path that is dead in one direction only is another matter');
  world.run(17);
  t.equal(world.moves.length, 2);
  t.end();
});

t.test('calls that nobody answers count, also in parts', (t) => {
  const world = new World();
  for (let n = 0; n < 5; n += 1) {
    world.isAttempting = true;
    world.run(5);
    world.isAttempting = false;
    world.run(30);
  }
  t.equal(world.moves.length, 1);
  t.end();
});

t.test('a path that is learnt, withdrawn, or by a port that somebody has named is left alone', (t) => {
  const named = new World([]);
  named.die();
  named.run(100);
  t.same(named.moves, []);
  const learnt = new World();
  learnt.die();
  learnt.book.setOrigin(learnt.row, pathOrigin.learnt);
  learnt.run(100);
  t.same(learnt.moves, []);
  const withdrawn = new World();
  withdrawn.die();
  withdrawn.book.setState(withdrawn.row, pathState.down);
  withdrawn.run(100);
  t.same(withdrawn.moves, []);
  t.end();
});

t.test('a peer that is served keeps the port, though another one does not answer', (t) => {
  const world = new World();
  const row = world.book.claim(
    1,
    { ...world.route, endpoint: Uint8Array.from(world.route.endpoint, (byte) => byte) },
    1,
  );
  world.book.setState(row, pathState.up);
  world.hasServed = true;
  world.die();
  for (let n = 0; n < 20; n += 1) {
    // A stock peer's keepalive.
    world.table.setNumber(row, path.lastReceivedAt, world.nowUs);
    world.run(25);
  }
  t.same(world.moves, []);
  world.table.setInt(row, path.lifeAt, lifeState.dead);
  world.run(17);
  t.equal(world.moves.length, 1, 'until it is not');
  world.table.setInt(row, path.lifeAt, lifeState.live);
  world.run(60);
  t.equal(world.moves.length, 1);
  world.run(180);
  t.ok(world.moves.length > 1, 'or was last heard under keys that are worth nothing now');
  t.end();
});
