/**
 * A bulk TCP sender inside the tunnel, CUBIC (RFC 9438), the HyStart of Linux (net/ipv4/tcp_cubic.c), SACK with RACK's time-based
 * loss detection (RFC 8985) and its undo of spurious ones. It counts in packets; one segment here may stand for several of them.
 */

const packetBytes = 1_400;
const firstWindow = 10;
/** Of `tcp_wmem`'s 4 MiB half is bookkeeping. */
const sendBufferBytes = 2 << 20;
/** RFC 9438 5. */
const cubicC = 0.4;
const cubicBeta = 0.7;
const hystartSamples = 8;
const hystartLeastWindow = 16;
/** Acknowledgements this close belong to one train. */
const trainGapUs = 2_000;
const leastRtoUs = 200_000;

interface Flight {
  readonly sequence: number;
  readonly sentUs: number;
  isDone: boolean;
  isLost: boolean;
}

export interface InnerFlowOptions {
  /** Packets that one segment stands for. */
  readonly packetsPerSegment: number;
  readonly receiveWindowBytes: number;
  /** Segment `id` (each sending has its own) leaves for the tunnel. */
  readonly send: (id: number, sequence: number) => void;
}

export class InnerFlow {
  readonly #options: InnerFlowOptions;
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
  #window = firstWindow;
  #threshold = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  #newestSentUs = 0;
  #leastRttUs = Number.POSITIVE_INFINITY;
  #smoothedUs = 0;
  #hasReordering = false;
  #ackedUs = 0;
  // CUBIC
  #epochUs = -1;
  #origin = 0;
  #waitS = 0;
  #lastMost = 0;
  // Recovery
  #recoverId = -1;
  #episodeLost = 0;
  #undoWindow = 0;
  #undoThreshold = 0;
  // HyStart
  #roundEndId = 0;
  #roundStartUs = 0;
  #trainUs = 0;
  #roundLeastUs = Number.POSITIVE_INFINITY;
  #roundSamples = 0;

  constructor(options: InnerFlowOptions) {
    this.#options = options;
  }

  get window(): number {
    return this.#window;
  }

  /** Sends what the window allows. */
  pump(nowUs: number): void {
    const { packetsPerSegment, receiveWindowBytes, send } = this.#options;
    const limit = Math.min(this.#window, receiveWindowBytes / packetBytes);
    while (this.#inFlight + packetsPerSegment <= Math.max(limit, packetsPerSegment)) {
      const isFull = (this.#sequence - this.#oldest) * packetsPerSegment * packetBytes >= sendBufferBytes;
      if (isFull && this.#again.length === 0) return;
      const sequence = this.#again.shift() ?? this.#sequence;
      if (sequence === this.#sequence) this.#sequence += 1;
      const id = this.#firstId + this.#flights.length;
      this.#flights.push({ sequence, sentUs: nowUs, isDone: false, isLost: false });
      this.#inFlight += packetsPerSegment;
      send(id, sequence);
    }
  }

  /** One acknowledgement of these segments. */
  acknowledge(ids: readonly number[], nowUs: number): void {
    for (const id of ids) this.#acknowledge(id, nowUs);
    // A sample each (`bictcp_acked`), of the newest segment.
    const newest = this.#flights[(ids[ids.length - 1] ?? -1) - this.#firstId];
    const isSlowStart = this.#window >= hystartLeastWindow && this.#window < this.#threshold;
    if (newest !== undefined && isSlowStart) this.#hystart(nowUs - newest.sentUs, nowUs);
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
    if (flight.isLost) {
      this.#undo();
      return;
    }
    this.#inFlight -= this.#options.packetsPerSegment;
    this.#newestSentUs = Math.max(this.#newestSentUs, flight.sentUs);
    const rttUs = nowUs - flight.sentUs;
    this.#leastRttUs = Math.min(this.#leastRttUs, rttUs);
    this.#smoothedUs = this.#smoothedUs === 0 ? rttUs : this.#smoothedUs + (rttUs - this.#smoothedUs) / 8;
    if (id > this.#recoverId) this.#grow(id, nowUs);
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
      this.#window = 2;
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
    this.#undoWindow = this.#window;
    this.#undoThreshold = this.#threshold;
    this.#epochUs = -1;
    this.#lastMost = this.#window < this.#lastMost ? (this.#window * (1 + cubicBeta)) / 2 : this.#window;
    this.#window = Math.max(2, this.#window * cubicBeta);
    this.#threshold = this.#window;
  }

  #undo(): void {
    this.#hasReordering = true;
    this.#episodeLost -= 1;
    if (this.#episodeLost > 0 || this.#undoWindow === 0) return;
    this.#window = Math.max(this.#window, this.#undoWindow);
    this.#threshold = Math.max(this.#threshold, this.#undoThreshold);
    this.#undoWindow = 0;
    this.#recoverId = -1;
  }

  #grow(id: number, nowUs: number): void {
    const packets = this.#options.packetsPerSegment;
    if (this.#window >= this.#threshold) {
      for (let packet = 0; packet < packets; packet += 1) this.#cubic(nowUs);
      return;
    }
    this.#window += packets;
    if (id >= this.#roundEndId) {
      this.#roundEndId = this.#firstId + this.#flights.length;
      this.#roundStartUs = nowUs;
      this.#trainUs = nowUs;
      this.#roundLeastUs = Number.POSITIVE_INFINITY;
      this.#roundSamples = 0;
    }
  }

  #hystart(rttUs: number, nowUs: number): void {
    if (nowUs - this.#trainUs <= trainGapUs) {
      this.#trainUs = nowUs;
      if (nowUs - this.#roundStartUs > this.#leastRttUs / 2) this.#threshold = this.#window;
    }
    this.#roundLeastUs = Math.min(this.#roundLeastUs, rttUs);
    this.#roundSamples += 1;
    if (this.#roundSamples <= hystartSamples) return;
    const slackUs = Math.max(4_000, Math.min(16_000, this.#leastRttUs / 8));
    if (this.#roundLeastUs > this.#leastRttUs + slackUs) this.#threshold = this.#window;
  }

  #cubic(nowUs: number): void {
    if (this.#epochUs < 0) {
      this.#epochUs = nowUs;
      this.#origin = Math.max(this.#window, this.#lastMost);
      this.#waitS = Math.cbrt((this.#origin - this.#window) / cubicC);
    }
    const seconds = (nowUs - this.#epochUs + this.#smoothedUs) / 1e6;
    const target = this.#origin + cubicC * (seconds - this.#waitS) ** 3;
    // As in Reno when that is faster (RFC 9438 4.3).
    const reno = (3 * (1 - cubicBeta)) / (1 + cubicBeta) / this.#window;
    this.#window += Math.max(reno, Math.min(0.5, Math.max(0, target - this.#window) / this.#window));
  }
}
