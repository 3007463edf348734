/** How one actor asks a plugin: by commands to the plugin-host and back, so that whoever asks waits as long as it likes and no longer. */
import type { PluginHook } from '../../control/plugins.ts';
import type { ActorContext, Command } from '../kit/contract.ts';

/** To the plugin-host; answered by `plugin-answer` to `from`. */
export interface PluginQuestion extends Command {
  readonly kind: 'plugin-question';
  /** Actor id. */
  readonly from: string;
  readonly id: number;
  readonly plugin: string;
  readonly hook: PluginHook;
  /** JSON. */
  readonly question: unknown;
  readonly timeoutMs: number;
}

/** `isSilent`: nothing came; else it came, and was none. */
export interface PluginFailure {
  readonly ok: false;
  readonly isSilent: boolean;
  readonly reason: string;
}

export type PluginOutcome = { readonly ok: true; readonly answer: unknown } | PluginFailure;

export interface PluginAnswer extends Command {
  readonly kind: 'plugin-answer';
  readonly id: number;
  readonly outcome: PluginOutcome;
}

/** For actors whose promises settle (`evented`). Never rejects. */
export class PluginAsker {
  readonly #context: Pick<ActorContext, 'emit' | 'spec'>;
  readonly #waiting = new Map<number, (outcome: PluginOutcome) => void>();
  #last = 0;

  constructor(context: Pick<ActorContext, 'emit' | 'spec'>) {
    this.#context = context;
  }

  ask(plugin: string, hook: PluginHook, question: unknown, timeoutMs: number): Promise<PluginOutcome> {
    this.#last += 1;
    const id = this.#last;
    const command: PluginQuestion = {
      kind: 'plugin-question',
      from: this.#context.spec.id,
      id,
      plugin,
      hook,
      question,
      timeoutMs,
    };
    return new Promise((resolve) => {
      const settle = (outcome: PluginOutcome): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(outcome);
      };
      const timer = setTimeout(() => settle(silence(plugin, timeoutMs)), timeoutMs).unref();
      this.#waiting.set(id, settle);
      this.#context.emit({ kind: 'command', to: 'plugin-host', command });
    });
  }

  /** True when the command was for it. */
  handle(command: Command): boolean {
    if (command.kind !== 'plugin-answer') return false;
    const { id, outcome } = command as PluginAnswer;
    this.#waiting.get(id)?.(outcome);
    return true;
  }
}

export function silence(plugin: string, timeoutMs: number): PluginFailure {
  return { ok: false, isSilent: true, reason: `plugin ${plugin} did not answer within ${timeoutMs} ms` };
}
