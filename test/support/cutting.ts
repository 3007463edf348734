/** Cuts an actor's real thread at random moments, again and again, while work is fed to it; then lets a last one finish. */

import { setImmediate as turn } from 'node:timers/promises';
import type { ActorSpec, PortSpec } from '../../src/actors/kit/contract.ts';
import type { DoorbellSpec } from '../../src/actors/kit/messages.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import type { WorkerHandle } from '../../src/supervisor/worker-handle.ts';
import { WorkerPool } from '../../src/supervisor/worker-pool.ts';
import { isLong } from './long-run.ts';
import { randomOf } from './random.ts';

export interface Victim {
  readonly spec: ActorSpec;
  readonly doorbell: DoorbellSpec;
  /** Gives it up to `count` pieces of work. */
  offer(count: number): void;
  /** Takes and checks what it made. */
  drain(): void;
  /** It has taken all that was offered. */
  readonly isTaken: boolean;
  /** What it has made so far; only whether that grows matters. */
  readonly made: number;
}

export interface Cuts {
  /** Rounds in which the victim was at work when it was cut. */
  readonly atWork: number;
  /** Errors with which it ended by itself. */
  readonly failures: readonly string[];
}

/** 1,000 with HAWSER_LONG=1: a minute or two on an idle machine. */
export const cutRounds = isLong ? 1000 : 25;
const longestLifeMs = 8;
/** A busy machine leaves the victim no time in most rounds; so many times the rounds are tried until it had some in a quarter of them. */
const mostTries = 8;
const patienceMs = 60_000;

export async function cutAtRandom(victim: Victim, rounds: number, seed: number): Promise<Cuts> {
  const { spec, doorbell } = victim;
  const pool = new WorkerPool(loadAddon(), {});
  const random = randomOf(seed);
  const failures: string[] = [];
  const host = async (): Promise<WorkerHandle> => {
    pool.prepare([spec.role]);
    const worker = pool.take([spec.role]);
    let started = false;
    worker.onMessage = (message) => {
      if (message.kind === 'started') started = true;
      if (message.kind === 'failed') failures.push(message.error.message);
    };
    worker.host({ specs: [spec], doorbell, supervisor: {} });
    while (!started && !worker.hasExited) await turn();
    return worker;
  };
  for (let spare = 0; spare < 3; spare += 1) pool.prepare([spec.role]);
  let atWork = 0;
  for (let round = 0; round < rounds || (atWork <= rounds / 4 && round < mostTries * rounds); round += 1) {
    const worker = await host();
    const before = victim.made;
    for (const endMs = performance.now() + longestLifeMs * random(); performance.now() < endMs; ) {
      victim.offer(1 + Math.floor(40 * random()));
      victim.drain();
    }
    if (victim.made > before) atWork += 1;
    worker.terminate();
    for (; !worker.hasExited; await turn()) victim.drain();
  }
  const last = await host();
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs && !victim.isTaken; await turn()) {
    victim.drain();
  }
  victim.drain();
  last.terminate();
  await last.exited;
  await pool.close();
  return { atWork, failures };
}

/** A port whose consumer is the thread of `doorbell`; without one, this thread, which looks by itself. */
export function portTo(ring: SharedArrayBuffer, doorbell?: DoorbellSpec): PortSpec {
  const bell = doorbell ?? { memory: createDoorbellMemory(), fd: -1 };
  return { name: '', side: 'consumer', ring, doorbell: bell.memory, doorbellFd: bell.fd };
}
