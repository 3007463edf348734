/**
 * What is done about clients between commands, a part at a time: looks at who is there, about once a second and more often while a quota ends;
 * what is counted is written; the log goes to where it belongs. Commands that came meanwhile have their turn first.
 */
import { messageOf } from '../../base/errors.ts';
import { isOfDisk } from './disk-fault.ts';
import type { SessionKeeper } from './session-keeper.ts';
import type { ClientStore } from './store.ts';

/** While somebody's quota ends within a moment. */
const soonMs = 20;

export interface ChoresParts {
  readonly store: Pick<ClientStore, 'isUntidy' | 'tidy'>;
  readonly keeper: Pick<
    SessionKeeper,
    'look' | 'lookOn' | 'lookSoon' | 'writeOn' | 'isLooking' | 'isWriting' | 'isHot' | 'close'
  >;
  /** The store has taken nothing; it may be the disk. */
  readonly noteRefused: (error: unknown) => void;
  readonly warn: (message: string) => void;
}

export class Chores {
  readonly #parts: ChoresParts;
  #soon: NodeJS.Timeout | undefined;
  #goingOn: NodeJS.Immediate | undefined;
  /** What usage could not be written for, said once. */
  #unwritten = '';

  constructor(parts: ChoresParts) {
    this.#parts = parts;
  }

  /** Once a second. */
  look(): void {
    const { keeper } = this.#parts;
    this.#look(() => keeper.look());
  }

  /** Somebody has had an answer, and what follows from it may be done now. */
  goOnLater(): void {
    const { keeper, store } = this.#parts;
    if (!keeper.isLooking && !keeper.isWriting && !store.isUntidy) return;
    this.#goingOn ??= setImmediate(() => {
      this.#goingOn = undefined;
      if (keeper.isLooking) this.#look(() => keeper.lookOn());
      else if (keeper.isWriting) this.#write(() => keeper.writeOn());
      else if (store.isUntidy) this.#tidy();
      this.goOnLater();
    });
  }

  /** Writes what is counted, and ends. */
  close(): void {
    clearTimeout(this.#soon);
    clearImmediate(this.#goingOn);
    this.#write(() => this.#parts.keeper.close());
  }

  #look(work: () => void): void {
    const { keeper } = this.#parts;
    this.#write(work);
    this.goOnLater();
    clearTimeout(this.#soon);
    if (keeper.isHot) this.#soon = setTimeout(() => this.#look(() => keeper.lookSoon()), soonMs).unref();
  }

  /** Usage that cannot be written stays counted, and is tried again. */
  #write(work: () => void): void {
    try {
      work();
      this.#unwritten = '';
    } catch (error) {
      this.#parts.noteRefused(error);
      if (isOfDisk(error)) return;
      const message = `Usage of clients cannot be written: ${messageOf(error)}`;
      if (message !== this.#unwritten) this.#parts.warn(message);
      this.#unwritten = message;
    }
  }

  #tidy(): void {
    const { store, noteRefused, warn } = this.#parts;
    try {
      store.tidy();
    } catch (error) {
      noteRefused(error);
      if (!isOfDisk(error)) warn(`The log of the clients' store stays long: ${messageOf(error)}`);
    }
  }
}
