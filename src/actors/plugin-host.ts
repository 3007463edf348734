/**
 * Runs the operator's plugins, each in a process of its own, and passes questions and events to them. Evented, in a thread of its own: a plugin that
 * hangs, floods, grows or dies costs this thread a little and nobody else anything.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod';
import { HawserError, messageOf } from '../base/errors.ts';
import type { PluginConfig } from '../config/plugins-schema.ts';
import type { EventRecord } from '../control/events.ts';
import type { LinkSuggestion, PluginHook, PluginSourceApi, PluginStatus } from '../control/plugins.ts';
import type { SupervisorApi } from '../control/supervisor-api.ts';
import { endedChildrenOf } from '../io/process-facts.ts';
import { linkTable, type RowTable } from '../rings/table.ts';
import { type ActorCall, type CallSourceApi, performCall } from './kit/actor-calls.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { firstEventFor } from './kit/first-event.ts';
import { memoryOf } from './kit/ports.ts';
import { RpcClient } from './kit/rpc.ts';
import { confine } from './plugins/confinement.ts';
import { answerSchemas } from './plugins/interface.ts';
import { type SuggestedLink, viewOfLinks } from './plugins/link-view.ts';
import { Plugin } from './plugins/plugin.ts';
import { killAll } from './plugins/plugin-process.ts';
import type { PluginAnswer, PluginOutcome, PluginQuestion } from './plugins/questions.ts';

export interface PluginHostSettings {
  /** Of the instance. */
  readonly name: string;
  /** With the name and a plugin's file it decides whose processes are whose. */
  readonly runDirectory: string;
  readonly plugins: readonly PluginConfig[];
  /** Who may suggest for which links; undefined = nobody. */
  readonly suggestions: { readonly plugin: string; readonly links: readonly SuggestedLink[] } | undefined;
}

type HostApi = SupervisorApi & CallSourceApi & PluginSourceApi;

const deadlineMs = 10_000;
const followWaitMs = 5000;
const turnEveryMs = 1000;
const suggestMs = 5000;
/** So many questions may remain without an answer. */
const suggestionHolds = 3;
/** A process that was killed is gone in milliseconds, unless this machine has no time for it. */
const endWaitMs = 500;
const program = fileURLToPath(new URL('./plugins/plugin-runner.js', import.meta.url));

export const definition: ActorDefinition = {
  role: 'plugin-host',
  turn: 'evented',
  isPatient: true,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined) throw new HawserError('RPC', 'The plugin-host was given no supervisor port');
    const host = new PluginHost(context, new RpcClient<HostApi>(context.supervisor, deadlineMs));
    await host.begin();
    return host;
  },
};

class PluginHost implements Actor {
  readonly #context: ActorContext;
  readonly #instance: RpcClient<HostApi>;
  readonly #plugins: readonly Plugin[];
  #timer: NodeJS.Timeout | undefined;
  readonly #suggestions: PluginHostSettings['suggestions'];
  readonly #links: RowTable;
  /** When suggestions are asked for again. */
  #suggestAtMs = 0;
  #lastEvent = 0;
  #isFollowing = false;
  #isClosed = false;

