/** Counts inner packets that were longer than their peer takes uncut, and who was told so (`tooLong` of native/data-api.ts). */
import { tooLong } from '../../contract/columns.ts';
import { sealerCounters } from '../../rings/counter-names.ts';
import type { Throughput } from '../kit/ports.ts';

/** By column. */
const counterOf = [
  sealerCounters.cut,
  sealerCounters.fragmented,
  sealerCounters.outerFragments,
  sealerCounters.tooLong,
  sealerCounters.told,
] as const;

export class TooLong {
  readonly #tally = new Float64Array(tooLong.columns);
  readonly #seen = new Float64Array(tooLong.columns);
  readonly #throughput: Throughput;

  constructor(throughput: Throughput) {
    this.#throughput = throughput;
  }

  /** For the native sealer. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#tally.buffer);
  }

  /** Once a turn. */
  count(): void {
    for (let column = 0; column < tooLong.columns; column += 1) {
      const now = this.#tally[column] as number;
      const news = now - (this.#seen[column] as number);
      if (news === 0) continue;
      this.#throughput.count(counterOf[column] as number, news);
      this.#seen[column] = now;
    }
  }
}
