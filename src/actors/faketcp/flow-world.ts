/** What the state machine of FakeTCP asks of the world, answered by the addon. */
import { randomBytes } from 'node:crypto';
import type { CryptoApi } from '../../native/crypto-api.ts';
import type { FakeTcp } from '../../native/faketcp-api.ts';
import type { FlowEnd, MachinePort } from '../../protocols/faketcp/machine-port.ts';
import { type TcpFields, tcpEmit, tcpMostHeaderBytes } from '../../wire/tcp.ts';

export interface FlowNews {
  readonly opened: (row: number) => void;
  readonly ended: (row: number, why: FlowEnd) => void;
}

const macBytes = 16;

export class FlowWorld implements MachinePort {
  readonly #native: FakeTcp;
  readonly #crypto: Pick<CryptoApi, 'blake2s128'>;
  readonly #key: Uint8Array;
  readonly #news: FlowNews;
  readonly #header = new Uint8Array(tcpMostHeaderBytes);
  readonly #mac = new Uint8Array(macBytes);

  constructor(native: FakeTcp, crypto: Pick<CryptoApi, 'blake2s128'>, key: Uint8Array, news: FlowNews) {
    this.#native = native;
    this.#crypto = crypto;
    this.#key = key;
    this.#news = news;
  }

  emit(connection: Uint8Array, fields: TcpFields, row: number, isRouted: boolean): boolean {
    const header = this.#header.subarray(0, tcpEmit(this.#header, 0, fields));
    return (
      (isRouted ? this.#native.sendRouted(connection, header) : this.#native.sendSegment(connection, header, row)) === 0
    );
  }

  insert(row: number): void {
    this.#native.insert(row);
  }

  remove(row: number): void {
    this.#native.remove(row);
  }

  find(connection: Uint8Array): number {
    return this.#native.find(connection);
  }

  askSource(connection: Uint8Array): boolean {
    return this.#native.askSource(connection) === 0;
  }

  isOwnAddress(connection: Uint8Array): boolean {
    return this.#native.isOwnAddress(connection);
  }

  random(): number {
    return randomBytes(4).readUInt32LE();
  }

  hash(bytes: Uint8Array): number {
    this.#crypto.blake2s128(this.#key, bytes, this.#mac);
    return new DataView(this.#mac.buffer).getUint32(0, true);
  }

  opened(row: number): void {
    this.#news.opened(row);
  }

  ended(row: number, why: FlowEnd): void {
    this.#news.ended(row, why);
  }
}
