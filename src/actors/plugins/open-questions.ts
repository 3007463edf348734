/**
 * What one plugin was asked and has not answered: each question settles once, by its answer, by its time, or by the plugin's end. A ping goes
 * with them, which a plugin that waits for others answers all the same; one that loops, or does not read, does not.
 */
import type { PluginHook } from '../../control/plugins.ts';
import type { FromPlugin, ToPlugin } from './interface.ts';
import { type PluginOutcome, silence } from './questions.ts';

export interface OpenQuestionsParts {
  readonly plugin: string;
  /** False when the plugin does not read what it is sent. */
  readonly send: (message: ToPlugin) => boolean;
  /** Milliseconds of a clock that never jumps. */
  readonly nowMs: () => number;
  /** Counts a failure, and makes an outcome of it. */
  readonly fail: (hook: PluginHook, isSilent: boolean, error: string) => PluginOutcome;
}

interface Waiting {
  readonly hook: PluginHook;
  readonly settle: (outcome: PluginOutcome) => void;
  readonly timer: NodeJS.Timeout;
}

const pingEveryMs = 2000;
const mostQuestions = 1024;

export class OpenQuestions {
  /** Answered ever. */
  answers = 0;
  readonly #parts: OpenQuestionsParts;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #pingedMs = 0;
  /** 0 = none is under way. */
  #pingId = 0;
  /** Since when a ping is wanted and not answered; 0 = none is. */
  #unansweredMs = 0;

  constructor(parts: OpenQuestionsParts) {
    this.#parts = parts;
  }

  /** No more can be asked now; undefined = they can. */
  get full(): string | undefined {
    return this.#waiting.size < mostQuestions
      ? undefined
      : `plugin ${this.#parts.plugin} has ${mostQuestions} questions before it`;
  }

  /** Never rejects. */
  ask(hook: PluginHook, question: unknown, timeoutMs: number): Promise<PluginOutcome> {
    return new Promise((settle) => this.#send(hook, question, settle, timeoutMs));
  }

  #send(hook: PluginHook, question: unknown, settle: Waiting['settle'], timeoutMs: number): void {
    const { plugin, send, fail } = this.#parts;
    this.#lastId += 1;
    const id = this.#lastId;
    if (!send({ kind: 'question', id, hook, question })) {
      settle(fail(hook, true, `plugin ${plugin} does not read what it is sent`));
      return;
    }
    const onLate = (): void => {
      this.#waiting.delete(id);
      settle(fail(hook, true, silence(plugin, timeoutMs).reason));
    };
    this.#waiting.set(id, { hook, settle, timer: setTimeout(onLate, timeoutMs).unref() });
  }

  /** Throws when nobody asked that. */
  handleAnswer({ id, answer, error }: Extract<FromPlugin, { kind: 'answer' }>): void {
    if (id === this.#pingId) {
      this.#pingId = 0;
      this.#unansweredMs = 0;
      return;
    }
    const waiting = this.#waiting.get(id);
    // Twice, or after its time: nobody waits for it.
    if (waiting === undefined && id <= this.#lastId) return;
    if (waiting === undefined) throw new Error(`it answers question ${id}, which nobody asked`);
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    if (error !== undefined) {
      waiting.settle(this.#parts.fail(waiting.hook, false, error));
      return;
    }
    this.answers += 1;
    waiting.settle({ ok: true, answer });
  }

  /** From time to time; a ping that finds no room is tried again. */
  ping(nowMs: number): void {
    if (this.#pingId > 0 || nowMs - this.#pingedMs < pingEveryMs) return;
    if (this.#unansweredMs === 0) this.#unansweredMs = nowMs;
    const id = this.#lastId + 1;
    if (!this.#parts.send({ kind: 'question', id, hook: 'ping', question: null })) return;
    this.#lastId = id;
    this.#pingId = id;
    this.#pingedMs = nowMs;
  }

  /** For how long a ping has been unanswered, milliseconds. */
  unansweredMs(nowMs: number): number {
    return this.#unansweredMs === 0 ? 0 : nowMs - this.#unansweredMs;
  }

  /** While everything stood still nobody could answer. */
  forgive(nowMs: number): void {
    if (this.#unansweredMs > 0) this.#unansweredMs = nowMs;
  }

  /** Another process of the plugin is pinged from the start. */
  restart(): void {
    this.#pingId = 0;
    this.#unansweredMs = 0;
  }

  /** The plugin has ended. */
  failAll(reason: string): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { timer, settle } of all) {
      clearTimeout(timer);
      settle({ ok: false, isSilent: true, reason: `plugin ${this.#parts.plugin} has ended: ${reason}` });
    }
  }

  /** Nobody is told of anything any more. */
  close(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
  }
}
