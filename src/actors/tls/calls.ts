/** Calls to hubs: one at a time to each endpoint, what wants to leave meanwhile kept, and a pause behind each that failed. */

import { messageOf } from '../../base/errors.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import { proveCaller } from '../../crypto/tls-proof.ts';
import type { KeyPair } from '../../crypto/x25519.ts';
import { callHub, type PacketSocket } from '../../io/tls/call-hub.ts';
import type { Dialler } from '../../io/tls/dial.ts';
import type { Hub } from './hubs.ts';
import { keyOf } from './tunnel.ts';

export interface CallParts {
  readonly dialler: Dialler;
  readonly primitives: Primitives;
  readonly own: KeyPair;
  /** What is asked for instead of the endpoint's host. */
  readonly serverName: string | undefined;
  readonly onOpen: (endpoint: Uint8Array, socket: PacketSocket, waiting: readonly Uint8Array[]) => void;
  /** For people, once for each reason. */
  readonly onTrouble: (hub: Hub, why: string) => void;
}

/** TCP, a proxy's answer, TLS and the upgrade: five round trips, and lost packets. */
const callMs = 10_000;
const firstPauseMs = 500;
const longestPauseMs = 5_000;
/** A handshake message and a few small frames; what is more, or larger, is asked for again by whoever needs it. */
const mostWaiting = 4;
const mostWaitingBytes = 2048;

interface Call {
  isUnderWay: boolean;
  failures: number;
  notBeforeMs: number;
  /** What failed last. */
  why: string;
  readonly waiting: Uint8Array[];
}

export class Calls {
  readonly #parts: CallParts;
  readonly #calls = new Map<string, Call>();
  readonly #abort = new AbortController();

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  /** Calls unless it does already, or has just tried; `message` leaves when somebody answers. False when nobody is called. */
  want(endpoint: Uint8Array, hub: Hub, message: Uint8Array): boolean {
    const key = keyOf(endpoint);
    const call = this.#calls.get(key) ?? { isUnderWay: false, failures: 0, notBeforeMs: 0, why: '', waiting: [] };
    this.#calls.set(key, call);
    if (!call.isUnderWay && performance.now() < call.notBeforeMs) return false;
    if (call.waiting.length === mostWaiting) call.waiting.shift();
    if (message.length <= mostWaitingBytes) call.waiting.push(message);
    if (!call.isUnderWay) void this.#call(Uint8Array.from(endpoint), hub, call);
    return true;
  }

  close(): void {
    this.#abort.abort();
  }

  async #call(endpoint: Uint8Array, hub: Hub, call: Call): Promise<void> {
    const { dialler, primitives, own, serverName, onOpen, onTrouble } = this.#parts;
    call.isUnderWay = true;
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(callMs)]);
    try {
      const connection = await dialler.dial(hub, signal);
      const request = {
        serverName: serverName ?? hub.host,
        port: hub.port,
        prove: (exporter: Uint8Array) => proveCaller(primitives, own, hub.publicKey, exporter),
      };
      const socket = await callHub(connection, request, signal);
      call.failures = 0;
      call.why = '';
      onOpen(endpoint, socket, call.waiting);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const why = messageOf(error);
      if (why !== call.why) onTrouble(hub, why);
      call.why = why;
      call.notBeforeMs = performance.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** call.failures);
      call.failures += 1;
    } finally {
      call.isUnderWay = false;
      call.waiting.length = 0;
    }
  }
}
