/**
 * Keeps the worker threads alive, in OTP's words: starts children left to right, stops dependents first, replaces what dies
 * (in a warm spare thread), ends what hangs. What it cannot keep right becomes `onFatal` with the reason: too many restarts, or
 * a thread that cannot be ended (systemd then restarts the process).
 */

import type { ActorEvent, CarryRequest, Command, LogRequest, Role } from '../actors/kit/contract.ts';
import type { FromWorker } from '../actors/kit/messages.ts';
import type { ChildSpec } from '../actors/kit/topology.ts';
import { HawserError } from '../base/errors.ts';
import { subjectOf, textOfEvent, withoutNumbers } from '../control/event-text.ts';
import { eventLevels, type InstanceEvent } from '../control/events.ts';
import type { ActorRow, ActorState } from '../control/supervisor-api.ts';
import type { DataApi } from '../native/data-api.ts';
import { Child, type ChildHost, startOrder } from './child.ts';
import { FloodGate } from './flood-gate.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';
import { ErrorLog, EventLog } from './journal.ts';
import { type LogLevel, type SupervisorHooks, type SupervisorOptions, supervisorDefaults } from './options.ts';
import { poisonReports } from './poison-reports.ts';
import { StandingTroubles } from './standing-troubles.ts';
import type { WorkerExit } from './worker-handle.ts';
import { WorkerPool } from './worker-pool.ts';

/** What is told to people: in the log, and if it is an event in the list of events. */
interface Note {
  readonly source: string;
  readonly event: InstanceEvent | LogRequest;
  readonly level: LogLevel;
}

/** Between two looks at the heartbeats while every actor is parked for long. */
const quietTickMs = 500;

export class Supervisor implements ChildHost {
  readonly options: SupervisorOptions;
  readonly hooks: SupervisorHooks;
  readonly pool: WorkerPool;
  readonly events = new EventLog();
  readonly errors = new ErrorLog();
  readonly troubles = new StandingTroubles();
  readonly #addon: Pick<DataApi, 'nowUs' | 'ring'>;
  readonly #watch: HeartbeatWatch;
  readonly #gate = new FloodGate<Note>((note, more) => this.#tell(note, more));
  /** In the order of their start. */
  #children: Child[] = [];
  #ticker: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  /** `pool`: threads that were started before there was a configuration. */
  constructor(
    addon: Pick<DataApi, 'nowUs' | 'ring'>,
    hooks: SupervisorHooks,
    options: Partial<SupervisorOptions> = {},
    pool?: WorkerPool,
  ) {
    this.#addon = addon;
    this.hooks = hooks;
    this.options = { ...supervisorDefaults, ...options };
    this.pool = pool ?? new WorkerPool(addon, this.options.modules);
    this.#watch = new HeartbeatWatch(this.options.lateTickMs, addon.nowUs());
  }

