/** One inner TCP flow of a rope: its sender, and the receiver that acknowledges in batches, as its sealer holds and thins them. */
import type { AckThinner, RoundTrips } from '../../src/bonding/queue/ack-thinner.ts';
import type { CongestionControl } from './congestion-control.ts';
import { InnerFlow } from './inner-flow.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** The receiver acknowledges once a batch. */
const batchUs = 500;

export interface StreamParts {
  readonly clock: VirtualClock;
  /** Hash of the flow, as queue and thinner know it. */
  readonly flow: number;
  readonly control: CongestionControl;
  readonly packetsPerSegment: number;
  readonly segmentBytes: number;
  readonly receiveWindowBytes: number;
  readonly thinner: AckThinner;
  /** A segment leaves for the tunnel; `id`: of this stream. */
  readonly send: (stream: Stream, id: number) => void;
  /** Round trips to thin acknowledgements by; undefined = none is held. */
  readonly trips: () => RoundTrips | undefined;
  /** An acknowledgement leaves for the sender. */
  readonly answer: (arrive: () => void) => void;
  /** The sender may have put something into the queue. */
  readonly turn: () => void;
}

export class Stream {
  readonly flow: number;
  readonly #parts: StreamParts;
  readonly #sender: InnerFlow;
  readonly #sequences: number[] = [];
  readonly #seen: boolean[] = [];
  /** In the order in which they came; each acknowledgement tells of all that none before it has told, for one may be lost. */
  readonly #arrived: number[] = [];
  #told = 0;
  #heldUntilUs = 0;
  #batchAtUs = 0;
  #segments = 0;

  constructor(parts: StreamParts) {
    const { control, packetsPerSegment, receiveWindowBytes } = parts;
    this.#parts = parts;
    this.flow = parts.flow;
    this.#sender = new InnerFlow({
      control,
      packetsPerSegment,
      receiveWindowBytes,
      send: (id, sequence) => {
        this.#sequences[id] = sequence;
        parts.send(this, id);
      },
      wakeAt: (us) => this.#wakeAt(us),
    });
  }

  /** Arrived, in whatever order. */
  get goodBytes(): number {
    return this.#segments * this.#parts.segmentBytes;
  }

  /** Of the sender, packets. */
  get window(): number {
    return this.#sender.window;
  }

  begin(nowUs: number): void {
    this.#sender.pump(nowUs);
  }

  /** Looks at the sender's timers. */
  time(nowUs: number): void {
    this.#sender.detectLosses(nowUs);
    this.#sender.pump(nowUs);
  }

  #wakeAt(us: number): void {
    const { clock, turn } = this.#parts;
    clock.at(us, () => {
      this.#sender.pump(clock.nowUs);
      turn();
    });
  }

  /** Segment `id` has left the tunnel at the receiver's end. */
  deliver(id: number): void {
    const { clock } = this.#parts;
    const sequence = this.#sequences[id] as number;
    if (this.#seen[sequence] !== true) {
      this.#seen[sequence] = true;
      this.#segments += 1;
    }
    this.#arrived.push(id);
    if (this.#batchAtUs > clock.nowUs) return;
    this.#batchAtUs = clock.nowUs + batchUs;
    clock.after(batchUs, () => this.#thin());
  }

  /** The receiver's acknowledgement of a batch; held as its sealer would hold it (`ack-desk.ts`). */
  #thin(): void {
    const { clock, thinner, flow, trips } = this.#parts;
    const { nowUs } = clock;
    const known = trips();
    const untilUs = known === undefined ? nowUs : thinner.holdUntilUs(flow, this.goodBytes % 2 ** 32, known, nowUs);
    this.#heldUntilUs = untilUs;
    if (untilUs <= nowUs) {
      this.#letGo();
      return;
    }
    clock.at(untilUs, () => {
      if (this.#heldUntilUs !== untilUs) return;
      this.#heldUntilUs = 0;
      this.#letGo();
    });
  }

  #letGo(): void {
    const { clock, thinner, flow, answer } = this.#parts;
    const until = this.#arrived.length;
    thinner.handleSent(flow, this.goodBytes % 2 ** 32, clock.nowUs);
    answer(() => this.#acknowledge(until));
  }

  /** Of the first `until` that arrived. */
  #acknowledge(until: number): void {
    if (until <= this.#told) return;
    const { nowUs } = this.#parts.clock;
    this.#sender.acknowledge(this.#arrived.slice(this.#told, until), nowUs);
    this.#told = until;
    this.#sender.detectLosses(nowUs);
    this.#sender.pump(nowUs);
    this.#parts.turn();
  }
}
