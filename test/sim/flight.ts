/**
 * What is under way to the peer, as `native/sys/flight.cc` keeps it, one packet a record: what a report names has arrived, what was
 * overtaken on its own path or is overdue is lost, what may go out again waits for the bond to say by which path.
 */
import type { FlightRecord, PathName, PeerReport } from '../../src/bonding/flight-record.ts';
import { feedback, flight } from '../../src/contract/columns.ts';
import { path } from '../../src/contract/peer-tables.ts';

/** What never arrives goes out again so often. */
const mostResends = 3;
const settledUs = 500_000;
const word = 2 ** 32;

export interface Packet {
  readonly counter: number;
  /** What it bears: a segment of the inner flow, or the group whose parity it is. */
  readonly id: number;
  readonly path: number;
  readonly sentUs: number;
  readonly bytes: number;
  readonly flags: number;
  /** It waits at the other end for what is missing before it: bulk. */
  readonly waits: boolean;
  isAcked: boolean;
  isLost: boolean;
  isWaiting: boolean;
  resends: number;
}

interface Copy {
  readonly packet: Packet;
  readonly path: number;
  readonly sentUs: number;
}

/** What came by one path. */
export interface ReportSection {
  readonly path: number;
  readonly newest: Packet;
  readonly arrivalUs: number;
  readonly packets: number;
  /** When `newest` came. */
  readonly bytes: number;
  /** With an ECN field, and marked; undefined = the path marks nothing. */
  readonly marked: number | undefined;
}

export interface ReportFacts {
  readonly timeUs: number;
  readonly arrived: readonly Packet[];
  readonly rebuilt: readonly Packet[];
  readonly sections: readonly ReportSection[];
}

export class SimulatedFlight implements FlightRecord {
  readonly feedback = new Float64Array(path.mostPerPeer * feedback.columns);
  readonly lossDelaysUs = new Float64Array(path.mostPerPeer);
  readonly expireBeforeUs = new Float64Array(path.mostPerPeer);
  lostPackets = 0;
  readonly #send: (packet: Packet, path: number) => void;
  readonly #longest: number;
  #packets: Packet[] = [];
  #head = 0;
  #copies: Copy[] = [];
  readonly #inFlight = new Float64Array(path.mostPerPeer);
  readonly #newestAckedUs = new Float64Array(path.mostPerPeer);
  #waiting = 0;

  /** `send`: a lost packet leaves once more. `longest`: sealed bytes of each. */
  constructor(longest: number, send: (packet: Packet, path: number) => void) {
    this.#longest = longest;
    this.#send = send;
  }

  record(packet: Packet): void {
    this.#packets.push(packet);
    this.#inFlight[packet.path] = (this.#inFlight[packet.path] as number) + packet.bytes;
  }

