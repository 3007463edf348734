import t from 'tap';
import { judgeCutOff, Unanswered } from '../../src/control/cut-off.ts';
import { LastChanges } from '../../src/control/last-changes.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import type { PeerStatus } from '../../src/control/rows.ts';

const peer = { name: 'hub', state: 'connected' } as PeerStatus;
const path = (condition: string, changedAgeMs = 5000): PathStatus =>
  ({ peer: 'hub', condition, changedAgeMs }) as PathStatus;

t.test('judgeCutOff() goes by the paths of a peer that has them judged', async (t) => {
  const judge = (...paths: PathStatus[]) => judgeCutOff(peer, paths, undefined);
  t.match(
    judge(path('dead', 9000), path('withdrawn', 4000)),
    { state: 'cut off', cutOffAgeMs: 4000 },
    'since the last one died',
  );
  t.match(judge(path('dead'), path('unproven')), { state: 'cut off' }, 'one that never carried does not count');
  for (const alive of ['live', 'suspect', 'recovering', 'flapping'])
    t.equal(judge(path('dead'), path(alive)).state, 'connected', `${alive} carries as the last resort`);
  t.equal(judge(path('unproven')).state, 'connected', 'it has just connected');
  t.equal(judgeCutOff({ ...peer, state: 'idle' }, [path('dead')], 1e6).state, 'idle');
});

t.test('judgeCutOff() goes by unanswered data where nobody judges paths', async (t) => {
  const stock = { ...path('live'), condition: undefined };
  t.equal(judgeCutOff(peer, [stock], 14_000).state, 'connected', 'a stock peer may take 10 s to answer');
  t.match(judgeCutOff(peer, [stock], 16_000), { state: 'cut off', cutOffAgeMs: 16_000 });
});

t.test('Unanswered counts from the first data behind the last answer', async (t) => {
  const watch = new Unanswered();
  const seconds = (s: number): number => s * 1e6;
  watch.look('hub', seconds(1), seconds(2), seconds(3));
  t.equal(watch.ageMs('hub', seconds(3)), undefined, 'nothing is owed');
  watch.look('hub', seconds(30), seconds(2), seconds(30));
  t.equal(watch.ageMs('hub', seconds(40)), 10_000, 'not from the last answer on');
  watch.look('hub', seconds(41), seconds(2), seconds(41));
  t.equal(watch.ageMs('hub', seconds(41)), 11_000, 'more data changes nothing');
  watch.look('hub', seconds(42), seconds(41.5), seconds(42));
  t.equal(watch.ageMs('hub', seconds(42)), 0, 'an answer came in between');
});

t.test('LastChanges knows what moves, and not what moved before', async (t) => {
  const changes = new LastChanges();
  changes.look(
    new Map([
      ['a', 7],
      ['b', 1],
    ]),
    1e6,
  );
  t.strictSame(changes.agesMs(2e6), {});
  changes.look(
    new Map([
      ['a', 7],
      ['b', 2],
    ]),
    2e6,
  );
  t.strictSame(changes.agesMs(5e6), { b: 3000 });
});
