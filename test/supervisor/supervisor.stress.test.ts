/** The supervisor with real worker threads: what dies, hangs, or does not stop. */

import os from 'node:os';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { recordType } from '../../src/contract/records.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { probe } from '../support/probe-actor.ts';
import { starve } from '../support/starve.ts';
import { createSupervised, until } from '../support/supervised.ts';

t.setTimeout(900_000);

/** 3 to 5 ms on an idle machine; what a busy one takes says nothing about the spare. */
const replacedLimitMs = 250;

t.test('Supervisor', async (t) => {
  t.test('start() waits for what a child depends on; stop() ends all in order and leaves no thread', async (t) => {
    const s = createSupervised(t);
    const a = s.child('a', {}, { dependsOn: ['thread-b'] });
    await s.supervisor.start([a, s.child('b')]);
    t.same(
      s.supervisor.rows().map((row) => `${row.id} ${row.state}`),
      ['b running', 'a running'],
    );
    await s.supervisor.stop();
    t.equal(s.cells('a')[probe.closes], 1);
    t.equal(s.cells('b')[probe.closes], 1);
    const kinds = s.supervisor.events.since(0).map((event) => `${event.source} ${event.kind}`);
    t.same(kinds, ['thread-b started', 'thread-a started', 'thread-a stopped', 'thread-b stopped']);
    t.same(s.fatal, []);
  });

  t.test('stop() waits for all threads at once that do not depend on each other', async (t) => {
    const s = createSupervised(t);
    const slow = ['a', 'b', 'c'].map((id) => s.child(id, { hangClose: true }, { shutdownMs: 300 }));
    await s.supervisor.start(slow);
    await s.supervisor.stop();
    const kinds = s.supervisor.events.since(0).map((event) => event.kind);
    // One that is cut may have stopped before the next is cut.
    t.same(kinds.slice(3).sort(), ['cut', 'cut', 'cut', 'stopped', 'stopped', 'stopped']);
    t.same(s.fatal, []);
  });

  t.test('kill() replaces the actor in the warm spare, after the exit, and keeps the error', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a'), s.child('b')]);
    const tookMs: number[] = [];
    for (let round = 1; round <= 10; round += 1) {
      await until(() => s.supervisor.pool.hasWarmSpare);
      const cells = s.cells('a');
      Atomics.sub(cells, probe.alive, 1);
      s.supervisor.kill('a');
      tookMs.push(await until(() => Atomics.load(cells, probe.starts) === round + 1));
      await until(() => s.supervisor.rows()[0]?.state === 'running');
    }
    tookMs.sort((x, y) => x - y);
    t.comment(`killed → replaced, ms: ${tookMs.map((ms) => ms.toFixed(1)).join(' ')}`);
    t.ok((tookMs[5] ?? 1000) < replacedLimitMs, `the median is ${tookMs[5]} ms`);
    t.equal(s.cells('a')[probe.mostAlive], 1, 'never two at once');
    t.equal(s.supervisor.rows()[0]?.restarts, 10);
    t.match(s.supervisor.rows()[0]?.lastExit, /^a: ActorKilled/);
    t.equal(s.cells('b')[probe.starts], 1, 'nobody else was touched');
    t.equal(s.started.filter((id) => id === 'a').length, 11, 'who keeps something for it hears of each');
    const [error, ...others] = s.supervisor.errors.all();
    t.same(others, [], 'one record for one stack');
    t.match(error, { source: 'a', name: 'ActorKilled', count: 10 });
    await s.supervisor.stop();
    t.same(s.fatal, []);
  });

  t.test('hang() is noticed by the missing heartbeat and ended', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a')]);
    s.supervisor.hang('a');
    const tookMs = await until(() => s.cells('a')[probe.starts] === 2);
    t.comment(`hung → replaced: ${tookMs.toFixed(0)} ms`);
    t.ok(tookMs >= 490, `${tookMs} ms: not before the limit`);
    t.match(s.supervisor.rows()[0]?.lastExit, /^a hung: no heartbeat for \d+ ms/);
    await s.supervisor.stop();
  });

  t.test('a late tick resets the baselines instead of killing everybody', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a'), s.child('b')]);
    s.supervisor.hang('a');
    await sleep(50);
    const endMs = performance.now() + 900;
    while (performance.now() < endMs) Math.random();
    const tookMs = await until(() => s.cells('a')[probe.starts] === 2);
    t.ok(tookMs >= 390, `only ${tookMs} ms after the pause: judged by silence from before it`);
    t.equal(s.cells('b')[probe.starts], 1);
    await s.supervisor.stop();
  });

  t.test('a record on which an actor died twice is skipped, and its beginning kept for the error log', async (t) => {
    const s = createSupervised(t);
    const { child, producer } = s.childWithInput('a', { diesOnInput: true });
    await s.supervisor.start([child]);
    producer.offer(
      Uint8Array.from({ length: 20 }, (_, index) => index),
      recordType.train,
    );
    await until(() => s.cells('a')[probe.starts] === 3);
    const [death, poison, ...others] = s.supervisor.errors.all();
    t.match(death, { source: 'a', name: 'Error', message: 'this record is too much', count: 2 });
    t.match(poison, {
      source: 'a',
      name: 'PoisonRecord',
      count: 1,
      message: 'Skipped a train record of 20 bytes in test -> a.input: two threads in a row died on it',
      stack: /\n {4}0000 {2}00 01 02 .* 0f\n {4}0010 {2}10 11 12 13$/,
    });
    t.same(others, []);
    await until(() => s.supervisor.rows()[0]?.state === 'running');
    await s.supervisor.stop();
    t.equal(producer.usedBytes(), 32, 'skipped, and released with the next record');
  });

  t.test('too many restarts are fatal, with the reason', async (t) => {
    const s = createSupervised(t, { intensity: { count: 3, periodMs: 600_000 } });
    await s.supervisor.start([s.child('a')]);
    for (let round = 1; round <= 4; round += 1) {
      await until(() => s.supervisor.rows()[0]?.state === 'running');
      s.supervisor.kill('a');
      await until(() => s.supervisor.rows()[0]?.restarts === round || s.fatal.length > 0);
    }
    await until(() => s.fatal.length > 0);
    t.match(s.fatal, [
      { reason: /^thread-a died more than 3 times within 600 s; the last time: a: ActorKilled/, orderly: true },
    ]);
    t.equal(s.supervisor.rows()[0]?.state, 'failed');
    await s.supervisor.stop();
  });

  t.test('failed starts back off, and are given up', async (t) => {
    const s = createSupervised(t, { failedStartLimit: 3 });
    const startMs = performance.now();
    await t.rejects(s.supervisor.start([s.child('a', { failStart: true })]), { message: /this probe does not start/ });
    t.ok(performance.now() - startMs >= 290, 'pauses of 100 and 200 ms');
    t.equal(s.cells('a')[probe.starts], 3);
    await s.supervisor.stop();
  });

  t.test(
    'what no packet needs and dies soon after its start is given up, told once, until it has run for long',
    async (t) => {
      const s = createSupervised(t, { failedStartLimit: 3, besideRetryMs: 50, besideSteadyMs: 100_000 });
      await s.supervisor.start([s.child('b', {}, { isBeside: true })]);
      const starts = (): number => Atomics.load(s.cells('b'), probe.starts);
      const stateOf = (): string | undefined => s.supervisor.rows()[0]?.state;
      for (let lives = 1; lives <= 5; lives += 1) {
        await until(() => starts() === lives && stateOf() === 'running');
        s.supervisor.kill('b');
        await until(() => s.ended.length === lives);
      }
      t.strictSame(s.ended, [['restarting'], ['restarting'], ['failed'], ['failed'], ['failed']]);
      const told = s.supervisor.events.since(0).filter(({ kind }) => kind === 'given-up');
      t.equal(told.length, 1, 'said once');
      await s.supervisor.stop();
      const steady = createSupervised(t, { failedStartLimit: 2, besideSteadyMs: 0 });
      await steady.supervisor.start([steady.child('b', {}, { isBeside: true })]);
      for (let lives = 1; lives <= 4; lives += 1) {
        await until(() => Atomics.load(steady.cells('b'), probe.starts) === lives);
        await until(() => steady.supervisor.rows()[0]?.state === 'running');
        steady.supervisor.kill('b');
        await until(() => steady.ended.length === lives);
      }
      t.strictSame(steady.givenUp, []);
      await steady.supervisor.remove('thread-that-never-was');
      await steady.supervisor.stop();
    },
  );

  t.test('start() does not wait for what no packet needs, which is tried again and ends nobody', async (t) => {
    const s = createSupervised(t, { failedStartLimit: 2, besideRetryMs: 300 });
    const beside = s.child('b', { failStart: true }, { isBeside: true, dependsOn: ['thread-a'] });
    await s.supervisor.start([s.child('a'), beside], ({ isBeside }) => !isBeside);
    const stateOf = (index: number): string | undefined => s.supervisor.rows()[index]?.state;
    t.equal(stateOf(0), 'running');
    t.not(stateOf(1), 'failed', 'it has not failed twice yet');
    await until(() => s.givenUp.length >= 3);
    t.ok(Atomics.load(s.cells('b'), probe.starts) >= 4, 'one try each time');
    t.strictSame(
      s.supervisor.events.since(0).flatMap(({ kind }) => (kind === 'given-up' ? kind : [])),
      ['given-up'],
      'said once',
    );
    // The spare of who is needed does not wait for it either.
    await until(() => s.supervisor.pool.hasWarmSpare);
    s.supervisor.kill('a');
    await until(() => Atomics.load(s.cells('a'), probe.starts) === 2);
    await until(() => s.supervisor.pool.hasWarmSpare);
    await s.supervisor.hold('thread-b');
    await s.supervisor.release({ ...beside, actors: s.child('b').actors });
    t.equal(stateOf(1), 'running');
    t.strictSame(s.fatal, []);
    await s.supervisor.stop();
  });

  t.test('a start that takes too long is cut', async (t) => {
    const s = createSupervised(t, { failedStartLimit: 1, startLimitMs: 300 });
    await t.rejects(s.supervisor.start([s.child('a', { hangStart: true })]), {
      message: /did not start within 300 ms/,
    });
    await s.supervisor.stop();
  });

  t.test('a start that is starved of CPU is waited for', async (t) => {
    const s = createSupervised(t, { failedStartLimit: 1, startLimitMs: 3000 });
    const started = s.supervisor.start([s.child('a', { slowStart: true })]);
    await until(() => s.cells('a')[probe.starts] === 1);
    const starvation = await starve(s.cells('a')[probe.kernelThreadId] ?? 0);
    t.teardown(() => starvation.end());
    await until(() => s.supervisor.events.since(0).some(({ kind }) => kind === 'starved'));
    s.cells('a')[probe.released] = 1;
    await starvation.end();
    await started;
    t.equal(s.cells('a')[probe.starts], 1, 'it was not begun anew');
    await s.supervisor.stop();
    t.same(s.fatal, []);
  });

  t.test('stop() cuts a thread that does not close within its time', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a', { hangClose: true }, { shutdownMs: 100 })]);
    const startMs = performance.now();
    await s.supervisor.stop();
    t.ok(performance.now() - startMs < 10_000);
    t.same(s.fatal, []);
  });

  t.test('a thread that does not exit when it is cut is fatal, and not replaced', async (t) => {
    const s = createSupervised(t, { terminateLimitMs: 200 });
    await s.supervisor.start([s.child('a')]);
    s.supervisor.command('a', { kind: 'block' });
    await until(() => s.fatal.length > 0);
    t.match(s.fatal, [{ reason: /thread-a \(a hung: .*\) did not exit within \d{3,} ms/, orderly: false }]);
    t.equal(s.cells('a')[probe.starts], 1, 'there are never two writers');
    await until(() => s.cells('a')[probe.starts] === 2);
    await s.supervisor.stop();
  });

  t.test('an actor that is starved of CPU is left alone, and goes on when it gets some', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a')]);
    const starvation = await starve(s.cells('a')[probe.kernelThreadId] ?? 0);
    t.teardown(() => starvation.end());
    const isStarved = () =>
      s.supervisor.events.since(0).some((event) => `${event.source} ${event.kind}` === 'a starved');
    await until(isStarved);
    await sleep(1500);
    await starvation.end();
    const turns = s.cells('a')[probe.turns] ?? 0;
    await until(() => (s.cells('a')[probe.turns] ?? 0) > turns + 1);
    t.equal(s.cells('a')[probe.starts], 1);
    t.match(s.supervisor.rows(), [{ state: 'running', restarts: 0 }]);
    await s.supervisor.stop();
    t.same(s.fatal, []);
  });

  t.test('a thread that is cut and starved of CPU has five times as long to exit, and no longer', async (t) => {
    // The scheduler gives it a slice once in a while, and that may be enough to end.
    for (;;) {
      const s = createSupervised(t, { terminateLimitMs: 100 });
      await s.supervisor.start([s.child('a', {}, { shutdownMs: 100 })]);
      const starvation = await starve(s.cells('a')[probe.kernelThreadId] ?? 0);
      t.teardown(() => starvation.end());
      const startMs = performance.now();
      void s.supervisor.restart('a').catch(() => undefined);
      await until(() => s.fatal.length > 0 || s.cells('a')[probe.starts] === 2);
      const tookMs = performance.now() - startMs;
      await starvation.end();
      await until(() => s.cells('a')[probe.starts] === 2);
      await s.supervisor.stop();
      if (s.fatal.length === 0) continue;
      t.ok(tookMs >= 100 + 5 * 100 - 10, 'shutdownMs, and five limits');
      const reason = /thread-a \(did not stop within 100 ms\) did not exit within \d{3,} ms/;
      t.match(s.fatal, [{ reason, orderly: false }]);
      return;
    }
  });

  t.test('restart() is orderly; commands are carried from actor to actor; events are kept', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a'), s.child('b')]);
    await s.supervisor.restart('a');
    t.equal(s.cells('a')[probe.closes], 1);
    t.equal(s.cells('a')[probe.starts], 2);
    s.supervisor.command('a', { kind: 'relay' });
    await until(() => s.cells('b')[probe.commands] === 1);
    s.supervisor.command('a', { kind: 'tell' });
    await until(() =>
      s.supervisor.events.since(0).some((event) => event.kind === 'warning' && event.message === 'about 7'),
    );
    t.throws(() => s.supervisor.kill('c'), { code: 'NO_SUCH_ACTOR', message: /there are: a, b/ });
    await s.supervisor.stop();
  });

  t.test('two restarts at once are one; none begins after the stop', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('a')]);
    Atomics.sub(s.cells('a'), probe.alive, 1);
    await Promise.all([s.supervisor.restart('a'), s.supervisor.restart('a')]);
    t.equal(s.cells('a')[probe.starts], 2);
    t.equal(s.cells('a')[probe.mostAlive], 1);
    const restart = s.supervisor.restart('a');
    await s.supervisor.stop();
    await restart;
    t.equal(s.cells('a')[probe.starts], 2);
    await t.rejects(s.supervisor.restart('a'), { code: 'BUSY' });
  });

  t.test('hybrid actors get commands, and promises settle there; evented ones ask the supervisor', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('h', {}, {}, 'session-manager'), s.child('e', {}, {}, 'control-server')]);
    for (let count = 0; count < 50; count += 1) {
      s.supervisor.command('h', { kind: 'ping' });
      if (count % 10 === 0) await sleep(7);
    }
    await until(() => s.cells('h')[probe.commands] === 50);
    s.supervisor.command('h', { kind: 'later' });
    await until(() => s.cells('h')[probe.commands] === 51);
    for (let count = 0; count < 3; count += 1) s.supervisor.command('e', { kind: 'ping' });
    s.supervisor.command('e', { kind: 'ask' });
    const isAnswer = (event: EventRecord) => event.kind === 'warning' && event.message === 'answer 42';
    await until(() => s.supervisor.events.since(0).some(isAnswer));
    t.equal(s.cells('e')[probe.commands], 3);
    s.supervisor.kill('h');
    s.supervisor.kill('e');
    await until(() => s.cells('h')[probe.starts] === 2 && s.cells('e')[probe.starts] === 2);
    await s.supervisor.stop();
    t.same(s.fatal, []);
  });

  t.test('a thread leaves to others what its actor says, and no other thread does', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('h', {}, {}, 'session-manager'), s.child('e', {}, {}, 'control-server')]);
    const niceOf = (id: string): number =>
      os.getPriority(s.supervisor.rows().find((row) => row.id === id)?.kernelThreadId ?? -1);
    const own = os.getPriority(process.pid);
    t.same([niceOf('h') - own, niceOf('e') - own], [5, 0]);
    s.supervisor.kill('h');
    await until(() => s.cells('h')[probe.starts] === 2 && s.supervisor.rows()[0]?.state === 'running');
    t.equal(niceOf('h') - own, 5, 'its successor too');
    await s.supervisor.stop();
    t.equal(os.getPriority(process.pid), own);
  });

  t.test('a hung hybrid and a hung evented actor are found, too', async (t) => {
    const s = createSupervised(t);
    await s.supervisor.start([s.child('h', {}, {}, 'session-manager'), s.child('e', {}, {}, 'control-server')]);
    s.supervisor.hang('h');
    s.supervisor.hang('e');
    await until(() => s.cells('h')[probe.starts] === 2 && s.cells('e')[probe.starts] === 2);
    t.same(
      s.supervisor.rows().map((row) => row.lastExit?.replace(/ \d.*/, ' …')),
      ['h hung: no heartbeat for …', 'e hung: no heartbeat for …'],
    );
    await s.supervisor.stop();
  });
});
