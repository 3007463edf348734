/** Actors and rings as rows: the supervisor's table joined with heartbeats, counters and ring headers in shared memory. */

import { shards } from '../contract/peer-tables.ts';
import { counters, ring, runState } from '../contract/rings.ts';
import { counterNames } from '../rings/counter-names.ts';
import { shardPorts } from '../rings/shards.ts';
import type { Rates } from './rates.ts';
import type { ActorStatus, RingStatus } from './rows.ts';
import type { ActorRow, SharedMemory } from './supervisor-api.ts';

/** What the kernel's scheduler has noted of a thread, ever: microseconds on a processor, and ready without one. */
export interface ThreadTime {
  readonly ranUs: number;
  readonly waitedUs: number;
}

/** By the kernel's number of the thread; undefined when it is gone. */
export type ReadThread = (kernelThreadId: number) => ThreadTime | undefined;

/** Through which all bytes of the tunnel pass. */
const ciphers = ['sealer', 'opener'].flatMap((role) => shardPorts(role, shards.most));

export class ActorReader {
  readonly #memory: SharedMemory;
  readonly #readThread: ReadThread;

  constructor(memory: SharedMemory, readThread: ReadThread) {
    this.#memory = memory;
    this.#readThread = readThread;
  }

  /** Sealed and opened, ever. */
  bytes(): number {
    return ciphers.reduce((sum, id) => {
      const memory = this.#memory.counters[id];
      return memory === undefined ? sum : sum + readBlock(memory).bytes;
    }, 0);
  }

  /** What `Rates` samples, by the keys that `actors` asks for. */
  counts(rows: readonly ActorRow[]): [string, number][] {
    return [
      ...Object.entries(this.#memory.counters).flatMap(([id, memory]): [string, number][] => {
        const block = readBlock(memory);
        return [
          [`actor ${id} packets`, block.packets],
          [`actor ${id} bytes`, block.bytes],
          [`actor ${id} busy`, block.busyUs],
        ];
      }),
      ...[...new Set(rows.map((row) => row.kernelThreadId))].flatMap((id): [string, number][] => {
        const time = id === undefined ? undefined : this.#readThread(id);
        if (time === undefined) return [];
        return [
          [`thread ${id} ran`, time.ranUs],
          [`thread ${id} waited`, time.waitedUs],
        ];
      }),
    ];
  }

  /** What `LastChanges` watches: `actor ID COUNTER` and `ring NAME`. */
  events(rows: readonly ActorRow[]): [string, number][] {
    const actors = rows.flatMap((row): [string, number][] => {
      const memory = this.#memory.counters[row.id];
      const cells = memory === undefined ? {} : readCells(memory, row.role);
      return Object.entries(cells).map(([name, value]) => [`actor ${row.id} ${name}`, value]);
    });
    return [...actors, ...this.rings().map((one): [string, number] => [`ring ${one.name}`, one.refusedClaims])];
  }

  rings(): RingStatus[] {
    return Object.entries(this.#memory.rings).map(([name, memory]) => readRing(name, memory));
  }

  actors(rows: readonly ActorRow[], nowUs: number, rates: Rates): ActorStatus[] {
    const rings = this.rings();
    const busy = this.#busyPercents(rows, nowUs, rates);
    return rows.map((row, index) => {
      const memory = this.#memory.counters[row.id];
      const block = readBlock(memory ?? new SharedArrayBuffer(counters.bytes));
      const inputs = rings.filter((one) => isConsumedBy(one.name, row.id));
      const rate = (what: string, value: number): number => rates.perSecond(`actor ${row.id} ${what}`, value, nowUs);
      return {
        ...row,
        counters: memory === undefined ? {} : readCells(memory, row.role),
        activity: memory === undefined ? 'unknown' : block.activity,
        heartbeatAgeMs: block.beatAtUs === 0 ? 0 : Math.max(0, (nowUs - block.beatAtUs) / 1000),
        turns: block.turns,
        busyTurns: block.busyTurns,
        busyPercent: busy[index] ?? 0,
        starvedPercent: Math.min(100, this.#threadRate(row, 'waited', nowUs, rates) / 1e4),
        meanTurnUs: block.busyTurns === 0 ? 0 : block.busyUs / block.busyTurns,
        longestTurnUs: block.longestTurnUs,
        packets: block.packets,
        bytes: block.bytes,
        packetsPerSecond: rate('packets', block.packets),
        bps: rate('bytes', block.bytes) * 8,
        inputBytes: inputs.reduce((sum, one) => sum + one.usedBytes, 0),
        inputPercent: Math.max(0, ...inputs.map((one) => (100 * one.usedBytes) / one.capacityBytes)),
      };
    });
  }

  /** By row. An evented actor has no turns to count: what its thread runs is what it does. */
  #busyPercents(rows: readonly ActorRow[], nowUs: number, rates: Rates): number[] {
    const turns = rows.map((row) => {
      const memory = this.#memory.counters[row.id];
      return memory === undefined ? 0 : rates.perSecond(`actor ${row.id} busy`, readBlock(memory).busyUs, nowUs);
    });
    return rows.map((row, index) => {
      const own = turns[index] ?? 0;
      if (row.kernelThreadId === undefined) return Math.min(100, own / 1e4);
      const ranUs = this.#threadRate(row, 'ran', nowUs, rates);
      const beside = rows.flatMap((other, at) => (other.kernelThreadId === row.kernelThreadId ? [turns[at] ?? 0] : []));
      // A turn is timed by the clock, which goes on while the thread waits for a processor.
      const rest = Math.max(0, ranUs - beside.reduce((sum, one) => sum + one, 0));
      const busyUs = beside.length === 1 ? ranUs : own + rest / beside.length;
      return Math.min(100, busyUs / 1e4);
    });
  }

  #threadRate({ kernelThreadId }: ActorRow, what: ThreadRate, nowUs: number, rates: Rates): number {
    const time = kernelThreadId === undefined ? undefined : this.#readThread(kernelThreadId);
    if (time === undefined) return 0;
    const value = what === 'ran' ? time.ranUs : time.waitedUs;
    return rates.perSecond(`thread ${kernelThreadId} ${what}`, value, nowUs);
  }
}

