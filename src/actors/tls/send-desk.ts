/**
 * Descriptors of the sealer on their way into tunnels. They stay in the ring until they are done, whatever their order, so that a successor goes
 * on with what is left: one that is done has no packets any more. A stream keeps the order in which it was written, so little is written
 * ahead: control and latency class first, and what has waited for too long is dropped, for late packets are worth less than lost ones.
 */
import { carrier } from '../../contract/link-tables.ts';
import { path } from '../../contract/peer-tables.ts';
import { descriptor, trafficClass } from '../../contract/records.ts';
import type { SealedLogReader } from '../../rings/sealed-log.ts';
import type { RingConsumer } from '../../rings/spsc-ring.ts';
import type { RowTable } from '../../rings/table.ts';
import { tlsMessageEmitHeader, tlsMessageHeaderBytes } from '../../wire/tls-message.ts';
import type { Parcel } from './calls.ts';

/** A descriptor that waits in the ring. */
export interface Waiting {
  /** Where it lies in the ring. */
  readonly at: number;
  /** `RingConsumer.passed` behind it. */
  readonly end: number;
  /** Row of the path table. */
  readonly path: number;
  readonly sinceUs: number;
  isDone: boolean;
}

/** Of a tunnel, what a sender sees. */
export interface Outlet {
  /** By `trafficClass`, first in first out. */
  readonly lanes: readonly Waiting[][];
  /** Bytes that we hold because the kernel took no more. */
  readonly backlogBytes: number;
  send(bytes: Uint8Array): void;
}

export interface SendParts {
  readonly descriptors: RingConsumer;
  readonly log: SealedLogReader;
  readonly paths: RowTable;
  readonly carriers: RowTable;
  /** Row of the carrier table. */
  readonly carrier: number;
  /** Who leads to an endpoint. */
  readonly find: (endpoint: Uint8Array) => Outlet | undefined;
  /** Nobody does: calls, if it can. */
  readonly want: (endpoint: Uint8Array, parcel: Parcel) => void;
}

/** A record of TLS holds so much: one call, one record, and what is urgent waits for no more than that. */
const mostMessageBytes = 16_000;
/** What may lie in the stream before the kernel takes it, as time at the path's pace; at least and at most. */
const aheadUs = 20_000;
const leastAheadBytes = 8_000;
const mostAheadBytes = 512_000;
const latestUs = 100_000;
const attempts = 100;

export class SendDesk {
  readonly #parts: SendParts;
  /** In the order of the ring. */
  readonly #waiting: Waiting[] = [];
  /** In whose lanes something waits. */
  readonly #busy = new Set<Outlet>();
  #waitingBytes = 0;

  constructor(parts: SendParts) {
    this.#parts = parts;
  }

  /** Bytes that wait here. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes up to `most` new descriptors; returns how many. */
  take(most: number, nowUs: number): number {
    const ring = this.#parts.descriptors;
    let count = 0;
    for (; count < most; count += 1) {
      const at = ring.peek();
      if (at < 0) break;
      ring.advance();
      const row = ring.view.getInt32(at + descriptor.pathAt, true);
      const one: Waiting = { at, end: ring.passed, path: row, sinceUs: nowUs, isDone: false };
      this.#waiting.push(one);
      this.#waitingBytes += this.#lengthOf(one);
      this.#route(one);
    }
    return count;
  }

