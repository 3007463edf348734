/** Calls to hubs: one at a time to each endpoint, what wants to leave meanwhile kept, and a pause behind each that failed. */

import { HawserError, messageOf } from '../../base/errors.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import { proveCaller } from '../../crypto/tls-proof.ts';
import type { KeyPair } from '../../crypto/x25519.ts';
import { callHub, type PacketSocket } from '../../io/tls/call-hub.ts';
import type { Dialler } from '../../io/tls/dial.ts';
import type { Hub, Hubs } from './hubs.ts';
import { keyOf } from './tunnel.ts';

export interface CallParts {
  readonly dialler: Pick<Dialler, 'dial' | 'close'>;
  readonly primitives: Primitives;
  readonly own: KeyPair;
  /** What is asked for instead of the endpoint's host. */
  readonly serverName: string | undefined;
  /** Sends what waited, and settles it. */
  readonly onOpen: (endpoint: Uint8Array, hub: Hub, socket: PacketSocket, waiting: readonly Parcel[]) => void;
  /** For people, once for each reason; undefined = what was wrong is over. */
  readonly onTrouble: (hub: Hub, trouble: CallTrouble | undefined) => void;
}

export interface CallTrouble {
  readonly why: string;
  /** '' = none that we know. */
  readonly remedy: string;
}

/** A message for whoever answers. */
export interface Parcel {
  readonly bytes: Uint8Array;
  /** It goes before what needs a session. */
  readonly isHandshake: boolean;
  /** Is called once, perhaps long after: whether it has left. */
  readonly settle: (isSent: boolean) => void;
}

/** TCP, a proxy's answer, TLS and the upgrade: five round trips, and lost packets. */
const callMs = 10_000;
const firstPauseMs = 500;
const longestPauseMs = 5_000;
/** A handshake message and a few small frames; what is more, or larger, is asked for again by whoever needs it. */
const mostWaiting = 4;
const mostWaitingBytes = 2048;

interface Call {
  readonly endpoint: Uint8Array;
  readonly hub: Hub;
  /** Of the call under way. */
  abort: AbortController | undefined;
  failures: number;
  notBeforeMs: number;
  /** What failed last. */
  why: string;
  readonly waiting: Parcel[];
}

export class Calls {
  readonly #parts: CallParts;
  readonly #calls = new Map<string, Call>();

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  /** Calls unless it does already, or has just tried; what is kept leaves when somebody answers. */
  want(endpoint: Uint8Array, hub: Hub, parcel: Parcel): void {
    const key = keyOf(endpoint);
    const call = this.#calls.get(key) ?? newCall(endpoint, hub);
    this.#calls.set(key, call);
    if (call.abort === undefined && performance.now() < call.notBeforeMs) {
      parcel.settle(false);
      return;
    }
    keep(call.waiting, parcel);
    if (call.abort === undefined) void this.#call(key, call);
  }

  /** Ends calls to places that are no hub's any more, or another's, and forgets how they went. */
  keepOnly(hubs: Hubs): void {
    for (const [key, call] of this.#calls) {
      if (hubs.isAt(call.endpoint, call.hub)) continue;
      this.#calls.delete(key);
      call.abort?.abort();
      this.#tell(call, undefined);
    }
  }

  /** Idempotent. */
  close(): void {
    for (const call of this.#calls.values()) call.abort?.abort();
    this.#calls.clear();
    this.#parts.dialler.close();
  }

  async #call(key: string, call: Call): Promise<void> {
    const { dialler, primitives, own, serverName, onOpen } = this.#parts;
    const { endpoint, hub } = call;
    const abort = new AbortController();
    call.abort = abort;
    const timer = setTimeout(() => abort.abort(), callMs).unref();
    const isForgotten = (): boolean => this.#calls.get(key) !== call;
    try {
      const connection = await dialler.dial(hub, abort.signal);
      const request = {
        serverName: serverName ?? hub.host,
        port: hub.port,
        prove: (exporter: Uint8Array) => proveCaller(primitives, own, hub.publicKey, exporter),
      };
      const socket = await callHub(connection, request, abort.signal);
      if (isForgotten()) return void socket.stream.destroy();
      call.failures = 0;
      this.#tell(call, undefined);
      onOpen(endpoint, hub, socket, call.waiting.splice(0));
    } catch (error) {
      if (isForgotten()) return;
      this.#tell(call, error);
      call.notBeforeMs = performance.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** call.failures);
      call.failures += 1;
    } finally {
      clearTimeout(timer);
      call.abort = undefined;
      for (const parcel of call.waiting.splice(0)) parcel.settle(false);
    }
  }

  /** `error`: undefined = nothing is wrong. */
  #tell(call: Call, error: unknown): void {
    const why = error === undefined ? '' : messageOf(error);
    if (why === call.why) return;
    call.why = why;
    const { fault, remedy } = error instanceof HawserError ? error : { fault: why, remedy: '' };
    this.#parts.onTrouble(call.hub, why === '' ? undefined : { why: fault, remedy });
  }
}

function newCall(endpoint: Uint8Array, hub: Hub): Call {
  const place = Uint8Array.from(endpoint);
  return { endpoint: place, hub, abort: undefined, failures: 0, notBeforeMs: 0, why: '', waiting: [] };
}

/** In a full place a handshake takes that of the oldest; whatever else comes is refused. */
function keep(waiting: Parcel[], parcel: Parcel): void {
  const isFull = waiting.length === mostWaiting;
  if (parcel.bytes.length > mostWaitingBytes || (isFull && !parcel.isHandshake)) {
    parcel.settle(false);
    return;
  }
  if (isFull) waiting.shift()?.settle(false);
  waiting.push(parcel);
}
