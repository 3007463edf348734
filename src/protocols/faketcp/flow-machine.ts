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
import { DueQueue } from '../../base/due-queue.ts';
import { flow, flowState, tcpFlag, tuple } from '../../contract/flows.ts';
import { endpoint as endpointKinds } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';
import { sockaddrPort } from '../../wire/sockaddr.ts';
import { sequenceAfter, sequenceDistance, type TcpFields } from '../../wire/tcp.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import { FlowRows } from './flow-rows.ts';
import { Heard } from './heard-segment.ts';
import type { Style } from './styles.ts';
import { SynCookies } from './syn-cookies.ts';

/** Why a connection ended. */
export type FlowEnd = 'no answer' | 'refused' | 'reset' | 'closed' | 'silent' | 'replaced';

export interface MachinePort {
  /** Sends a segment without payload; `row` -1 = of no connection. `isRouted`: nobody was heard from there yet. */
  emit(connection: Uint8Array, fields: TcpFields, row: number, isRouted: boolean): void;
  /** The row has a connection from now on, or has none any more. */
  insert(row: number): void;
  remove(row: number): void;
  /** Row of exactly that connection, -1 = none. */
  find(connection: Uint8Array): number;
  /** Writes the address to send from into the connection; false = there is none. */
  askSource(connection: Uint8Array): boolean;
  /** Whether our address in it is one of this host's. */
  isOwnAddress(connection: Uint8Array): boolean;
  /** 32 random bits. */
  random(): number;
  hash(bytes: Uint8Array): number;
  opened(row: number): void;
  ended(row: number, why: FlowEnd): void;
}

export interface CallPorts {
  readonly first: number;
  readonly count: number;
}

export interface MachineSettings {
  readonly style: Style;
  /** 0 = nobody calls us. */
  readonly listenPort: number;
  /** Ports to call from, by address family of Linux. */
  readonly callPorts: Readonly<Record<number, CallPorts | undefined>>;
}

/** RFC 6298 section 2.1 and 5.5; TCP_SYNCNT is 6, but who waits here has other ways. */
const firstRetryUs = 1e6;
const mostSyns = 4;
/** A closed connection is known for so long (Linux: TCP_TIMEWAIT_LEN), one that never was for less. */
const closedUs = 60e6;
const refusedUs = 2e6;
/** An RST with the right number may be forged by somebody on the way: who lives says something else within this time. */
const resetProofUs = 300_000;
/** Open connections are looked at so often. */
const tickUs = 1e6;
/** What we send has no answer for so long: another connection is called for, ever more rarely. */
const patienceUs = 3e6;
const mostPatienceUs = 60e6;
/** Nothing passed for so long: the other end is asked (and what is between is reminded). */
const keepaliveUs = 60e6;
/** One that called us is forgotten after so much silence; one that nothing was said to within `strangerTimeUs`, whatever it says. */
const silenceUs = 600e6;
const strangerTimeUs = 20e6;
const mostStrangers = 1024;
/** RFC 5961 section 7: answers to doubtful segments are few. */
const doubtful = { perSecond: 100, burst: 50 } as const;
const resets = { perSecond: 100, burst: 50 } as const;
/** Ethernet's 1500 less IP's header and TCP's. */
const mss = { ip4: 1460, ip6: 1440 } as const;

const askAgainUs = 1e6;
const addressBytes = 16;

const nothing = 0;

export class FlowMachine {
  readonly #rows: FlowRows;
  readonly #table: RowTable;
  readonly #settings: MachineSettings;
  readonly #port: MachinePort;
  readonly #cookies: SynCookies;
  readonly #due = new DueQueue();
  readonly #doubts = new TokenBucket(doubtful);
  readonly #resets = new TokenBucket(resets);
  /** Connections that called us and were never answered, the oldest first. */
  readonly #strangers = new Set<number>();
  /** Called for in place of another: new row → old row. */
  readonly #successors = new Map<number, number>();
  #nextCall: number;
  /** The address of ours that was asked about last, when, and the answer. */
  readonly #askedFor = new Uint8Array(addressBytes);
  #askedUs = Number.NEGATIVE_INFINITY;
  #isOwn = false;

