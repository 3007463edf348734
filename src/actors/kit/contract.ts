/**
 * What an actor is. A data actor is turned: the runner calls `work` until it returns 0, then parks the thread in one bounded
 * native wait. It sees named ports and lent file descriptors, never its neighbours, and keeps no state that a successor could
 * not rebuild from shared memory and its settings.
 */
import type { MessagePort } from 'node:worker_threads';
import type { InstanceEvent } from '../../control/events.ts';
import type { Addon } from '../../native/addon.ts';
import type { Readable } from './readable.ts';

/** Every role that can stand in a topology. An actor's id is its role, or `role.instance` (`wan-link.fibre`). */
export type Role =
  | 'tun-reader'
  | 'tun-writer'
  | 'sealer'
  | 'opener'
  | 'wan-link'
  | 'faketcp-stack'
  | 'tls-link'
  | 'session-manager'
  | 'control-server'
  | 'api-server'
  | 'client-store'
  | 'history-keeper'
  | 'webhook-sender'
  | 'plugin-host'
  | 'health-checker';

export interface Command {
  readonly kind: string;
}

export interface Actor {
  /** Does one bounded batch at `nowUs` (CLOCK_BOOTTIME, microseconds); returns how much it did. 0 lets the runner park. */
  work(nowUs: number): number;
  /** A command from the supervisor or, through it, another actor; called between turns. */
  onCommand(command: Command): void;
  /** Lets go of what the actor itself made. Idempotent. Never closes a lent file descriptor. */
  close(): void;
}

export interface ActorDefinition {
  readonly role: Role;
  /**
   * `duty`: a loop that parks in the native wait (commands read once a turn; no promise ever settles there).
   * `hybrid`: the same, but the event loop turns once between two turns, so promises settle (session-manager).
   * `evented`: ordinary Node code; `work` is called when the doorbell rings (tls-link), and by a timer for the heartbeat (control-server).
   */
  readonly turn: 'duty' | 'hybrid' | 'evented';
  /** How much its thread leaves to others while processors are short (nice(2)); who shares a thread with one that leaves nothing does not either. */
  readonly nice?: number;
  /** Its thread leaves a processor at once to one that has a packet and wakes (`io/thread-slices.ts`), unless it shares the thread with one that does not. */
  readonly isPatient?: true;
  /** A throw here is a failed start. */
  start(context: ActorContext): Actor | Promise<Actor>;
}

/** One end of a ring, as planned: the ring's memory, and the doorbell of the thread that consumes from it. */
export interface PortSpec {
  /** `tun-reader.outbound -> sealer.plain` */
  readonly name: string;
  readonly side: 'producer' | 'consumer';
  readonly ring: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly doorbellFd: number;
}

/** All that a worker needs to start an actor; crosses to the worker by structured clone. */
export interface ActorSpec {
  readonly id: string;
  readonly role: Role;
  /** Frozen plain object; each role's file exports the type of its own settings. */
  readonly settings: unknown;
  readonly ports: Readonly<Record<string, PortSpec>>;
  /** Lent by the supervisor, which alone opens and closes them. */
  readonly fds: Readonly<Record<string, number>>;
  /** Names in `fds` whose readability ends a park. */
  readonly wakeOn: readonly string[];
  /** `sealedLog`, `sessions`, `peers`, `paths`, `links`, `counters` (this actor's own block), `doorbells.<actor>` … */
  readonly memory: Readonly<Record<string, SharedArrayBuffer>>;
}

/** Is carried to another actor's `onCommand`. */
export interface CarryRequest {
  readonly kind: 'command';
  /** Actor id. */
  readonly to: string;
  readonly command: Command;
}

/** Goes to the log, with its other fields, and nowhere else. */
export interface LogRequest {
  readonly kind: 'log';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Nothing comes back to the port by which a carrier sends: another one is taken, if that is in nobody's way. */
export interface MovePortRequest {
  readonly kind: 'move-port';
  /** Row of the carrier table, its link and its transport. */
  readonly carrier: number;
  readonly link: string;
  readonly transport: string;
  /** For how long something was asked by it. */
  readonly silentMs: number;
}

/** What an actor says to the supervisor; what is an event is listed by `hawser events`. */
export type ActorEvent = InstanceEvent | CarryRequest | LogRequest | MovePortRequest;

/** What the runner gives an actor. */
export interface ActorContext {
  readonly spec: ActorSpec;
  readonly addon: Addon;
  /**
   * Evented actors that ask the supervisor (control-server): the worker's end of a MessageChannel whose other end the supervisor
   * serves with `serveRpc` (`kit/rpc.ts`, `control/supervisor-api.ts`). undefined for all others.
   */
  readonly supervisor: MessagePort | undefined;
  /** To the supervisor: events for `hawser events`, requests to be carried to another actor. Never from a hot path. */
  emit(event: ActorEvent): void;
  /** Asks for a turn no later than `atUs` (CLOCK_BOOTTIME microseconds), once. A park lasts 50 ms at most anyway. */
  wakeAt(atUs: number): void;
  /**
   * Lets a park pass over the thread's own file descriptors until `untilUs`: for an actor that cannot take what is readable
   * because its output is full. The doorbell still wakes.
   */
  holdFdsUntil(untilUs: number): void;
  /** Called between two parts, of half a millisecond each, of what is long: threads that have packets and wait for this processor get it. */
  letPacketsIn(): void;
  /** Whether a read of a descriptor of `wakeOn` may find something. */
  readable(fd: number): Readable;
  /**
   * For `hybrid` actors: until the promise settles the thread parks in the event loop, 1 ms at a time, instead of in the native
   * wait, where nothing settles. Returns the same promise.
   */
  track<T>(promise: Promise<T>): Promise<T>;
}

/** What the file of a role exports: `export const definition: ActorDefinition`. `actors/registry.ts` imports it by role. */
export interface ActorModule {
  readonly definition: ActorDefinition;
}
