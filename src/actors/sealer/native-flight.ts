/** The addon's record of what is under way to one peer, as the bond asks it. The addon writes all peers' answers into the same memory. */
import type { FlightRecord, PathName, PeerReport } from '../../bonding/flight-record.ts';
import { feedback, flight } from '../../contract/columns.ts';
import { path } from '../../contract/peer-tables.ts';
import type { Sealer } from '../../native/data-api.ts';

/** What the native sealer writes and reads; see `SealerParts`. */
export class FlightMemory {
  readonly feedback = new Float64Array(path.mostPerPeer * feedback.columns);
  readonly limits = new Float64Array(2 * path.mostPerPeer);
}

export class NativeFlight implements FlightRecord {
  readonly feedback: Float64Array;
  readonly lossDelaysUs: Float64Array;
  readonly expireBeforeUs: Float64Array;
  readonly #row: number;
  readonly #native: Sealer;
  readonly #portOf: (pathRow: number) => number;
  readonly #slotOf: () => number;

  /** `portOf`: index of the ring that leads to a path's carrier; `slotOf`: key slot to seal with, -1 = none. */
  constructor(
    row: number,
    native: Sealer,
    memory: FlightMemory,
    ways: { readonly portOf: (pathRow: number) => number; readonly slotOf: () => number },
  ) {
    this.#row = row;
    this.#native = native;
    this.#portOf = ways.portOf;
    this.#slotOf = ways.slotOf;
    this.feedback = memory.feedback;
    this.lossDelaysUs = memory.limits.subarray(0, path.mostPerPeer);
    this.expireBeforeUs = memory.limits.subarray(path.mostPerPeer);
  }

  expire(nowUs: number): number {
    return this.#native.tick(this.#row, nowUs);
  }

  loseLonger(number: number, longest: number): void {
    this.#native.loseLonger(this.#row, number, longest);
  }

  longestWaiting(): number {
    return this.#native.lostBytes(this.#row);
  }

  giveUpLonger(longest: number): void {
    this.#native.giveUpLonger(this.#row, longest);
  }

  resend({ row }: PathName, mostBytes: number, longest: number, nowUs: number): number {
    const port = this.#portOf(row);
    // Its row may have been freed a moment ago.
    return port < 0 ? 0 : this.#native.resend(this.#row, port, row, mostBytes, longest, nowUs);
  }

  resendCut({ row }: PathName, mostBytes: number, longest: number, nowUs: number): number {
    const slot = this.#slotOf();
    const port = this.#portOf(row);
    if (slot < 0 || port < 0) return 0;
    const record = flight.watched | flight.resendable;
    return this.#native.resendCut(this.#row, slot, port, row, mostBytes, longest, nowUs, record);
  }
}

/** A REPORT frame that has come; one for all, since each is read at once. */
export class ReportFrame implements PeerReport {
  readonly #native: Sealer;
  readonly #bytes: Uint8Array;
  #row = 0;
  #slot = 0;
  #lengthBytes = 0;

  /** `bytes`: where frames are put before they are read. */
  constructor(native: Sealer, bytes: Uint8Array) {
    this.#native = native;
    this.#bytes = bytes;
  }

  /** The frame that is there now is from this peer, about this key slot. */
  of(row: number, slot: number, lengthBytes: number): this {
    this.#row = row;
    this.#slot = slot;
    this.#lengthBytes = lengthBytes;
    return this;
  }

  acknowledge(nowUs: number): number {
    return this.#native.report(this.#row, this.#slot, this.#bytes, this.#lengthBytes, nowUs);
  }
}