  /** Goes on with the connections that are in the table. */
  constructor(table: RowTable, settings: MachineSettings, port: MachinePort) {
    this.#rows = new FlowRows(table);
    this.#table = table;
    this.#settings = settings;
    this.#port = port;
    this.#cookies = new SynCookies((bytes) => port.hash(bytes));
    this.#nextCall = port.random() >>> 0;
    for (const row of this.#rows.taken()) {
      // The one before may have ended in the middle of its turn, or had other ports.
      this.#table.setInt(row, flow.touchedAt, 0);
      if (!this.#isOnOurPorts(row)) {
        this.#forget(row);
        continue;
      }
      this.#wait(row);
      if (this.#rows.state(row) === flowState.open && this.#isStranger(row)) this.#strangers.add(row);
    }
  }

  #isOnOurPorts(row: number): boolean {
    const view = viewOf(this.#rows.tuple(row));
    const port = view.getUint16(tuple.localPortAt, true);
    const calls = this.#settings.callPorts[view.getUint16(tuple.endpointAt, true)];
    return (
      port === this.#settings.listenPort ||
      (calls !== undefined && port - calls.first < calls.count && port >= calls.first)
    );
  }

  /** When `handleTimers` is to be called, infinity = not before something else happens. */
  get nextUs(): number {
    return this.#due.nextUs;
  }

  isOpen(row: number): boolean {
    return this.#rows.state(row) === flowState.open;
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
    this.#begin(row, flowState.dialled, first, nowUs);
    this.#rows.setU32(row, flow.stampOffsetAt, this.#port.random());
    this.#sayHello(row, nowUs);
    return row;
  }

  /** A segment that the addon did not take as plain data: a row of `segment`. Returns whether its payload is data all the same. */
  handleSegment(bytes: Uint8Array, at: number, nowUs: number): boolean {
    const heard = new Heard(bytes, at);
    if (!heard.isWhole) return false;
    const row = this.#port.find(heard.connection);
    if (row < 0) return this.#handleStranger(heard, nowUs);
    const state = this.#rows.state(row);
    if (state === flowState.dialled) return this.#handleAnswer(row, heard, nowUs);
    return state === flowState.open ? this.#handleDoubtful(row, heard, nowUs) : this.#handleLate(row, heard, nowUs);
  }

  /** The connection has received something since it was last looked at. */
  handleReceived(row: number, nowUs: number): void {
    this.#table.setInt(row, flow.touchedAt, 0);
    const owed = this.#table.int(row, flow.owedSegmentsAt);
    if (this.#rows.state(row) !== flowState.open || owed === 0) return;
    const { style } = this.#settings;
    const isDue =
      owed >= style.owedSegments ||
      (style.owedBytes > 0 && this.#table.number(row, flow.owedBytesAt) >= style.owedBytes);
    if (isDue) this.#acknowledge(row, nowUs);
    else if (
      this.#table.number(row, flow.acknowledgeUsAt) === nothing &&
      style.acknowledgeUs < Number.POSITIVE_INFINITY
    ) {
      this.#table.setNumber(row, flow.acknowledgeUsAt, nowUs + style.acknowledgeUs);
      this.#wait(row);
    }
  }

  handleTimers(nowUs: number): void {
    for (let row = this.#due.take(nowUs); row >= 0; row = this.#due.take(nowUs)) {
      const state = this.#rows.state(row);
      if (state === flowState.dialled) this.#retry(row, nowUs);
      else if (state === flowState.open) this.#tick(row, nowUs);
      else if (state === flowState.closed) this.#forget(row);
    }
  }

  // Calling.

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
    this.#emit(row, nowUs, {
      flags: tcpFlag.syn,
      sequence: this.#rows.u32(row, flow.sendUnacknowledgedAt),
      acknowledgement: 0,
      window: style.synWindow,
      mss: style.isFull ? mssOf(this.#rows.tuple(row)) : 0,
      isSackPermitted: style.isFull,
      windowShift: style.windowShift,
      hasStamps: style.isFull,
    });
    this.#wait(row, nowUs + firstRetryUs * 2 ** (tries - 1));
  }

  #retry(row: number, nowUs: number): void {
    if (this.#table.int(row, flow.triesAt) < mostSyns) this.#sayHello(row, nowUs);
    else this.#end(row, 'no answer', nowUs, refusedUs);
  }

  /** RFC 9293 section 3.10.7.3. */
  #handleAnswer(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    const isAcknowledged =
      (flags & tcpFlag.ack) !== 0 && heard.acknowledgement === this.#rows.u32(row, flow.sendNextAt);
    if (!isAcknowledged) {
      if ((flags & tcpFlag.rst) === 0) this.#reset(heard, nowUs);
      return false;
    }
    if ((flags & tcpFlag.rst) !== 0) this.#end(row, 'refused', nowUs, refusedUs);
    if ((flags & (tcpFlag.rst | tcpFlag.syn)) !== tcpFlag.syn) return false;
    const shift = heard.shift;
    this.#table.setInt(row, flow.timestampsAt, this.#settings.style.isFull && heard.hasStamps ? 1 : 0);
    this.#table.setInt(row, flow.sendShiftAt, Math.max(0, shift));
    this.#rows.setU32(row, flow.sendWindowAt, heard.window);
    this.#rows.setU32(row, flow.sendUnacknowledgedAt, heard.acknowledgement);
    this.#open(row, sequenceAfter(heard.sequence, 1), shift < 0 ? 0 : this.#settings.style.windowShift, heard, nowUs);
    this.#acknowledge(row, nowUs);
    const old = this.#successors.get(row);
    this.#successors.delete(row);
    if (old !== undefined && this.#rows.state(old) === flowState.open) this.#hangUp(old, 'replaced', nowUs);
    this.#port.opened(row);
    return false;
  }

  // Being called.

  #handleStranger(heard: Heard, nowUs: number): boolean {
    const { flags, connection } = heard;
    // What is only routed through this host is none of our business. On a router that translates addresses, what comes to a port that we call
    // from may be the answer to somebody behind it.
    const isCall = heard.localPort === this.#settings.listenPort;
    if (!isCall || (flags & tcpFlag.rst) !== 0 || !this.#isOurs(connection, nowUs)) return false;
    if ((flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) this.#answer(heard, nowUs);
    else if (this.#accept(heard, nowUs)) return true;
    if ((flags & tcpFlag.syn) === 0) this.#reset(heard, nowUs);
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

  #answer(heard: Heard, nowUs: number): void {
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
    this.#begin(row, flowState.open, sequenceAfter(heard.acknowledgement, -1), nowUs);
    this.#rows.setU32(row, flow.stampOffsetAt, this.#cookies.offset(connection));
    this.#table.setInt(row, flow.acceptedAt, 1);
    this.#table.setInt(row, flow.timestampsAt, heard.hasStamps ? 1 : 0);
    this.#table.setInt(row, flow.sendShiftAt, Math.max(0, shift));
    this.#rows.setU32(row, flow.sendUnacknowledgedAt, heard.acknowledgement);
    this.#rows.setU32(row, flow.sendWindowAt, heard.window << Math.max(0, shift));
    this.#open(
      row,
      sequenceAfter(heard.sequence, heard.payloadBytes),
      shift < 0 ? 0 : this.#settings.style.windowShift,
      heard,
      nowUs,
    );
    this.#strangers.add(row);
    if (heard.payloadBytes > 0) this.#acknowledge(row, nowUs);
    return true;
  }

  /** A row for one more that nobody knows yet: they have a number of rows among them. */
  #makeRoom(nowUs: number): number {
    for (const row of this.#strangers) {
      if (!this.#isStranger(row)) this.#strangers.delete(row);
      else if (this.#strangers.size >= mostStrangers) this.#dismiss(row, nowUs);
      else break;
    }
    return this.#rows.claim();
  }

  // Open connections.

  #begin(row: number, state: number, first: number, nowUs: number): void {
    this.#table.setInt(row, flow.stateAt, state);
    this.#table.setNumber(row, flow.stateUsAt, nowUs);
    this.#rows.setU32(row, flow.sendUnacknowledgedAt, first);
    this.#rows.setU32(row, flow.sendNextAt, sequenceAfter(first, 1));
    this.#rows.setU32(row, flow.identificationAt, this.#port.random() & 0xffff);
    this.#rows.setU32(row, flow.flowLabelAt, this.#port.random() & 0xfffff);
    this.#port.insert(row);
  }

  #open(row: number, receiveNext: number, ourShift: number, heard: Heard, nowUs: number): void {
    const table = this.#table;
    const field = this.#settings.style.openWindow;
    table.setInt(row, flow.stateAt, flowState.open);
    table.setNumber(row, flow.stateUsAt, nowUs);
    table.setInt(row, flow.triesAt, 0);
    table.setNumber(row, flow.receivedUsAt, nowUs);
    this.#rows.setU32(row, flow.receiveNextAt, receiveNext);
    this.#rows.setU32(row, flow.recentNextAt, receiveNext);
    this.#rows.setU32(row, flow.windowFieldAt, field);
    this.#rows.setU32(row, flow.receiveWindowAt, field * 2 ** ourShift);
    this.#rows.setU32(row, flow.recentStampAt, heard.stamp);
    this.#rows.tuple(row).set(heard.connection.subarray(tuple.linkHeaderBytesAt), tuple.linkHeaderBytesAt);
    this.#wait(row, nowUs + tickUs);
  }

  /** What is wrong with it: its flags, or its numbers (RFC 9293 section 3.10.7.4, RFC 5961). */
  #handleDoubtful(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    const ahead = sequenceDistance(heard.sequence, this.#rows.u32(row, flow.receiveNextAt));
    const isNear = Math.abs(ahead) <= this.#rows.u32(row, flow.receiveWindowAt);
    if ((flags & tcpFlag.rst) !== 0) {
      if (ahead === 0) this.#doubt(row, nowUs);
      if (isNear) this.#challenge(row, nowUs);
      return false;
    }
    if ((flags & tcpFlag.syn) !== 0) {
      // Who called us begins anew from the same port; what there is stands until he has shown that he hears us.
      const isCall = (flags & tcpFlag.ack) === 0 && this.#table.int(row, flow.acceptedAt) === 1;
      if (isCall) this.#answer(heard, nowUs);
      else this.#challenge(row, nowUs);
      return false;
    }
    if (ahead === 0 && (flags & tcpFlag.fin) !== 0 && this.#hasSent(row, heard.acknowledgement)) {
      this.#rows.setU32(row, flow.receiveNextAt, sequenceAfter(heard.sequence, heard.payloadBytes + 1));
      this.#hangUp(row, 'closed', nowUs);
      return heard.payloadBytes > 0;
    }
    if (this.#isNewCall(row, heard, nowUs)) return true;
    this.#challenge(row, nowUs);
    // The payload proves itself, or does not, to whom it is for.
    return isNear && heard.payloadBytes > 0;
  }

  /** RFC 5961 section 5.2. */
  #hasSent(row: number, acknowledgement: number): boolean {
    const ago = sequenceDistance(this.#rows.u32(row, flow.sendNextAt), acknowledgement);
    return ago >= 0 && ago <= this.#rows.u32(row, flow.receiveWindowAt);
  }

  /** Whether an old connection gives way to a new one by the same ports. */
  #isNewCall(row: number, heard: Heard, nowUs: number): boolean {
    if (heard.localPort !== this.#settings.listenPort) return false;
    if (this.#cookies.check(heard.connection, sequenceAfter(heard.acknowledgement, -1), nowUs) === undefined)
      return false;
    this.#forget(row);
    return this.#accept(heard, nowUs);
  }

  #handleLate(row: number, heard: Heard, nowUs: number): boolean {
    const { flags } = heard;
    if ((flags & tcpFlag.rst) !== 0) return false;
    if ((flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) {
      if (heard.localPort === this.#settings.listenPort) this.#answer(heard, nowUs);
      return false;
    }
    if (this.#isNewCall(row, heard, nowUs)) return true;
    // The answer to our FIN needs no answer; whoever has not heard of it hears of it now.
    const isAnswer = (flags & tcpFlag.fin) !== 0 || heard.payloadBytes === 0;
    if (!isAnswer) this.#reset(heard, nowUs);
    return false;
  }

  /** The connection is over unless something that makes sense comes by it soon. */
  #doubt(row: number, nowUs: number): void {
    if (this.#table.number(row, flow.resetUsAt) === nothing) this.#table.setNumber(row, flow.resetUsAt, nowUs);
    this.#wait(row, Math.min(this.#table.number(row, flow.dueUsAt), nowUs + resetProofUs));
  }

  #tick(row: number, nowUs: number): void {
    const table = this.#table;
    const acknowledgeUs = table.number(row, flow.acknowledgeUsAt);
    if (acknowledgeUs !== nothing && acknowledgeUs <= nowUs) {
      if (table.int(row, flow.owedSegmentsAt) > 0) this.#acknowledge(row, nowUs);
      table.setNumber(row, flow.acknowledgeUsAt, nothing);
    }
    if (table.number(row, flow.dueUsAt) > nowUs) {
      this.#wait(row);
      return;
    }
    if (this.#isReset(row, nowUs) || this.#isSilent(row, nowUs)) return;
    this.#comeBack(row);
    this.#lookForAnswers(row, nowUs);
    const resetUs = table.number(row, flow.resetUsAt);
    this.#wait(row, resetUs === nothing ? nowUs + tickUs : resetUs + resetProofUs);
  }

  #isReset(row: number, nowUs: number): boolean {
    const resetUs = this.#table.number(row, flow.resetUsAt);
    if (resetUs === nothing) return false;
    if (this.#table.number(row, flow.receivedUsAt) > resetUs) {
      this.#table.setNumber(row, flow.resetUsAt, nothing);
      return false;
    }
    if (nowUs - resetUs < resetProofUs) return false;
    this.#end(row, 'reset', nowUs, closedUs);
    return true;
  }

  #isSilent(row: number, nowUs: number): boolean {
    if (this.#isStranger(row)) {
      if (nowUs - this.#table.number(row, flow.stateUsAt) < strangerTimeUs) return false;
      this.#dismiss(row, nowUs);
      return true;
    }
    if (nowUs - this.#table.number(row, flow.receivedUsAt) < silenceUs) return false;
    this.#hangUp(row, 'silent', nowUs);
    return true;
  }

  /** It called us, and nobody above has ever had anything to say to it. */
  #isStranger(row: number): boolean {
    return this.#table.int(row, flow.acceptedAt) === 1 && this.#table.number(row, flow.sentDataUsAt) === nothing;
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

  /** What was sent without an answer: another connection is called for, by another port, and takes the place of this one if it comes about. */
  #lookForAnswers(row: number, nowUs: number): void {
    const table = this.#table;
    const [receivedUs, sentDataUs] = [table.number(row, flow.receivedUsAt), table.number(row, flow.sentDataUsAt)];
    if (sentDataUs <= receivedUs) {
      table.setNumber(row, flow.waitingUsAt, nothing);
      table.setInt(row, flow.triesAt, 0);
      if (nowUs - Math.max(receivedUs, table.number(row, flow.sentUsAt)) >= keepaliveUs)
        this.#askWhetherThere(row, nowUs);
      return;
    }
    const sinceUs = table.number(row, flow.waitingUsAt);
    if (sinceUs === nothing) table.setNumber(row, flow.waitingUsAt, nowUs);
    const tries = table.int(row, flow.triesAt);
    const isTooLong = sinceUs !== nothing && nowUs - sinceUs >= Math.min(mostPatienceUs, patienceUs * 2 ** tries);
    if (!isTooLong || table.int(row, flow.acceptedAt) === 1 || this.#hasSuccessor(row)) return;
    table.setInt(row, flow.triesAt, tries + 1);
    const connection = this.#rows.tuple(row);
    const successor = this.dial(connection, new Uint8Array(16), nowUs);
    if (successor >= 0) this.#successors.set(successor, row);
  }

  #hasSuccessor(row: number): boolean {
    for (const old of this.#successors.values()) if (old === row) return true;
    return false;
  }

  // Sending.

  #acknowledge(row: number, nowUs: number): void {
    this.#emit(row, nowUs, { flags: tcpFlag.ack, sequence: this.#rows.u32(row, flow.sendNextAt) });
  }

  /** RFC 9293 section 3.8.4. */
  #askWhetherThere(row: number, nowUs: number): void {
    this.#emit(row, nowUs, { flags: tcpFlag.ack, sequence: sequenceAfter(this.#rows.u32(row, flow.sendNextAt), -1) });
  }

  #challenge(row: number, nowUs: number): void {
    if (this.#doubts.take(nowUs)) this.#acknowledge(row, nowUs);
  }

  /** There is no such connection (RFC 9293 section 3.10.7.1). */
  #reset(heard: Heard, nowUs: number): void {
    if ((heard.flags & tcpFlag.ack) === 0 || !this.#resets.take(nowUs)) return;
    const fields = { ...plainFields, flags: tcpFlag.rst, sequence: heard.acknowledgement };
    const ports = { sourcePort: heard.localPort, destinationPort: heard.remotePort };
    this.#port.emit(heard.connection, { ...fields, ...ports }, -1, false);
  }

  /** Its row is free at once: however many come, they keep nobody out. */
  #dismiss(row: number, nowUs: number): void {
    this.#hangUp(row, 'silent', nowUs);
    this.#forget(row);
  }

  #hangUp(row: number, why: FlowEnd, nowUs: number): void {
    this.#emit(row, nowUs, { flags: tcpFlag.fin | tcpFlag.ack, sequence: this.#rows.u32(row, flow.sendNextAt) });
    this.#end(row, why, nowUs, closedUs);
  }

