/**
 * What is to be told and has not been yet: one queue for each target, in memory, and in SQLite so that a restart loses nothing. A disk that takes
 * nothing costs that safety and no message. A queue that is full gives up its oldest.
 */
import { rmSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { type Database, inTransaction, openDatabase } from '../../io/sqlite.ts';

export interface Message {
  /** The same in each try, and after a restart: a receiver tells doubles by it. */
  readonly id: string;
  readonly timeMs: number;
  readonly body: string;
}

/** The last event that was taken, and of which process: numbers of events begin anew with each. */
export interface Progress {
  readonly process: number;
  readonly event: number;
}

export const mostWaiting = 1000;

const schema = `
  CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, id TEXT NOT NULL,
    timeMs INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (target, id));
  CREATE TABLE IF NOT EXISTS progress (only INTEGER PRIMARY KEY CHECK (only = 1), process INTEGER NOT NULL, event INTEGER NOT NULL);
`;

export class Spool {
  readonly #queues = new Map<string, Message[]>();
  readonly #file: string;
  #database: Database | undefined;
  #progress: Progress = { process: 0, event: 0 };
  /** Why nothing can be written; '' = it can. */
  trouble = '';

  /** Takes over what was left for `targets`; what is for nobody any more is forgotten. A damaged file is begun anew. */
  constructor(file: string, targets: readonly string[]) {
    this.#file = file;
    for (const target of targets) this.#queues.set(target, []);
    this.#try(() => {
      const database = this.#open();
      this.#load(database);
      this.#database = database;
    });
  }

  get progress(): Progress {
    return this.#progress;
  }

  waiting(target: string): readonly Message[] {
    return this.#queues.get(target) ?? [];
  }

  /** Puts what one event means behind what waits. Returns how many were given up for it, by target. */
  add(
    entries: readonly { readonly target: string; readonly message: Message }[],
    progress: Progress,
  ): Map<string, number> {
    const dropped = new Map<string, number>();
    const gone: { target: string; id: string }[] = [];
    for (const { target, message } of entries) {
      const queue = this.#queues.get(target);
      if (queue === undefined || queue.some(({ id }) => id === message.id)) continue;
      queue.push(message);
      if (queue.length <= mostWaiting) continue;
      // The first one may be under way: the second is the oldest that is not.
      for (const { id } of queue.splice(1, queue.length - mostWaiting)) gone.push({ target, id });
      dropped.set(target, (dropped.get(target) ?? 0) + 1);
    }
    this.#progress = progress;
    if (entries.length > 0)
      this.#write((database) => {
        for (const { target, message } of entries) put(database, target, message);
        for (const { target, id } of gone) remove(database, target, id);
        putProgress(database, progress);
      });
    return dropped;
  }

  /** It was told, or is given up. */
  remove(target: string, id: string): void {
    const queue = this.#queues.get(target) ?? [];
    const at = queue.findIndex((one) => one.id === id);
    if (at < 0) return;
    queue.splice(at, 1);
    this.#write((database) => remove(database, target, id));
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #open(): Database {
    try {
      return openWhole(this.#file);
    } catch (error) {
      if (!/malformed|not a database|corrupt/.test(messageOf(error))) throw error;
      for (const file of [this.#file, `${this.#file}-journal`]) rmSync(file, { force: true });
      return openWhole(this.#file);
    }
  }

  #load(database: Database): void {
    const [row] = database.all('SELECT process, event FROM progress');
    if (row !== undefined) this.#progress = { process: Number(row.process), event: Number(row.event) };
    for (const { target, id, timeMs, body } of database.all(
      'SELECT target, id, timeMs, body FROM message ORDER BY seq',
    )) {
      const queue = this.#queues.get(String(target));
      if (queue === undefined) remove(database, String(target), String(id));
      else queue.push({ id: String(id), timeMs: Number(timeMs), body: String(body) });
    }
  }

  /** After a time in which nothing could be written the file gets all that there is. */
  #write(work: (database: Database) => void): void {
    const wasTroubled = this.trouble !== '';
    this.#try(() => {
      this.#database ??= this.#open();
      const database = this.#database;
      inTransaction(database, () => {
        if (wasTroubled) this.#writeAll(database);
        else work(database);
      });
    });
  }

  #writeAll(database: Database): void {
    database.exec('DELETE FROM message');
    for (const [target, queue] of this.#queues) for (const message of queue) put(database, target, message);
    putProgress(database, this.#progress);
  }

  #try(work: () => void): void {
    try {
      work();
      this.trouble = '';
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.trouble = error.message;
    }
  }
}

function openWhole(file: string): Database {
  const database = openDatabase(file);
  try {
    database.exec(schema);
    database.all('SELECT MAX(seq) FROM message');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function put(database: Database, target: string, { id, timeMs, body }: Message): void {
  const sql = 'INSERT OR IGNORE INTO message (target, id, timeMs, body) VALUES (?, ?, ?, ?)';
  database.run(sql, [target, id, timeMs, body]);
}

function remove(database: Database, target: string, id: string): void {
  database.run('DELETE FROM message WHERE target = ? AND id = ?', [target, id]);
}

function putProgress(database: Database, { process, event }: Progress): void {
  database.run('INSERT OR REPLACE INTO progress (only, process, event) VALUES (1, ?, ?)', [process, event]);
}
