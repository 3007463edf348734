/**
 * Rates that several devices of one client have together (`peer.leadAt`), and whose turn it is: start-time fair queueing, as for the server's
 * rate, with one bucket for each client. Who waits is offered a turn when there is one, and nobody passes those who wait but what is urgent.
 */
import { DueQueue } from '../../base/due-queue.ts';
import { RateBucket } from '../../bonding/queue/rate-bucket.ts';
import { TurnShares } from '../../bonding/queue/turn-shares.ts';

/** Who has the turn and nothing to send leaves it to the next one: less than what a bucket saves, so that nothing of the rate is lost. */
const nextTurnUs = 500;
/** Devices of one client are equals. */
const equalPriority = 1;

/** One client's. Rows are those of its devices in the peer table. */
export class SharedRate {
  readonly bucket: RateBucket;
  readonly lead: number;
  readonly devices = new Set<number>();
  /** There is a time at which the next one is offered a turn. */
  isDue = false;
  readonly #turns = new TurnShares();
  /** Who has been offered a turn and has not come to its end. */
  readonly #offered = new Set<number>();

  constructor(lead: number, bps: number, nowUs: number) {
    this.lead = lead;
    this.bucket = new RateBucket(bps, nowUs);
  }

  get isAwaited(): boolean {
    return this.#turns.size > 0;
  }

  /** What one device may have for long where all of them send. */
  get leastBytesPerUs(): number {
    return this.bucket.bytesPerUs / this.devices.size;
  }

  /** Bytes that the device may be sent now; 0 or less = none. */
  allowedBytes(row: number, isUrgent: boolean, nowUs: number): number {
    if (!isUrgent && this.#turns.size > 0 && !this.#offered.has(row)) return 0;
    return this.bucket.allowedBytes(isUrgent, nowUs);
  }

  /** When as much may leave as is worth a turn. */
  dueUs(nowUs: number): number {
    this.bucket.allowedBytes(false, nowUs);
    return this.bucket.dueUs(nowUs);
  }

  add(row: number): void {
    this.devices.add(row);
    this.#turns.setPriority(row, equalPriority);
  }

  delete(row: number): void {
    this.devices.delete(row);
    this.#offered.delete(row);
    this.#turns.delete(row);
  }

  spend(row: number, bytes: number): void {
    this.bucket.spend(bytes);
    this.#turns.spend(row, bytes);
  }

  wait(row: number): void {
    this.#offered.delete(row);
    this.#turns.enter(row);
  }

  /** The device whose turn it is. */
  take(): number {
    const row = this.#turns.take();
    if (row >= 0) this.#offered.add(row);
    return row;
  }
}

export class SharedRates {
  /** By row of the first device, and by row of each. */
  readonly #byLead = new Map<number, SharedRate>();
  readonly #byRow: (SharedRate | undefined)[] = [];
  /** By row of the first device. */
  readonly #due = new DueQueue();

  /** undefined = it shares no rate. */
  of(row: number): SharedRate | undefined {
    return this.#byRow[row];
  }

  get nextUs(): number {
    return this.#due.nextUs;
  }

  /** `lead`: row of the first device of its client, -1 = it shares with nobody. `bps` 0 = no limit. */
  follow(row: number, lead: number, bps: number, nowUs: number): void {
    const before = this.#byRow[row];
    if (before !== undefined && (before.lead !== lead || bps === 0)) this.#leave(row, before);
    if (lead < 0 || bps === 0) return;
    const shared = this.#byLead.get(lead) ?? new SharedRate(lead, bps, nowUs);
    this.#byLead.set(lead, shared);
    this.#byRow[row] = shared;
    shared.add(row);
    shared.bucket.setRate(bps, nowUs);
  }

  #leave(row: number, shared: SharedRate): void {
    this.#byRow[row] = undefined;
    shared.delete(row);
    if (shared.devices.size > 0) return;
    this.#byLead.delete(shared.lead);
    this.#due.delete(shared.lead);
  }

  /** The device may be sent nothing now, and is offered a turn when it may. */
  wait(row: number, shared: SharedRate, nowUs: number): void {
    shared.wait(row);
    // A look that is due is not put off by who comes to wait.
    if (shared.isDue) return;
    shared.isDue = true;
    this.#due.set(shared.lead, Math.max(shared.dueUs(nowUs), nowUs + nextTurnUs));
  }

  /** Every turn: calls `resume` for whoever has one. */
  turn(nowUs: number, resume: (row: number) => void): void {
    for (let lead = this.#due.take(nowUs); lead >= 0; lead = this.#due.take(nowUs)) {
      const shared = this.#byLead.get(lead);
      if (shared === undefined) continue;
      const dueUs = shared.dueUs(nowUs);
      const row = dueUs > nowUs ? -1 : shared.take();
      shared.isDue = shared.isAwaited;
      if (shared.isDue) this.#due.set(lead, Math.max(dueUs, nowUs + nextTurnUs));
      if (row >= 0) resume(row);
    }
  }
}