  /**
   * Starts the children; resolves when all that are waited for have started, rejects with the reason when one of them was given up. Of others that is
   * told as an event.
   */
  async start(specs: readonly ChildSpec[], isWaitedFor: (spec: ChildSpec) => boolean = () => true): Promise<void> {
    const fresh = startOrder(specs).map((spec) => new Child(spec, this));
    this.#children.push(...fresh);
    if (this.#ticker === undefined) this.#tickAfter(this.options.tickMs);
    const starts = fresh.map((child) => {
      const started = this.#begin(child);
      if (isWaitedFor(child.spec)) return started;
      started.catch(() => undefined);
      return undefined;
    });
    await Promise.all(starts);
    // The first packets shall not wait for a processor that is busy with loading a spare.
    setTimeout(() => this.#keepSpare(), this.options.firstSpareMs).unref();
  }

  async #begin(child: Child): Promise<void> {
    await Promise.all(child.spec.dependsOn.map((id) => this.#child(id).started()));
    if (this.#stopped !== undefined) return;
    child.begin();
    await child.started();
  }

  /** Ends all children at once, each after those that depend on it. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  rows(): ActorRow[] {
    return this.#children.flatMap((child) => child.rows());
  }

  /** Throws when there is no such actor. */
  stateOf(actorId: string): ActorState {
    return this.#childOf(actorId).state;
  }

  /** The actor throws in its next turn. */
  kill(actorId: string): void {
    this.#childOf(actorId).post({ kind: 'kill', actorId });
  }

  /** The actor spins without heartbeats, until it is found hung. */
  hang(actorId: string): void {
    this.#childOf(actorId).post({ kind: 'hang', actorId });
  }

  command(actorId: string, command: Command): void {
    this.#childOf(actorId).post({ kind: 'command', actorId, command });
  }

  /** Stops the actor's thread in order and starts it again. */
  async restart(actorId: string): Promise<void> {
    await this.#childOf(actorId).renew('restarted on request');
    this.#keepSpare();
  }

  /** Ends a child that `release` starts again: a reload changes its resources meanwhile. */
  async hold(childId: string): Promise<void> {
    await this.#child(childId).hold('ended by a reload');
  }

  async release(spec: ChildSpec): Promise<void> {
    await this.#child(spec.id).release(spec);
  }

  /** Ends a child for good (a reload); passes over one that is not there. */
  async remove(childId: string): Promise<void> {
    const child = this.#children.find((one) => one.spec.id === childId);
    if (child === undefined) return;
    await child.close('removed by a reload');
    this.#children = this.#children.filter((one) => one !== child);
  }

  /** Keeps an event and says it in the log. */
  note(source: string, event: InstanceEvent, level: LogLevel = eventLevels[event.kind]): void {
    this.#offer({ source, event, level }, subjectOf(event));
  }

  #offer(note: Note, subject: string): void {
    const { source, event } = note;
    this.#gate.offer(event.kind, `${source} ${subject}`, note, this.#addon.nowUs() / 1000);
  }

  #tell({ source, event, level }: Note, more: number): void {
    if (event.kind === 'log') {
      const { level: _level, message, kind: _kind, ...fields } = event;
      this.hooks.log(level, { source, ...fields }, more === 0 ? message : `${message} (and ${more} more)`);
      return;
    }
    const told = more === 0 ? event : { ...event, more: more + (event.more ?? 0) };
    this.events.add(source, told);
    const text = textOfEvent(told);
    this.hooks.log(level, { source }, text === '' ? event.kind : `${event.kind}: ${text}`);
  }

  onStarted(child: Child): void {
    const nowUs = this.#addon.nowUs();
    for (const actor of child.spec.actors) {
      const { counters: memory } = actor.memory;
      const readTimes = () => child.worker?.readTimes();
      if (memory !== undefined)
        this.#watch.watch(actor.id, { memory, limitMs: child.spec.hangLimitMs, readTimes }, nowUs);
    }
    for (const actor of child.spec.actors) this.hooks.onStarted(actor.id);
    this.note(child.spec.id, { kind: 'started', ...child.describe() });
    if (child.isRestarted && this.#children.every((one) => one.state === 'running' || one.spec.isBeside))
      this.#keepSpare();
  }

  onGone(child: Child, exit: WorkerExit): void {
    for (const actor of child.spec.actors) {
      this.#watch.unwatch(actor.id);
      this.troubles.forget(actor.id);
    }
    if (exit.error !== undefined) this.errors.add(exit.actorId ?? child.spec.id, exit.error);
    for (const actor of child.spec.actors) {
      for (const report of poisonReports(actor)) this.errors.add(actor.id, report);
    }
  }

  onMessage(message: FromWorker): void {
    if (message.kind === 'event') this.#onEvent(message.actorId, message.event);
  }

  #onEvent(actorId: string, event: ActorEvent): void {
    if (event.kind === 'command') this.#carry(actorId, event);
    else if (event.kind === 'move-port') this.hooks.onMovePort(event);
    else if (event.kind === 'log')
      this.#offer({ source: actorId, event, level: event.level }, withoutNumbers(event.message));
    else {
      this.troubles.handle(actorId, event);
      const isTrouble = event.kind === 'state-file' && event.remedy !== undefined;
      this.note(actorId, event, isTrouble ? 'warn' : eventLevels[event.kind]);
    }
  }

  /** Takes a command from one actor to another. */
  #carry(from: string, { to, command }: CarryRequest): void {
    const child = this.#children.find((one) => one.spec.actors.some((actor) => actor.id === to));
    if (child === undefined) this.note(from, { kind: 'undeliverable', to, command: command.kind });
    else child.post({ kind: 'command', actorId: to, command });
  }

  #tickAfter(ms: number): void {
    this.#ticker = setTimeout(() => {
      this.#tick(ms);
      if (this.#stopped !== undefined) return;
      const nowUs = this.#addon.nowUs();
      const lookUs = this.#watch.nextLookUs(nowUs, this.options.tickMs * 1000, quietTickMs * 1000);
      this.#tickAfter((lookUs - nowUs) / 1000);
    }, ms);
  }

  #tick(afterMs: number): void {
    const nowUs = this.#addon.nowUs();
    this.#gate.tick(nowUs / 1000);
    for (const { id, verdict, detail } of this.#watch.tick(nowUs, (afterMs - this.options.tickMs) * 1000)) {
      const child = this.#childOf(id);
      if (child.state !== 'running') continue;
      if (verdict === 'hung') child.cut(`${id} hung: ${detail}`, 'hung');
      else this.note(id, { kind: 'starved', reason: detail });
    }
  }

  #keepSpare(): void {
    if (this.#stopped !== undefined) return;
    const roles = new Set<Role>();
    for (const child of this.#children) {
      for (const actor of child.spec.actors) if (!this.hooks.servedRoles.includes(actor.role)) roles.add(actor.role);
    }
    this.pool.keepSpare([...roles]);
  }

  async #stopAll(): Promise<void> {
    clearTimeout(this.#ticker);
    const pool = this.pool.close();
    const ends = new Map<Child, Promise<void>>();
    for (const child of [...this.#children].reverse()) {
      // In the order of their start they stand before those that depend on them, whose ends are all known here.
      const dependents = [...ends].filter(([other]) => other.spec.dependsOn.includes(child.spec.id));
      ends.set(
        child,
        Promise.all(dependents.map(([, end]) => end)).then(() => child.close('orderly stop')),
      );
    }
    await Promise.all([...ends.values(), pool]);
    this.#gate.flush();
  }

  #child(id: string): Child {
    const child = this.#children.find((one) => one.spec.id === id);
    if (child === undefined) throw new HawserError('NO_SUCH_THREAD', `There is no thread "${id}"`);
    return child;
  }

  #childOf(actorId: string): Child {
    const child = this.#children.find((one) => one.spec.actors.some((actor) => actor.id === actorId));
    if (child !== undefined) return child;
    const known = this.rows().map((row) => row.id);
    throw new HawserError('NO_SUCH_ACTOR', `There is no actor "${actorId}"`, `there are: ${known.join(', ')}`);
  }
}
