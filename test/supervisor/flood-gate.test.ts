/** What may be said how often, and what the bounded list of events keeps. */
import t from 'tap';
import { FloodGate } from '../../src/supervisor/flood-gate.ts';
import { EventLog } from '../../src/supervisor/journal.ts';

interface Said {
  readonly item: string;
  readonly more: number;
}

function lab() {
  const said: Said[] = [];
  return { said, gate: new FloodGate<string>((item, more) => said.push({ item, more })) };
}

t.test('what happens now and then is said at once, one by one', async (t) => {
  const { said, gate } = lab();
  for (let nowMs = 0; nowMs < 300_000; nowMs += 3000) gate.offer('roamed', 'phone', `at ${nowMs}`, nowMs);
  t.equal(said.length, 100);
  t.ok(said.every(({ more }) => more === 0));
});

t.test('50,000 in 75 s of one subject become some dozen lines, and all are counted', async (t) => {
  const { said, gate } = lab();
  for (let index = 0; index < 50_000; index += 1) {
    gate.offer('roamed', 'phone', `${index}`, index * 1.5);
    if (index % 33 === 0) gate.tick(index * 1.5);
  }
  gate.tick(80_000);
  t.ok(said.length > 30 && said.length < 60, `${said.length} lines`);
  t.equal(
    said.reduce((sum, { more }) => sum + 1 + more, 0),
    50_000,
  );
  t.equal(said.at(-1)?.item, '49999', 'the last one is said in the end');
});

t.test('a thousand subjects of one kind are limited together, and another kind does not wait for them', async (t) => {
  const { said, gate } = lab();
  for (let index = 0; index < 5000; index += 1) gate.offer('path-dead', `peer ${index % 1000}`, 'dead', index);
  t.ok(said.length < 110, `${said.length} lines`);
  gate.offer('failback', 'peer 7', 'back', 5000);
  t.same(said.at(-1), { item: 'back', more: 0 });
  gate.flush();
  t.equal(
    said.reduce((sum, { more }) => sum + 1 + more, 0),
    5001,
    'nothing is lost at the end',
  );
});

t.test('what happens often does not push out what happened once', async (t) => {
  const events = new EventLog();
  const rare = events.add('supervisor', { kind: 'reload', change: 'peer new added' });
  const peer = 'phone';
  for (let index = 0; index < 5000; index += 1) {
    events.add('sealer', index % 2 === 0 ? { kind: 'rekey', peer } : { kind: 'clock-forgotten', peer });
  }
  const all = events.since(0);
  t.equal(all.length, 1000);
  t.same(all[0], rare);
  t.equal(all.at(-1)?.id, 5001);
  t.equal(events.since(999_999).length, 1000, 'who asks with a number of a run before begins anew');
});