  constructor(context: ActorContext, instance: RpcClient<HostApi>) {
    const { name, runDirectory, plugins, suggestions } = context.spec.settings as PluginHostSettings;
    this.#suggestions = suggestions;
    this.#links = linkTable(memoryOf(context.spec, 'links'));
    this.#context = context;
    this.#instance = instance;
    this.#plugins = plugins.map(
      (config) =>
        new Plugin({
          config,
          instance: name,
          confine: () => confine(`${runDirectory} ${name} ${config.name}`, program, config.memoryBytes),
          sweep: ({ uid, isOwn }) => {
            if (isOwn) killAll([uid]);
            for (const pid of endedChildrenOf(process.pid, uid)) context.addon.reapChild(pid, 0);
          },
          emit: (event) => context.emit(event),
          nowMs: () => performance.now(),
          onHooks: () => this.#onHooks(),
        }),
    );
  }

  async begin(): Promise<void> {
    const { firstActors } = await this.#instance.request('instance');
    this.#lastEvent = firstEventFor(this.#context.spec.id, firstActors, await this.#instance.request('events', 0));
    for (const plugin of this.#plugins) plugin.begin();
    this.#timer = setInterval(() => this.#turn(), turnEveryMs).unref();
  }

  work(): number {
    return 0;
  }

  onCommand(command: Command): void {
    if (command.kind === 'plugin-question') void this.#answer(command as PluginQuestion);
    if (command.kind !== 'actor-call') return;
    performCall(this.#instance, command as ActorCall, () => this.#list()).catch((error: unknown) =>
      this.#context.emit({ kind: 'warning', message: messageOf(error) }),
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    // Nobody reads of their ends any more: who is not waited for here stays a zombie as long as the daemon lives.
    const untilUs = this.#context.addon.nowUs() + endWaitMs * 1000;
    const closed = this.#plugins.map((plugin) => plugin.close());
    for (const pid of closed.flatMap((one) => one.pid ?? []))
      this.#context.addon.reapChild(pid, Math.max(0, (untilUs - this.#context.addon.nowUs()) / 1000));
    killAll(closed.flatMap(({ uid }) => uid ?? []));
    this.#instance.close();
  }

  #turn(): void {
    for (const plugin of this.#plugins) plugin.turn();
    void this.#askSuggestions();
  }

  /** Where nothing right comes, what was suggested before holds until its time is over. */
  async #askSuggestions(): Promise<void> {
    const { plugin: name, links } = this.#suggestions ?? { plugin: '', links: [] };
    const everyMs = this.#plugins.find((one) => one.name === name)?.suggestsEveryMs ?? 0;
    const nowMs = performance.now();
    if (everyMs === 0 || nowMs < this.#suggestAtMs) return;
    this.#suggestAtMs = nowMs + everyMs;
    const view = viewOfLinks(this.#links, links, this.#context.addon.nowUs());
    const outcome = await this.#ask(name, 'bonding', { links: view }, Math.min(everyMs, suggestMs));
    if (!outcome.ok || this.#isClosed) return;
    const holdMs = suggestionHolds * everyMs + suggestMs;
    await this.#instance
      .request('suggestLinks', name, outcome.answer as readonly LinkSuggestion[], holdMs)
      .catch((error: unknown) => this.#context.emit({ kind: 'log', level: 'warn', message: messageOf(error) }));
  }

  #list(): PluginStatus[] {
    return this.#plugins.map((plugin) => plugin.status());
  }

  async #answer({ from, id, plugin: name, hook, question, timeoutMs }: PluginQuestion): Promise<void> {
    const outcome = await this.#ask(name, hook, question, timeoutMs);
    const command: PluginAnswer = { kind: 'plugin-answer', id, outcome };
    if (!this.#isClosed) this.#context.emit({ kind: 'command', to: from, command });
  }

  async #ask(name: string, hook: PluginHook, question: unknown, timeoutMs: number): Promise<PluginOutcome> {
    const plugin = this.#plugins.find((one) => one.name === name);
    if (plugin === undefined) return { ok: false, isSilent: true, reason: `there is no plugin ${name}` };
    const outcome = await plugin.ask(hook, question, timeoutMs);
    if (!outcome.ok || hook === 'events') return outcome;
    const schema: z.ZodType = answerSchemas[hook];
    const { data, error } = schema.safeParse(outcome.answer);
    if (error === undefined) return { ok: true, answer: data };
    const [issue] = error.issues;
    return plugin.reject(hook, `its answer does not fit: ${[...(issue?.path ?? []), issue?.message].join(': ')}`);
  }

  #onHooks(): void {
    if (!this.#isFollowing && this.#plugins.some(({ wantsEvents }) => wantsEvents)) void this.#follow();
  }

  /** As long as somebody wants them. */
  async #follow(): Promise<void> {
    this.#isFollowing = true;
    while (!this.#isClosed && this.#plugins.some(({ wantsEvents }) => wantsEvents)) {
      try {
        for (const event of await this.#instance.request('nextEvents', this.#lastEvent, followWaitMs)) {
          this.#lastEvent = event.id;
          if (isForPlugins(event)) for (const plugin of this.#plugins) plugin.tell(event);
        }
      } catch (error) {
        if (this.#isClosed) return;
        this.#context.emit({ kind: 'log', level: 'warn', message: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, 1000).unref());
      }
    }
    this.#isFollowing = false;
  }
}

/** What is about plugins is not told to plugins: one that fails would feed itself. */
function isForPlugins({ kind }: EventRecord): boolean {
  return !kind.startsWith('plugin-');
}
