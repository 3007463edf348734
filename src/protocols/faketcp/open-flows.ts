/** Open connections: what is doubtful of what they receive, what they acknowledge and when, and how they end. */
import { flow, tcpFlag, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';
import { sequenceAfter, sequenceDistance } from '../../wire/tcp.ts';
import type { Callers } from './callers.ts';
import type { Calls } from './calls.ts';
import { type FlowLives, nothing, tickUs } from './flow-lives.ts';
import type { FlowRows } from './flow-rows.ts';
import type { FlowSpeech } from './flow-speech.ts';
import type { Heard } from './heard-segment.ts';
import type { MachineSettings } from './machine-port.ts';

/** A closed connection is known for so long (Linux: TCP_TIMEWAIT_LEN). */
const closedUs = 60e6;
/** An RST with the right number may be forged by somebody on the way: who lives says something else within this time. */
const resetProofUs = 300_000;
/** What we send has no answer for so long: another connection is called for, ever more rarely. */
const patienceUs = 3e6;
/** What is on its way by a connection that was replaced, and what is sent by it until the other end has heard of the new one, still comes. */
const lingerUs = 3e6;
const mostPatienceUs = 60e6;
/** Nothing passed for so long: the other end is asked (and what is between is reminded). */
const keepaliveUs = 60e6;
/** One that called us is forgotten after so much silence; one that nothing was said to within `strangerTimeUs`, whatever it says. */
const silenceUs = 600e6;
const strangerTimeUs = 20e6;

export interface OpenFlowsParts {
  readonly lives: FlowLives;
  readonly speech: FlowSpeech;
  readonly callers: Callers;
  readonly calls: Calls;
  readonly settings: MachineSettings;
}

export class OpenFlows {
  readonly #lives: FlowLives;
  readonly #speech: FlowSpeech;
  readonly #callers: Callers;
  readonly #calls: Calls;
  readonly #rows: FlowRows;
  readonly #table: RowTable;
  readonly #settings: MachineSettings;

  constructor({ lives, speech, callers, calls, settings }: OpenFlowsParts) {
    this.#lives = lives;
    this.#speech = speech;
    this.#callers = callers;
    this.#calls = calls;
    this.#rows = lives.rows;
    this.#table = lives.rows.table;
    this.#settings = settings;
  }

  /** What is wrong with it: its flags, or its numbers (RFC 9293 section 3.10.7.4, RFC 5961). */
  handleDoubtful(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    const ahead = sequenceDistance(heard.sequence, this.#rows.u32(row, flow.receiveNextAt));
    const isNear = Math.abs(ahead) <= this.#rows.u32(row, flow.receiveWindowAt);
    if ((flags & tcpFlag.rst) !== 0) {
      if (ahead === 0) this.#doubt(row, nowUs);
      if (isNear) this.#speech.challenge(row, nowUs);
      return false;
    }
    if ((flags & tcpFlag.syn) !== 0) {
      // Who called us begins anew from the same port; what there is stands until he has shown that he hears us.
      const isCall = (flags & tcpFlag.ack) === 0 && this.#table.int(row, flow.acceptedAt) === 1;
      if (isCall) this.#callers.answer(heard, nowUs);
      else this.#speech.challenge(row, nowUs);
      return false;
    }
    if (ahead === 0 && (flags & tcpFlag.fin) !== 0 && this.#hasSent(row, heard.acknowledgement)) {
      this.#rows.setU32(row, flow.receiveNextAt, sequenceAfter(heard.sequence, heard.payloadBytes + 1));
      this.#speech.hangUp(row, 'closed', nowUs);
      return heard.payloadBytes > 0;
    }
    if (this.#callers.isNewCall(row, heard, nowUs)) return true;
    this.#speech.challenge(row, nowUs);
    // The payload proves itself, or does not, to whom it is for.
    return isNear && heard.payloadBytes > 0;
  }

  /** RFC 5961 section 5.2. */
  #hasSent(row: number, acknowledgement: number): boolean {
    const ago = sequenceDistance(this.#rows.u32(row, flow.sendMostAt), acknowledgement);
    return ago >= 0 && ago <= this.#rows.u32(row, flow.receiveWindowAt);
  }

  /** The connection is over unless something that makes sense comes by it soon. */
  #doubt(row: number, nowUs: number): void {
    if (this.#table.number(row, flow.resetUsAt) === nothing) this.#table.setNumber(row, flow.resetUsAt, nowUs);
    this.#lives.wait(row, Math.min(this.#table.number(row, flow.dueUsAt), nowUs + resetProofUs));
  }

  /** The connection has received something since it was last looked at. */
  handleReceived(row: number, nowUs: number): void {
    const table = this.#table;
    const owed = table.int(row, flow.owedSegmentsAt);
    if (owed === 0) return;
    const { style } = this.#settings;
    if (table.number(row, flow.owedBytesAt) >= style.owedBytes) {
      this.#speech.acknowledge(row, nowUs);
      return;
    }
    const dueUs = nowUs + (owed >= style.owedSegments ? style.soonUs : style.acknowledgeUs);
    const presentUs = table.number(row, flow.acknowledgeUsAt);
    if (dueUs === Number.POSITIVE_INFINITY || (presentUs !== nothing && presentUs <= dueUs)) return;
    table.setNumber(row, flow.acknowledgeUsAt, dueUs);
    this.#lives.wait(row);
  }

  tick(row: number, nowUs: number): void {
    const table = this.#table;
    const acknowledgeUs = table.number(row, flow.acknowledgeUsAt);
    if (acknowledgeUs !== nothing && acknowledgeUs <= nowUs) {
      if (table.int(row, flow.owedSegmentsAt) > 0) this.#speech.acknowledge(row, nowUs);
      table.setNumber(row, flow.acknowledgeUsAt, nothing);
    }
    if (table.number(row, flow.dueUsAt) > nowUs) {
      this.#lives.wait(row);
      return;
    }
    if (this.#isReset(row, nowUs) || this.#isSilent(row, nowUs) || this.#isLeft(row, nowUs)) return;
    // Who says no window of his own accord is taken as he is.
    if (table.number(row, flow.replacedUsAt) === nothing) table.setInt(row, flow.settledAt, 1);
    this.#comeBack(row);
    this.#lookForAnswers(row, this.#goBack(row), nowUs);
    this.#rotate(row, nowUs);
    const resetUs = table.number(row, flow.resetUsAt);
    this.#lives.wait(row, resetUs === nothing ? nowUs + tickUs : resetUs + resetProofUs);
  }

  #isReset(row: number, nowUs: number): boolean {
    const resetUs = this.#table.number(row, flow.resetUsAt);
    if (resetUs === nothing) return false;
    if (this.#table.number(row, flow.receivedUsAt) > resetUs) {
      this.#table.setNumber(row, flow.resetUsAt, nothing);
      return false;
    }
    if (nowUs - resetUs < resetProofUs) return false;
    this.#lives.end(row, 'reset', nowUs, closedUs);
    return true;
  }

  #isSilent(row: number, nowUs: number): boolean {
    if (this.#lives.isStranger(row)) {
      if (nowUs - this.#table.number(row, flow.stateUsAt) < strangerTimeUs) return false;
      this.#callers.dismiss(row, nowUs);
      return true;
    }
    if (nowUs - this.#table.number(row, flow.receivedUsAt) < silenceUs) return false;
    this.#speech.hangUp(row, 'silent', nowUs);
    return true;
  }

  /** A forged segment may have moved what we acknowledge ahead of all that the other end sends: then it comes back to that. */
  #comeBack(row: number): void {
    const next = this.#rows.u32(row, flow.receiveNextAt);
    const recent = this.#rows.u32(row, flow.recentNextAt);
    const longAgo = sequenceAfter(next, -this.#rows.u32(row, flow.receiveWindowAt));
    if (sequenceDistance(recent, longAgo) > 0 && sequenceDistance(recent, next) < 0)
      this.#rows.setU32(row, flow.receiveNextAt, recent);
    this.#rows.setU32(
      row,
      flow.recentNextAt,
      sequenceAfter(this.#rows.u32(row, flow.receiveNextAt), -this.#rows.u32(row, flow.receiveWindowAt)),
    );
  }

  /**
   * Nobody has acknowledged anything for long, and much of the window is used up: what was lost is never sent again, so its numbers are
   * free for what comes next. To those on the way that is a sender that begins again at the oldest (RFC 6298 section 5.4). Returns whether
   * nothing was acknowledged since the last look.
   */
  #goBack(row: number): boolean {
    const rows = this.#rows;
    const oldest = rows.u32(row, flow.sendUnacknowledgedAt);
    const isStuck = oldest === rows.u32(row, flow.seenUnacknowledgedAt);
    rows.setU32(row, flow.seenUnacknowledgedAt, oldest);
    const inFlight = sequenceDistance(rows.u32(row, flow.sendNextAt), oldest);
    if (isStuck && inFlight > rows.u32(row, flow.sendWindowAt) / 2) rows.setU32(row, flow.sendNextAt, oldest);
    return isStuck;
  }

  /** What was sent without an answer: another connection is called for, by another port, and takes the place of this one if it comes about. */
  #lookForAnswers(row: number, isStuck: boolean, nowUs: number): void {
    const table = this.#table;
    const [receivedUs, sentDataUs] = [table.number(row, flow.receivedUsAt), table.number(row, flow.sentDataUsAt)];
    if (sentDataUs <= receivedUs) {
      table.setNumber(row, flow.waitingUsAt, nothing);
      table.setInt(row, flow.triesAt, 0);
      if (nowUs - Math.max(receivedUs, table.number(row, flow.sentUsAt)) >= keepaliveUs)
        this.#speech.askWhetherThere(row, nowUs);
      return;
    }
    const sinceUs = table.number(row, flow.waitingUsAt);
    // Who sends all the time has always sent something that could not be answered yet; what comes and acknowledges nothing answers nothing.
    if (sinceUs === nothing || (receivedUs > sinceUs && !isStuck)) {
      table.setNumber(row, flow.waitingUsAt, nowUs);
      if (sinceUs !== nothing) table.setInt(row, flow.triesAt, 0);
      return;
    }
    const tries = table.int(row, flow.triesAt);
    const isTooLong = nowUs - sinceUs >= Math.min(mostPatienceUs, patienceUs * 2 ** tries);
    if (isTooLong && this.#callAnother(row, new Uint8Array(16), nowUs)) table.setInt(row, flow.triesAt, tries + 1);
  }

  /** By the same address: nothing ails it but its age. */
  #rotate(row: number, nowUs: number): void {
    const { rotateUs } = this.#settings;
    if (rotateUs === 0 || nowUs - this.#table.number(row, flow.stateUsAt) < rotateUs) return;
    const connection = this.#rows.tuple(row);
    this.#callAnother(row, connection.slice(tuple.localAt, tuple.localPortAt), nowUs);
  }

  /** Calls for a connection that takes the place of one that we called for, unless somebody does; returns whether a SYN is under way. */
  #callAnother(row: number, local: Uint8Array, nowUs: number): boolean {
    const isDone =
      this.#table.int(row, flow.acceptedAt) === 1 || this.#table.number(row, flow.replacedUsAt) !== nothing;
    if (isDone || this.#hasSuccessor(row)) return false;
    const successor = this.#calls.dial(this.#rows.tuple(row), local, nowUs);
    if (successor >= 0) this.#lives.successors.set(successor, row);
    return successor >= 0;
  }

  #isLeft(row: number, nowUs: number): boolean {
    const replacedUs = this.#table.number(row, flow.replacedUsAt);
    if (replacedUs === nothing || nowUs - replacedUs < lingerUs) return false;
    this.#speech.hangUp(row, 'replaced', nowUs);
    return true;
  }

  #hasSuccessor(row: number): boolean {
    for (const old of this.#lives.successors.values()) if (old === row) return true;
    return false;
  }
}
