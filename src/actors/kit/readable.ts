/** Which of a thread's descriptors are worth a read: a system call that finds nothing costs a light turn as much as one that finds a packet. */

/** One descriptor of `wakeOn`. */
export interface Readable {
  /** The actor clears it when a read has found nothing; it is set again when a park ends by the descriptor, or some turns later. */
  mayHave: boolean;
  /**
   * A park has ended by it. Who reads clears it; a first read that finds nothing then says that something else is the matter: poll(2) names a
   * socket for as long as something stands in its error queue, whoever was told of the error.
   */
  wasNamed: boolean;
}

/** A thread that never parks reads all of them again after so many turns. */
const turnsBetween = 4;

export class Readables {
  readonly #fds: Int32Array;
  readonly #each: readonly Readable[];
  #turns = 0;

  constructor(fds: Int32Array) {
    this.#fds = fds;
    this.#each = Array.from(fds, () => ({ mayHave: true, wasNamed: false }));
  }

  of(fd: number): Readable {
    return this.#each[this.#fds.indexOf(fd)] ?? alwaysReadable;
  }

  /** A park has ended with this answer of `DataApi.wait`. */
  noteWait(bits: number): void {
    this.#turns = 0;
    let left = bits >> 1;
    for (let index = 0; left !== 0; index += 1) {
      const one = this.#each[index] as Readable;
      if ((left & 1) !== 0) {
        one.mayHave = true;
        one.wasNamed = true;
      }
      left >>= 1;
    }
  }

  noteTurn(): void {
    this.#turns += 1;
    if (this.#turns >= turnsBetween) this.noteAll();
  }

  noteAll(): void {
    this.#turns = 0;
    for (const one of this.#each) one.mayHave = true;
  }
}

/** Of a descriptor that no park waits for. */
export const alwaysReadable: Readable = {
  get mayHave() {
    return true;
  },
  set mayHave(_) {
    // Nobody would set it again.
  },
  wasNamed: false,
};
