/** Bytes → lines, of which none is longer than a limit: what is held is bounded, whatever comes. */

const newline = 0x0a;
/** Who writes byte by byte costs no more than who does not. */
const mostParts = 64;

export class LineSplitter {
  readonly #mostBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** The lines that end in `chunk`; undefined = one is too long, and nothing can be made of the rest. */
  take(chunk: Buffer): string[] | undefined {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      if (this.#heldBytes + end - from > this.#mostBytes) return undefined;
      lines.push(Buffer.concat([...this.#held, chunk.subarray(from, end)]).toString());
      this.#held = [];
      this.#heldBytes = 0;
      from = end + 1;
    }
    const restBytes = chunk.length - from;
    if (this.#heldBytes + restBytes > this.#mostBytes) return undefined;
    // A copy: a few bytes must not hold the whole chunk.
    if (restBytes > 0) this.#held.push(Buffer.from(chunk.subarray(from)));
    if (this.#held.length > mostParts) this.#held = [Buffer.concat(this.#held)];
    this.#heldBytes += restBytes;
    return lines;
  }
}
