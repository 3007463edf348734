/**
 * Routes, queues and seals: the only owner of counters. A train whose path has credit is sealed straight from the ring; any
 * other waits in the stash, per peer and class, and is dropped only there, before a counter is taken.
 */
import { classify } from '../bonding/classify.ts';
import type { FairQueue } from '../bonding/fair-queue.ts';
import { facts, type Sealer } from '../native/data-api.ts';
import { sealerCounters } from '../rings/counter-names.ts';
import { frame, peer, recordType, session, trafficClass } from '../rings/layout.ts';
import { SessionTable } from '../rings/session-table.ts';
import type { RingConsumer, RingProducer } from '../rings/spsc-ring.ts';
import { peerTable, type RowTable } from '../rings/table.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, consumer, memoryOf, nativePort, producer, Throughput } from './kit/ports.ts';
import { PathCredits } from './sealer/path-credits.ts';
import { WaitingRoom } from './sealer/waiting-room.ts';

export const definition: ActorDefinition = {
  role: 'sealer',
  turn: 'duty',
  start: (context) => new SealerActor(context),
};

export interface SealerLink {
  /** Of the link table. */
  readonly row: number;
  /** Its port is `descriptors.<name>`. */
  readonly name: string;
  /** Configured upper bound, 0 = none. */
  readonly rateBps: number;
  /** The lowest is preferred. */
  readonly priority: number;
  /** Share of the traffic in mode `weighted`. */
  readonly weight: number;
  readonly role: 'always' | 'backup' | 'metered';
}

/** `settings` of the sealer's spec. */
export interface SealerSettings {
  /** In the order of their rows, which may have gaps. */
  readonly links: readonly SealerLink[];
  /** The tunnel's MTU: padding never goes beyond it. */
  readonly mtu: number;
}

const trainsPerTurn = 16;
const framesPerTurn = 16;
/** Largest control frame; the addon needs 16 bytes behind it. */
const frameBytes = 2048;
const requestSpacingUs = 1_000;
/** What urgent classes may overdraw together: room for calls and acknowledgements, none for a flood of small packets. */
const urgentReserveBytes = 16 * 1024;
const ringFullRetryUs = 200;

