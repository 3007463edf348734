/**
 * The questions to one path: small probes ask whether it lives and how long the way is, a train of full ones how fast it is, a volley of
 * padded ones how long a packet it takes. All have one row of sequence numbers.
 */
import { doubleZero } from '../../base/double.ts';
import type { PathController } from '../rate/path-controller.ts';
import { ProbeTrain, trainPackets } from '../rate/probe-train.ts';
import type { PathSize } from '../size/path-size.ts';
import type { PathLife } from './path-life.ts';
import { ProbeLoss } from './probe-loss.ts';

/** Probes of which is kept when they left. */
const kept = 16;
/** Of a new round trip in the smoothed one. */
const gain = 1 / 4;
/** Steps from one round trip to the next that the jitter is the median of: a stall makes two of them large, and is forgotten by it. */
const steps = 7;
const leastSteps = 3;
/** Median of the difference of two independent normal values, in sigma. */
const stepPerSigma = 0.954;

export interface ProberParts {
  readonly life: PathLife;
  readonly controller: PathController;
  readonly size: PathSize;
}

export class PathProber {
  /** Smoothed, there and back by this path, microseconds; 0 = unknown. What schedulers compare, for one way is half of it. */
  rttUs = doubleZero;
  /** Standard deviation of it from probe to probe, microseconds; -1 = unknown. A machine that stalls now and then has none. */
  jitterUs = -1;
  readonly loss = new ProbeLoss();
  readonly #parts: ProberParts;
  readonly #train = new ProbeTrain();
  readonly #leftUs = new Float64Array(kept);
  #newest = 0;
  readonly #stepsUs: number[] = [];
  #beforeUs = doubleZero;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  /** Sequence number of a probe that leaves now. */
  startProbe(nowUs: number): number {
    this.#parts.life.handleProbeSent(nowUs);
    const sequence = this.#start(nowUs);
    this.loss.handleSent(sequence, nowUs);
    return sequence;
  }

  /** A train of full probes should leave behind the next probe, for nothing is known of the path's rate. */
  get wantsTrain(): boolean {
    return this.#train.isWanted && this.#parts.controller.rateBytesPerUs === 0;
  }

  /** Sequence number of the first of `trainPackets` probes that leave now, sealed into `bytesEach` bytes. */
  startTrain(bytesEach: number, nowUs: number): number {
    const first = this.#start(nowUs);
    for (let place = 1; place < trainPackets; place += 1) this.#start(nowUs);
    this.#train.handleSent(first, bytesEach);
    return first;
  }

  /** Sequence number of the first of the probes that `size.volley` names, which leave now with a small one behind them. */
  startVolley(nowUs: number): number {
    const { size } = this.#parts;
    const first = this.#start(nowUs);
    for (let place = 0; place < size.volley.length; place += 1) this.#start(nowUs);
    size.handleSent(first, nowUs);
    return first;
  }

  /**
   * A probe that the peer held for `heldUs` was answered; `cameBack`: by this path. `isEmpty`: nothing of ours is in flight by it.
   */
  handleReply(sequence: number, heldUs: number, cameBack: boolean, isEmpty: boolean, nowUs: number): void {
    const { life, controller, size } = this.#parts;
    if (size.has(sequence)) {
      size.handleReply(sequence, nowUs);
      return;
    }
    if (sequence > this.#newest || sequence <= this.#newest - kept) return;
    const leftUs = this.#leftUs[sequence % kept] as number;
    const rttUs = Math.max(1, nowUs - leftUs - heldUs);
    this.loss.handleReply(sequence, cameBack);
    if (cameBack) this.#train.handleReply(sequence, rttUs);
    if (this.#train.has(sequence)) {
      // It waited behind the others: its round trip is not the path's.
      controller.handleBottleneck(this.#train.bytesPerUs);
      return;
    }
    life.handleProbeReply(nowUs, rttUs, cameBack, leftUs);
    if (!cameBack) return;
    this.rttUs = this.rttUs === 0 ? rttUs : this.rttUs + (rttUs - this.rttUs) * gain;
    this.#noteStep(rttUs);
    // Reports come back by the nearest path: the controller must not take the difference for a queue.
    if (isEmpty) controller.handleProbe(rttUs, nowUs);
  }

  #noteStep(rttUs: number): void {
    const all = this.#stepsUs;
    if (this.#beforeUs > 0) all.push(Math.abs(rttUs - this.#beforeUs));
    this.#beforeUs = rttUs;
    if (all.length > steps) all.shift();
    if (all.length < leastSteps) return;
    const sorted = all.toSorted((a, b) => a - b);
    this.jitterUs = (sorted[(all.length - 1) >> 1] as number) / stepPerSigma;
  }

  #start(nowUs: number): number {
    this.#newest += 1;
    this.#leftUs[this.#newest % kept] = nowUs;
    return this.#newest;
  }
}
