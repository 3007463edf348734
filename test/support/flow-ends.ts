/** Two ends of FakeTCP without an addon: their state machines, and a wire between them that the test holds in its hands. */
import { createHash } from 'node:crypto';
import { flow, segment, tuple } from '../../src/contract/flows.ts';
import { FlowMachine } from '../../src/protocols/faketcp/flow-machine.ts';
import type { FlowEnd, MachinePort, MachineSettings } from '../../src/protocols/faketcp/machine-port.ts';
import { styles } from '../../src/protocols/faketcp/styles.ts';
import { createRowTable, flowTable, type RowTable } from '../../src/rings/table.ts';
import { sockaddrEmit, sockaddrPort } from '../../src/wire/sockaddr.ts';
import { type TcpFields, tcpEmit } from '../../src/wire/tcp.ts';
import { randomOf } from './random.ts';

export interface Sent {
  readonly connection: Uint8Array;
  readonly fields: TcpFields;
  readonly row: number;
  readonly isRouted: boolean;
}

export const listenPort = 443;
export const callPorts = { first: 40_000, count: 16 };
const ip4 = 2;

export class FlowEndpoint implements MachinePort {
  readonly table: RowTable;
  machine: FlowMachine;
  readonly sent: Sent[] = [];
  readonly ends: [row: number, why: FlowEnd][] = [];
  readonly openedRows: number[] = [];
  readonly address: Uint8Array;
  /** How often it was asked whose an address is. */
  asked = 0;
  /** Nothing leaves. */
  isShut = false;
  readonly #rows = new Map<string, number>();
  readonly #settings: MachineSettings;
  readonly #random: () => number;

  constructor(address: readonly number[], settings: Partial<MachineSettings> = {}, seed = 1) {
    this.address = Uint8Array.from(address);
    this.table = flowTable(createRowTable(flow, flow.most));
    this.#random = randomOf(seed);
    this.#settings = { style: styles.linux, rotateUs: 0, listenPort, callPorts: { [ip4]: callPorts }, ...settings };
    this.machine = new FlowMachine(this.table, this.#settings, this);
  }

  /** Another machine goes on with the table. */
  restart(settings: Partial<MachineSettings> = {}): void {
    this.machine = new FlowMachine(this.table, { ...this.#settings, ...settings }, this);
  }

  emit(connection: Uint8Array, fields: TcpFields, row: number, isRouted: boolean): boolean {
    if (this.isShut) return false;
    this.sent.push({ connection: Uint8Array.from(connection), fields: { ...fields }, row, isRouted });
    return true;
  }

  insert(row: number): void {
    this.#rows.set(nameOf(this.table.slice(row, 0, tuple.bytes)), row);
  }

  remove(row: number): void {
    this.#rows.delete(nameOf(this.table.slice(row, 0, tuple.bytes)));
  }

  find(connection: Uint8Array): number {
    return this.#rows.get(nameOf(connection)) ?? -1;
  }

  askSource(connection: Uint8Array): boolean {
    connection.set(this.address, tuple.localAt);
    return true;
  }

  isOwnAddress(connection: Uint8Array): boolean {
    this.asked += 1;
    return this.address.every((byte, index) => connection[tuple.localAt + index] === byte);
  }

  random(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }

  hash(bytes: Uint8Array): number {
    return createHash('blake2s256').update(this.address).update(bytes).digest().readUInt32LE();
  }

  opened(row: number): void {
    this.openedRows.push(row);
  }

  ended(row: number, why: FlowEnd): void {
    this.ends.push([row, why]);
  }

  /** What was sent since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }

  u32(row: number, column: number): number {
    return this.table.int(row, column) >>> 0;
  }

  /** As the addon does it with plain data of an open connection: numbers go on, and an acknowledgement is owed. */
  receiveData(row: number, bytes: number, nowUs: number, segments = 1): void {
    const next = (this.u32(row, flow.receiveNextAt) + bytes) | 0;
    this.table.setInt(row, flow.receiveNextAt, next);
    this.table.setInt(row, flow.recentNextAt, next);
    this.table.setNumber(row, flow.receivedUsAt, nowUs);
    this.table.addInt(row, flow.owedSegmentsAt, segments);
    this.table.addNumber(row, flow.owedBytesAt, bytes);
    this.machine.handleReceived(row, nowUs);
  }

  sendData(row: number, bytes: number, nowUs: number): void {
    const next = (this.u32(row, flow.sendNextAt) + bytes) | 0;
    this.table.setInt(row, flow.sendNextAt, next);
    if (((next - this.u32(row, flow.sendMostAt)) | 0) > 0) this.table.setInt(row, flow.sendMostAt, next);
    this.table.setInt(row, flow.owedSegmentsAt, 0);
    this.table.setNumber(row, flow.owedBytesAt, 0);
    this.table.setNumber(row, flow.sentUsAt, nowUs);
    this.table.setNumber(row, flow.sentDataUsAt, nowUs);
  }

  /** A segment arrives that `from` sent; returns whether its payload is data. */
  hear(from: Pick<Sent, 'connection' | 'fields'>, nowUs: number, payloadBytes = 0): boolean {
    const bytes = new Uint8Array(segment.rowBytes);
    const view = new DataView(bytes.buffer);
    const theirPort = new DataView(from.connection.buffer, from.connection.byteOffset).getUint16(
      tuple.localPortAt,
      true,
    );
    const theirs = from.connection.slice(tuple.localAt, tuple.localAt + 4);
    sockaddrEmit(bytes, tuple.endpointAt, { address: theirs, port: theirPort, scopeId: 0 });
    bytes.set(from.connection.subarray(4, 8), tuple.localAt);
    view.setUint16(tuple.localPortAt, sockaddrPort(from.connection, tuple.endpointAt), true);
    view.setUint16(tuple.linkHeaderBytesAt, 14, true);
    view.setInt32(tuple.interfaceAt, 7, true);
    view.setInt32(segment.headerBytesAt, tcpEmit(bytes, segment.headerAt, from.fields), true);
    view.setInt32(segment.payloadBytesAt, payloadBytes, true);
    return this.machine.handleSegment(bytes, 0, nowUs);
  }
}

function nameOf(connection: Uint8Array): string {
  const local = Buffer.from(connection.subarray(tuple.localAt, tuple.linkHeaderBytesAt)).toString('hex');
  return `${Buffer.from(connection.subarray(0, 8)).toString('hex')} ${local}`;
}

export function endpointOf(end: FlowEndpoint, port = listenPort): Uint8Array {
  const bytes = new Uint8Array(64);
  sockaddrEmit(bytes, 0, { address: end.address, port, scopeId: 0 });
  return bytes;
}

export const anyAddress = new Uint8Array(16);