  /** The report as a bond takes it in. */
  reportOf(facts: ReportFacts): PeerReport {
    return { acknowledge: (nowUs) => this.#acknowledge(facts, nowUs) };
  }

  expire(nowUs: number): number {
    this.#clear();
    for (let at = this.#head; at < this.#packets.length; at += 1) {
      const packet = this.#packets[at] as Packet;
      if (packet.sentUs < (this.expireBeforeUs[packet.path] as number) && !packet.isAcked && !packet.isLost)
        this.#lose(packet, packet.path);
    }
    this.#loseCopies((copy) => copy.sentUs < (this.expireBeforeUs[copy.path] as number));
    this.#survey(nowUs);
    return this.#waiting;
  }

  loseLonger(number: number, longest: number): void {
    if (this.#longest <= longest) return;
    for (const packet of this.#packets.slice(this.#head))
      if (packet.path === number && !packet.isAcked && !packet.isLost) this.#lose(packet, number);
  }

  longestWaiting(): number {
    return this.#waiting > 0 ? this.#longest : 0;
  }

  giveUpLonger(longest: number): void {
    if (this.#longest <= longest) return;
    for (const packet of this.#packets) packet.isWaiting = false;
    this.#waiting = 0;
  }

  /** Packets have one length here, and paths take it. */
  resendCut(): number {
    return 0;
  }

  resend({ number }: PathName, mostBytes: number, longest: number, nowUs: number): number {
    if (this.#longest > longest) return 0;
    let sent = 0;
    for (let at = this.#head; at < this.#packets.length && this.#waiting > 0 && sent < mostBytes; at += 1) {
      const packet = this.#packets[at] as Packet;
      if (!packet.isWaiting) continue;
      packet.isWaiting = false;
      packet.resends += 1;
      this.#waiting -= 1;
      this.#copies.push({ packet, path: number, sentUs: nowUs });
      this.#inFlight[number] = (this.#inFlight[number] as number) + packet.bytes;
      this.#add(number, feedback.resentPackets, 1);
      sent += packet.bytes;
      this.#send(packet, number);
    }
    return sent;
  }

  #acknowledge(facts: ReportFacts, nowUs: number): number {
    this.#clear();
    for (const section of facts.sections) this.#readSection(section, facts.timeUs, nowUs);
    for (const packet of facts.arrived) this.#take(packet);
    for (const packet of facts.rebuilt) this.#takeRebuilt(packet);
    const isOvertaken = (sentUs: number, by: number): boolean =>
      sentUs + (this.lossDelaysUs[by] as number) < (this.#newestAckedUs[by] as number);
    for (let at = this.#head; at < this.#packets.length; at += 1) {
      const packet = this.#packets[at] as Packet;
      if (!packet.isAcked && !packet.isLost && isOvertaken(packet.sentUs, packet.path)) this.#lose(packet, packet.path);
    }
    this.#loseCopies((copy) => isOvertaken(copy.sentUs, copy.path));
    this.#survey(nowUs);
    return this.#waiting;
  }

  #readSection(section: ReportSection, timeUs: number, nowUs: number): void {
    const { newest, path: number } = section;
    const set = (column: number, value: number): void => {
      this.feedback[number * feedback.columns + column] = value;
    };
    set(feedback.hasSection, 1);
    set(feedback.packets, section.packets % word);
    set(feedback.bytes, section.bytes % word);
    set(feedback.arrivalUs, Math.floor(section.arrivalUs) % word);
    if (section.marked !== undefined) {
      set(feedback.hasMarks, 1);
      set(feedback.ecnPackets, section.packets % word);
      set(feedback.markedPackets, section.marked % word);
    }
    // By which path it came nobody knows for sure.
    if (newest.resends > 0) return;
    const heldUs = Math.max(0, timeUs - section.arrivalUs);
    set(feedback.rttUs, Math.max(1, nowUs - newest.sentUs - heldUs));
    set(feedback.delayUs, Math.floor(section.arrivalUs - newest.sentUs) % word);
  }

  #take(packet: Packet): void {
    if (packet.isAcked) return;
    packet.isAcked = true;
    this.#unqueue(packet);
    if (packet.isLost) {
      if (packet.resends === 0) this.#add(packet.path, feedback.spuriousPackets, 1);
    } else {
      this.#land(packet.path, packet.bytes);
      this.#add(packet.path, feedback.ackedPackets, 1);
      this.#add(packet.path, feedback.ackedBytes, packet.bytes);
    }
    if (packet.resends > 0) this.#settleCopies(packet, true);
    else {
      this.#newestAckedUs[packet.path] = Math.max(this.#newestAckedUs[packet.path] as number, packet.sentUs);
      const ackedAt = packet.path * feedback.columns + feedback.ackedSentUs;
      this.feedback[ackedAt] = Math.max(this.feedback[ackedAt] as number, packet.sentUs);
      if (!packet.isLost) this.feedback[packet.path * feedback.columns + feedback.ackedLongest] = this.#longest;
    }
  }

  /** The peer has it, but the path has lost it. */
  #takeRebuilt(packet: Packet): void {
    if (packet.isAcked) return;
    packet.isAcked = true;
    this.#unqueue(packet);
    if (!packet.isLost) this.#lose(packet, packet.path);
    if (packet.resends > 0) this.#settleCopies(packet, false);
  }

  #settleCopies(packet: Packet, hasArrived: boolean): void {
    this.#copies = this.#copies.filter((copy) => {
      if (copy.packet !== packet) return true;
      this.#land(copy.path, packet.bytes);
      if (hasArrived) {
        this.#add(copy.path, feedback.ackedPackets, 1);
        this.#add(copy.path, feedback.ackedBytes, packet.bytes);
      }
      return false;
    });
  }

