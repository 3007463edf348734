/** TurnShares: who has the next turn of a rate that many share. */
import t from 'tap';
import { TurnShares } from '../../../src/bonding/queue/turn-shares.ts';

/** Gives turns until `bytes` were used; `turn`: bytes of one row's turn. All rows always have something waiting. */
function share(shares: TurnShares, rows: readonly number[], bytes: number, turn: (row: number) => number): number[] {
  const used = rows.map(() => 0);
  for (const row of rows) shares.enter(row);
  for (let sum = 0; sum < bytes; ) {
    const row = shares.take();
    const spent = turn(row);
    shares.spend(row, spent);
    shares.enter(row);
    used[rows.indexOf(row)] = (used[rows.indexOf(row)] ?? 0) + spent;
    sum += spent;
  }
  return used;
}

function withPriorities(priorities: readonly number[]): TurnShares {
  const shares = new TurnShares();
  for (const [row, priority] of priorities.entries()) shares.setPriority(row, priority);
  return shares;
}

t.test('80 and 20 share four to one, whatever the turns are made of', async (t) => {
  for (const turn of [() => 1_400, () => 64_000, (row: number) => (row === 0 ? 64_000 : 100)]) {
    const [one = 0, other = 0] = share(withPriorities([80, 20]), [0, 1], 20e6, turn);
    t.ok(Math.abs(one / other / 4 - 1) < 0.02, `${(one / other).toFixed(3)}`);
  }
});

t.test('a hundred peers of all priorities get their shares', async (t) => {
  const rows = Array.from({ length: 100 }, (_, row) => row);
  const used = share(withPriorities(rows.map((row) => row + 1)), rows, 50e6, () => 3_000);
  const sum = used.reduce((all, one) => all + one, 0);
  const worst = rows.map((row) => Math.abs(((used[row] ?? 0) / sum) * (5_050 / (row + 1)) - 1));
  t.ok(Math.max(...worst.slice(9)) < 0.06, `${Math.max(...worst.slice(9))}`);
});

t.test('priority 0 has its turn when nobody else waits, and then all of it', async (t) => {
  const shares = withPriorities([1, 0, 0]);
  for (const row of [0, 1, 2]) shares.enter(row);
  for (let turn = 0; turn < 10; turn += 1) {
    t.equal(shares.take(), 0);
    shares.spend(0, 60_000);
    shares.enter(0);
  }
  shares.delete(0);
  const got = [shares.take(), shares.take()].sort();
  t.same(got, [1, 2]);
  t.equal(shares.take(), -1);
  t.equal(shares.size, 0);
});

t.test('who comes back after a pause has saved up no turns, nor owes for them', async (t) => {
  const shares = withPriorities([50, 50]);
  share(shares, [0], 10e6, () => 3_000);
  const [one = 0, other = 0] = share(shares, [0, 1], 1e6, () => 3_000);
  t.ok(Math.abs(one / other - 1) < 0.02, `${one} and ${other}`);
});

t.test('what was sent while nobody waited counts', async (t) => {
  const shares = withPriorities([50, 50]);
  shares.spend(0, 90_000);
  shares.enter(0);
  shares.enter(1);
  for (let turn = 0; turn < 30; turn += 1) {
    t.equal(shares.take(), 1);
    shares.spend(1, 3_000);
    shares.enter(1);
  }
  t.equal(shares.take(), 0);
});

t.test('an hour of what nobody had to wait for is not held against anybody', async (t) => {
  const shares = withPriorities([50, 50]);
  for (let packet = 0; packet < 100_000; packet += 1) shares.spend(0, 1_400);
  const [one = 0, other = 0] = share(shares, [0, 1], 2e6, () => 3_000);
  t.ok(one > 0.4 * (one + other), `${one} and ${other}`);
});

t.test("a priority that changes is the next turns'", async (t) => {
  const shares = withPriorities([50, 50]);
  share(shares, [0, 1], 1e6, () => 3_000);
  shares.setPriority(0, 0);
  for (const row of [0, 1]) shares.enter(row);
  t.equal(shares.take(), 1);
  t.equal(shares.take(), 0);
  shares.setPriority(0, 100);
  const [one = 0, other = 0] = share(shares, [0, 1], 3e6, () => 3_000);
  t.ok(Math.abs(one / other - 2) < 0.1, `${one / other}`);
});

t.test('rows of one owner have one share, and their turns one after the other', async (t) => {
  const shares = new TurnShares();
  for (const row of [0, 1, 2, 3]) shares.setPriority(row, 50);
  for (const row of [0, 1, 2]) shares.setOwner(row, 0);
  const turns = new Map<number, number>();
  for (const row of [0, 1, 2, 3]) shares.enter(row);
  for (let turn = 0; turn < 600; turn += 1) {
    const row = shares.take();
    turns.set(row, (turns.get(row) ?? 0) + 1);
    shares.spend(row, 1500);
    shares.enter(row);
  }
  t.ok(Math.abs((turns.get(3) ?? 0) - 300) <= 3, `${turns.get(3)} of 600`);
  for (const row of [0, 1, 2]) t.ok(Math.abs((turns.get(row) ?? 0) - 100) <= 3, `${turns.get(row)} of row ${row}`);
});
