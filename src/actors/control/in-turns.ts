/**
 * One answer for all who ask while it is being made: the first gets its own, those who come meanwhile share the next, which is made for the
 * questions of all of them. So many who ask at once cost as much as two, and no answer was begun before it was asked for.
 */
export class InTurns<Question, T> {
  readonly #make: (questions: readonly Question[]) => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;
  /** Of those who wait for the next. */
  #questions: Question[] = [];

  constructor(make: (questions: readonly Question[]) => Promise<T>) {
    this.#make = make;
  }

  /** What it resolves to answers other questions as well. */
  get(question: Question): Promise<T> {
    this.#questions.push(question);
    // It may have ended this moment, and the next be about to begin with this question too.
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#run();
    const run = (): Promise<T> => this.#run();
    this.#next = this.#running.then(run, run);
    return this.#next;
  }

  #run(): Promise<T> {
    this.#next = undefined;
    const running = this.#make(this.#questions.splice(0)).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
