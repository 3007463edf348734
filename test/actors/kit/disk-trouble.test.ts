/** A disk that takes some and refuses some is told of once. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { DiskTrouble } from '../../../src/actors/kit/disk-trouble.ts';

const leastMs = 60;

t.test('what comes and goes is one trouble, and is over when nothing was refused for a while', async (t) => {
  const told: string[] = [];
  const disk = new DiskTrouble(leastMs, (reason) => told.push(reason ?? 'over'));
  t.teardown(() => disk.close());
  disk.take();
  for (let count = 0; count < 20; count += 1) {
    disk.refuse(count % 2 === 0 ? 'disk is full' : 'disk I/O error');
    disk.take();
    await sleep(leastMs / 10);
  }
  t.strictSame(told, ['disk is full'], 'told once, whatever it is called');
  t.equal(disk.reason, 'disk is full');
  await sleep(3 * leastMs);
  t.strictSame(told, ['disk is full', 'over']);
  t.equal(disk.reason, undefined);
});

t.test('silence is no sign: something has to be written', async (t) => {
  const told: string[] = [];
  const disk = new DiskTrouble(leastMs / 3, (reason) => told.push(reason ?? 'over'));
  t.teardown(() => disk.close());
  disk.refuse('disk is full');
  await sleep(leastMs);
  t.strictSame(told, ['disk is full']);
  disk.take();
  await sleep(leastMs);
  t.strictSame(told, ['disk is full', 'over']);
});

t.test('who has the same trouble again is trusted the later', async (t) => {
  const told: number[] = [];
  const disk = new DiskTrouble(leastMs, () => told.push(performance.now()));
  t.teardown(() => disk.close());
  const ended = async (): Promise<number> => {
    const before = told.length;
    disk.refuse('disk is full');
    disk.take();
    while (told.length < before + 2) await sleep(5);
    return (told[before + 1] ?? 0) - (told[before] ?? 0);
  };
  const [first, second, third] = [await ended(), await ended(), await ended()];
  t.ok(first >= leastMs - 2 && second >= 2 * leastMs - 2 && third >= 4 * leastMs - 2, `${first} ${second} ${third}`);
});
