/** Tells the instance of each change of the store, in their order, as what it is to the peers. */
import type { Calls } from '../../base/calls.ts';
import type { PeerLimits } from '../../config/config.ts';
import type { ClientPeers, ClientSourceApi } from '../../control/client-source.ts';
import { ratesOf } from './client-rates.ts';
import type { ClientRecord } from './client-record.ts';
import { type InvitationRecord, peerOfInvitation } from './invitation-record.ts';
import { type ClientDefaults, changeBetween, peersOf } from './peers-of.ts';
import type { ClientChange } from './store.ts';

export interface PeerFeedParts {
  readonly instance: Calls<ClientSourceApi>;
  readonly defaults: ClientDefaults;
  /** It has used up its quota. */
  readonly isOver: (record: ClientRecord) => boolean;
  /** These clients may have other rows than before, since `replaceAll`. Never throws. */
  readonly handleRows?: (ids: readonly string[]) => void;
  /** Since 1970. */
  readonly nowMs: () => number;
}

export class PeerFeed {
  readonly #parts: PeerFeedParts;
  /** The peers that the instance was told of, with their preshared keys, by client or invitation. */
  readonly #told = new Map<string, ReturnType<typeof peersOf>>();
  /** Who is not let in, until when. */
  readonly #barred = new Map<string, number>();
  /** Of the peer table, by public key. */
  readonly rows = new Map<string, number>();
  #last: Promise<void> = Promise.resolve();

  constructor(parts: PeerFeedParts) {
    this.#parts = parts;
  }

  /** Resolves to the reasons why some cannot be had. */
  async replaceAll(
    records: Iterable<ClientRecord>,
    invitations: Iterable<InvitationRecord> = [],
  ): Promise<readonly string[]> {
    for (const record of records) {
      this.#bar(record);
      this.#told.set(record.id, this.#peersOf(record));
    }
    for (const record of invitations) this.#told.set(record.id, [peerOfInvitation(record, this.#parts.defaults)]);
    const all = [...this.#told.values()].flat();
    const { rows, refused } = await this.#parts.instance.request('replaceClientPeers', all);
    for (const [publicKey, row] of rows) this.rows.set(publicKey, row);
    return refused;
  }

  /** Rejects with what would keep `record` from taking the place of what there is. */
  async check(id: string, record: ClientRecord): Promise<void> {
    const change = changeBetween(this.#told.get(id) ?? [], this.#peersOf(record));
    if (change.put.length > 0) await this.#parts.instance.request('checkClientPeers', change);
  }

  push(changes: readonly ClientChange[]): void {
    const all = changes.map(({ id, after }) => {
      if (after !== undefined) this.#bar(after.record);
      return this.#changeTo(id, after?.record);
    });
    const ids = changes.map(({ id }) => id);
    this.#send({ put: all.flatMap(({ put }) => put), remove: all.flatMap(({ remove }) => remove) }, ids);
  }

  /** Invitations came, or went. */
  pushInvitations(come: readonly InvitationRecord[], gone: readonly InvitationRecord[]): void {
    const put = come.map((record) => peerOfInvitation(record, this.#parts.defaults));
    for (const [index, { id }] of come.entries()) this.#told.set(id, put.slice(index, index + 1));
    const known = gone.filter(({ id }) => this.#told.delete(id));
    this.#send({ put, remove: known.map(({ publicKey }) => publicKey) });
  }

  /** The instance knows peers of it. */
  hasPeers(id: string): boolean {
    return (this.#told.get(id)?.length ?? 0) > 0;
  }

  /** Its sessions end; `untilMs`: they may not begin anew before, whatever the record says. */
  kick(record: ClientRecord, untilMs: number): void {
    if (untilMs > this.#parts.nowMs()) this.#barred.set(record.id, untilMs);
    const peers = this.#told.get(record.id) ?? [];
    this.#send({ put: [], remove: peers.map(({ publicKey }) => publicKey) });
    this.#told.delete(record.id);
    this.refresh(record);
  }

  #bar({ id, barredUntilMs = 0 }: ClientRecord): void {
    if (barredUntilMs > this.#parts.nowMs()) this.#barred.set(id, barredUntilMs);
  }

  /** undefined = it is let in. */
  barredUntilMs(id: string): number | undefined {
    const untilMs = this.#barred.get(id);
    return untilMs === undefined || untilMs <= this.#parts.nowMs() ? undefined : untilMs;
  }

  /** When the next one may come again; undefined = nobody is kept out. */
  nextLetInMs(): number | undefined {
    let next: number | undefined;
    for (const untilMs of this.#barred.values()) if (next === undefined || untilMs < next) next = untilMs;
    return next;
  }

  /** Who may come again. */
  letIn(): string[] {
    const ids = [...this.#barred].filter(([, untilMs]) => untilMs <= this.#parts.nowMs()).map(([id]) => id);
    for (const id of ids) this.#barred.delete(id);
    return ids;
  }

  /** The record is as it was, and what follows from it another. */
  refresh(record: ClientRecord): void {
    this.#send(this.#changeTo(record.id, record), [record.id]);
  }

  /** Rejects when the instance refused the last change. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** What is said of all clients included. */
  limitsOf(record: ClientRecord): PeerLimits {
    return ratesOf(record, this.#parts.defaults.limits);
  }

  #changeTo(id: string, record: ClientRecord | undefined): ClientPeers {
    const before = this.#told.get(id) ?? [];
    const after = this.#peersOf(record);
    if (record === undefined) this.#told.delete(id);
    else this.#told.set(id, after);
    return changeBetween(before, after);
  }

  #peersOf(record: ClientRecord | undefined): ReturnType<typeof peersOf> {
    if (record !== undefined && this.barredUntilMs(record.id) !== undefined) return [];
    const { defaults, nowMs, isOver } = this.#parts;
    return peersOf(record, defaults, nowMs(), record !== undefined && isOver(record));
  }

  /** `ids`: of clients that get peers by it. */
  #send(change: ClientPeers, ids: readonly string[] = []): void {
    if (change.put.length + change.remove.length === 0) return;
    const next = this.#last
      .catch(() => undefined)
      .then(async () => {
        for (const publicKey of change.remove) this.rows.delete(publicKey);
        for (const [publicKey, row] of await this.#parts.instance.request('changeClientPeers', change))
          this.rows.set(publicKey, row);
        this.#parts.handleRows?.(ids);
      });
    // Whoever waits by `settled` hears of it.
    next.catch(() => undefined);
    this.#last = next;
  }
}
