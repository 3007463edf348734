/** All clients as one text: what `client export` prints, and what is kept beside the store for the day on which that is damaged. */
import { readSmallFile, replaceFile, replaceFileInParts } from '../../base/lasting-files.ts';
import { clientFromObject, type StoredClient } from './client-record.ts';
import type { ClientStore } from './store.ts';

/** 60,000 clients of five devices each have 60 MB. */
const mostBytes = 128 << 20;
/** Changes that come within this are written once; of more than a thousand clients within a longer time: 10,000 are 4 MB of a disk that commits wait for. */
const leastDelayMs = 5_000;
const delayMsPerClient = 5;
const mostDelayMs = 60_000;
/** A millisecond or less each. */
const clientsPerPart = 200;

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

/**
 * Keeps the file in step with the store, some seconds behind, of thousands up to a minute. It is written a few clients at a time: of 10,000 the whole takes a tenth of a second, and who
 * adds one meanwhile shall not wait for that.
 */
export class Backup {
  readonly #file: string;
  readonly #store: ClientStore;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #isClosed = false;

  constructor(file: string, store: ClientStore, onError: (error: unknown) => void) {
    this.#file = file;
    this.#store = store;
    this.#onError = onError;
    store.watch(() => this.#writeLater());
  }

  #writeLater(): void {
    const delayMs = Math.min(mostDelayMs, Math.max(leastDelayMs, this.#store.count * delayMsPerClient));
    this.#timer ??= setTimeout(() => void this.write(), delayMs).unref();
  }

  /** Resolves when it is there; what changes meanwhile is in it, or in the next. */
  async write(): Promise<void> {
    this.#endTimer();
    if (this.#isWriting) {
      this.#writeLater();
      return;
    }
    this.#isWriting = true;
    try {
      await replaceFileInParts(this.#file, partsOf([...this.#store.list()]), 0o600, () => !this.#isClosed);
    } catch (error) {
      this.#onError(error);
    }
    this.#isWriting = false;
  }

  /** Writes at once what has not been written. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#timer === undefined && !this.#isWriting) return;
    this.#endTimer();
    try {
      replaceFile(this.#file, backupText(this.#store.list()), 0o600);
    } catch (error) {
      this.#onError(error);
    }
  }

  #endTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** `backupText` in parts. */
function* partsOf(clients: readonly StoredClient[]): Iterable<string> {
  yield '{"clients":[';
  for (let from = 0; from < clients.length; from += clientsPerPart) {
    const part = clients.slice(from, from + clientsPerPart).map((one) => JSON.stringify(exportedOf(one)));
    yield `${from === 0 ? '' : ','}${part.join(',')}`;
  }
  yield ']}\n';
}