  #end(row: number, why: FlowEnd, nowUs: number, restUs: number): void {
    this.#table.setInt(row, flow.stateAt, flowState.closed);
    this.#table.setNumber(row, flow.stateUsAt, nowUs);
    this.#table.setNumber(row, flow.acknowledgeUsAt, nothing);
    this.#strangers.delete(row);
    this.#successors.delete(row);
    this.#wait(row, nowUs + restUs);
    this.#port.ended(row, why);
  }

  #forget(row: number): void {
    this.#due.delete(row);
    this.#strangers.delete(row);
    this.#successors.delete(row);
    this.#port.remove(row);
    this.#rows.release(row);
  }

  /** Sets when the row is due, or finds it out again. */
  #wait(row: number, dueUs = this.#table.number(row, flow.dueUsAt)): void {
    this.#table.setNumber(row, flow.dueUsAt, dueUs);
    const acknowledgeUs = this.#table.number(row, flow.acknowledgeUsAt);
    this.#due.set(row, acknowledgeUs === nothing ? dueUs : Math.min(dueUs, acknowledgeUs));
  }

  /** A segment of the row's connection, which acknowledges all that came. */
  #emit(row: number, nowUs: number, said: Said): void {
    const rows = this.#rows;
    const connection = rows.tuple(row);
    const receiveNext = rows.u32(row, flow.receiveNextAt);
    const hasStamps = said.hasStamps ?? this.#table.int(row, flow.timestampsAt) === 1;
    const fields: TcpFields = {
      ...plainFields,
      acknowledgement: receiveNext,
      window: rows.u32(row, flow.windowFieldAt),
      sourcePort: viewOf(connection).getUint16(tuple.localPortAt, true),
      destinationPort: sockaddrPort(connection, tuple.endpointAt),
      stamp: hasStamps ? stampAt(nowUs, rows.u32(row, flow.stampOffsetAt)) : undefined,
      echo: rows.u32(row, flow.recentStampAt),
      ...said,
    };
    rows.setU32(row, flow.acknowledgedAt, receiveNext);
    this.#table.setInt(row, flow.owedSegmentsAt, 0);
    this.#table.setNumber(row, flow.owedBytesAt, 0);
    this.#table.setNumber(row, flow.sentUsAt, nowUs);
    this.#port.emit(connection, fields, row, rows.state(row) === flowState.dialled);
  }
}

type Said = Partial<Omit<TcpFields, 'stamp'>> &
  Pick<TcpFields, 'flags' | 'sequence'> & { readonly hasStamps?: boolean };

const plainFields: TcpFields = {
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgement: 0,
  flags: 0,
  window: 0,
  mss: 0,
  isSackPermitted: false,
  windowShift: -1,
  stamp: undefined,
  echo: 0,
};

function mssOf(connection: Uint8Array): number {
  return connection[0] === endpointKinds.ip4 ? mss.ip4 : mss.ip6;
}

/** Milliseconds, as Linux's (RFC 7323 section 5.4). */
function stampAt(nowUs: number, offset: number): number {
  return (Math.floor(nowUs / 1000) + offset) >>> 0;
}
