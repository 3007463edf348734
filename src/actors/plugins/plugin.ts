/**
 * One plugin: begun, asked, told, watched, ended when it hangs or uses too much, begun anew with growing pauses, and given up when that does not
 * help. Nothing here waits for it. Who owns it turns it once a second.
 */
import { HawserError } from '../../base/errors.ts';
import { matchesEvent } from '../../config/event-patterns.ts';
import type { PluginConfig } from '../../config/plugins-schema.ts';
import type { EventRecord, InstanceEvent } from '../../control/events.ts';
import { type PluginHook, type PluginState, type PluginStatus, pluginHooks } from '../../control/plugins.ts';
import { readProcessUse } from '../../io/process-facts.ts';
import type { Confinement } from './confinement.ts';
import { type FromPlugin, interfaceVersion, printable } from './interface.ts';
import { OpenQuestions } from './open-questions.ts';
import { PluginProcess } from './plugin-process.ts';
import type { PluginOutcome } from './questions.ts';
import { Usage } from './usage.ts';

export interface PluginParts {
  readonly config: PluginConfig;
  /** Name of the instance. */
  readonly instance: string;
  /** Throws PLUGIN_REFUSED. */
  readonly confine: () => Confinement;
  /** Takes away what an earlier process of the plugin has left. */
  readonly sweep: (confinement: Confinement) => void;
  readonly emit: (event: InstanceEvent) => void;
  /** Milliseconds of a clock that never jumps. */
  readonly nowMs: () => number;
  /** It answers questions of these hooks from now on, or of none any more. */
  readonly onHooks: () => void;
}

/** A machine that does six other things takes its time to start Node. */
const startMs = 20_000;
/** Nothing that it was asked for so long was answered: it hangs. */
const hungMs = 5000;
/** A turn that comes so late says that this machine, or this thread, stood still. */
const lateTurnMs = 3000;
const firstPauseMs = 1000;
const mostPauseMs = 60_000;
/** So many ends within the window, and it is given up. */
const mostEnds = 6;
const endsWindowMs = 600_000;
/** What went well for so long is well again. */
const steadyMs = 60_000;
const mostHookWords = 200;

interface Hooks {
  readonly events: readonly string[];
  /** Seconds; 0 = it suggests nothing. */
  readonly bonding: number;
  readonly names: ReadonlySet<PluginHook>;
}

const noHooks: Hooks = { events: [], bonding: 0, names: new Set() };

export class Plugin {
  readonly #parts: PluginParts;
  #state: PluginState = 'starting';
  #process: PluginProcess | undefined;
  #uid: number | undefined;
  #hooks = noHooks;
  #usage: Usage | undefined;
  readonly #questions: OpenQuestions;
  #begunMs = 0;
  #turnedMs: number;
  #againMs = 0;
  /** When it ended, the latest last. */
  #ends: number[] = [];
  #starts = 0;
  #failures = 0;
  #leftOut = 0;
  #untold = 0;
  #reason = '';
  #lastWords = '';
  /** Since when something is wrong that was told and is not over; 0 = nothing is. */
  #wrongMs = 0;

