/** Looks each second at what the peer table says of the clients' devices, for their sessions and for what they use. */
import { messageOf } from '../../base/errors.ts';
import { peer as layout } from '../../contract/peer-tables.ts';
import type { ClientSession, ClientUsage } from '../../control/client-calls.ts';
import type { RowTable } from '../../rings/table.ts';
import { type ClientRecord, peerNameOf } from './client-record.ts';
import { type DeviceReading, SessionBook, type SessionBookParts, type SessionEnd } from './session-book.ts';
import type { ClientStore } from './store.ts';
import { UsageBook } from './usage-book.ts';

export interface SessionKeeperParts extends SessionBookParts {
  readonly store: ClientStore;
  readonly peers: RowTable;
  /** Row by public key. */
  readonly rows: Map<string, number>;
  readonly nowMs: () => number;
  /** CLOCK_BOOTTIME. */
  readonly nowUs: () => number;
}

/** So much is lost by a crash at most. */
const writeEveryMs = 10_000;

export class SessionKeeper {
  readonly #parts: SessionKeeperParts;
  readonly #sessions: SessionBook;
  readonly #usage: UsageBook;
  #writtenMs: number;
  /** What `end` could not write for, said once. */
  #unwritten = '';

  constructor(parts: SessionKeeperParts) {
    this.#parts = parts;
    this.#sessions = new SessionBook(parts);
    this.#usage = new UsageBook(parts.store.usage);
    this.#writtenMs = parts.nowMs();
  }

  /** About once a second. Throws what SQLite says; what was counted is not lost by that. */
  look(): void {
    const { store, nowMs } = this.#parts;
    for (const { record } of store.list()) this.#lookAt(record);
    if (nowMs() - this.#writtenMs < writeEveryMs) return;
    this.#writtenMs = nowMs();
    this.#usage.flush();
  }

  /**
   * A client, or some of its devices, are about to be no peers any more: their rows are read for the last time. Never throws: what cannot be
   * written is counted, and written later, and nobody stays for that.
   */
  end(record: ClientRecord, publicKeys: readonly string[], reason: SessionEnd): void {
    this.#lookAt(record);
    for (const publicKey of publicKeys) {
      this.#sessions.end(publicKey, reason, this.#parts.nowMs());
      this.#sessions.forget(publicKey);
      this.#usage.forget(publicKey);
      // What it still holds was counted, and will not be read again.
      this.#parts.rows.delete(publicKey);
    }
    // Of one that is removed nothing is kept.
    if (this.#parts.store.get(record.id) === undefined) this.#usage.drop(record.id);
    try {
      this.#usage.flush();
      this.#unwritten = '';
    } catch (error) {
      const message = `Usage of clients cannot be written: ${messageOf(error)}`;
      if (message !== this.#unwritten) this.#parts.emit({ kind: 'warning', message });
      this.#unwritten = message;
    }
  }

  sessions(): ClientSession[] {
    return this.#sessions.rows(this.#parts.nowMs());
  }

  usageOf(record: ClientRecord): ClientUsage {
    this.#lookAt(record);
    this.#usage.flush();
    const days = this.#parts.store.usage
      .daysOf(record.id)
      .map(({ day, upBytes, downBytes }) => ({ day, upBytes, downBytes }));
    return { client: record.name, days };
  }

  /** The end of this thread, in order. */
  close(): void {
    for (const { record } of this.#parts.store.list()) this.#lookAt(record);
    this.#usage.flush();
  }

  #lookAt(record: ClientRecord): void {
    const { rows, nowMs, nowUs } = this.#parts;
    for (const device of record.devices) {
      const row = rows.get(device.publicKey);
      if (row === undefined) continue;
      const reading = this.#read(row);
      const { publicKey } = device;
      // Of thousands most say nothing.
      if (this.#usage.isCounted(publicKey, reading) && !this.#sessions.has(publicKey)) continue;
      this.#sessions.look(
        { publicKey, client: record.name, peer: peerNameOf(record, device) },
        reading,
        nowUs(),
        nowMs(),
      );
      this.#usage.look(publicKey, record.id, reading, dayOf(nowMs()));
    }
  }

  #read(row: number): DeviceReading {
    const { peers } = this.#parts;
    return {
      upBytes: peers.number(row, layout.innerRxBytesAt),
      downBytes: peers.number(row, layout.innerTxBytesAt),
      lastDataUs: peers.number(row, layout.lastDataReceivedAt),
    };
  }
}

/** UTC. */
function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
