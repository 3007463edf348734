/** Those who call us: answered with cookies, and let in when they show that they heard us. */
import { flow, flowState, tcpFlag, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';
import { sequenceAfter, sequenceDistance } from '../../wire/tcp.ts';
import type { FlowLives } from './flow-lives.ts';
import type { FlowRows } from './flow-rows.ts';
import { type FlowSpeech, mssOf, stampAt } from './flow-speech.ts';
import type { Heard } from './heard-segment.ts';
import type { MachinePort, MachineSettings } from './machine-port.ts';
import { SynCookies } from './syn-cookies.ts';

const mostStrangers = 1024;
const askAgainUs = 1e6;
/** An answer of ours is good for two minutes, and the same for each call by the same ports: what the caller sent by then tells calls apart. */
const repeatedBytes = 1 << 20;
const addressBytes = 16;

export class Callers {
  readonly #lives: FlowLives;
  readonly #speech: FlowSpeech;
  readonly #rows: FlowRows;
  readonly #table: RowTable;
  readonly #settings: MachineSettings;
  readonly #port: MachinePort;
  readonly #cookies: SynCookies;
  /** The address of ours that was asked about last, when, and the answer. */
  readonly #askedFor = new Uint8Array(addressBytes);
  #askedUs = Number.NEGATIVE_INFINITY;
  #isOwn = false;

  constructor(lives: FlowLives, speech: FlowSpeech, settings: MachineSettings, port: MachinePort) {
    this.#lives = lives;
    this.#speech = speech;
    this.#rows = lives.rows;
    this.#table = lives.rows.table;
    this.#settings = settings;
    this.#port = port;
    this.#cookies = new SynCookies((bytes) => port.hash(bytes));
  }

  handleStranger(heard: Heard, nowUs: number): boolean {
    const { flags, connection } = heard;
    // What is only routed through this host is none of our business. On a router that translates addresses, what comes to a port that we call
    // from may be the answer to somebody behind it.
    const isCall = heard.localPort === this.#settings.listenPort;
    if (!isCall || (flags & tcpFlag.rst) !== 0 || !this.#isOurs(connection, nowUs)) return false;
    if ((flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) this.answer(heard, nowUs);
    else if (this.#accept(heard, nowUs)) return true;
    if ((flags & tcpFlag.syn) === 0) this.#speech.reset(heard, nowUs);
    return false;
  }

  /** Asked once a second and address: a flood of segments shall not ask the kernel for each. */
  #isOurs(connection: Uint8Array, nowUs: number): boolean {
    const address = connection.subarray(tuple.localAt, tuple.localAt + addressBytes);
    const isKnown =
      nowUs < this.#askedUs + askAgainUs && this.#askedFor.every((byte, index) => byte === address[index]);
    if (!isKnown) {
      this.#askedFor.set(address);
      this.#askedUs = nowUs;
      this.#isOwn = this.#port.isOwnAddress(connection);
    }
    return this.#isOwn;
  }

  answer(heard: Heard, nowUs: number): void {
    const { style } = this.#settings;
    const { connection, shift, hasStamps } = heard;
    this.#port.emit(
      connection,
      {
        sourcePort: heard.localPort,
        destinationPort: heard.remotePort,
        sequence: this.#cookies.make(connection, shift, nowUs),
        acknowledgement: sequenceAfter(heard.sequence, 1),
        flags: tcpFlag.syn | tcpFlag.ack,
        window: style.synAckWindow,
        // An end that says nothing of it gets nothing of it.
        mss: heard.saysMss ? mssOf(connection) : 0,
        isSackPermitted: heard.saysSackPermitted,
        windowShift: shift < 0 ? -1 : style.windowShift,
        stamp: hasStamps ? stampAt(nowUs, this.#cookies.offset(connection)) : undefined,
        echo: heard.stamp,
      },
      -1,
      false,
    );
  }

  /** Whether the segment acknowledges an answer of ours: then there is a connection. */
  #accept(heard: Heard, nowUs: number): boolean {
    if ((heard.flags & (tcpFlag.ack | tcpFlag.syn | tcpFlag.rst | tcpFlag.fin)) !== tcpFlag.ack) return false;
    const { connection } = heard;
    const shift = this.#cookies.check(connection, sequenceAfter(heard.acknowledgement, -1), nowUs);
    if (shift === undefined) return false;
    const row = this.#makeRoom(nowUs);
    if (row < 0) return false;
    this.#rows.tuple(row).set(connection);
    this.#lives.begin(row, flowState.open, sequenceAfter(heard.acknowledgement, -1), nowUs);
    this.#rows.setU32(row, flow.stampOffsetAt, this.#cookies.offset(connection));
    this.#table.setInt(row, flow.acceptedAt, 1);
    this.#table.setInt(row, flow.timestampsAt, heard.hasStamps ? 1 : 0);
    this.#table.setInt(row, flow.sendShiftAt, Math.max(0, shift));
    this.#rows.setU32(row, flow.sendUnacknowledgedAt, heard.acknowledgement);
    this.#rows.setU32(row, flow.sendWindowAt, heard.window << Math.max(0, shift));
    this.#lives.open(
      row,
      sequenceAfter(heard.sequence, heard.payloadBytes),
      shift < 0 ? 0 : this.#settings.style.windowShift,
      heard,
      nowUs,
    );
    this.#lives.strangers.add(row);
    this.#table.setInt(row, flow.settledAt, 1);
    // What our SYN-ACK said of the window was not scaled: he may send as much as he likes when he hears this.
    this.#speech.acknowledge(row, nowUs);
    return true;
  }

  /** Whether an old connection gives way to a new one by the same ports. */
  isNewCall(row: number, heard: Heard, nowUs: number): boolean {
    if (heard.localPort !== this.#settings.listenPort) return false;
    const first = sequenceAfter(heard.acknowledgement, -1);
    if (this.#isRepeated(row, heard, first)) return false;
    if (this.#cookies.check(heard.connection, first, nowUs) === undefined) return false;
    this.#lives.forget(row);
    return this.#accept(heard, nowUs);
  }

  /** The third segment of this very connection, or what came right behind it, once more: by a wire that repeats, or by somebody who has seen it. */
  #isRepeated(row: number, heard: Heard, first: number): boolean {
    if (first !== this.#rows.u32(row, flow.firstSentAt)) return false;
    const ahead = sequenceDistance(heard.sequence, this.#rows.u32(row, flow.firstReceivedAt));
    return Math.abs(ahead) <= repeatedBytes;
  }

  /** A row for one more that nobody knows yet: they have a number of rows among them. */
  #makeRoom(nowUs: number): number {
    for (const row of this.#lives.strangers) {
      if (!this.#lives.isStranger(row)) this.#lives.strangers.delete(row);
      else if (this.#lives.strangers.size >= mostStrangers) this.dismiss(row, nowUs);
      else break;
    }
    return this.#rows.claim();
  }

  /** Its row is free at once: however many come, they keep nobody out. */
  dismiss(row: number, nowUs: number): void {
    this.#speech.hangUp(row, 'silent', nowUs);
    this.#lives.forget(row);
  }
}
