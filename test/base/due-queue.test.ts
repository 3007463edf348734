import t from 'tap';
import { DueQueue } from '../../src/base/due-queue.ts';
import { randomOf } from '../support/random.ts';

t.test('DueQueue hands out in the order of time who is due, and each once', async (t) => {
  const queue = new DueQueue();
  t.equal(queue.nextUs, Number.POSITIVE_INFINITY);
  t.equal(queue.take(1e9), -1);
  queue.set(7, 30);
  queue.set(2, 10);
  queue.set(9, 20);
  t.equal(queue.nextUs, 10);
  t.equal(queue.take(9), -1, 'nobody is due yet');
  t.equal(queue.take(10), 2);
  queue.set(7, 40);
  t.equal(queue.nextUs, 20);
  queue.set(7, 5);
  t.same([queue.take(100), queue.take(100), queue.take(100)], [7, 9, -1]);
  queue.set(3, 10);
  queue.set(3, Number.POSITIVE_INFINITY);
  t.equal(queue.size, 0, 'never is not in it');
});

t.test('DueQueue agrees with a list that is sorted, whatever comes', async (t) => {
  const random = randomOf(1);
  const queue = new DueQueue();
  const model = new Map<number, number>();
  let wrong = 0;
  for (let step = 0; step < 20_000; step += 1) {
    const key = Math.floor(random() * 200);
    const atUs = Math.floor(random() * 1000);
    const what = random();
    if (what < 0.5) {
      queue.set(key, atUs);
      model.set(key, atUs);
    } else if (what < 0.75) {
      queue.delete(key);
      model.delete(key);
    } else {
      const earliest = Math.min(...model.values());
      const taken = queue.take(atUs);
      if (earliest > atUs ? taken !== -1 : model.get(taken) !== earliest) wrong += 1;
      model.delete(taken);
    }
    if (queue.size !== model.size || queue.nextUs !== Math.min(...model.values())) wrong += 1;
  }
  t.equal(wrong, 0);
});
