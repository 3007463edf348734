/**
 * Sessions of clients: one begins with the first data of a device after silence, and ends by silence (`idle`; keepalives are silence), by its
 * age, or by an operator. It has every byte from that data on, whenever the rows are read; of what was sent to the device, also what left since
 * the reading before. For people and for limits; keys have their own life. Pure.
 */
import type { ClientSession } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';

/** What the peer table says of a device: inner bytes from it and to it, and when it last sent data (microseconds, 0 = never). */
export interface DeviceReading {
  readonly upBytes: number;
  readonly downBytes: number;
  readonly lastDataUs: number;
}

type Counts = Pick<DeviceReading, 'upBytes' | 'downBytes'>;

/** A device, and the row that is read for it. */
export interface DeviceKey {
  readonly publicKey: string;
  readonly client: string;
  readonly peer: string;
}

export type SessionEnd = 'idle' | 'lifetime' | 'kicked' | 'disabled' | 'removed' | 'expired' | 'quota' | 'replaced';

export interface SessionBookParts {
  /** 0 = never. */
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly emit: (event: InstanceEvent) => void;
  /** Begins a handshake: a session that ends by its age goes on under new keys. */
  readonly rekey: (peer: string) => void;
}

interface Session {
  readonly id: number;
  readonly device: DeviceKey;
  /** Of a clock that nobody sets: ages are taken from it alone. */
  readonly sinceUs: number;
  readonly before: Counts;
  last: DeviceReading;
  lastDataUs: number;
}

export class SessionBook {
  readonly #parts: SessionBookParts;
  readonly #sessions = new Map<string, Session>();
  /** By key, of who has no session: up to where its counters are no business of the next one, and data that does not begin it. */
  readonly #marks = new Map<string, DeviceReading>();
  #lastId = 0;

  constructor(parts: SessionBookParts) {
    this.#parts = parts;
  }

  /** `nowUs`: the clock of readings, CLOCK_BOOTTIME. `counted`: where the counters were when this device was read last, by whomever. */
  look(device: DeviceKey, reading: DeviceReading, nowUs: number, counted: Counts): void {
    const { idleMs, lifetimeMs, rekey } = this.#parts;
    const { publicKey } = device;
    const silentMs = (nowUs - reading.lastDataUs) / 1000;
    const isSilent = idleMs > 0 && silentMs >= idleMs;
    const known = this.#sessions.get(publicKey);
    if (known === undefined) {
      const mark = this.#marks.get(publicKey) ?? { ...counted, lastDataUs: 0 };
      if (reading.lastDataUs > mark.lastDataUs && !isSilent) this.#open(device, reading, mark, nowUs);
      else this.#leave(publicKey, reading, mark);
      return;
    }
    if (reading.lastDataUs > known.last.lastDataUs) known.lastDataUs = Math.min(nowUs, reading.lastDataUs);
    known.last = reading;
    if (isSilent) this.end(publicKey, 'idle', nowUs);
    else if (lifetimeMs > 0 && nowUs - known.sinceUs >= lifetimeMs * 1000) {
      this.end(publicKey, 'lifetime', nowUs);
      rekey(device.peer);
    }
  }

  /** No session has what was sent to a device that says nothing. What it sends is dated a moment before it is counted; that waits for the next one. */
  #leave(publicKey: string, reading: DeviceReading, mark: DeviceReading): void {
    const isDated = reading.lastDataUs > mark.lastDataUs;
    this.#marks.set(publicKey, isDated ? reading : { ...reading, upBytes: Math.min(reading.upBytes, mark.upBytes) });
  }

  /** What came is no reason for a session: it was under way when the last one ended. */
  pass(publicKey: string, reading: DeviceReading): void {
    this.#marks.set(publicKey, reading);
  }

  has(publicKey: string): boolean {
    return this.#sessions.has(publicKey);
  }

  end(publicKey: string, reason: SessionEnd, nowUs: number): void {
    const session = this.#sessions.get(publicKey);
    if (session === undefined) return;
    this.#sessions.delete(publicKey);
    this.#marks.set(publicKey, session.last);
    const { id, device, sinceUs } = session;
    this.#parts.emit({
      kind: 'session-closed',
      client: device.client,
      peer: device.peer,
      session: id,
      reason,
      seconds: Math.round((nowUs - sinceUs) / 1e6),
      ...bytesOf(session),
    });
  }

  /** The device has another row from now on, whose counters begin anew. */
  forget(publicKey: string): void {
    this.#marks.delete(publicKey);
  }

  /** `nowMs`: since 1970, of the same moment. */
  rows(nowUs: number, nowMs: number): ClientSession[] {
    return [...this.#sessions.values()].map((session) => ({
      id: session.id,
      client: session.device.client,
      peer: session.device.peer,
      sinceMs: nowMs - (nowUs - session.sinceUs) / 1000,
      idleMs: Math.max(0, nowUs - session.lastDataUs) / 1000,
      ...bytesOf(session),
    }));
  }

  #open(device: DeviceKey, reading: DeviceReading, mark: Counts, nowUs: number): void {
    this.#lastId += 1;
    const { publicKey, client, peer } = device;
    const sinceUs = Math.min(nowUs, reading.lastDataUs);
    // A row that another peer had counts from 0 again.
    const isNew = reading.upBytes < mark.upBytes || reading.downBytes < mark.downBytes;
    const before = isNew ? nothing : mark;
    const id = this.#lastId;
    this.#sessions.set(publicKey, { id, device, sinceUs, lastDataUs: sinceUs, before, last: reading });
    this.#marks.delete(publicKey);
    this.#parts.emit({ kind: 'session-opened', client, peer, session: id });
  }
}

const nothing: Counts = { upBytes: 0, downBytes: 0 };

function bytesOf({ last, before }: Session): Counts {
  return {
    upBytes: Math.max(0, last.upBytes - before.upBytes),
    downBytes: Math.max(0, last.downBytes - before.downBytes),
  };
}
