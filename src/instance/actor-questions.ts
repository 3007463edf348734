/** What operators ask of the actors that keep something on the disk; an instance that has no such actor says how to have one. */
import { HawserError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import type { ClientVerb, HubFacts } from '../control/client-calls.ts';
import type { HistoryAnswers, HistoryVerb } from '../control/history.ts';
import type { PluginAnswers, PluginVerb } from '../control/plugins.ts';
import type { WebhookAnswers, WebhookVerb } from '../control/webhooks.ts';
import type { CallDesk } from './call-desk.ts';

interface QuestionParts {
  readonly calls: CallDesk;
  config(): Config;
  hubFacts(): HubFacts;
}

export class ActorQuestions {
  readonly #parts: QuestionParts;

  constructor(parts: QuestionParts) {
    this.#parts = parts;
  }

  /** Rejects with NO_SERVER where no clients are kept, CLIENT_STORE when their store does not answer. */
  async clients(verb: ClientVerb, params: unknown): Promise<unknown> {
    const { calls, config, hubFacts } = this.#parts;
    if (config().server === undefined) {
      const remedy = 'add `server: { pool: 10.100.0.0/16 }` to its file, and reload';
      throw new HawserError('NO_SERVER', 'This instance keeps no clients', remedy);
    }
    const remedy = 'it may have been done all the same: look at `hawser client list`';
    const silence = new HawserError('CLIENT_STORE', 'The store of clients did not answer', remedy);
    const answer = await calls.call('client-store', verb, params, silence);
    if ((verb !== 'add' && verb !== 'addDevice') || typeof answer !== 'object') return answer;
    return { ...answer, hub: hubFacts() };
  }

  /** Rejects with NO_HISTORY where none is kept. */
  async history<V extends HistoryVerb>(verb: V, params: unknown): Promise<HistoryAnswers[V]> {
    const { calls, config } = this.#parts;
    if (config().history === undefined) {
      const remedy = 'add `history: {}` to its file, and reload';
      throw new HawserError('NO_HISTORY', 'This instance keeps no history', remedy);
    }
    return (await calls.call('history-keeper', verb, params)) as HistoryAnswers[V];
  }

  /** Rejects with NO_WEBHOOKS where there are none. */
  async webhooks<V extends WebhookVerb>(verb: V, params: unknown): Promise<WebhookAnswers[V]> {
    const { calls, config } = this.#parts;
    if (config().webhooks.length === 0) {
      const remedy = 'docs/operating/webhooks.md says how to add one';
      throw new HawserError('NO_WEBHOOKS', 'This instance has no webhooks', remedy);
    }
    return (await calls.call('webhook-sender', verb, params)) as WebhookAnswers[V];
  }

  /** Rejects with NO_PLUGINS where there are none. */
  async plugins<V extends PluginVerb>(verb: V, params: unknown): Promise<PluginAnswers[V]> {
    const { calls, config } = this.#parts;
    if (config().plugins.length === 0) {
      const remedy = 'docs/operating/plugins.md says how to add one';
      throw new HawserError('NO_PLUGINS', 'This instance has no plugins', remedy);
    }
    return (await calls.call('plugin-host', verb, params)) as PluginAnswers[V];
  }
}
