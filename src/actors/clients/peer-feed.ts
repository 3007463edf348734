/** Tells the instance of each change of the store, in their order, as what it is to the peers. */
import type { Calls } from '../../base/calls.ts';
import type { ClientPeers, ClientSourceApi } from '../../control/client-source.ts';
import type { ClientRecord } from './client-record.ts';
import { type ClientDefaults, changeBetween, peersOf } from './peers-of.ts';
import type { ClientChange } from './store.ts';

export interface PeerFeedParts {
  readonly instance: Calls<ClientSourceApi>;
  readonly defaults: ClientDefaults;
  /** Since 1970. */
  readonly nowMs: () => number;
}

export class PeerFeed {
  readonly #parts: PeerFeedParts;
  /** Public keys of the peers that the instance was told of, by client. */
  readonly #told = new Map<string, ReturnType<typeof peersOf>>();
  #last: Promise<void> = Promise.resolve();

  constructor(parts: PeerFeedParts) {
    this.#parts = parts;
  }

  /** Resolves to the reasons why some cannot be had. */
  async replaceAll(records: Iterable<ClientRecord>): Promise<readonly string[]> {
    const all = [...records].flatMap((record) => {
      const peers = this.#peersOf(record);
      this.#told.set(record.id, peers);
      return peers;
    });
    return await this.#parts.instance.request('replaceClientPeers', all);
  }

  /** Rejects with what would keep `record` from taking the place of what there is. */
  async check(id: string, record: ClientRecord): Promise<void> {
    const change = changeBetween(this.#told.get(id) ?? [], this.#peersOf(record));
    if (change.put.length > 0) await this.#parts.instance.request('checkClientPeers', change);
  }

  push(changes: readonly ClientChange[]): void {
    const all = changes.map(({ id, after }) => this.#changeTo(id, after?.record));
    this.#send({ put: all.flatMap(({ put }) => put), remove: all.flatMap(({ remove }) => remove) });
  }

  /** The instance knows peers of it. */
  hasPeers(id: string): boolean {
    return (this.#told.get(id)?.length ?? 0) > 0;
  }

  /** Its sessions end, and may begin anew. */
  kick(id: string): void {
    const peers = this.#told.get(id) ?? [];
    this.#send({ put: [], remove: peers.map(({ publicKey }) => publicKey) });
    this.#send({ put: peers, remove: [] });
  }

  /** Rejects when the instance refused the last change. */
  settled(): Promise<void> {
    return this.#last;
  }

  #changeTo(id: string, record: ClientRecord | undefined): ClientPeers {
    const before = this.#told.get(id) ?? [];
    const after = this.#peersOf(record);
    if (record === undefined) this.#told.delete(id);
    else this.#told.set(id, after);
    return changeBetween(before, after);
  }

  #peersOf(record: ClientRecord | undefined): ReturnType<typeof peersOf> {
    return peersOf(record, this.#parts.defaults, this.#parts.nowMs());
  }

  #send(change: ClientPeers): void {
    if (change.put.length + change.remove.length === 0) return;
    const next = this.#last
      .catch(() => undefined)
      .then(async () => await this.#parts.instance.request('changeClientPeers', change));
    // Whoever waits by `settled` hears of it.
    next.catch(() => undefined);
    this.#last = next;
  }
}
