/**
 * Tells those that the configuration names of what happens, by signed HTTP requests. Evented, in a thread of its own: it asks the instance for
 * events, keeps what has not been told on the disk, and waits for slow receivers where nobody waits for it.
 */
import path from 'node:path';
import { HawserError, messageOf as reasonOf } from '../base/errors.ts';
import { inWords, makeFolder } from '../base/lasting-files.ts';
import { matchesEvent } from '../config/event-patterns.ts';
import { readWebhookSecret, type WebhookConfig } from '../config/webhook-secret.ts';
import type { EventRecord } from '../control/events.ts';
import type { SupervisorApi } from '../control/supervisor-api.ts';
import type { WebhookAnswers, WebhookStatus, WebhookTest, WebhookVerb } from '../control/webhooks.ts';
import { Resolver } from '../io/resolver.ts';
import { SourceFinder } from '../io/source-finder.ts';
import { callWebhook, type WebhookAnswer } from '../io/webhook-call.ts';
import { type ActorCall, type CallSourceApi, performCall } from './kit/actor-calls.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { DiskTrouble } from './kit/disk-trouble.ts';
import { firstEventFor } from './kit/first-event.ts';
import { RpcClient } from './kit/rpc.ts';
import { PluginAsker } from './plugins/questions.ts';
import { Courier } from './webhooks/courier.ts';
import { messageOf, signedHeaders } from './webhooks/signature.ts';
import { type Message, Spool } from './webhooks/spool.ts';

export interface WebhookSenderSettings {
  /** Of the instance. */
  readonly name: string;
  readonly stateDirectory: string;
  /** How questions for names leave this host. */
  readonly fwmark: number;
  readonly interfaces: readonly string[];
  readonly dnsRecord: string;
  readonly webhooks: readonly WebhookConfig[];
}

interface Target {
  readonly name: string;
  readonly config: WebhookConfig;
  readonly courier: Courier;
}

interface Formatted {
  readonly body: string;
  readonly contentType: string;
}

const deadlineMs = 10_000;
/** A plugin that formats asks nobody. */
const formatMs = 2000;
const followWaitMs = 5000;
/** setTimeout may be late by a wall clock that nobody watches, not by more than this. */
const longestWaitMs = 60_000;
/** The spool was written to for so long, and the disk refused nothing. */
const quietMs = 15_000;

export const definition: ActorDefinition = {
  role: 'webhook-sender',
  turn: 'evented',
  isPatient: true,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined)
      throw new HawserError('RPC', 'The webhook-sender was given no supervisor port');
    const sender = new WebhookSender(
      context,
      new RpcClient<SupervisorApi & CallSourceApi>(context.supervisor, deadlineMs),
    );
    await sender.begin();
    return sender;
  },
};

class WebhookSender implements Actor {
  readonly #context: ActorContext;
  readonly #settings: WebhookSenderSettings;
  readonly #instance: RpcClient<SupervisorApi & CallSourceApi>;
  readonly #resolver: Resolver;
  readonly #abort = new AbortController();
  readonly #plugins: PluginAsker;
  readonly #spool: Spool;
  readonly #targets: readonly Target[];
  #timer: NodeJS.Timeout | undefined;
  #process = 0;
  #lastEvent = 0;
  readonly #disk = new DiskTrouble(quietMs, (reason) => this.#tellDisk(reason));
  #tests = 0;

  constructor(context: ActorContext, instance: RpcClient<SupervisorApi & CallSourceApi>) {
    this.#context = context;
    this.#settings = context.spec.settings as WebhookSenderSettings;
    this.#instance = instance;
    this.#plugins = new PluginAsker(context);
    const { fwmark, interfaces, dnsRecord, webhooks } = this.#settings;
    const { addon } = context;
    this.#resolver = new Resolver(addon, new SourceFinder(addon), { fwmark, interfaces, dnsRecord });
    const names = targetNames(webhooks);
    this.#spool = this.#openSpool(names);
    this.#targets = webhooks.map((config, index) => this.#target(names[index] ?? '', config));
  }

