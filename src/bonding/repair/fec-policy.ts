/**
 * How much parity a peer's bulk gets: m for k data packets, from the measured loss and the mean length of its bursts. The chance
 * that a group loses more than m is counted exactly on a two-state chain (Gilbert 1960), not guessed from the mean.
 */

/** No parity below this loss; once on, only off again below half of it. */
const leastLoss = 0.001;
/** Parity may cost this much beside a share of the loss: 15 % at 2 %, and in no case more than half. */
const baseOverhead = 0.07;
const overheadPerLoss = 4;
const mostOverhead = 0.5;
/** Of the losses, this share may remain: what is left is repaired by re-injection. */
const residualShare = 0.05;
/** A group should be full within this: parity that comes later is slower than a re-injection. */
const groupUs = 8_000;
const leastTimeoutUs = 2_000;
const mostTimeoutUs = 10_000;
const leastData = 4;
const mostData = 30;
const mostParity = 15;
const packetBytes = 1_400;
/** More parity at once; less only when it was not needed for this long. */
const relaxUs = 10_000_000;
/** More loss than this does not come from the link's noise: parity would feed an overload. */
const mostLoss = 0.3;

export type FecMode = 'off' | 'auto' | { readonly data: number; readonly parity: number };

export class FecPolicy {
  readonly #mode: FecMode;
  readonly #chain = new Float64Array(2 * (mostParity + 1));
  #data = 0;
  #parity = 0;
  #timeoutUs = mostTimeoutUs;
  #neededUs = Number.NEGATIVE_INFINITY;

  constructor(mode: FecMode) {
    this.#mode = mode;
    if (typeof mode === 'string') return;
    this.#data = mode.data;
    this.#parity = mode.parity;
  }

  /** Data packets of a group, k. */
  get data(): number {
    return this.#data;
  }

  /** Parity packets of a full group, m; 0 = none now. */
  get parity(): number {
    return this.#parity;
  }

  /** Close a group this long after its first packet, with what it has. */
  get groupTimeoutUs(): number {
    return this.#timeoutUs;
  }

  /**
   * Measured where the data goes: share of packets lost, mean length of a run of lost packets (1 = independent), and the rate of
   * data, bytes a microsecond. Every 100 ms to 1 s.
   */
  update(nowUs: number, loss: number, meanBurst: number, rateBytesPerUs: number): void {
    const perGroup = (rateBytesPerUs * groupUs) / packetBytes;
    if (this.#mode === 'auto') this.#choose(nowUs, loss, meanBurst, perGroup);
    const fillUs = rateBytesPerUs > 0 ? (this.#data * packetBytes * 1.5) / rateBytesPerUs : mostTimeoutUs;
    this.#timeoutUs = Math.max(leastTimeoutUs, Math.min(mostTimeoutUs, fillUs));
  }

  #choose(nowUs: number, loss: number, meanBurst: number, perGroup: number): void {
    const data = Math.round(Math.max(leastData, Math.min(mostData, perGroup)));
    const threshold = this.#parity > 0 ? leastLoss / 2 : leastLoss;
    const wanted = loss < threshold || loss > mostLoss ? 0 : this.#needed(data, loss, Math.max(1, meanBurst));
    const share = wanted / data;
    const present = this.#data > 0 ? this.#parity / this.#data : 0;
    if (share >= present * 0.99) this.#neededUs = nowUs;
    else if (nowUs - this.#neededUs < relaxUs) return;
    this.#data = data;
    this.#parity = wanted;
  }

  /** Least parity that leaves few enough losses, within what it may cost. */
  #needed(data: number, loss: number, meanBurst: number): number {
    const overhead = Math.min(mostOverhead, baseOverhead + overheadPerLoss * loss);
    const most = Math.min(mostParity, Math.floor(data * overhead + 1e-9));
    for (let parity = 1; parity < most; parity += 1)
      if (this.#residual(data, parity, loss, meanBurst) <= residualShare * loss) return parity;
    return most;
  }

  /**
   * Expected share of packets that stay lost: the sum over j > m of P(j lost) × j / n, with the chain's states as
   * (lost so far, was the last one lost).
   */
  #residual(data: number, parity: number, loss: number, meanBurst: number): number {
    const packets = data + parity;
    const leave = 1 / meanBurst;
    const enter = Math.min(1, (loss * leave) / (1 - loss));
    const chain = this.#chain;
    chain.fill(0);
    // Before the first packet: the steady state, with nothing counted yet.
    chain[0] = 1 - loss;
    chain[1] = loss;
    for (let step = 0; step < packets; step += 1) {
      for (let lost = parity; lost >= 0; lost -= 1) {
        const good = chain[2 * lost] as number;
        const bad = chain[2 * lost + 1] as number;
        const lessGood = lost > 0 ? (chain[2 * lost - 2] as number) : 0;
        const lessBad = lost > 0 ? (chain[2 * lost - 1] as number) : 0;
        chain[2 * lost] = good * (1 - enter) + bad * leave;
        chain[2 * lost + 1] = lessGood * enter + lessBad * (1 - leave);
      }
    }
    // Losses in groups that recover are repaired; the others stay.
    let repaired = 0;
    for (let lost = 1; lost <= parity; lost += 1)
      repaired += (lost / packets) * ((chain[2 * lost] as number) + (chain[2 * lost + 1] as number));
    return Math.max(0, loss - repaired);
  }
}