/** Microseconds a second. */
type ThreadRate = 'ran' | 'waited';

/**
 * `… -> opener.received.fibre` ends at `opener`, `… -> wan-link.fibre.test.descriptors` at `wan-link.fibre.test`: an actor whose own name
 * has a dot has ports without one.
 */
function isConsumedBy(ringName: string, actorId: string): boolean {
  const end = ringName.split('-> ').at(-1) ?? '';
  if (!end.startsWith(`${actorId}.`)) return false;
  return !actorId.includes('.') || !end.slice(actorId.length + 1).includes('.');
}

/** The actor's own counters by their names. */
function readCells(memory: SharedArrayBuffer, role: string): Record<string, number> {
  const cells = new Float64Array(memory, counters.cellsAt);
  return Object.fromEntries((counterNames[role] ?? []).map(({ name }, index) => [name, cells[index] ?? 0]));
}

function readBlock(memory: SharedArrayBuffer) {
  const words = new Int32Array(memory);
  const numbers = new Float64Array(memory);
  const states = Object.entries(runState);
  const state = words[counters.stateAt >> 2];
  return {
    activity: states.find(([, value]) => value === state)?.[0] ?? 'unknown',
    turns: (words[counters.turnsAt >> 2] ?? 0) >>> 0,
    busyTurns: (words[counters.busyTurnsAt >> 2] ?? 0) >>> 0,
    beatAtUs: numbers[counters.beatAt >> 3] ?? 0,
    busyUs: numbers[counters.busyUsAt >> 3] ?? 0,
    longestTurnUs: numbers[counters.longestTurnUsAt >> 3] ?? 0,
    packets: numbers[counters.packetsAt >> 3] ?? 0,
    bytes: numbers[counters.bytesAt >> 3] ?? 0,
  };
}

function readRing(name: string, memory: SharedArrayBuffer): RingStatus {
  const words = new Int32Array(memory, 0, ring.dataAt >> 2);
  const tail = Atomics.load(words, ring.tailAt >> 2);
  const head = Atomics.load(words, ring.headAt >> 2);
  const capacityBytes = words[ring.capacityAt >> 2] ?? 0;
  return {
    name,
    capacityBytes,
    // Head and tail are read one after the other while both move: never more than the capacity is shown.
    usedBytes: Math.max(0, Math.min(capacityBytes, (tail - head) | 0)),
    publishedRecords: (words[ring.publishedAt >> 2] ?? 0) >>> 0,
    refusedClaims: (words[ring.fullAt >> 2] ?? 0) >>> 0,
    crashes: words[ring.crashesAt >> 2] ?? 0,
  };
}
