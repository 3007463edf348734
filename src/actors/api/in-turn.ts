/** One answer for all who ask the same while it is being made: the first gets its own, those who come meanwhile share the next. */
class InTurn<T> {
  readonly #make: () => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** Begun no earlier than it was asked for. */
  get(): Promise<T> {
    if (this.#running === undefined) return this.#run();
    this.#next ??= this.#running.then(
      () => this.#run(),
      () => this.#run(),
    );
    return this.#next;
  }

  /** Nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#next === undefined;
  }

  #run(): Promise<T> {
    this.#next = undefined;
    const running = this.#make().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

export class InTurns<Question, T> {
  readonly #make: (question: Question) => Promise<T>;
  readonly #turns = new Map<string, InTurn<T>>();

  constructor(make: (question: Question) => Promise<T>) {
    this.#make = make;
  }

  async get(question: Question): Promise<T> {
    const key = JSON.stringify(question) ?? '';
    const turn = this.#turns.get(key) ?? new InTurn(() => this.#make(question));
    this.#turns.set(key, turn);
    try {
      return await turn.get();
    } finally {
      if (turn.isIdle) this.#turns.delete(key);
    }
  }
}
