/**
 * A bulk TCP sender inside the tunnel: SACK with RACK's time-based loss detection (RFC 8985) and its undo of spurious losses, a congestion
 * control that is given (`cubic.ts`, `bbr.ts`), and the samples of the delivery rate that one of them lives on
 * (draft-cheng-iccrg-delivery-rate-estimation). It counts in packets; one segment here may stand for several of them.
 */
import type { CongestionControl } from './congestion-control.ts';

const packetBytes = 1_400;
/** Of `tcp_wmem`'s 4 MiB half is bookkeeping. */
const sendBufferBytes = 2 << 20;
const leastRtoUs = 200_000;
/** What is paced leaves in trains of about this (net/ipv4/tcp_output.c, `tcp_tso_autosize`). */
const trainUs = 1_000;

interface Flight {
  readonly sequence: number;
  readonly sentUs: number;
  // When it left: packets that had arrived by then, when the last of them did, and when the first of the packets on the way left.
  readonly delivered: number;
  readonly deliveredUs: number;
  readonly firstSentUs: number;
  readonly isAppLimited: boolean;
  isDone: boolean;
  isLost: boolean;
}

export interface InnerFlowOptions {
  readonly control: CongestionControl;
  /** Packets that one segment stands for. */
  readonly packetsPerSegment: number;
  readonly receiveWindowBytes: number;
  /** Segment `id` (each sending has its own) leaves for the tunnel. */
  readonly send: (id: number, sequence: number) => void;
  /** `pump` has more to send from then on, whatever is acknowledged. */
  readonly wakeAt: (us: number) => void;
}

export class InnerFlow {
  readonly #options: InnerFlowOptions;
  readonly #control: CongestionControl;
  readonly #flights: Flight[] = [];
  /** Id of `#flights[0]`. */
  #firstId = 0;
  /** All before this index are acknowledged or lost. */
  #settled = 0;
  #again: number[] = [];
  #sequence = 0;
  /** First that the receiver lacks, and what it has beyond. */
  #oldest = 0;
  readonly #arrived = new Set<number>();
  #inFlight = 0;
  #newestSentUs = 0;
  #leastRttUs = Number.POSITIVE_INFINITY;
  #smoothedUs = 0;
  #hasReordering = false;
  #ackedUs = 0;
  // Recovery
  #recoverId = -1;
  #episodeLost = 0;
  #mayUndo = false;
  // Delivery rate
  #delivered = 0;
  #deliveredUs = 0;
  #firstSentUs = 0;
  /** What leaves until so many have arrived was limited by what there was to send. */
  #appLimitedUntil = 0;
  #nextSendUs = 0;
  #wakeUs = 0;
  /** Nothing but the window kept more from leaving. */
  #isLimited = false;

  constructor(options: InnerFlowOptions) {
    this.#options = options;
    this.#control = options.control;
  }

  get window(): number {
    return this.#control.window;
  }

