import t from 'tap';
import { inParts, partSize } from '../../src/actors/control/in-parts.ts';

t.test('inParts() reads all in order, and lets the event loop turn after each part', async (t) => {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const items = Array.from({ length: 4 * partSize + 1 }, (_, index) => index);
  const readInTurn = new Map<number, number>();
  let pauses = 0;
  const read = (item: number): number => {
    readInTurn.set(turns, (readInTurn.get(turns) ?? 0) + 1);
    return 2 * item;
  };
  const results = await inParts(items, read, () => {
    pauses += 1;
  });
  isOver = true;
  t.strictSame(
    results,
    items.map((item) => 2 * item),
  );
  t.ok(Math.max(...readInTurn.values()) <= partSize, `${[...readInTurn.values()]} in each turn`);
  t.equal(pauses, 4, 'packets are let in between each two');
  t.strictSame(await inParts([], String, t.fail), []);
});
