/**
 * Answers SYNs without keeping anything of them: our first sequence number says what must be known of the SYN, and can be guessed by nobody
 * who does not receive it (Bernstein's SYN cookies). So there are no half-open connections to count, and none to fill up with.
 *
 * ```
 *  31   30 29        26 25                              0
 * +-------+------------+---------------------------------+
 * | epoch |   shift    |   keyed hash of all that names  |     the first six bits are hidden by
 * |  mod 4|  (0 to 14) |   the connection, and of both   |     another hash of the connection
 * +-------+------------+---------------------------------+
 * ```
 */
import { tuple } from '../../contract/flows.ts';

/** RFC 4987 section 3.6: an answer is good for one to two of these. */
const epochUs = 64e6;
const hashBits = 26;
const hashMask = (1 << hashBits) - 1;
/** Says that the SYN had no window scale. */
const noShift = 15;

/** A keyed hash, of 32 bits. */
type KeyedHash = (bytes: Uint8Array) => number;

/** Address and port of the other end, and of ours: what does not change on the way back. */
const nameBytes = tuple.linkHeaderBytesAt;

export class SynCookies {
  readonly #hash: KeyedHash;
  readonly #input = new Uint8Array(nameBytes + 2);

  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  /** First sequence number for a SYN of that connection. `shift` -1 = it said none. */
  make(connection: Uint8Array, shift: number, nowUs: number): number {
    return this.#make(connection, shift < 0 ? noShift : shift, epochOf(nowUs));
  }

  /** Whether such a number was given out lately: the shift of its SYN (-1 = none), or undefined. */
  check(connection: Uint8Array, first: number, nowUs: number): number | undefined {
    const plain = (first ^ this.#veil(connection)) >>> 0;
    const epoch = epochOf(nowUs);
    const shift = (plain >>> hashBits) & 15;
    for (const candidate of [epoch, epoch - 1]) {
      if ((candidate & 3) !== plain >>> 30) continue;
      if (this.#make(connection, shift, candidate) === first >>> 0) return shift === noShift ? -1 : shift;
    }
    return undefined;
  }

  /** A number that belongs to the connection and looks like any other: what its timestamps begin with. */
  offset(connection: Uint8Array): number {
    return this.#hashOf(connection, 2, 0);
  }

  #make(connection: Uint8Array, shift: number, epoch: number): number {
    const said = ((epoch & 3) << 30) | (shift << hashBits);
    const hash = this.#hashOf(connection, epoch & 0xff, 16 | shift) & hashMask;
    return ((said | hash) ^ this.#veil(connection)) >>> 0;
  }

  #veil(connection: Uint8Array): number {
    return this.#hashOf(connection, 1, 0) & ~hashMask;
  }

  #hashOf(connection: Uint8Array, first: number, second: number): number {
    this.#input.set(connection.subarray(0, nameBytes));
    this.#input[nameBytes] = first;
    this.#input[nameBytes + 1] = second;
    return this.#hash(this.#input) >>> 0;
  }
}

function epochOf(nowUs: number): number {
  return Math.floor(nowUs / epochUs);
}
