/** The worker's loop with a fake addon, in this thread: turns, parks, commands, heartbeats. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import t from 'tap';
import type { Actor, ActorSpec, Command } from '../../../src/actors/kit/contract.ts';
import { HostedActor } from '../../../src/actors/kit/hosted-actor.ts';
import type { ToWorker } from '../../../src/actors/kit/messages.ts';
import { Readables } from '../../../src/actors/kit/readable.ts';
import { ThreadRunner, type TurnKind } from '../../../src/actors/kit/thread-runner.ts';
import { TurnCycle } from '../../../src/actors/kit/turn-cycle.ts';
import { counters, doorbell, runState } from '../../../src/contract/rings.ts';
import { createDoorbellMemory } from '../../../src/rings/doorbell.ts';
import { createFakeAddon, type FakeAddon } from '../../support/fake-addon.ts';

interface Bench {
  readonly addon: FakeAddon;
  readonly runner: ThreadRunner;
  readonly hosted: readonly HostedActor[];
  readonly pending: { count: number };
  readonly readables: Readables;
  readonly block: (index: number) => { words: Int32Array; times: Float64Array };
  post(message: ToWorker): void;
  close(): void;
}

function bench(kind: TurnKind, actors: readonly Partial<Actor>[]): Bench {
  const addon = createFakeAddon();
  const { port1, port2 } = new MessageChannel();
  const memory = createDoorbellMemory();
  const mail = new Int32Array(memory, doorbell.mailAt, 1);
  const blocks = actors.map(() => new SharedArrayBuffer(counters.bytes));
  const hosted = actors.map((actor, index) => {
    const spec: ActorSpec = {
      id: `actor-${index}`,
      role: 'sealer',
      settings: {},
      ports: {},
      fds: {},
      wakeOn: [],
      memory: { counters: blocks[index] as SharedArrayBuffer },
    };
    return new HostedActor(spec, {
      work: () => 0,
      onCommand: () => undefined,
      close: () => undefined,
      ...actor,
    } as Actor);
  });
  const pending = { count: 0 };
  const readables = new Readables(Int32Array.of(5, 6));
  const runner = new ThreadRunner({
    addon,
    port: port2,
    doorbell: { memory, fd: 9 },
    hosted,
    kinds: new Set([kind]),
    wakeFds: Int32Array.of(5, 6),
    readables,
    pending,
    hold: { untilUs: 0 },
  });
  return {
    addon,
    runner,
    hosted,
    pending,
    readables,
    block: (index) => {
      const block = blocks[index] as SharedArrayBuffer;
      return { words: new Int32Array(block), times: new Float64Array(block) };
    },
    post(message) {
      port1.postMessage(message);
      Atomics.add(mail, 0, 1);
    },
    close() {
      port1.close();
    },
  };
}

t.test('ThreadRunner', async (t) => {
  t.test('run() rotates which actor goes first, and closes them last first', async (t) => {
    const order: string[] = [];
    const actor = (name: string): Partial<Actor> => ({
      work() {
        order.push(name);
        if (order.length === 9) b.post({ kind: 'stop' });
        return 1;
      },
      close: () => order.push(`${name} closed`),
    });
    const b = bench('duty', [actor('a'), actor('b'), actor('c')]);
    await b.runner.run();
    b.close();
    t.same(order.slice(0, 9).join(''), 'abcbcacab');
    t.same(order.slice(9), ['c closed', 'b closed', 'a closed']);
    t.equal(b.addon.waits.length, 0, 'a thread with work never parks');
  });

  t.test('run() begins with the first actor after a wait, whoever was the next', async (t) => {
    const order: string[] = [];
    const actor = (name: string): Partial<Actor> => ({
      work() {
        order.push(name);
        return 0;
      },
    });
    const b = bench('duty', [actor('a'), actor('b'), actor('c')]);
    let waits = 0;
    b.addon.onWait = () => {
      waits += 1;
      if (waits === 2) b.post({ kind: 'stop' });
      order.push('|');
      return 1;
    };
    await b.runner.run();
    b.close();
    t.equal(order.slice(0, 14).join(''), 'abcbca|abcbca|');
  });

  t.test('run() has those descriptors read that a wait names, and all now and then when it never waits', async (t) => {
    const worths: string[] = [];
    let turns = 0;
    const b = bench('duty', [
      {
        work() {
          const [five, six] = [b.readables.of(5), b.readables.of(6)];
          worths.push(`${Number(five.mayHave)}${Number(six.mayHave)}`);
          five.mayHave = false;
          six.mayHave = false;
          turns += 1;
          if (turns === 11) b.post({ kind: 'stop' });
          return turns < 3 ? 0 : 1;
        },
      },
    ]);
    b.addon.onWait = () => 4;
    await b.runner.run();
    b.close();
    t.equal(worths.slice(0, 3).join(' '), '11 00 01', 'the second look before the wait reads nothing');
    t.equal(worths.slice(3, 11).join(' '), '00 00 11 00 00 00 11 00');
  });

  t.test('run() arms, turns once more, and waits with the file descriptors when all return 0', async (t) => {
    let turns = 0;
    const b = bench('duty', [
      {
        work() {
          turns += 1;
          return 0;
        },
      },
    ]);
    b.addon.onWait = () => {
      const { words, times } = b.block(0);
      t.equal(words[counters.stateAt >> 2], runState.parked);
      t.equal(times[counters.parkedUntilAt >> 3], b.addon.clock.nowUs + 50_000);
      t.equal(turns, 2, 'one turn before arming, one after');
      b.post({ kind: 'stop' });
      return 1;
    };
    await b.runner.run();
    b.close();
    t.same(b.addon.waits, [{ armed: true, deadlineUs: 1_050_000, fds: [5, 6] }]);
    t.equal(b.block(0).words[counters.stateAt >> 2], runState.stopped);
  });

  t.test('run() does not wait when the look after arming finds work', async (t) => {
    const answers = [0, 3, 0, 0];
    let at = 0;
    const b = bench('duty', [{ work: () => answers[at++] ?? 0 }]);
    b.addon.onWait = () => {
      b.post({ kind: 'stop' });
      return 1;
    };
    await b.runner.run();
    b.close();
    t.equal(b.addon.waits.length, 1);
    t.ok(at >= 4, 'the first park was given up because of the second turn');
    t.equal(b.block(0).words[counters.busyTurnsAt >> 2], 1);
  });

  t.test('run() ends a park at the earliest wakeAt, once', async (t) => {
    const b = bench('duty', [{}, {}]);
    const second = b.hosted[1] as HostedActor;
    second.wakeAtUs = 1_002_000;
    b.addon.onWait = () => {
      if (b.addon.waits.length === 2) b.post({ kind: 'stop' });
      return undefined;
    };
    await b.runner.run();
    b.close();
    t.same(
      b.addon.waits.map((wait) => wait.deadlineUs),
      [1_002_000, 1_052_000],
    );
  });

  t.test('run() hands commands to the actor they name between turns', async (t) => {
    const got: Command[] = [];
    const b = bench('duty', [{}, { onCommand: (command) => got.push(command) }]);
    b.post({ kind: 'command', actorId: 'actor-1', command: { kind: 'rekey' } });
    b.post({ kind: 'stop' });
    await b.runner.run();
    b.close();
    t.same(got, [{ kind: 'rekey' }]);
  });

  t.test('run() lets an actor error out with the actor named; kill makes its next turn throw', async (t) => {
    const b = bench('duty', [{}, {}]);
    b.post({ kind: 'kill', actorId: 'actor-1' });
    await t.rejects(b.runner.run(), { name: 'ActorKilled', message: /actor-1/ });
    b.close();
    t.equal(b.runner.cycle.current?.id, 'actor-1');
  });

  t.test('run() records busy time and the longest turn', async (t) => {
    const costsUs = [100, 700, 50];
    let turn = 0;
    const b = bench('duty', [
      {
        work() {
          b.addon.clock.nowUs += costsUs[turn] ?? 0;
          turn += 1;
          if (turn === 3) b.post({ kind: 'stop' });
          return 1;
        },
      },
    ]);
    await b.runner.run();
    b.close();
    const { words, times } = b.block(0);
    t.equal(words[counters.turnsAt >> 2], 3);
    t.equal(times[counters.busyUsAt >> 3], 850);
    t.equal(times[counters.longestTurnUsAt >> 3], 700);
    t.equal(times[counters.beatAt >> 3], 1_000_850);
  });

  t.test('run() throws when the wait reports an error that is no interrupt', async (t) => {
    const b = bench('duty', [{}]);
    b.addon.onWait = () => (b.addon.waits.length === 1 ? -4 : -9);
    await t.rejects(b.runner.run(), { code: 'WAIT', message: /errno 9/ });
    b.close();
    t.equal(b.addon.waits.length, 2, 'EINTR is no error');
  });

  t.test('run() of a hybrid actor lets promises settle, and parks natively only when none is tracked', async (t) => {
    let settled = false;
    let started = false;
    const b = bench('hybrid', [
      {
        work() {
          if (!started) {
            started = true;
            b.pending.count += 1;
            void sleep(5).then(() => {
              settled = true;
              b.pending.count -= 1;
            });
          }
          return 0;
        },
      },
    ]);
    b.addon.onWait = () => {
      t.ok(settled, 'no native wait while a promise is tracked');
      b.post({ kind: 'stop' });
      return 1;
    };
    await b.runner.run();
    b.close();
    t.equal(b.addon.waits.length, 1);
  });

  t.test('run() of an evented actor beats by a timer and receives commands as events', async (t) => {
    const got: string[] = [];
    let turns = 0;
    const b = bench('evented', [
      {
        work() {
          turns += 1;
          if (turns === 2) b.post({ kind: 'command', actorId: 'actor-0', command: { kind: 'ping' } });
          if (turns === 3) b.post({ kind: 'stop' });
          return 0;
        },
        onCommand: (command) => got.push(command.kind),
      },
    ]);
    await b.runner.run();
    b.close();
    t.same(got, ['ping']);
    t.equal(b.addon.waits.length, 0);
    t.equal(b.addon.watched.size, 0, 'nobody watches the doorbell any more');
  });

  t.test('run() of an evented actor turns it when its doorbell rings, which it arms before it sleeps', async (t) => {
    const waitedMs: number[] = [];
    let rungAtMs = 0;
    const b = bench('evented', [
      {
        work() {
          if (rungAtMs > 0) waitedMs.push(performance.now() - rungAtMs);
          rungAtMs = 0;
          if (waitedMs.length === 10) b.post({ kind: 'stop' });
          return 0;
        },
      },
    ]);
    const timer = setInterval(() => {
      if (rungAtMs > 0) return;
      rungAtMs = performance.now();
      for (const ring of b.addon.watched.values()) ring();
    }, 5);
    await b.runner.run();
    clearInterval(timer);
    b.close();
    t.ok(Math.min(...waitedMs) < 20, 'long before the next heartbeat');
    t.match(b.addon.waits[0], { armed: true, deadlineUs: 0 }, 'it is emptied without waiting');
  });
});

t.test('TurnCycle.deadlineUs() lets a thread sleep that had next to nothing to do, and no other', async (t) => {
  let nowUs = 1e9;
  let done = 0;
  const actor = { work: () => done, onCommand: () => undefined, close: () => undefined };
  const cycleOf = (isPolled: boolean) => {
    const spec = { id: 'one', memory: {} } as unknown as ConstructorParameters<typeof HostedActor>[0];
    return new TurnCycle({ nowUs: () => nowUs }, [new HostedActor(spec, actor)], isPolled);
  };
  /** Turns `busy` times a second for so long; returns the longest park then. */
  const live = (cycle: TurnCycle, seconds: number, busy: number): number => {
    for (let second = 0; second < seconds; second += 1) {
      done = 1;
      for (let turn = 0; turn < busy; turn += 1) cycle.turnAll();
      done = 0;
      cycle.turnAll();
      cycle.deadlineUs(nowUs);
      nowUs += 1e6;
    }
    return cycle.deadlineUs(nowUs) - nowUs;
  };
  const duty = cycleOf(false);
  t.equal(live(duty, 9, 4), 50_000, 'not from the start');
  t.equal(live(duty, 6, 4), 1_000_000, 'a probe now and then is nothing');
  t.equal(live(duty, 6, 100), 50_000, 'traffic');
  t.equal(live(duty, 3, 0), 50_000, 'that has only just ended');
  t.equal(live(duty, 8, 0), 1_000_000);
  const polled = cycleOf(true);
  t.equal(live(polled, 15, 1), 50_000, 'who waits for what has no doorbell looks often after any work');
  t.equal(live(polled, 15, 0), 1_000_000);
});

