/**
 * Where trains wait that a path has no credit for: slots in shared memory, small ones and large ones, each with what a restarted
 * sealer must know to queue it again. One thread uses it (the sealer); the memory outlives it.
 */
import { assert } from '../base/assert.ts';
import { train } from '../contract/records.ts';
import { stash } from '../contract/rings.ts';

export interface StashSizes {
  readonly small: number;
  readonly large: number;
}

/**
 * 4096 packets and 512 trains: 40 MiB, of which only what is used is ever touched. A sender that is paced by acknowledgements sends
 * trains of a few packets, and each takes the place of a super-packet: a queue of 2 MiB is several hundred of them.
 */
export const stashSizes: StashSizes = { small: 4096, large: 512 };

const metaAt = stash.dataAt;

export function createStashMemory(sizes: StashSizes = stashSizes): SharedArrayBuffer {
  const slots = sizes.small + sizes.large;
  const dataBytes = sizes.small * stash.smallBytes + sizes.large * stash.largeBytes;
  const memory = new SharedArrayBuffer(metaAt + slots * stash.metaBytes + dataBytes);
  const words = new Int32Array(memory);
  words[stash.magicAt >> 2] = stash.magic;
  words[stash.smallSlotsAt >> 2] = sizes.small;
  words[stash.largeSlotsAt >> 2] = sizes.large;
  return memory;
}

export class Stash {
  readonly slots: number;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #small: number;
  readonly #dataAt: number;
  readonly #freeSmall: number[] = [];
  readonly #freeLarge: number[] = [];
  #sequence = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    assert(this.#words[stash.magicAt >> 2] === stash.magic, 'not the memory of a stash');
    this.#small = this.#words[stash.smallSlotsAt >> 2] as number;
    this.slots = this.#small + (this.#words[stash.largeSlotsAt >> 2] as number);
    this.#dataAt = metaAt + this.slots * stash.metaBytes;
    for (let slot = this.slots - 1; slot >= 0; slot -= 1) {
      this.#sequence = Math.max(this.#sequence, this.#word(slot, stash.sequenceAt));
      if (this.#word(slot, stash.inUseAt) === 0) this.#free(slot);
    }
  }

  /** Slots that a predecessor filled, oldest first. */
  survivors(): number[] {
    const used: number[] = [];
    for (let slot = 0; slot < this.slots; slot += 1) if (this.#word(slot, stash.inUseAt) !== 0) used.push(slot);
    return used.sort((a, b) => this.#word(a, stash.sequenceAt) - this.#word(b, stash.sequenceAt));
  }

  /** A free slot for a train of `packetBytes`, or -1. It counts as used from `keep` on. */
  take(packetBytes: number): number {
    const needed = train.packetAt + packetBytes + 16;
    const slot = needed <= stash.smallBytes ? this.#freeSmall.pop() : undefined;
    return slot ?? this.#freeLarge.pop() ?? -1;
  }

  /** Records what the slot holds, after the bytes were copied to `offset(slot)`. */
  keep(slot: number, peer: number, trafficClass: number, flow: number, bytes: number, nowUs: number): void {
    this.#sequence += 1;
    this.#setWord(slot, stash.peerAt, peer);
    this.#setWord(slot, stash.classAt, trafficClass);
    this.#setWord(slot, stash.flowAt, flow);
    this.#setWord(slot, stash.bytesAt, bytes);
    this.#setWord(slot, stash.sequenceAt, this.#sequence);
    this.#numbers[this.#metaIndex(slot, stash.timeAt) >> 1] = nowUs;
    this.#setWord(slot, stash.inUseAt, 1);
  }

  release(slot: number): void {
    this.#setWord(slot, stash.inUseAt, 0);
    this.#free(slot);
  }

  /** Byte offset of the slot's train record in the memory. */
  offset(slot: number): number {
    if (slot < this.#small) return this.#dataAt + slot * stash.smallBytes;
    return this.#dataAt + this.#small * stash.smallBytes + (slot - this.#small) * stash.largeBytes;
  }

  peer(slot: number): number {
    return this.#word(slot, stash.peerAt);
  }

  trafficClass(slot: number): number {
    return this.#word(slot, stash.classAt);
  }

  flow(slot: number): number {
    return this.#word(slot, stash.flowAt);
  }

  bytes(slot: number): number {
    return this.#word(slot, stash.bytesAt);
  }

  timeUs(slot: number): number {
    return this.#numbers[this.#metaIndex(slot, stash.timeAt) >> 1] as number;
  }

  /** Segments of the train that are sealed already. */
  progress(slot: number): number {
    return this.#words[(this.offset(slot) + train.progressAt) >> 2] as number;
  }

  #free(slot: number): void {
    if (slot < this.#small) this.#freeSmall.push(slot);
    else this.#freeLarge.push(slot);
  }

  #metaIndex(slot: number, at: number): number {
    return (metaAt + slot * stash.metaBytes + at) >> 2;
  }

  #word(slot: number, at: number): number {
    return this.#words[this.#metaIndex(slot, at)] as number;
  }

  #setWord(slot: number, at: number, value: number): void {
    this.#words[this.#metaIndex(slot, at)] = value;
  }
}
