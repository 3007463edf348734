/**
 * Sessions of clients: one begins with the first data of a device after silence, and ends by silence (`idle`; keepalives are silence), by its
 * age, or by an operator. For people and for limits; keys have their own life. Pure.
 */
import type { ClientSession } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';

/** What the peer table says of a device: inner bytes from it and to it, and when it last sent data (microseconds, 0 = never). */
export interface DeviceReading {
  readonly upBytes: number;
  readonly downBytes: number;
  readonly lastDataUs: number;
}

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
  readonly upBefore: number;
  readonly downBefore: number;
  last: DeviceReading;
  lastDataUs: number;
}

export class SessionBook {
  readonly #parts: SessionBookParts;
  readonly #sessions = new Map<string, Session>();
  /** By key, when data was seen last: what came before a session ended does not begin another. */
  readonly #seenUs = new Map<string, number>();
  #lastId = 0;

  constructor(parts: SessionBookParts) {
    this.#parts = parts;
  }

  /** `nowUs`: the clock of readings, CLOCK_BOOTTIME. */
  look(device: DeviceKey, reading: DeviceReading, nowUs: number): void {
    const { idleMs, lifetimeMs, rekey } = this.#parts;
    const { publicKey } = device;
    const hasData = reading.lastDataUs > (this.#seenUs.get(publicKey) ?? 0);
    if (hasData) this.#seenUs.set(publicKey, reading.lastDataUs);
    const silentMs = (nowUs - reading.lastDataUs) / 1000;
    const known = this.#sessions.get(publicKey);
    if (known === undefined) {
      if (hasData && (idleMs === 0 || silentMs < idleMs))
        this.#open(device, reading, Math.min(nowUs, reading.lastDataUs));
      return;
    }
    known.last = reading;
    if (hasData) known.lastDataUs = Math.min(nowUs, reading.lastDataUs);
    if (idleMs > 0 && silentMs >= idleMs) this.end(publicKey, 'idle', nowUs);
    else if (lifetimeMs > 0 && nowUs - known.sinceUs >= lifetimeMs * 1000) {
      this.end(publicKey, 'lifetime', nowUs);
      rekey(device.peer);
    }
  }

  /** What came is no reason for a session: it was under way when the last one ended. */
  pass(publicKey: string, { lastDataUs }: DeviceReading): void {
    this.#seenUs.set(publicKey, lastDataUs);
  }

  has(publicKey: string): boolean {
    return this.#sessions.has(publicKey);
  }

  end(publicKey: string, reason: SessionEnd, nowUs: number): void {
    const session = this.#sessions.get(publicKey);
    if (session === undefined) return;
    this.#sessions.delete(publicKey);
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
    this.#seenUs.delete(publicKey);
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

  #open(device: DeviceKey, reading: DeviceReading, sinceUs: number): void {
    this.#lastId += 1;
    const { upBytes, downBytes } = reading;
    this.#sessions.set(device.publicKey, {
      id: this.#lastId,
      device,
      sinceUs,
      lastDataUs: sinceUs,
      upBefore: upBytes,
      downBefore: downBytes,
      last: reading,
    });
    this.#parts.emit({ kind: 'session-opened', client: device.client, peer: device.peer, session: this.#lastId });
  }
}

function bytesOf({ last, upBefore, downBefore }: Session): { upBytes: number; downBytes: number } {
  return { upBytes: Math.max(0, last.upBytes - upBefore), downBytes: Math.max(0, last.downBytes - downBefore) };
}
