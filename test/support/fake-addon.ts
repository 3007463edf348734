/** An addon without a kernel: a clock that the test moves, and a wait that records how it was called. */

import { doorbell } from '../../src/contract/rings.ts';
import type { Addon } from '../../src/native/addon.ts';

export interface FakeAddon extends Addon {
  readonly clock: { nowUs: number };
  readonly waits: { readonly armed: boolean; readonly deadlineUs: number; readonly fds: readonly number[] }[];
  readonly rung: number[];
  /** What `watchReadable` was given, by descriptor, until it was ended. */
  readonly watched: Map<number, () => void>;
  /** Called instead of waiting; the clock jumps to the deadline when it returns nothing. */
  onWait: (deadlineUs: number) => number | undefined;
}

/** A loop that never ends is a bug of the code under test: it becomes an error here, not a full heap. */
const mostWaits = 1000;

export function createFakeAddon(startUs = 1_000_000): FakeAddon {
  const clock = { nowUs: startUs };
  const waits: { armed: boolean; deadlineUs: number; fds: number[] }[] = [];
  const rung: number[] = [];
  const watched = new Map<number, () => void>();
  const fake: FakeAddon = Object.assign({} as Addon, {
    clock,
    waits,
    rung,
    watched,
    watchReadable(fd: number, onReadable: () => void) {
      watched.set(fd, onReadable);
      return () => void watched.delete(fd);
    },
    onWait: (_deadlineUs: number): number | undefined => undefined,
    nowUs: () => clock.nowUs,
    ring: (fd: number) => rung.push(fd),
    wait(_fd: number, armed: Uint8Array, fds: Int32Array, deadlineUs: number): number {
      if (waits.length === mostWaits) throw new Error(`The thread waited ${mostWaits} times`);
      waits.push({ armed: armed[doorbell.armedAt] === 1, deadlineUs, fds: [...fds] });
      const outcome = fake.onWait(deadlineUs);
      if (outcome === undefined) clock.nowUs = deadlineUs;
      return outcome ?? 0;
    },
  });
  return fake;
}
