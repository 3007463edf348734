/** Which descriptors a thread reads: those that a park names, and all now and then. */
import t from 'tap';
import { alwaysReadable, Readables } from '../../../src/actors/kit/readable.ts';

t.test('Readables', async (t) => {
  const make = () => {
    const readables = new Readables(Int32Array.of(5, 6));
    return { readables, five: readables.of(5), six: readables.of(6) };
  };

  t.test('of() says that there may be something until a read has found nothing', async (t) => {
    const { five, six } = make();
    t.ok(five.mayHave);
    five.mayHave = false;
    t.same([five.mayHave, six.mayHave], [false, true]);
  });

  t.test('noteWait() sets those that ended the park, and no other', async (t) => {
    const { readables, five, six } = make();
    for (const [bits, wanted] of [
      [0, [false, false]],
      [1, [false, false]],
      [2, [true, false]],
      [4, [false, true]],
      [7, [true, true]],
    ] as const) {
      five.mayHave = false;
      six.mayHave = false;
      readables.noteWait(bits);
      t.same([five.mayHave, six.mayHave], wanted, `answer ${bits}`);
    }
  });

  t.test('noteTurn() sets all after some turns without a park', async (t) => {
    const { readables, five } = make();
    five.mayHave = false;
    for (let turn = 0; turn < 3; turn += 1) {
      readables.noteTurn();
      t.notOk(five.mayHave);
    }
    readables.noteWait(1);
    for (let turn = 0; turn < 3; turn += 1) readables.noteTurn();
    t.notOk(five.mayHave, 'a park begins anew');
    readables.noteTurn();
    t.ok(five.mayHave);
  });

  t.test('of() says of a descriptor that no park waits for that there may always be something', async (t) => {
    const other = make().readables.of(7);
    t.equal(other, alwaysReadable);
    other.mayHave = false;
    t.ok(other.mayHave);
  });
});
