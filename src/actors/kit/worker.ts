/**
 * Entry of every worker thread. It loads the addon and the modules it was told to, says `ready`, and waits: a spare waits for
 * ever, any other thread is told at once which actors to host. The thread ends with its first error, which it reports first.
 */
import os from 'node:os';
import process from 'node:process';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { setPatience } from '../../io/thread-slices.ts';
import { ownThreadId } from '../../io/thread-times.ts';
import { type Addon, loadAddon } from '../../native/addon.ts';
import { loadRole } from '../registry.ts';
import type { ActorContext, ActorDefinition, ActorEvent, ActorSpec } from './contract.ts';
import { HostedActor } from './hosted-actor.ts';
import { type FromWorker, reportOf, type ToWorker, type WorkerSetup } from './messages.ts';
import { Readables } from './readable.ts';
import { ThreadRunner, type TurnKind } from './thread-runner.ts';

type HostMessage = Extract<ToWorker, { kind: 'host' }>;

const setup = workerData as WorkerSetup;

/** As long as the kernel rounds a sleep anyway (PR_SET_TIMERSLACK); enough to be off the processor. */
const letInUs = 50;
/** setpriority(2). */
const leastPriority = 19;

async function main(port: MessagePort): Promise<void> {
  let runner: ThreadRunner | undefined;
  const fail = (error: unknown): never => {
    send(port, { kind: 'failed', actorId: runner?.cycle.current?.id ?? starting, error: reportOf(error) });
    process.exit(1);
  };
  process.removeAllListeners('warning');
  process.on('warning', ({ message }) => {
    send(port, { kind: 'event', actorId: setup.roles.join(), event: { kind: 'log', level: 'warn', message } });
  });
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  try {
    send(port, { kind: 'born', kernelThreadId: ownThreadId() });
    const asked = firstHost(port);
    const addon = loadAddon();
    for (const role of setup.roles) await loadRole(role, setup.modules);
    send(port, { kind: 'ready' });
    const host = await asked;
    if (host === undefined) return;
    runner = await startAll(port, addon, host);
    send(port, { kind: 'started' });
    await runner.run();
    send(port, { kind: 'closed' });
    process.exit(0);
  } catch (error) {
    fail(error);
  }
}

/** Id of the actor whose `start` runs now. */
let starting: string | undefined;

/** The first `host` message; undefined when `stop` came instead. */
function firstHost(port: MessagePort): Promise<HostMessage | undefined> {
  return new Promise((resolve) => {
    const onMessage = (message: ToWorker): void => {
      if (message.kind !== 'host' && message.kind !== 'stop') return;
      port.off('message', onMessage);
      resolve(message.kind === 'host' ? message : undefined);
    };
    port.on('message', onMessage);
  });
}

async function startAll(port: MessagePort, addon: Addon, host: HostMessage): Promise<ThreadRunner> {
  const hosted: HostedActor[] = [];
  const kinds = new Set<TurnKind>();
  const pending = { count: 0 };
  const hold = { untilUs: 0 };
  const patience = { isHeeded: true };
  const wakeFds = Int32Array.from(host.specs.flatMap(wakeFdsOf));
  const readables = new Readables(wakeFds);
  let nice = Number.POSITIVE_INFINITY;
  let isPatient = true;
  for (const spec of host.specs) {
    starting = spec.id;
    const definition = await loadRole(spec.role, setup.modules);
    kinds.add(definition.turn);
    nice = Math.min(nice, definition.nice ?? 0);
    isPatient &&= definition.isPatient === true;
    hosted.push(await startOne(definition, spec, { port, addon, host, pending, hold, patience, readables }));
  }
  starting = undefined;
  // 0 is the calling thread, and no other of the process.
  if (nice > 0) os.setPriority(0, Math.min(leastPriority, os.getPriority(0) + nice));
  patience.isHeeded = setPatience(addon, isPatient);
  return new ThreadRunner({ addon, port, doorbell: host.doorbell, hosted, kinds, wakeFds, readables, pending, hold });
}

interface StartParts {
  readonly port: MessagePort;
  readonly addon: Addon;
  readonly host: HostMessage;
  readonly pending: { count: number };
  readonly hold: { untilUs: number };
  /** The kernel gives the thread's processor away by itself. */
  readonly patience: { isHeeded: boolean };
  readonly readables: Readables;
}

/** The context is made before the actor, and its `wakeAt` must reach the actor's heartbeat, which is made after. */
async function startOne(definition: ActorDefinition, spec: ActorSpec, parts: StartParts): Promise<HostedActor> {
  let hosted: HostedActor | undefined;
  let earlyWakeUs = Number.POSITIVE_INFINITY;
  const context: ActorContext = {
    spec,
    addon: parts.addon,
    supervisor: parts.host.supervisor[spec.id],
    emit: (event: ActorEvent) => send(parts.port, { kind: 'event', actorId: spec.id, event }),
    wakeAt(atUs: number) {
      if (hosted === undefined) earlyWakeUs = Math.min(earlyWakeUs, atUs);
      else if (atUs < hosted.wakeAtUs) hosted.wakeAtUs = atUs;
    },
    holdFdsUntil(untilUs: number) {
      parts.hold.untilUs = untilUs;
    },
    letPacketsIn() {
      if (!parts.patience.isHeeded) parts.addon.pause(letInUs);
    },
    readable: (fd: number) => parts.readables.of(fd),
    track<T>(promise: Promise<T>): Promise<T> {
      parts.pending.count += 1;
      const settled = (): void => {
        parts.pending.count -= 1;
      };
      promise.then(settled, settled);
      return promise;
    },
  };
  hosted = new HostedActor(spec, await definition.start(context));
  hosted.wakeAtUs = earlyWakeUs;
  return hosted;
}

function wakeFdsOf(spec: ActorSpec): number[] {
  return spec.wakeOn.map((name) => {
    const fd = spec.fds[name];
    assert(fd !== undefined, `${spec.id} wakes on "${name}", which is not lent to it`);
    return fd;
  });
}

function send(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

assert(parentPort !== null, 'kit/worker.ts runs in worker threads only');
void main(parentPort);