  #loseCopies(isLost: (copy: Copy) => boolean): void {
    if (this.#copies.length === 0) return;
    const lost = this.#copies.filter(isLost);
    if (lost.length === 0) return;
    this.#copies = this.#copies.filter((copy) => !lost.includes(copy));
    for (const { packet, path: number } of lost) this.#noteLost(packet, number);
  }

  #lose(packet: Packet, number: number): void {
    packet.isLost = true;
    this.lostPackets += 1;
    this.#noteLost(packet, number);
  }

  #noteLost(packet: Packet, number: number): void {
    this.#land(number, packet.bytes);
    this.#add(number, feedback.lostPackets, 1);
    this.#add(number, feedback.lostBytes, packet.bytes);
    this.#add(number, feedback.lostRuns, 1);
    this.feedback[number * feedback.columns + feedback.lostLongest] = this.#longest;
    const mayGo = (packet.flags & flight.resendable) !== 0 && packet.resends < mostResends;
    if (!mayGo || packet.isAcked || packet.isWaiting) return;
    packet.isWaiting = true;
    this.#waiting += 1;
  }

  #unqueue(packet: Packet): void {
    if (!packet.isWaiting) return;
    packet.isWaiting = false;
    this.#waiting -= 1;
  }

  #survey(nowUs: number): void {
    for (let number = 0; number < path.mostPerPeer; number += 1) {
      this.feedback[number * feedback.columns + feedback.inFlightBytes] = Math.max(0, this.#inFlight[number] as number);
    }
    const note = (number: number, sentUs: number): void => {
      const at = number * feedback.columns + feedback.oldestSentUs;
      if (this.feedback[at] === 0 || sentUs < (this.feedback[at] as number)) this.feedback[at] = sentUs;
    };
    for (let at = this.#head; at < this.#packets.length; at += 1) {
      const packet = this.#packets[at] as Packet;
      if (!packet.isAcked && !packet.isLost) note(packet.path, packet.sentUs);
    }
    for (const copy of this.#copies) note(copy.path, copy.sentUs);
    this.#trim(nowUs);
  }

  /** Forgets what is settled; what was lost stays a while, for it may come after all. */
  #trim(nowUs: number): void {
    for (; this.#head < this.#packets.length; this.#head += 1) {
      const packet = this.#packets[this.#head] as Packet;
      const isSettled = packet.isAcked || (packet.isLost && !packet.isWaiting && nowUs - packet.sentUs > settledUs);
      if (!isSettled) break;
    }
    if (this.#head < 4_096) return;
    this.#packets = this.#packets.slice(this.#head);
    this.#head = 0;
  }

  #land(number: number, bytes: number): void {
    this.#inFlight[number] = (this.#inFlight[number] as number) - bytes;
  }

  #add(number: number, column: number, amount: number): void {
    const at = number * feedback.columns + column;
    this.feedback[at] = (this.feedback[at] as number) + amount;
  }

  #clear(): void {
    this.feedback.fill(0);
    for (let number = 0; number < path.mostPerPeer; number += 1)
      this.feedback[number * feedback.columns + feedback.rttUs] = -1;
  }
}
