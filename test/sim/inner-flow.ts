/**
 * A bulk TCP sender inside the tunnel, CUBIC (RFC 9438), HyStart++ (RFC 9406), SACK with RACK's time-based loss detection
 * (RFC 8985) and its undo of spurious ones. It counts in packets; one segment here may stand for several of them.
 */

const packetBytes = 1_400;
const firstWindow = 10;
/** RFC 9438 has 0.4: ten simulated seconds show what half a minute does. */
const cubicC = 10;
const cubicBeta = 0.7;
const hystartSamples = 8;
const mostCarefulRounds = 5;
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
  /** Ends the slow start early when round trips grow. Without it the first loss ends it. */
  readonly hasHystart: boolean;
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
  // HyStart++
  #roundEndId = 0;
  #carefulRounds = 0;
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
      const sequence = this.#again.shift() ?? this.#sequence;
      if (sequence === this.#sequence) this.#sequence += 1;
      const id = this.#firstId + this.#flights.length;
      this.#flights.push({ sequence, sentUs: nowUs, isDone: false, isLost: false });
      this.#inFlight += packetsPerSegment;
      send(id, sequence);
    }
  }

  /** Segment `id` was acknowledged. */
  acknowledge(id: number, nowUs: number): void {
    const flight = this.#flights[id - this.#firstId];
    if (flight === undefined || flight.isDone) return;
    flight.isDone = true;
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
    if (id > this.#recoverId) this.#grow(id, rttUs, nowUs);
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

  #grow(id: number, rttUs: number, nowUs: number): void {
    const packets = this.#options.packetsPerSegment;
    if (this.#window >= this.#threshold) {
      for (let packet = 0; packet < packets; packet += 1) this.#cubic(nowUs);
      return;
    }
    this.#window += this.#carefulRounds > 0 ? packets / 4 : packets;
    if (id >= this.#roundEndId) {
      this.#roundEndId = this.#firstId + this.#flights.length;
      this.#roundLeastUs = Number.POSITIVE_INFINITY;
      this.#roundSamples = 0;
    }
    if (this.#options.hasHystart) this.#hystart(rttUs);
  }

  /** Round trips that grew by an eighth: a quarter of the growth for five rounds, then the end (RFC 9406). */
  #hystart(rttUs: number): void {
    this.#roundSamples += 1;
    this.#roundLeastUs = Math.min(this.#roundLeastUs, rttUs);
    if (this.#roundSamples !== hystartSamples) return;
    const slackUs = Math.max(4_000, Math.min(16_000, this.#leastRttUs / 8));
    if (this.#roundLeastUs > this.#leastRttUs + slackUs) this.#carefulRounds += 1;
    else this.#carefulRounds = 0;
    if (this.#carefulRounds > mostCarefulRounds) this.#threshold = this.#window;
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
