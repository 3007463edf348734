/** A history-keeper of an instance that answers late. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import t from 'tap';
import { definition, type HistoryKeeperSettings } from '../../../src/actors/history-keeper.ts';
import type { ActorCall, CallOutcome } from '../../../src/actors/kit/actor-calls.ts';
import type { ActorEvent } from '../../../src/actors/kit/contract.ts';
import { serveRpc } from '../../../src/actors/kit/rpc.ts';
import { createFakeAddon } from '../../support/fake-addon.ts';
import { fakeContext } from '../../support/fake-context.ts';

t.test('names of peers that do not come in time cost a warning, and no answer', async (t) => {
  const folder = t.testdir();
  const outcomes: CallOutcome[] = [];
  const events: ActorEvent[] = [];
  const { port1, port2 } = new MessageChannel();
  serveRpc(port1, {
    instance: () => ({ startedAtMs: Date.now(), topologyVersion: 1, peersVersion: 1 }),
    peerNames: () => {
      throw new Error('late on purpose');
    },
    nextEvents: () => sleep(100).then(() => []),
    answerActorCall: (_id: number, outcome: CallOutcome) => void outcomes.push(outcome),
  });
  const keep = { secondS: 60, minuteS: 3600, hourS: 86_400 };
  const settings: HistoryKeeperSettings = {
    name: 'home',
    stateDirectory: path.join(folder, 'state'),
    runDirectory: path.join(folder, 'run'),
    history: { keep, clients: 0 },
  };
  const id = 'history-keeper';
  const spec = { id, role: id, settings, ports: {}, fds: {}, wakeOn: [], memory: {} } as const;
  const emit = (event: ActorEvent): void => void events.push(event);
  const addon = createFakeAddon(100_000_000);
  const actor = await definition.start(fakeContext({ spec, addon, supervisor: port2, emit }));
  t.teardown(() => {
    actor.close();
    port1.close();
  });
  const isWarned = (): boolean => events.some((one) => one.kind === 'warning' && /late on purpose/.test(one.message));
  for (let tries = 0; tries < 500 && !isWarned(); tries += 1) await sleep(10);
  t.ok(isWarned(), 'it is said');
  const call: ActorCall = { kind: 'actor-call', id: 1, verb: 'info', params: undefined };
  actor.onCommand(call);
  for (let tries = 0; tries < 500 && outcomes.length === 0; tries += 1) await sleep(10);
  t.match(outcomes, [{ ok: true }]);
});
