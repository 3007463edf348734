/** Questions to actors: who asks one that starts waits for it, and who asked one that is gone hears so. */
import t from 'tap';
import type { ActorState } from '../../src/control/supervisor-api.ts';
import { CallDesk } from '../../src/instance/call-desk.ts';

function start() {
  const world = { state: 'running' as ActorState, sent: [] as string[] };
  const desk = new CallDesk({
    command: (actorId, { id, verb }) => void world.sent.push(`${actorId} ${id} ${verb}`),
    stateOf: () => world.state,
  });
  return { world, desk };
}

t.test('call() brings a question to an actor that runs, and its answer back', async (t) => {
  const { world, desk } = start();
  const answer = desk.call('history-keeper', 'info', {});
  t.strictSame(world.sent, ['history-keeper 1 info']);
  desk.answerActorCall(1, { ok: true, value: 5 });
  t.equal(await answer, 5);
  const refused = desk.call('history-keeper', 'query', {});
  desk.answerActorCall(2, { ok: false, code: 'NO', message: 'no', remedy: '' });
  await t.rejects(refused, { code: 'NO' });
});

t.test('call() to an actor that starts waits until it runs', async (t) => {
  const { world, desk } = start();
  world.state = 'starting';
  const answer = desk.call('history-keeper', 'info', {});
  t.strictSame(world.sent, []);
  desk.handleNew('plugin-host');
  t.strictSame(world.sent, [], 'that is another one');
  desk.handleNew('history-keeper');
  t.strictSame(world.sent, ['history-keeper 1 info']);
  desk.answerActorCall(1, { ok: true, value: 5 });
  t.equal(await answer, 5);
});

t.test('handleNew() ends what a predecessor was asked, and nothing else', async (t) => {
  const { desk } = start();
  const lost = desk.call('history-keeper', 'info', {});
  const kept = desk.call('plugin-host', 'list', {});
  desk.handleNew('history-keeper');
  await t.rejects(lost, { code: 'SILENT' });
  desk.answerActorCall(2, { ok: true, value: 'kept' });
  t.equal(await kept, 'kept');
});

t.test('call() to an actor that has failed is refused at once, and so is who waited for it', async (t) => {
  const { world, desk } = start();
  world.state = 'restarting';
  const waiting = desk.call('history-keeper', 'info', {});
  const other = desk.call('plugin-host', 'list', {});
  world.state = 'failed';
  desk.handleGivenUp('history-keeper');
  const refusal = { code: 'ACTOR_FAILED', message: /hawser actor restart history-keeper/ };
  await t.rejects(waiting, refusal);
  await t.rejects(desk.call('history-keeper', 'info', {}), refusal);
  t.strictSame(world.sent, []);
  desk.answerActorCall(2, { ok: true, value: 5 });
  t.equal(await other, 5, 'that is another one');
});
