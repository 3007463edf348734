/**
 * Worker that seals as fast as it can, to be terminated at any moment: the addon's Sealer over memory that outlives it. No actor
 * around it, so that a life costs little and a thousand deaths are a test.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { facts } from '../../src/contract/columns.ts';
import { loadAddon } from '../../src/native/addon.ts';
import type { NativePort } from '../../src/native/port.ts';
import { feedbackParts } from './bonding.ts';

export interface SealerProgram {
  readonly plain: NativePort;
  readonly link: NativePort;
  readonly log: Uint8Array;
  readonly sessions: Uint8Array;
  readonly allowedIps: Uint8Array;
  readonly stash: Uint8Array;
  /** i32: 0 = wait (a spare), 1 = go. */
  readonly go: SharedArrayBuffer;
  /** i32: turns this life has done. */
  readonly turns: SharedArrayBuffer;
  readonly mtu: number;
}

const trainsPerTurn = 8;
/** Small, so that trains are cut in two by the budget, and by death. */
const segmentsPerCall = 7;

function main(program: SealerProgram): void {
  const addon = loadAddon();
  const rows = new Int32Array(64 * facts.columns);
  const go = new Int32Array(program.go);
  const turns = new Int32Array(program.turns);
  parentPort?.postMessage('ready');
  Atomics.wait(go, 0, 0);
  const { plain, link, log, sessions, allowedIps, stash } = program;
  const sealer = new addon.Sealer({
    plain,
    carriers: [link],
    log,
    sessions,
    allowedIps,
    stash,
    facts: new Uint8Array(rows.buffer),
    ...feedbackParts(),
  });
  for (;;) {
    const count = sealer.look(trainsPerTurn);
    for (let index = 0; index < count; ) {
      if (sealer.begin(0, 0, 2, program.mtu, 1, 0, 0, -1) !== 0) throw new Error('the slot does not serve');
      const sealed = sealer.sealTrains(index, count - index, segmentsPerCall);
      sealer.end();
      if (sealed < 0) Atomics.wait(turns, 0, Atomics.load(turns, 0), 0.1);
      while (index < count && isDone(rows, index * facts.columns)) index += 1;
    }
    sealer.release(count);
    Atomics.add(turns, 0, 1);
    if (count === 0) Atomics.wait(turns, 0, Atomics.load(turns, 0), 0.1);
  }
}

function isDone(rows: Int32Array, at: number): boolean {
  return (rows[at + facts.progress] as number) >= (rows[at + facts.segments] as number);
}

if (!isMainThread) main(workerData as SealerProgram);
