/** Who hears of a start that was over before it began to listen. */
import t from 'tap';
import { firstEventFor } from '../../../src/actors/kit/first-event.ts';
import type { EventRecord, InstanceEvent } from '../../../src/control/events.ts';

const records = (...events: readonly (readonly [string, InstanceEvent])[]): EventRecord[] =>
  events.map(([source, event], index) => ({ ...event, source, id: index + 1, timeMs: 0 }));

const ready: InstanceEvent = {
  kind: 'ready',
  interface: 'hawser0',
  port: 51_820,
  placement: 'spread',
  tookMs: 900,
  isRecalled: false,
};
const first = ['sealer', 'webhook-sender', 'plugin-host'];
const start = records(
  ['supervisor', { kind: 'started' }],
  ['sealer', { kind: 'started', thread: 3, restarts: 1 }],
  ['supervisor', ready],
);

t.test('who was configured from the beginning hears of all of it, ready included', async (t) => {
  t.equal(firstEventFor('webhook-sender', first, start), 0);
  t.equal(firstEventFor('webhook-sender', first, []), 0);
});

t.test('who came by a reload, or began before, hears of what happens from now on', async (t) => {
  t.equal(firstEventFor('webhook-sender', ['sealer'], start), 3);
  const again = [...start, ...records(['webhook-sender', { kind: 'started', thread: 9 }])];
  t.equal(firstEventFor('webhook-sender', first, again), again.at(-1)?.id);
  t.equal(firstEventFor('plugin-host', first, again), 0, 'another one is told for the first time');
});

t.test('of a start that is not known whole any more nothing is told', async (t) => {
  t.equal(firstEventFor('webhook-sender', first, start.slice(1)), 3);
});
