/** A segment that the addon did not take as plain data: a row of `segment`, read where it lies. */
import { viewOf } from '../../base/bytes.ts';
import { segment, tuple } from '../../contract/flows.ts';
import { sockaddrPort } from '../../wire/sockaddr.ts';
import {
  tcpAcknowledgement,
  tcpCheckLength,
  tcpEcho,
  tcpFlags,
  tcpHasStamps,
  tcpMss,
  tcpSaysSackPermitted,
  tcpSequence,
  tcpStamp,
  tcpWindow,
  tcpWindowShift,
} from '../../wire/tcp.ts';

export class Heard {
  readonly connection: Uint8Array;
  readonly payloadBytes: number;
  readonly #bytes: Uint8Array;
  readonly #header: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#header = at + segment.headerAt;
    this.#end = this.#header + viewOf(bytes).getInt32(at + segment.headerBytesAt, true);
    this.connection = bytes.subarray(at, at + tuple.bytes);
    this.payloadBytes = viewOf(bytes).getInt32(at + segment.payloadBytesAt, true);
  }

  /** Whether the header says of its options what is there; nothing else is to be asked if not. */
  get isWhole(): boolean {
    return tcpCheckLength(this.#bytes, this.#header, this.#end);
  }

  get localPort(): number {
    return viewOf(this.connection).getUint16(tuple.localPortAt, true);
  }

  get remotePort(): number {
    return sockaddrPort(this.connection, tuple.endpointAt);
  }

  get flags(): number {
    return tcpFlags(this.#bytes, this.#header);
  }

  get sequence(): number {
    return tcpSequence(this.#bytes, this.#header);
  }

  get acknowledgement(): number {
    return tcpAcknowledgement(this.#bytes, this.#header);
  }

  get window(): number {
    return tcpWindow(this.#bytes, this.#header);
  }

  /** Of a SYN: -1 = none was said. */
  get shift(): number {
    return tcpWindowShift(this.#bytes, this.#header);
  }

  get saysMss(): boolean {
    return tcpMss(this.#bytes, this.#header) !== 0;
  }

  get saysSackPermitted(): boolean {
    return tcpSaysSackPermitted(this.#bytes, this.#header);
  }

  get hasStamps(): boolean {
    return tcpHasStamps(this.#bytes, this.#header);
  }

  get stamp(): number {
    return tcpStamp(this.#bytes, this.#header);
  }

  /** The timestamp of ours that it echoes; 0 without one. */
  get echo(): number {
    return tcpEcho(this.#bytes, this.#header);
  }
}
