/** Those whom we call. */
import { viewOf } from '../../base/bytes.ts';
import { flow, flowState, tcpFlag, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';
import { sequenceAfter } from '../../wire/tcp.ts';
import type { FlowLives } from './flow-lives.ts';
import type { FlowRows } from './flow-rows.ts';
import { type FlowSpeech, mssOf } from './flow-speech.ts';
import type { Heard } from './heard-segment.ts';
import type { CallPorts, MachinePort, MachineSettings } from './machine-port.ts';

/** RFC 6298 section 2.1 and 5.5; TCP_SYNCNT is 6, but who waits here has other ways. */
const firstRetryUs = 1e6;
const mostSyns = 4;
/** A connection that never came about is known for so long. */
const refusedUs = 2e6;

export class Calls {
  readonly #lives: FlowLives;
  readonly #speech: FlowSpeech;
  readonly #rows: FlowRows;
  readonly #table: RowTable;
  readonly #settings: MachineSettings;
  readonly #port: MachinePort;
  #nextCall: number;

  constructor(lives: FlowLives, speech: FlowSpeech, settings: MachineSettings, port: MachinePort) {
    this.#lives = lives;
    this.#speech = speech;
    this.#rows = lives.rows;
    this.#table = lives.rows.table;
    this.#settings = settings;
    this.#port = port;
    this.#nextCall = port.random() >>> 0;
  }

  /** Calls an endpoint (`sockaddr`) from an address of ours (16 bytes, zeros = any); returns the row, -1 = that cannot be done now. */
  dial(endpoint: Uint8Array, local: Uint8Array, nowUs: number): number {
    const family = (endpoint[0] as number) | ((endpoint[1] as number) << 8);
    const ports = this.#settings.callPorts[family];
    const row = ports === undefined ? -1 : this.#rows.claim();
    if (row < 0 || ports === undefined) return -1;
    const connection = this.#rows.tuple(row);
    connection.set(endpoint.subarray(0, tuple.localAt), tuple.endpointAt);
    connection.set(local.subarray(0, 16), tuple.localAt);
    if (!this.#port.askSource(connection) || !this.#choosePort(connection, ports)) {
      this.#rows.release(row);
      return -1;
    }
    const first = this.#settings.style.startsAtZero ? 0 : this.#port.random() >>> 0;
    this.#lives.begin(row, flowState.dialled, first, nowUs);
    this.#rows.setU32(row, flow.stampOffsetAt, this.#port.random());
    this.#sayHello(row, nowUs);
    return row;
  }

  #choosePort(connection: Uint8Array, { first, count }: CallPorts): boolean {
    const view = viewOf(connection);
    for (let tried = 0; tried < count; tried += 1) {
      this.#nextCall = (this.#nextCall + 1) >>> 0;
      view.setUint16(tuple.localPortAt, first + (this.#nextCall % count), true);
      if (this.#port.find(connection) < 0) return true;
    }
    return false;
  }

  #sayHello(row: number, nowUs: number): void {
    const tries = this.#table.int(row, flow.triesAt) + 1;
    this.#table.setInt(row, flow.triesAt, tries);
    const { style } = this.#settings;
    this.#speech.emit(row, nowUs, {
      flags: tcpFlag.syn,
      sequence: this.#rows.u32(row, flow.sendUnacknowledgedAt),
      acknowledgement: 0,
      window: style.synWindow,
      mss: style.isFull ? mssOf(this.#rows.tuple(row)) : 0,
      isSackPermitted: style.isFull,
      windowShift: style.windowShift,
      hasStamps: style.isFull,
    });
    this.#lives.wait(row, nowUs + firstRetryUs * 2 ** (tries - 1));
  }

  retry(row: number, nowUs: number): void {
    if (this.#table.int(row, flow.triesAt) < mostSyns) this.#sayHello(row, nowUs);
    else this.#lives.end(row, 'no answer', nowUs, refusedUs);
  }

  /** RFC 9293 section 3.10.7.3. */
  handleAnswer(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    const isAcknowledged =
      (flags & tcpFlag.ack) !== 0 && heard.acknowledgement === this.#rows.u32(row, flow.sendNextAt);
    if (!isAcknowledged) {
      if ((flags & tcpFlag.rst) === 0) this.#speech.reset(heard, nowUs);
      return false;
    }
    if ((flags & tcpFlag.rst) !== 0) this.#lives.end(row, 'refused', nowUs, refusedUs);
    if ((flags & (tcpFlag.rst | tcpFlag.syn)) !== tcpFlag.syn) return false;
    const shift = heard.shift;
    this.#table.setInt(row, flow.timestampsAt, this.#settings.style.isFull && heard.hasStamps ? 1 : 0);
    this.#table.setInt(row, flow.sendShiftAt, Math.max(0, shift));
    this.#rows.setU32(row, flow.sendWindowAt, heard.window);
    this.#rows.setU32(row, flow.sendUnacknowledgedAt, heard.acknowledgement);
    this.#lives.open(
      row,
      sequenceAfter(heard.sequence, 1),
      shift < 0 ? 0 : this.#settings.style.windowShift,
      heard,
      nowUs,
    );
    this.#speech.acknowledge(row, nowUs);
    const old = this.#lives.successors.get(row);
    this.#lives.successors.delete(row);
    if (old !== undefined) {
      this.#table.setNumber(old, flow.replacedUsAt, nowUs);
      // Nobody answers by the old one: nothing speaks for it, though nothing was heard by the new one but its answer.
      if (this.#table.int(old, flow.triesAt) > 0) this.#table.setInt(old, flow.settledAt, 0);
    }
    this.#port.opened(row);
    return false;
  }
}
