/** Of many who ask at once each gets an answer of its own time, and two are made. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { InTurns } from '../../src/actors/control/in-turns.ts';

t.test('those who come while an answer is made share the next, whatever they ask', async (t) => {
  const made: string[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const turns = new InTurns(async (questions: readonly string[]) => {
    const mine = questions.join('+');
    made.push(mine);
    await new Promise<void>((resolve, reject) =>
      ends.push((error) => (error === undefined ? resolve() : reject(error))),
    );
    return mine;
  });
  const first = turns.get('a');
  // The first has ended then, and the next is about to begin.
  const late = first.then(() => turns.get('d'));
  const others = [turns.get('b'), turns.get('c'), turns.get('b')];
  await turn();
  t.strictSame(made, ['a'], 'nobody gets what was begun before it was asked for');
  ends[0]?.();
  t.equal(await first, 'a');
  await turn();
  t.strictSame(made, ['a', 'b+c+b+d'], 'whoever came between two is heard');
  ends[1]?.();
  t.strictSame(new Set(await Promise.all([...others, late])), new Set(['b+c+b+d']));
});

t.test('one that fails fails for those who asked for it', async (t) => {
  let count = 0;
  const turns = new InTurns(async () => {
    count += 1;
    await turn();
    if (count === 1) throw new Error('no');
    return count;
  });
  const [first, second] = [turns.get(1), turns.get(2)];
  await t.rejects(first, { message: 'no' });
  t.equal(await second, 2);
  t.equal(await turns.get(3), 3);
});