class SealerActor implements Actor {
  readonly #context: ActorContext;
  readonly #native: Sealer;
  readonly #mtu: number;
  readonly #sessions: SessionTable;
  readonly #peers: RowTable;
  readonly #credits: PathCredits;
  readonly #waiting: WaitingRoom;
  /** Row of the link table → index of its descriptor ring. */
  readonly #portOf: (number | undefined)[] = [];
  readonly #frames: RingConsumer;
  readonly #requests: RingProducer;
  readonly #requestedUs: number[] = [];
  readonly #facts = new Int32Array(64 * facts.columns);
  readonly #frameBytes = new Uint8Array(frameBytes);
  readonly #throughput: Throughput;
  readonly #serve = (row: number, entry: number, queue: FairQueue): boolean => this.#serveHead(row, entry, queue);
  #version = -1;
  #nowUs = 0;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as SealerSettings;
    this.#context = context;
    this.#mtu = settings.mtu;
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#frames = consumer(spec, 'frames');
    this.#requests = producer(context, 'requests');
    this.#throughput = new Throughput(spec);
    this.#native = new addon.Sealer({
      plain: nativePort(spec, 'plain'),
      links: settings.links.map((one) => nativePort(spec, `descriptors.${one.name}`)),
      log: bytesOf(spec, 'sealedLog'),
      sessions: bytesOf(spec, 'sessions'),
      allowedIps: bytesOf(spec, 'allowedIps'),
      stash: bytesOf(spec, 'stash'),
      facts: new Uint8Array(this.#facts.buffer),
    });
    for (const [port, one] of settings.links.entries()) this.#portOf[one.row] = port;
    this.#credits = new PathCredits(context, new Map(settings.links.map((one) => [one.row, one.rateBps])));
    this.#waiting = new WaitingRoom(context, this.#native, this.#throughput);
  }

  work(nowUs: number): number {
    this.#nowUs = nowUs;
    this.#followSessions();
    const framed = this.#sealFrames();
    const served = this.#waiting.count > 0 ? this.#waiting.serveAll(nowUs, this.#serve) : 0;
    return framed + served + this.#takeTrains();
  }

  onCommand(_command: Command): void {
    // A sealer follows the shared tables; it has nothing to be told.
  }

  close(): void {
    // What waits stays in the stash for a successor.
  }

  /** Retired slots: forget their contexts, then say so, so that their keys can be zeroed (layout.ts, sealerSeenAt). */
  #followSessions(): void {
    const version = this.#sessions.version();
    if (version === this.#version) return;
    this.#version = version;
    this.#native.sweep();
    this.#sessions.acknowledge(session.sealerSeenAt, version);
  }

  #sealFrames(): number {
    const { view, bytes } = this.#frames;
    let done = 0;
    for (; done < framesPerTurn; done += 1) {
      const at = this.#frames.peek();
      if (at < 0) break;
      const length = Math.min(view.getInt32(at + frame.lengthAt, true), frameBytes - 16);
      const row = view.getInt32(at + frame.peerAt, true);
      const wanted = view.getInt32(at + frame.slotAt, true);
      this.#frameBytes.set(bytes.subarray(at + frame.payloadAt, at + frame.payloadAt + length));
      if (this.#begin(row, wanted >= 0 ? wanted : this.#peers.int(row, peer.sendSlotAt), trafficClass.control)) {
        this.#native.sealPacket(this.#frameBytes, length);
        this.#finish(row, 1, false);
      }
      this.#frames.advance();
      this.#frames.release();
    }
    return done;
  }

  #takeTrains(): number {
    const count = this.#native.look(trainsPerTurn);
    if (count === 0) return 0;
    let index = 0;
    while (index < count) {
      const taken = this.#takeRun(index, count);
      if (taken === 0) break;
      index += taken;
    }
    this.#native.release(index);
    return index;
  }

  /**
   * Deals with train `index` and those after it that share its fate; returns how many. 0: it stays in the ring, because only
   * this machine's own threads are behind; a copy to the stash would make them slower still.
   */
  #takeRun(index: number, count: number): number {
    const at = index * facts.columns;
    const row = this.#facts[at + facts.peer] as number;
    if (row < 0) {
      this.#throughput.count(row === -1 ? sealerCounters.noRoute : sealerCounters.malformed, 1);
      return 1;
    }
    if (this.#isDone(at)) return 1;
    const kind = classify(this.#facts, at);
    if (!this.#begin(row, this.#peers.int(row, peer.sendSlotAt), kind)) return this.#wait(index, row, kind);
    const allowed = this.#allowed(row, kind);
    if (allowed <= 0 || this.#waiting.has(row)) {
      const mayStay = kind === trafficClass.bulk || allowed <= 0;
      return mayStay && this.#isMerelyBehind(row) ? 0 : this.#wait(index, row, kind);
    }
    const run = this.#runLength(index, count, kind, allowed);
    const segments = this.#native.sealTrains(index, run, this.#segmentBudget(at, allowed));
    this.#finish(row, Math.max(0, segments), true);
    // The link's ring is full: nothing rings when it is not, so look again soon.
    if (segments < 0) this.#context.wakeAt(this.#nowUs + ringFullRetryUs);
    let taken = 0;
    while (taken < run && this.#isDone((index + taken) * facts.columns)) taken += 1;
    if (taken === run || this.#isMerelyBehind(row)) return taken;
    return taken + this.#wait(index + taken, row, kind);
  }

  /** Trains from `index` on that go to the same peer in the same class, as many as `allowed` bytes pay for. */
  #runLength(index: number, count: number, kind: number, allowed: number): number {
    const row = this.#facts[index * facts.columns + facts.peer];
    let run = 1;
    let bytes = this.#facts[index * facts.columns + facts.bytes] as number;
    for (let next = (index + 1) * facts.columns; index + run < count && bytes < allowed; next += facts.columns) {
      if (this.#facts[next + facts.peer] !== row || classify(this.#facts, next) !== kind) break;
      bytes += this.#facts[next + facts.bytes] as number;
      run += 1;
    }
    return run;
  }

  #isDone(at: number): boolean {
    return (this.#facts[at + facts.progress] as number) >= (this.#facts[at + facts.segments] as number);
  }

  /** Segments that `allowed` bytes pay for: at least one, or a small credit would never be used. */
  #segmentBudget(at: number, allowed: number): number {
    const segments = this.#facts[at + facts.segments] as number;
    const bytesEach = Math.max(64, (this.#facts[at + facts.bytes] as number) / segments);
    return Math.max(1, Math.min(4096, Math.floor(allowed / bytesEach)));
  }

  #wait(index: number, row: number, kind: number): number {
    const at = index * facts.columns;
    const flow = this.#facts[at + facts.flow] as number;
    const bytes = this.#facts[at + facts.bytes] as number;
    this.#waiting.admit(index, row, kind, flow, bytes, this.#facts[at + facts.segments] as number, this.#nowUs);
    return 1;
  }

  /** Seals what the credit pays for of a waiting train; false ends the peer's turn. */
  #serveHead(row: number, entry: number, queue: FairQueue): boolean {
    const { stash } = this.#waiting;
    const kind = stash.trafficClass(entry);
    if (!this.#begin(row, this.#peers.int(row, peer.sendSlotAt), kind)) return false;
    const allowed = this.#allowed(row, kind);
    if (allowed <= 0) return false;
    const offset = stash.offset(entry);
    const segments = this.#native.sealStashed(offset, Math.max(1, Math.floor(allowed / this.#mtu)));
    queue.spend(this.#finish(row, Math.max(0, segments), true));
    if (segments < 0) {
      this.#context.wakeAt(this.#nowUs + ringFullRetryUs);
      return false;
    }
    if (this.#native.segmentsLeft(offset) === 0) this.#waiting.leave(queue, entry);
    return true;
  }

  /** Bytes that may be sealed for the peer's path now. Urgent classes may overdraw: they are small, and must not wait for bulk. */
  #allowed(row: number, kind: number): number {
    const allowed = this.#credits.allowed(this.#peers.int(row, peer.pathAt), this.#nowUs);
    return kind === trafficClass.bulk ? allowed : allowed + urgentReserveBytes;
  }

  #isMerelyBehind(row: number): boolean {
    return this.#credits.isMerelyBehind(this.#peers.int(row, peer.pathAt));
  }

  /** Starts a run of sealing under a key slot; false, and a handshake asked for, when the peer has none that serves, or no path. */
  #begin(row: number, slot: number, kind: number): boolean {
    const pathRow = this.#peers.int(row, peer.pathAt);
    if (slot >= 0 && pathRow >= 0) {
      // A path of a link that is being removed has no ring.
      const port = this.#portOf[this.#credits.linkOf(pathRow)];
      if (port === undefined) return false;
      if (this.#native.begin(slot, pathRow, kind, this.#mtu, this.#nowUs, port) === 0) return true;
      this.#throughput.count(sealerCounters.sealFailed, 1);
    }
    this.#wantHandshake(row);
    return false;
  }

  /** Ends a run of sealing and books it; returns the bytes. */
  #finish(row: number, packets: number, isData: boolean): number {
    const bytes = this.#native.end();
    if (bytes === 0) return 0;
    this.#credits.spend(this.#peers.int(row, peer.pathAt), bytes);
    this.#peers.addNumber(row, peer.sentPacketsAt, packets);
    this.#peers.addNumber(row, peer.sentBytesAt, bytes);
    this.#peers.setNumber(row, peer.lastSentAt, this.#nowUs);
    if (isData) this.#peers.setNumber(row, peer.lastDataSentAt, this.#nowUs);
    this.#throughput.add(packets, bytes);
    return bytes;
  }

  /** At most one request a millisecond and peer: a flood without a session must not keep the session-manager awake. */
  #wantHandshake(row: number): void {
    this.#peers.addInt(row, peer.handshakeWantedAt, 1);
    if (this.#nowUs < (this.#requestedUs[row] ?? 0) + requestSpacingUs) return;
    this.#requestedUs[row] = this.#nowUs;
    const at = this.#requests.claim(4);
    if (at < 0) return;
    this.#requests.view.setInt32(at, row, true);
    this.#requests.commit(4, recordType.handshakeWanted);
    this.#requests.publish();
  }
}
