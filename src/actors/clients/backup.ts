/** All clients as one text: what `client export` prints, and what is kept beside the store for the day on which that is damaged. */
import { readSmallFile, replaceFile } from '../../base/lasting-files.ts';
import { clientFromObject, type StoredClient } from './client-record.ts';
import type { ClientStore } from './store.ts';

/** 60,000 clients of five devices each have 60 MB. */
const mostBytes = 128 << 20;
/** Changes that come within this are written once. */
const delayMs = 5_000;

/** A client as it is written down: the record, and its revision beside it. */
export function exportedOf({ record, revision }: StoredClient): object {
  return { ...record, revision };
}

/** undefined = no client of ours. */
export function importedFrom(value: unknown): StoredClient | undefined {
  const record = clientFromObject(value);
  if (record === undefined) return undefined;
  const { revision }: { revision?: unknown } = value as object;
  return { record, revision: typeof revision === 'number' ? revision : 0 };
}

export function backupText(clients: Iterable<StoredClient>): string {
  return `${JSON.stringify({ clients: [...clients].map(exportedOf) })}\n`;
}

/** What can be read of it; undefined = there is none, or nothing of it can be. */
export function readBackup(file: string): StoredClient[] | undefined {
  try {
    const { clients }: { clients?: unknown } = JSON.parse(readSmallFile(file, mostBytes)) as object;
    return Array.isArray(clients) ? clients.flatMap((one) => importedFrom(one) ?? []) : undefined;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** Keeps the file in step with the store, some seconds behind. */
export class Backup {
  readonly #file: string;
  readonly #store: ClientStore;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string, store: ClientStore, onError: (error: unknown) => void) {
    this.#file = file;
    this.#store = store;
    this.#onError = onError;
    store.watch(() => {
      this.#timer ??= setTimeout(() => this.write(), delayMs).unref();
    });
  }

  /** At once. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      replaceFile(this.#file, backupText(this.#store.list()), 0o600);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Writes what has not been written. */
  close(): void {
    if (this.#timer !== undefined) this.write();
  }
}
