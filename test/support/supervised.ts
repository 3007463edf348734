/** A supervisor with real worker threads that run probe actors. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Role } from '../../src/actors/kit/contract.ts';
import { serveRpc } from '../../src/actors/kit/rpc.ts';
import type { ChildSpec } from '../../src/actors/kit/topology.ts';
import { counters } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingProducer } from '../../src/rings/spsc-ring.ts';
import type { SupervisorOptions } from '../../src/supervisor/options.ts';
import { Supervisor } from '../../src/supervisor/supervisor.ts';
import { type ProbeSettings, probe } from './probe-actor.ts';

export interface Supervised {
  readonly supervisor: Supervisor;
  readonly fatal: { readonly reason: string; readonly orderly: boolean }[];
  readonly logged: string[];
  /** Actors, as they began to run. */
  readonly started: string[];
  /** Those beside that could not be kept. */
  readonly givenUp: string[];
  /** Links whose port shall be another. */
  readonly moved: string[];
  /** States of all actors, each time that a thread had ended. */
  readonly ended: string[][];
  cells(actorId: string): Int32Array;
  child(id: string, settings?: ProbeSettings, more?: Partial<ChildSpec>, role?: Role): ChildSpec;
  /** The same with a port `input`, and the other end of it. */
  childWithInput(id: string, settings: ProbeSettings): { readonly child: ChildSpec; readonly producer: RingProducer };
}

const addon = loadAddon();

const modules = {
  sealer: new URL('./probe-actor.js', import.meta.url).href,
  'session-manager': new URL('./probe-hybrid-actor.js', import.meta.url).href,
  'control-server': new URL('./probe-evented-actor.js', import.meta.url).href,
};

/** Its threads end with the test, however that ends: a file with threads left would never end. */
export function createSupervised(t: Test, options: Partial<SupervisorOptions> = {}): Supervised {
  const fatal: { reason: string; orderly: boolean }[] = [];
  const logged: string[] = [];
  const started: string[] = [];
  const givenUp: string[] = [];
  const moved: string[] = [];
  const ended: string[][] = [];
  const probes = new Map<string, SharedArrayBuffer>();
  const supervisor = new Supervisor(
    addon,
    {
      log: (level, _fields, message) => logged.push(`${level} ${message}`),
      onStarted: (actorId) => started.push(actorId),
      onEnded: () => ended.push(supervisor.rows().map(({ state }) => state)),
      onGivenUp: (actorId) => givenUp.push(actorId),
      onMovePort: ({ link }) => moved.push(link),
      onFatal: (reason, orderly) => fatal.push({ reason, orderly }),
      serve: (port) => serveRpc(port, { double: (value: number) => 2 * value }),
      servedRoles: ['control-server'],
    },
    { modules, ...options },
  );
  t.teardown(() => supervisor.stop());
  const supervised: Supervised = {
    supervisor,
    fatal,
    logged,
    started,
    givenUp,
    moved,
    ended,
    cells: (actorId) => new Int32Array(probes.get(actorId) ?? new SharedArrayBuffer(probe.bytes)),
    child(id, settings = {}, more = {}, role = 'sealer') {
      const memory = { probe: new SharedArrayBuffer(probe.bytes), counters: new SharedArrayBuffer(counters.bytes) };
      probes.set(id, memory.probe);
      return {
        id: `thread-${id}`,
        restart: 'permanent',
        shutdownMs: 500,
        dependsOn: [],
        isBeside: false,
        hangLimitMs: 500,
        actors: [{ id, role, settings, ports: {}, fds: {}, wakeOn: [], memory }],
        doorbell: { memory: createDoorbellMemory(), fd: addon.openDoorbell() },
        ...more,
      };
    },
    childWithInput(id, settings) {
      const { actors, ...child } = supervised.child(id, settings);
      const ring = createRingMemory(4096);
      const { memory, fd } = child.doorbell;
      const input = { name: `test -> ${id}.input`, side: 'consumer', ring, doorbell: memory, doorbellFd: fd } as const;
      return {
        child: { ...child, actors: actors.map((actor) => ({ ...actor, ports: { input } })) },
        producer: new RingProducer(ring, new Doorbell(memory, fd, addon)),
      };
    },
  };
  return supervised;
}

/** Polls until `condition` holds; throws after `limitMs`. Returns the milliseconds it took. */
export async function until(condition: () => boolean, limitMs = 120_000): Promise<number> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > limitMs) throw new Error(`The condition did not hold within ${limitMs} ms`);
    await sleep(1);
  }
  return performance.now() - startMs;
}
