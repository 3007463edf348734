/**
 * The longest inner packet that serves a peer best, where its paths take different ones: lower it for all, or leave the narrow path to
 * what fits. Decided by what the paths carry (docs/adr/0007-path-sizes.md). Pure: times are arguments.
 */
import { doubleZero } from '../../base/double.ts';

/** What the choice looks at of one path. */
export interface SizedPath {
  /** Longest inner packet that it takes. */
  innerBytes: number;
  /** 0 = not known. */
  rateBytesPerUs: number;
}

/** Of a packet that no payload is: inner IP and TCP; outer IP, UDP and the data message. */
const innerHeaderBytes = 40;
const outerHeaderBytes = 60;
/** What handling a packet costs both ends and all between, as bytes. */
const handlingBytes = 300;
/** Another choice must be better by so much for so long, and for longer each time it changes. */
const leastGain = 1.03;
const patienceUs = 1_000_000;
const mostPatienceUs = 60_000_000;
/** A choice that stood for so long makes the next one easy again. */
const calmUs = 120_000_000;

export class InnerMtu {
  #bytes = 0;
  #betterBytes = 0;
  #betterSinceUs = 0;
  #changedUs = doubleZero;
  #patienceUs = patienceUs;

  /** The longest inner packet to send; 0 = nothing was chosen yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `count` paths are in use, none of which needs to take more than `mostBytes`; `isForAll`: each of them must take what is sent. */
  choose(paths: readonly SizedPath[], count: number, mostBytes: number, isForAll: boolean, nowUs: number): number {
    if (count === 0) return this.#bytes;
    let least = mostBytes;
    let most = 0;
    for (let index = 0; index < count; index += 1) {
      const { innerBytes } = paths[index] as SizedPath;
      least = Math.min(least, innerBytes);
      most = Math.max(most, innerBytes);
    }
    if (least === Math.min(most, mostBytes) || isForAll) return this.#take(least, nowUs);
    const unknown = meanRate(paths, count);
    let best = this.#bytes;
    let bestValue = this.#bytes > 0 ? leastGain * payloadRate(paths, count, this.#bytes, unknown) : 0;
    for (let index = 0; index < count; index += 1) {
      const bytes = Math.min(mostBytes, (paths[index] as SizedPath).innerBytes);
      const value = payloadRate(paths, count, bytes, unknown);
      if (value <= bestValue) continue;
      bestValue = value;
      best = bytes;
    }
    // Nothing passes what is sent now, or it is as short as it need not be.
    const isUseless = this.#bytes === 0 || payloadRate(paths, count, this.#bytes, unknown) === 0;
    if (best === this.#bytes || isUseless) return this.#take(best, nowUs);
    if (best !== this.#betterBytes) {
      this.#betterBytes = best;
      this.#betterSinceUs = nowUs;
    }
    if (nowUs - this.#betterSinceUs < this.#patienceUs) return this.#bytes;
    this.#patienceUs = Math.min(mostPatienceUs, this.#patienceUs * 2);
    return this.#take(best, nowUs);
  }

  #take(bytes: number, nowUs: number): number {
    if (nowUs - this.#changedUs > calmUs) this.#patienceUs = patienceUs;
    if (bytes !== this.#bytes) this.#changedUs = nowUs;
    this.#bytes = bytes;
    this.#betterBytes = bytes;
    return bytes;
  }
}

/** Payload that all paths which take packets of `bytes` carry together. */
function payloadRate(paths: readonly SizedPath[], count: number, bytes: number, rateOfUnknown: number): number {
  let rate = 0;
  for (let index = 0; index < count; index += 1) {
    const { innerBytes, rateBytesPerUs } = paths[index] as SizedPath;
    if (innerBytes >= bytes) rate += rateBytesPerUs || rateOfUnknown;
  }
  return (rate * (bytes - innerHeaderBytes)) / (bytes + outerHeaderBytes + handlingBytes);
}

/** A path that was never used may be as good as the others: only use tells. */
function meanRate(paths: readonly SizedPath[], count: number): number {
  let sum = 0;
  let known = 0;
  for (let index = 0; index < count; index += 1) {
    const { rateBytesPerUs } = paths[index] as SizedPath;
    if (rateBytesPerUs === 0) continue;
    sum += rateBytesPerUs;
    known += 1;
  }
  return known === 0 ? 1 : sum / known;
}