  constructor(parts: PluginParts) {
    this.#parts = parts;
    this.#turnedMs = parts.nowMs();
    this.#questions = new OpenQuestions({
      plugin: parts.config.name,
      nowMs: parts.nowMs,
      send: (message) => this.#process?.send(message) === true,
      fail: (hook, isSilent, error) => this.#failed(hook, isSilent, error),
    });
  }

  get name(): string {
    return this.#parts.config.name;
  }

  /** Milliseconds from one question for suggestions to the next; 0 = it has none. */
  get suggestsEveryMs(): number {
    return this.#hooks.bonding * 1000;
  }

  get wantsEvents(): boolean {
    return this.#hooks.events.length > 0;
  }

  begin(): void {
    const { confine, config, instance, nowMs } = this.#parts;
    let confinement: Confinement;
    try {
      confinement = confine();
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      this.#giveUp('refused', error.fault, error.remedy);
      return;
    }
    // Afterwards each end sees to it that nothing is left.
    if (this.#starts === 0) this.#parts.sweep(confinement);
    this.#state = 'starting';
    this.#starts += 1;
    this.#uid = confinement.uid;
    this.#begunMs = nowMs();
    this.#questions.restart();
    const process = new PluginProcess({
      confinement,
      onMessage: (message) => this.#onMessage(message),
      onFault: (reason) => this.#questions.failAll(reason),
      onEnd: (reason) => this.#onEnd(process, reason),
    });
    this.#process = process;
    this.#usage = new Usage(config.processorPercent);
    const { name, file, settings } = config;
    process.send({ kind: 'hello', interface: interfaceVersion, name, instance, file, settings });
  }

  /** Never rejects. */
  ask(hook: PluginHook, question: unknown, timeoutMs: number): Promise<PluginOutcome> {
    const unfit = this.#unfit(hook);
    if (unfit !== undefined) return Promise.resolve({ ok: false, isSilent: true, reason: unfit });
    return this.#questions.ask(hook, question, timeoutMs);
  }

  /** What kinds it did not want, or was too slow for, it is not told. */
  tell(event: EventRecord): void {
    if (this.#state !== 'running' || !matchesEvent(this.#hooks.events, event.kind)) return;
    if (this.#process?.send({ kind: 'event', event, leftOut: this.#untold }) === true) this.#untold = 0;
    else {
      this.#untold += 1;
      this.#leftOut += 1;
    }
  }

  /** About once a second. */
  turn(): void {
    const nowMs = this.#parts.nowMs();
    const isLate = nowMs - this.#turnedMs > lateTurnMs;
    this.#turnedMs = nowMs;
    if (this.#state === 'waiting' && nowMs >= this.#againMs) this.begin();
    else if (isLate) this.#forgive(nowMs);
    else if (this.#state === 'starting' && nowMs - this.#begunMs > startMs)
      this.#process?.endFor(`it did not say what it is for within ${startMs / 1000} s`);
    else if (this.#state === 'running') this.#watch(nowMs);
    if (this.#wrongMs > 0 && this.#state === 'running' && nowMs - Math.max(this.#wrongMs, this.#begunMs) > steadyMs) {
      this.#wrongMs = 0;
      this.#parts.emit({ kind: 'plugin-recovered', plugin: this.name });
    }
  }

  /** This thread ends. Returns the process that is being ended, and the user whose processes are the plugin's alone. */
  close(): { readonly pid: number | undefined; readonly uid: number | undefined } {
    const pid = this.#process?.pid;
    const uid = this.#process?.letGo();
    this.#questions.close();
    return { pid, uid };
  }

  status(): PluginStatus {
    const nowMs = this.#parts.nowMs();
    const { config } = this.#parts;
    const pid = this.#process?.pid;
    return {
      plugin: config.name,
      file: config.file,
      state: this.#state,
      hooks: pluginHooks.filter((hook) => this.#hooks.names.has(hook)),
      restarts: Math.max(0, this.#starts - 1),
      pid,
      uid: pid === undefined ? undefined : this.#uid,
      memoryBytes: pid === undefined ? undefined : this.#usage?.residentBytes,
      processorPercent: pid === undefined ? undefined : this.#usage?.percent,
      sinceMs: pid === undefined ? undefined : Math.round(nowMs - this.#begunMs),
      answers: this.#questions.answers,
      failures: this.#failures,
      leftOut: this.#leftOut,
      reason: this.#reason,
      againInMs: this.#state === 'waiting' ? Math.max(0, Math.round(this.#againMs - nowMs)) : undefined,
      lastWords: this.#process?.lastWords ?? this.#lastWords,
    };
  }

  #unfit(hook: PluginHook): string | undefined {
    if (this.#state !== 'running') return `plugin ${this.name} does not run (${this.#state})`;
    if (!this.#hooks.names.has(hook)) return `plugin ${this.name} has no function for ${hook}`;
    return this.#questions.full;
  }

  #onMessage(message: FromPlugin): void {
    if (message.kind === 'hello') this.#onHello(message);
    else if (message.kind === 'trouble') this.#failed('events', false, message.error);
    else this.#questions.handleAnswer(message);
  }

  #onHello({ hooks }: Extract<FromPlugin, { kind: 'hello' }>): void {
    if (this.#state !== 'starting') throw new Error('it said hello twice');
    const { events = [], bonding = 0, ...others } = hooks;
    const named = [
      ...Object.keys(others),
      ...(events.length > 0 ? ['events'] : []),
      ...(bonding > 0 ? ['bonding'] : []),
    ];
    this.#hooks = { events, bonding, names: new Set(named as PluginHook[]) };
    this.#state = 'running';
    const { emit, nowMs, onHooks } = this.#parts;
    this.#begunMs = nowMs();
    emit({ kind: 'plugin-ready', plugin: this.name, hooks: named });
    onHooks();
  }

  /** An answer came that is none. */
  reject(hook: PluginHook, reason: string): PluginOutcome {
    this.#questions.answers -= 1;
    return this.#failed(hook, false, reason);
  }

  #failed(hook: PluginHook, isSilent: boolean, error: string): PluginOutcome {
    const said = printable(error).slice(0, mostHookWords);
    const reason = isSilent ? said : `plugin ${this.name} failed at ${hook}: ${said}`;
    this.#failures += 1;
    this.#note(reason);
    return { ok: false, isSilent, reason };
  }

  /** It runs on, and something is wrong with it: told once until it is well again. */
  #note(reason: string): void {
    const isNews = this.#wrongMs === 0;
    this.#wrongMs = this.#parts.nowMs();
    this.#reason = reason;
    if (isNews) this.#parts.emit({ kind: 'plugin-failed', plugin: this.name, reason });
  }

  #watch(nowMs: number): void {
    const process = this.#process;
    const pid = process?.pid;
    if (process === undefined || pid === undefined) return;
    if (this.#questions.unansweredMs(nowMs) > hungMs)
      process.endFor(`it hangs: nothing came back from it for ${hungMs / 1000} s`);
    else this.#questions.ping(nowMs);
    const use = readProcessUse(pid);
    const excess = use === undefined ? undefined : this.#usage?.take(use, nowMs);
    if (excess !== undefined) process.endFor(excess);
  }

  /** While everything stood still nobody could answer. */
  #forgive(nowMs: number): void {
    this.#begunMs = Math.max(this.#begunMs, nowMs - startMs / 2);
    this.#questions.forgive(nowMs);
  }

  #onEnd(process: PluginProcess, reason: string): void {
    if (this.#process !== process) return;
    const { nowMs, emit, onHooks } = this.#parts;
    this.#lastWords = process.lastWords;
    this.#process = undefined;
    this.#hooks = noHooks;
    this.#questions.failAll(reason);
    const now = nowMs();
    this.#ends = [...this.#ends.filter((endMs) => now - endMs < endsWindowMs), now];
    onHooks();
    if (this.#ends.length >= mostEnds) {
      const why = `it ended ${mostEnds} times within ${endsWindowMs / 60_000} minutes, the last time: ${reason}`;
      this.#giveUp('given-up', why, 'mend it, then `hawser actor restart plugin-host` begins it anew');
      return;
    }
    const pauseMs = Math.min(mostPauseMs, firstPauseMs * 2 ** (this.#ends.length - 1));
    this.#state = 'waiting';
    this.#againMs = now + pauseMs;
    this.#reason = reason;
    this.#wrongMs = now;
    emit({ kind: 'plugin-failed', plugin: this.name, reason, againMs: pauseMs });
  }

  #giveUp(state: 'given-up' | 'refused', reason: string, remedy: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#wrongMs = this.#parts.nowMs();
    this.#parts.emit({ kind: 'plugin-given-up', plugin: this.name, reason, remedy });
  }
}