t.test('TurnCycle.turnAll() reads the clock once, and once more for each actor that did something', async (t) => {
  let nowUs = 1e9;
  let reads = 0;
  let isBusy = false;
  const blocks = [0, 1, 2].map(() => new SharedArrayBuffer(counters.bytes));
  const hosted = blocks.map((memory, place) => {
    const spec = { id: `actor-${place}`, memory: { counters: memory } };
    const work = () => {
      nowUs += 10;
      return isBusy && place === 1 ? 1 : 0;
    };
    return new HostedActor(spec as unknown as ConstructorParameters<typeof HostedActor>[0], {
      work,
      onCommand: () => undefined,
      close: () => undefined,
    });
  });
  const clock = {
    nowUs() {
      reads += 1;
      return nowUs;
    },
  };
  const cycle = new TurnCycle(clock, hosted);
  reads = 0;
  cycle.turnAll();
  t.equal(reads, 1, 'nobody did anything');
  isBusy = true;
  // Whose turn is first moves on: now it is the busy one's.
  cycle.turnAll();
  t.equal(reads, 3);
  cycle.turnAll();
  cycle.turnAll();
  const busyUs = blocks.map((memory) => new Float64Array(memory)[counters.busyUsAt >> 3]);
  t.same(busyUs, [0, 10 + 30 + 20, 0], 'what idle turns before it took counts to the busy one');
});
