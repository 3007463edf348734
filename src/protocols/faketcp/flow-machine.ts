/**
 * The state machine of FakeTCP: connections that look like TCP to all that is between two ends, and carry datagrams. Nothing is ever sent
 * again, nothing waits for what is missing, and what is acknowledged is the highest number that came. No I/O, no clock: what happens comes
 * in by `dial` and `handle…`, what is to be done goes out by `MachinePort`. Plain data of open connections passes by it, in the addon.
 *
 * ```
 *          dial: SYN, again after 1, 2, 4 s          SYN-ACK: ACK
 *  free ───────────────────────────────► dialled ───────────────────► open ◄─── ACK that shows a cookie (syn-cookies.ts)
 *   ▲                                       │ RST, or no answer        │ FIN: FIN · RST that is proven · silence · another in its place
 *   │              a minute later           ▼                          ▼
 *   └──────────────────────────────────── closed ◄─────────────────────┘
 * ```
 */
import { viewOf } from '../../base/bytes.ts';
import { flow, flowState, tcpFlag, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';
import { Callers } from './callers.ts';
import { Calls } from './calls.ts';
import { FlowLives } from './flow-lives.ts';
import { FlowSpeech } from './flow-speech.ts';
import { Heard } from './heard-segment.ts';
import type { MachinePort, MachineSettings } from './machine-port.ts';
import { OpenFlows } from './open-flows.ts';

export class FlowMachine {
  readonly #table: RowTable;
  readonly #settings: MachineSettings;
  readonly #port: MachinePort;
  readonly #lives: FlowLives;
  readonly #speech: FlowSpeech;
  readonly #callers: Callers;
  readonly #calls: Calls;
  readonly #open: OpenFlows;

  /** Goes on with the connections that are in the table. */
  constructor(table: RowTable, settings: MachineSettings, port: MachinePort) {
    this.#table = table;
    this.#settings = settings;
    this.#port = port;
    const lives = new FlowLives(table, settings.style, port);
    const speech = new FlowSpeech(lives, port);
    const callers = new Callers(lives, speech, settings, port);
    const calls = new Calls(lives, speech, settings, port);
    this.#lives = lives;
    this.#speech = speech;
    this.#callers = callers;
    this.#calls = calls;
    this.#open = new OpenFlows({ lives, speech, callers, calls, settings });
    this.#takeOver();
  }

  #takeOver(): void {
    for (const row of this.#lives.rows.taken()) {
      // The one before may have ended in the middle of its turn, or had other ports.
      this.#table.setInt(row, flow.touchedAt, 0);
      if (!this.#isOnOurPorts(row)) {
        this.#lives.forget(row);
        continue;
      }
      this.#lives.wait(row);
      if (this.#lives.rows.state(row) === flowState.open && this.#lives.isStranger(row)) this.#lives.strangers.add(row);
    }
  }

  #isOnOurPorts(row: number): boolean {
    const view = viewOf(this.#lives.rows.tuple(row));
    const port = view.getUint16(tuple.localPortAt, true);
    const calls = this.#settings.callPorts[view.getUint16(tuple.endpointAt, true)];
    return (
      port === this.#settings.listenPort ||
      (calls !== undefined && port - calls.first < calls.count && port >= calls.first)
    );
  }

  /** When `handleTimers` is to be called, infinity = not before something else happens. */
  get nextUs(): number {
    return this.#lives.due.nextUs;
  }

  isOpen(row: number): boolean {
    return this.#lives.rows.state(row) === flowState.open;
  }

  /** Calls an endpoint (`sockaddr`) from an address of ours (16 bytes, zeros = any); returns the row, -1 = that cannot be done now. */
  dial(endpoint: Uint8Array, local: Uint8Array, nowUs: number): number {
    return this.#calls.dial(endpoint, local, nowUs);
  }

  /** A segment that the addon did not take as plain data: a row of `segment`. Returns whether its payload is data all the same. */
  handleSegment(bytes: Uint8Array, at: number, nowUs: number): boolean {
    const heard = new Heard(bytes, at);
    if (!heard.isWhole) return false;
    const row = this.#port.find(heard.connection);
    if (row < 0) return this.#callers.handleStranger(heard, nowUs);
    const state = this.#lives.rows.state(row);
    if (state === flowState.dialled) return this.#calls.handleAnswer(row, heard, nowUs);
    return state === flowState.open
      ? this.#open.handleDoubtful(row, heard, nowUs)
      : this.#handleLate(row, heard, nowUs);
  }

  /** The connection has received something since it was last looked at. */
  handleReceived(row: number, nowUs: number): void {
    this.#table.setInt(row, flow.touchedAt, 0);
    if (this.#lives.rows.state(row) === flowState.open) this.#open.handleReceived(row, nowUs);
  }

  handleTimers(nowUs: number): void {
    for (let row = this.#lives.due.take(nowUs); row >= 0; row = this.#lives.due.take(nowUs)) {
      const state = this.#lives.rows.state(row);
      if (state === flowState.dialled) this.#calls.retry(row, nowUs);
      else if (state === flowState.open) this.#open.tick(row, nowUs);
      else if (state === flowState.closed) this.#lives.forget(row);
    }
  }

  #handleLate(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    if ((flags & tcpFlag.rst) !== 0) return false;
    if ((flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) {
      if (heard.localPort === this.#settings.listenPort) this.#callers.answer(heard, nowUs);
      return false;
    }
    if (this.#callers.isNewCall(row, heard, nowUs)) return true;
    // The answer to our FIN needs no answer; whoever has not heard of it hears of it now.
    const isAnswer = (flags & tcpFlag.fin) !== 0 || heard.payloadBytes === 0;
    if (!isAnswer) this.#speech.reset(heard, nowUs);
    return false;
  }
}