  async begin(): Promise<void> {
    const { startedAtMs, firstActors } = await this.#instance.request('instance');
    this.#process = startedAtMs;
    const { process, event } = this.#spool.progress;
    this.#lastEvent =
      process === startedAtMs
        ? event
        : firstEventFor(this.#context.spec.id, firstActors, await this.#instance.request('events', 0));
    this.#noteTrouble();
    void this.#follow();
    this.#turnAll();
  }

  work(): number {
    return 0;
  }

  onCommand(command: Command): void {
    if (this.#plugins.handle(command) || command.kind !== 'actor-call') return;
    const perform = (verb: string, params: unknown) => this.#answer(verb as WebhookVerb, params);
    performCall(this.#instance, command as ActorCall, perform).catch((error: unknown) => this.#warn(reasonOf(error)));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#resolver.close();
    this.#disk.close();
    this.#instance.close();
    this.#spool.close();
  }

  #openSpool(names: readonly string[]): Spool {
    const folder = path.join(this.#settings.stateDirectory, `${this.#settings.name}.webhooks`);
    try {
      makeFolder('runtime.stateDirectory', folder, 0o700);
    } catch (error) {
      // The spool says so itself.
      if (!(error instanceof HawserError)) throw error;
    }
    return new Spool(path.join(folder, 'spool.db'), names);
  }

  #target(name: string, config: WebhookConfig): Target {
    const courier = new Courier({
      target: name,
      spool: this.#spool,
      send: (message) => this.#send(name, config, message),
      emit: (event) => this.#context.emit(event),
      nowMs: () => Date.now(),
      steadyMs: () => performance.now(),
      random: Math.random,
    });
    return { name, config, courier };
  }

  async #send(target: string, config: WebhookConfig, message: Message): Promise<WebhookAnswer> {
    const formatted = await this.#format(target, config, message);
    if ('status' in formatted) return formatted;
    const { url, secretFile, allowPrivate, caFile } = config;
    // Read each time: a secret that was exchanged needs no reload.
    const secret = readWebhookSecret(secretFile);
    const { body, contentType } = formatted;
    const signed = signedHeaders(secret, { ...message, body }, Date.now());
    secret.fill(0);
    const headers = { ...signed, 'content-type': contentType, 'user-agent': 'hawser' };
    return await callWebhook(
      this.#resolver,
      { url: new URL(url), allowPrivate, headers, body, caFile },
      this.#abort.signal,
    );
  }

  /**
   * What is sent, or what it comes to without a call. A plugin that is silent is asked again later, like a receiver; one that cannot make
   * anything of this event will not be able to later.
   */
  async #format(target: string, { format }: WebhookConfig, { body }: Message): Promise<Formatted | WebhookAnswer> {
    const json = 'application/json';
    if (format === undefined) return { body, contentType: json };
    const question = { ...(JSON.parse(body) as object), target };
    const outcome = await this.#plugins.ask(format, 'webhook', question, formatMs);
    if (!outcome.ok && outcome.isSilent) throw new HawserError('PLUGIN', outcome.reason);
    if (!outcome.ok) return { status: 422, retryAfterS: undefined, reason: outcome.reason };
    // As the plugin-host has checked it.
    const answer = outcome.answer as { readonly body: string; readonly contentType?: string } | null;
    if (answer === null) return { status: 204, retryAfterS: undefined, reason: `left out by plugin ${format}` };
    return { body: answer.body, contentType: answer.contentType ?? json };
  }

