/** The third runner: actors turned by hand under a virtual clock. */
import t from 'tap';
import type { ActorContext, ActorDefinition, ActorSpec } from '../../../src/actors/kit/contract.ts';
import { HandRunner, VirtualClock } from '../../../src/actors/kit/hand-runner.ts';
import { createFakeAddon } from '../../support/fake-addon.ts';

function spec(id: string): ActorSpec {
  return { id, role: 'sealer', settings: {}, ports: {}, fds: {}, wakeOn: [], memory: {} };
}

/** Wakes every `periodUs` and notes when. */
function ticker(periodUs: number, seen: number[]): ActorDefinition {
  return {
    role: 'sealer',
    turn: 'duty',
    start(context: ActorContext) {
      let nextUs = context.addon.nowUs() + periodUs;
      context.wakeAt(nextUs);
      return {
        work(nowUs) {
          if (nowUs < nextUs) return 0;
          seen.push(nowUs);
          context.emit({ kind: 'rekey', peer: 'tick' });
          nextUs += periodUs;
          context.wakeAt(nextUs);
          return 1;
        },
        onCommand: () => undefined,
        close() {
          seen.push(-1);
        },
      };
    },
  };
}

t.test('HandRunner', async (t) => {
  t.test('run() jumps from wake-up to wake-up and to nothing between', async (t) => {
    const seen: number[] = [];
    const runner = new HandRunner(new VirtualClock(0), createFakeAddon());
    await runner.add(ticker(30_000, seen), spec('a'));
    runner.run(100_000);
    t.same(seen, [30_000, 60_000, 90_000]);
    t.equal(runner.clock.nowUs(), 100_000);
    t.equal(runner.events.length, 3);
    runner.close();
    t.equal(seen.at(-1), -1);
  });

  t.test('turnUntilIdle() throws when an actor never comes to rest', async (t) => {
    const runner = new HandRunner(new VirtualClock(0), createFakeAddon());
    const restless: ActorDefinition = {
      role: 'sealer',
      turn: 'duty',
      start: () => ({ work: () => 1, onCommand: () => undefined, close: () => undefined }),
    };
    await runner.add(restless, spec('a'));
    t.throws(() => runner.turnUntilIdle(10), /10 cycles/);
  });
});