  /** Sends what the window and the pace allow. */
  pump(nowUs: number): void {
    const { packetsPerSegment, receiveWindowBytes, send } = this.#options;
    const control = this.#control;
    const limit = Math.min(control.window, receiveWindowBytes / packetBytes);
    this.#isLimited = false;
    while (this.#inFlight + packetsPerSegment <= Math.max(limit, packetsPerSegment)) {
      if (this.#nextSendUs > nowUs) {
        this.#wake(Math.max(this.#nextSendUs, nowUs + trainUs), nowUs);
        return;
      }
      const isFull = (this.#sequence - this.#oldest) * packetsPerSegment * packetBytes >= sendBufferBytes;
      if (isFull && this.#again.length === 0) {
        this.#appLimitedUntil = this.#delivered + this.#inFlight;
        return;
      }
      const sequence = this.#again.shift() ?? this.#sequence;
      if (sequence === this.#sequence) this.#sequence += 1;
      const id = this.#firstId + this.#flights.length;
      this.#flights.push(this.#flight(sequence, nowUs));
      this.#inFlight += packetsPerSegment;
      this.#nextSendUs = Math.max(this.#nextSendUs, nowUs - trainUs) + packetsPerSegment / control.pacePerUs;
      send(id, sequence);
    }
    this.#isLimited = true;
  }

  #wake(us: number, nowUs: number): void {
    if (this.#wakeUs > nowUs) return;
    this.#wakeUs = us;
    this.#options.wakeAt(us);
  }

  #flight(sequence: number, nowUs: number): Flight {
    if (this.#inFlight === 0) {
      this.#firstSentUs = nowUs;
      this.#deliveredUs = nowUs;
      // The timer begins anew (RFC 6298 5.1).
      this.#ackedUs = nowUs;
    }
    return {
      sequence,
      sentUs: nowUs,
      delivered: this.#delivered,
      deliveredUs: this.#deliveredUs,
      firstSentUs: this.#firstSentUs,
      isAppLimited: this.#delivered < this.#appLimitedUntil,
      isDone: false,
      isLost: false,
    };
  }

  /** One acknowledgement of these segments. */
  acknowledge(ids: readonly number[], nowUs: number): void {
    const before = this.#delivered;
    for (const id of ids) this.#acknowledge(id, nowUs);
    const newestId = ids[ids.length - 1] ?? -1;
    const newest = this.#flights[newestId - this.#firstId];
    if (newest === undefined) return;
    // The longer of the times in which they left and in which they arrived: acknowledgements come in bursts.
    const intervalUs = Math.max(newest.sentUs - newest.firstSentUs, nowUs - newest.deliveredUs);
    this.#firstSentUs = newest.sentUs;
    this.#control.handleAcknowledgement({
      nowUs,
      rttUs: nowUs - newest.sentUs,
      leastRttUs: this.#leastRttUs,
      packets: this.#delivered - before,
      delivered: this.#delivered,
      deliveredThen: newest.delivered,
      intervalUs,
      isAppLimited: newest.isAppLimited,
      isRecovering: newestId <= this.#recoverId,
      inFlight: this.#inFlight,
    });
  }

  #noteArrived(sequence: number): void {
    if (sequence >= this.#oldest) this.#arrived.add(sequence);
    while (this.#arrived.delete(this.#oldest)) this.#oldest += 1;
  }

  #acknowledge(id: number, nowUs: number): void {
    const flight = this.#flights[id - this.#firstId];
    if (flight === undefined || flight.isDone) return;
    flight.isDone = true;
    this.#noteArrived(flight.sequence);
    this.#ackedUs = nowUs;
    this.#delivered += this.#options.packetsPerSegment;
    this.#deliveredUs = nowUs;
    if (flight.isLost) {
      this.#undo();
      return;
    }
    this.#inFlight -= this.#options.packetsPerSegment;
    this.#newestSentUs = Math.max(this.#newestSentUs, flight.sentUs);
    const rttUs = nowUs - flight.sentUs;
    this.#leastRttUs = Math.min(this.#leastRttUs, rttUs);
    this.#smoothedUs = this.#smoothedUs === 0 ? rttUs : this.#smoothedUs + (rttUs - this.#smoothedUs) / 8;
    if (id <= this.#recoverId) return;
    this.#control.handleArrival({
      id,
      nextId: this.#firstId + this.#flights.length,
      packets: this.#options.packetsPerSegment,
      isLimited: this.#isLimited,
      inFlight: this.#inFlight,
      smoothedRttUs: this.#smoothedUs,
      nowUs,
    });
  }

  /** After a batch of acknowledgements, and now and then. */
  detectLosses(nowUs: number): void {
    const reorderUs = this.#hasReordering ? Math.min(this.#leastRttUs / 4, this.#smoothedUs) : 1_000;
    const isExpired = this.#inFlight > 0 && nowUs - this.#ackedUs > Math.max(leastRtoUs, 3 * this.#smoothedUs);
    const beforeUs = isExpired ? nowUs : this.#newestSentUs - reorderUs;
    let from = this.#settled;
    for (; from < this.#flights.length; from += 1) {
      const flight = this.#flights[from] as Flight;
      if (flight.sentUs >= beforeUs) break;
      if (!flight.isDone && !flight.isLost) this.#lose(flight, this.#firstId + from);
    }
    this.#settled = from;
    if (isExpired) {
      this.#control.handleTimeout();
      this.#ackedUs = nowUs;
    }
    // Lost ones stay a while: their late arrival shows that they were not.
    if (from < 4_096 || (this.#flights[2_048] as Flight).sentUs >= beforeUs - 2 * this.#smoothedUs) return;
    this.#flights.splice(0, 2_048);
    this.#firstId += 2_048;
    this.#settled -= 2_048;
  }

  #lose(flight: Flight, id: number): void {
    flight.isLost = true;
    this.#inFlight -= this.#options.packetsPerSegment;
    this.#again.push(flight.sequence);
    this.#episodeLost += 1;
    if (id <= this.#recoverId) return;
    this.#recoverId = this.#firstId + this.#flights.length - 1;
    this.#episodeLost = 1;
    this.#mayUndo = true;
    this.#control.handleLoss(this.#inFlight);
  }

  #undo(): void {
    this.#hasReordering = true;
    this.#episodeLost -= 1;
    if (this.#episodeLost > 0 || !this.#mayUndo) return;
    this.#control.undo();
    this.#mayUndo = false;
    this.#recoverId = -1;
  }
}