  async #follow(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        this.#take(await this.#instance.request('nextEvents', this.#lastEvent, followWaitMs));
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#context.emit({ kind: 'log', level: 'warn', message: reasonOf(error) });
        await new Promise((resolve) => setTimeout(resolve, 1000).unref());
      }
    }
  }

  #take(events: readonly EventRecord[]): void {
    for (const event of events) {
      this.#lastEvent = event.id;
      const wanted = this.#targets.filter(({ config }) => isFor(event, config));
      if (wanted.length === 0) continue;
      const entries = wanted.map(({ name }) => ({
        target: name,
        message: messageOf(event, this.#settings.name, this.#process, name),
      }));
      const dropped = this.#spool.add(entries, { process: this.#process, event: event.id });
      for (const [target, count] of dropped)
        this.#context.emit({ kind: 'webhook-dropped', target, reason: 'too many wait', count });
      this.#noteTrouble();
    }
    this.#turnAll();
  }

  #turnAll(): void {
    for (const { courier } of this.#targets) void courier.turn().then(() => this.#rest());
    this.#wait();
  }

  /** A target has what it takes for now, which was taken from the disk as well. */
  #rest(): void {
    if (this.#abort.signal.aborted) return;
    this.#noteTrouble();
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#abort.signal.aborted) return;
    const dues = this.#targets.flatMap(({ courier }) => courier.nextAtMs ?? []);
    if (dues.length === 0) return;
    const waitMs = Math.min(longestWaitMs, Math.max(10, Math.min(...dues) - performance.now()));
    this.#timer = setTimeout(() => this.#turnAll(), waitMs).unref();
  }

  #noteTrouble(): void {
    const { trouble } = this.#spool;
    if (trouble === '') this.#disk.take();
    else this.#disk.refuse(inWords(new Error(trouble)));
  }

  #tellDisk(reason: string | undefined): void {
    const { stateDirectory, name } = this.#settings;
    const file = path.join(stateDirectory, `${name}.webhooks`, 'spool.db');
    if (reason === undefined) this.#context.emit({ kind: 'state-file', file, message: 'can be written again' });
    else {
      const remedy = 'make room in runtime.stateDirectory; what waits is in memory meanwhile';
      this.#context.emit({ kind: 'state-file', file, message: `cannot be written: ${reason}`, remedy });
    }
  }

  #answer(verb: WebhookVerb, params: unknown): WebhookAnswers['list'] | Promise<WebhookAnswers['test']> {
    return verb === 'list' ? this.#list() : this.#test((params as { readonly target?: string }).target);
  }

  #list(): WebhookStatus[] {
    const steadyMs = performance.now();
    return this.#targets.map(({ name, config, courier }) => ({
      target: name,
      origin: new URL(config.url).origin,
      events: config.events,
      waiting: this.#spool.waiting(name).length,
      delivered: courier.delivered,
      failures: courier.failures,
      last: courier.lastReason,
      deliveredAgeMs: courier.deliveredAtMs === 0 ? undefined : Math.max(0, Date.now() - courier.deliveredAtMs),
      nextInMs: courier.nextAtMs === undefined ? undefined : Math.max(0, courier.nextAtMs - steadyMs),
      trouble: this.#spool.trouble === '' ? undefined : this.#spool.trouble,
    }));
  }

  /** At once, beside what waits. */
  async #test(wanted: string | undefined): Promise<WebhookTest[]> {
    const chosen = this.#targets.filter(({ name }) => wanted === undefined || name === wanted);
    if (chosen.length === 0) {
      const names = this.#targets.map(({ name }) => name).join(', ');
      throw new HawserError('NO_SUCH_WEBHOOK', `There is no webhook "${wanted}"`, `there are: ${names}`);
    }
    return await Promise.all(chosen.map((target) => this.#testOne(target)));
  }

  async #testOne({ name, config }: Target): Promise<WebhookTest> {
    this.#tests += 1;
    const begunMs = performance.now();
    const id = `msg_test_${this.#process}_${this.#tests}`;
    const time = new Date().toISOString();
    const event = { kind: 'webhook-test' };
    const body = JSON.stringify({ id, time, instance: this.#settings.name, event });
    const tookMs = (): number => Math.round(performance.now() - begunMs);
    try {
      const { status, reason } = await this.#send(name, config, { id, timeMs: Date.now(), body });
      const outcome = reason ?? `HTTP ${status}`;
      return { target: name, isDelivered: status >= 200 && status < 300, outcome, tookMs: tookMs() };
    } catch (error) {
      return { target: name, isDelivered: false, outcome: reasonOf(error), tookMs: tookMs() };
    }
  }

  #warn(message: string): void {
    this.#context.emit({ kind: 'warning', message });
  }
}

/** What is about webhooks is not told by webhooks: one that fails would feed itself. */
function isFor({ kind }: EventRecord, { events }: WebhookConfig): boolean {
  return !kind.startsWith('webhook-') && matchesEvent(events, kind);
}

/** By host, the second one of a host with `#2`. */
function targetNames(webhooks: readonly WebhookConfig[]): string[] {
  const counts = new Map<string, number>();
  return webhooks.map(({ url }) => {
    const { host } = new URL(url);
    const count = (counts.get(host) ?? 0) + 1;
    counts.set(host, count);
    return count === 1 ? host : `${host}#${count}`;
  });
}
