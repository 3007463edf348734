/** Which client has which block of ports, remembered over restarts: whoever is asked later whose a port was needs that it stays. */
import path from 'node:path';
import { inWords, isCode, readSmallFile, replaceFile } from '../base/lasting-files.ts';
import type { BlockNumbers } from '../io/nat/blocks.ts';
import type { NatPlan } from '../io/nat/plan.ts';

const mostBytes = 16 << 20;

/** Numbers of another division say nothing. */
export function divisionOf({ perClient, ports }: NatPlan): string {
  return `${perClient} of ${ports.first}-${ports.last}`;
}

export class NatBlocks {
  readonly #file: string;
  readonly #warn: (message: string) => void;
  readonly #division: string;
  #numbers: BlockNumbers;

  constructor(plan: NatPlan, warn: (message: string) => void) {
    this.#file = path.join(plan.stateDirectory, `${plan.name}.nat-blocks.json`);
    this.#warn = warn;
    this.#division = divisionOf(plan);
    this.#numbers = this.#read();
  }

  get numbers(): BlockNumbers {
    return this.#numbers;
  }

  set(numbers: BlockNumbers): void {
    // The order counts as well: it tells who has been away for how long.
    const before = [...this.#numbers];
    const isSame =
      numbers.size === before.length &&
      [...numbers].every(([holder, number], index) => before[index]?.[0] === holder && before[index]?.[1] === number);
    if (isSame) return;
    this.#numbers = numbers;
    try {
      const text = JSON.stringify({ division: this.#division, blocks: Object.fromEntries(numbers) });
      replaceFile(this.#file, `${text}\n`, 0o600);
    } catch (error) {
      this.#warn(`Cannot write ${this.#file}: ${inWords(error)}; after a restart clients may have other ports`);
    }
  }

  #read(): BlockNumbers {
    try {
      const { division, blocks }: { division?: unknown; blocks?: unknown } = JSON.parse(
        readSmallFile(this.#file, mostBytes),
      );
      if (division !== this.#division || typeof blocks !== 'object' || blocks === null) return new Map();
      const known = Object.entries(blocks).filter(
        (entry): entry is [string, number] => Number.isInteger(entry[1]) && entry[1] >= 0,
      );
      return new Map(known);
    } catch (error) {
      if (!isCode(error, 'ENOENT')) this.#warn(`Cannot read ${this.#file}: ${inWords(error)}; clients get blocks anew`);
      return new Map();
    }
  }
}
