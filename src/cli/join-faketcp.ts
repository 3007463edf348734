/**
 * A way to a hub that listens for FakeTCP, by an ordinary connection of the kernel's: what FakeTCP sends looks like TCP to whatever is between, so
 * it looks like TCP to a kernel at one end, too. Each message is written alone and leaves as one segment (TCP_NODELAY), which is a datagram over there.
 * What the hub sends is never sent again: behind a segment that was lost the kernel keeps all that follows to itself, and a connection that was silent
 * for too long is given up for another.
 */
import { connect, type Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import { formatEndpoint } from '../config/address.ts';
import type { EndpointText } from '../config/config.ts';
import { cookieReplyBytes, messageType, responseBytes } from '../wire/wireguard.ts';
import type { OpenWays, Way } from './join-ways.ts';

/** More than two calls of an enrolment that stay unanswered. */
const silentMs = 4_000;
/** Of a data message: its type and whom it is for, which all of one connection have in common. */
const markBytes = 8;

/** Those of `endpoints` that take a connection, as they do. */
export function openFakeTcpWays(
  endpoints: readonly EndpointText[],
  { signal, onWay, waiting, troubles }: OpenWays,
): void {
  for (const { host, port } of endpoints.filter(({ transport }) => transport === 'faketcp')) {
    const text = `faketcp ${formatEndpoint({ host, port })}`;
    waiting.add(text);
    const way = new FakeTcpWay(text, () => connect({ host, port, noDelay: true, signal }), {
      onOpen: () => {
        waiting.delete(text);
        onWay(way);
      },
      onFailed: (error) => {
        if (waiting.delete(text) && !signal.aborted) troubles.push(`${text}: ${messageOf(error)}`);
      },
    });
  }
}

export class FakeTcpWay implements Way {
  readonly text: string;
  readonly canWear = false;
  readonly #dial: () => Socket;
  readonly #inbox: Uint8Array[] = [];
  #socket: Socket;
  /** When something last came, or the connection was begun. */
  #heardMs = performance.now();

  /** `onOpen`: once, of the first connection; `onFailed`: before that. */
  constructor(
    text: string,
    dial: () => Socket,
    on: { readonly onOpen: () => void; readonly onFailed: (error: Error) => void },
  ) {
    this.text = text;
    this.#dial = dial;
    this.#socket = this.#begin();
    this.#socket.once('connect', on.onOpen).once('error', on.onFailed);
  }

  /** Before there is a connection nothing leaves: several messages that wait would leave as one. */
  send(message: Uint8Array): void {
    const isSilent = performance.now() - this.#heardMs > silentMs;
    if (isSilent) {
      this.#socket.destroy();
      this.#socket = this.#begin();
    } else if (this.#socket.readyState === 'open') this.#socket.write(message);
  }

  receive(): Uint8Array[] {
    return this.#inbox.splice(0).flatMap(messagesIn);
  }

  close(): void {
    this.#socket.destroy();
  }

  #begin(): Socket {
    this.#heardMs = performance.now();
    const socket = this.#dial();
    // Its end is seen by its silence.
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Uint8Array) => {
      this.#heardMs = performance.now();
      this.#inbox.push(bytes);
    });
    return socket;
  }
}

/** What the kernel has joined, taken apart: handshake messages have their lengths, and data messages to one receiver begin alike. */
export function messagesIn(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOfFirst(bytes.subarray(at));
    messages.push(bytes.slice(at, at + length));
    at += length;
  }
  return messages;
}

function lengthOfFirst(bytes: Uint8Array): number {
  const [type] = bytes;
  if (type === messageType.response) return Math.min(responseBytes, bytes.length);
  if (type === messageType.cookieReply) return Math.min(cookieReplyBytes, bytes.length);
  if (type !== messageType.data) return bytes.length;
  const next = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(
    bytes.subarray(0, markBytes),
    markBytes,
  );
  return next < 0 ? bytes.length : next;
}
