import t from 'tap';
import { ofShard, shardOf, shardPorts } from '../../src/rings/shards.ts';

t.test('names and numbers of shards', async (t) => {
  t.strictSame(
    [0, 1, 2, 3, 4].map((row) => shardOf(row, 2)),
    [0, 1, 0, 1, 0],
  );
  t.equal(shardOf(0xffff_ffff, 3), 0, 'receiver indices are unsigned');
  t.equal(shardOf(5, 1), 0);
  t.equal(ofShard('sealer', 0), 'sealer');
  t.equal(ofShard('sealer', 1), 'sealer-2');
  t.strictSame(shardPorts('events', 3), ['events', 'events-2', 'events-3']);
  t.strictSame(shardPorts('events'), ['events']);
});