  /** `pump` for all in whose lanes something waits. */
  pumpAll(nowUs: number): number {
    let done = 0;
    for (const tunnel of this.#busy) done += this.pump(tunnel, nowUs);
    return done;
  }

  /** Sends what the tunnel has room for, and drops what is late; returns how many descriptors it is rid of. */
  pump(tunnel: Outlet, nowUs: number): number {
    let done = 0;
    let left = 0;
    for (const [index, lane] of tunnel.lanes.entries()) {
      let gone = 0;
      for (let one = lane[0]; one !== undefined; one = lane[gone]) {
        const isLate = nowUs - one.sinceUs > latestUs;
        if (!isLate && tunnel.backlogBytes >= this.#aheadBytes(one.path, index)) break;
        if (isLate) this.#finish(one, path.lateBytesAt);
        else this.#send(tunnel, one);
        if (one.isDone) gone += 1;
      }
      if (gone > 0) lane.splice(0, gone);
      done += gone;
      left += lane.length;
    }
    if (left === 0) this.#busy.delete(tunnel);
    return done;
  }

  /** The tunnel has ended: what waited for it is lost. */
  drop(tunnel: Outlet): void {
    for (const lane of tunnel.lanes) {
      for (const one of lane) this.#finish(one, path.refusedBytesAt);
      lane.length = 0;
    }
    this.#busy.delete(tunnel);
    this.release();
  }

  /** Gives back the ring's space up to the first that is not done. */
  release(): void {
    let count = 0;
    while (this.#waiting[count]?.isDone === true) count += 1;
    if (count === 0) return;
    const last = this.#waiting[count - 1] as Waiting;
    this.#waiting.splice(0, count);
    this.#parts.descriptors.releaseTo(last.end);
  }

  #route(one: Waiting): void {
    const { paths, find, want, descriptors } = this.#parts;
    const place = one.path >= 0 && one.path < paths.rows ? endpointOf(paths, one.path) : undefined;
    if (this.#lengthOf(one) === 0) one.isDone = true;
    else if (place === undefined) this.#finish(one, path.refusedBytesAt);
    else {
      const tunnel = find(place);
      const lane = tunnel?.lanes[descriptors.view.getInt32(one.at + descriptor.classAt, true)] ?? tunnel?.lanes.at(-1);
      if (tunnel === undefined || lane === undefined) this.#callFor(one, place, want);
      else {
        lane.push(one);
        this.#busy.add(tunnel);
      }
    }
  }

  /** It goes with the call, or is nobody's; its tables hear which when that is known, its place in the ring is free at once. */
  #callFor(one: Waiting, place: Uint8Array, want: SendParts['want']): void {
    const [bytes, packets] = [this.#lengthOf(one), this.#countOf(one)];
    const segment = this.#parts.descriptors.view.getInt32(one.at + descriptor.segmentBytesAt, true);
    const message = this.#copy(one, packets, segment);
    if (message === undefined) {
      this.#finish(one, path.refusedBytesAt);
      return;
    }
    this.#empty(one);
    const settle = (isSent: boolean): void =>
      this.#book(one.path, isSent ? path.sentBytesAt : path.refusedBytesAt, bytes, packets);
    want(place, { bytes: message, isHandshake: false, settle });
  }

  /** As many packets as one message holds. */
  #send(tunnel: Outlet, one: Waiting): void {
    const { view } = this.#parts.descriptors;
    const segment = view.getInt32(one.at + descriptor.segmentBytesAt, true);
    const count = this.#countOf(one);
    const part = Math.min(count, Math.max(1, Math.floor(mostMessageBytes / segment)));
    const message = this.#copy(one, part, segment);
    if (message === undefined) {
      this.#finish(one, path.lateBytesAt);
      return;
    }
    tunnel.send(message);
    const bytes = message.length - tlsMessageHeaderBytes;
    this.#waitingBytes -= bytes;
    this.#book(one.path, path.sentBytesAt, bytes, part);
    view.setInt32(one.at + descriptor.skipAt, view.getInt32(one.at + descriptor.skipAt, true) + part, true);
    view.setInt32(one.at + descriptor.countAt, count - part, true);
    view.setInt32(one.at + descriptor.lengthAt, this.#lengthOf(one) - bytes, true);
    one.isDone = part === count;
  }

  /** The next `count` packets as a message; undefined when they were overwritten in the log. */
  #copy(one: Waiting, count: number, segment: number): Uint8Array | undefined {
    const { descriptors, log } = this.#parts;
    const { view } = descriptors;
    const length = count === this.#countOf(one) ? this.#lengthOf(one) : count * segment;
    const message = Buffer.allocUnsafe(tlsMessageHeaderBytes + length);
    tlsMessageEmitHeader(message, Math.min(segment, length));
    const skip = view.getInt32(one.at + descriptor.skipAt, true) * segment;
    const position = view.getInt32(one.at + descriptor.positionAt, true);
    return log.copy(position, skip, length, message, tlsMessageHeaderBytes) ? message : undefined;
  }

  /** It is lost: all that is left of it is booked in `column`. */
  #finish(one: Waiting, column: number): void {
    this.#book(one.path, column, this.#lengthOf(one), 0);
    this.#empty(one);
  }

  /** It is done. */
  #empty(one: Waiting): void {
    this.#waitingBytes -= this.#lengthOf(one);
    const { view } = this.#parts.descriptors;
    view.setInt32(one.at + descriptor.countAt, 0, true);
    view.setInt32(one.at + descriptor.lengthAt, 0, true);
    one.isDone = true;
  }

  /** `row`: of the path table; `packets` are counted when they were sent. */
  #book(row: number, column: number, bytes: number, packets: number): void {
    const { paths, carriers, carrier: own } = this.#parts;
    if (row < 0 || row >= paths.rows) return;
    paths.addNumber(row, column, bytes);
    if (column !== path.sentBytesAt) return;
    paths.addNumber(row, path.sentPacketsAt, packets);
    carriers.addNumber(own, carrier.sentBytesAt, bytes);
    carriers.addNumber(own, carrier.sentPacketsAt, packets);
  }

  /** What may lie in the stream before more of a class is written; what is urgent gets in where bulk waits. */
  #aheadBytes(row: number, index: number): number {
    const paceBytesPerUs = this.#parts.paths.number(row, path.paceBpsAt) / 8e6;
    const ahead = Math.min(mostAheadBytes, Math.max(leastAheadBytes, paceBytesPerUs * aheadUs));
    return index === trafficClass.bulk ? ahead : 2 * ahead;
  }

  #lengthOf(one: Waiting): number {
    return this.#parts.descriptors.view.getInt32(one.at + descriptor.lengthAt, true);
  }

  #countOf(one: Waiting): number {
    return this.#parts.descriptors.view.getInt32(one.at + descriptor.countAt, true);
  }
}

/** A copy; undefined while its writer is at it, or when the row has none (seqlock of `contract/peer-tables.ts`). */
function endpointOf(paths: RowTable, row: number): Uint8Array | undefined {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const before = paths.int(row, path.sequenceAt);
    if ((before & 1) !== 0) continue;
    const place = Uint8Array.from(paths.slice(row, path.endpointAt, 64));
    if (paths.int(row, path.sequenceAt) === before) return place[0] === 0 && place[1] === 0 ? undefined : place;
  }
  return undefined;
}
