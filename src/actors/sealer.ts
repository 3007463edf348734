/**
 * Routes, queues and seals: the only owner of counters. A train whose path has credit is sealed straight from the ring; any
 * other waits in the stash, per peer and class, and is dropped only there, before a counter is taken.
 */

import { classify } from '../bonding/classify.ts';
import { FairQueue } from '../bonding/fair-queue.ts';
import { PathCredit } from '../bonding/path-credit.ts';
import { facts, type Sealer } from '../native/data-api.ts';
import { sealerCounters } from '../rings/counter-names.ts';
import { frame, link, path, peer, recordType, session, trafficClass } from '../rings/layout.ts';
import { SessionTable } from '../rings/session-table.ts';
import type { RingConsumer, RingProducer } from '../rings/spsc-ring.ts';
import { Stash } from '../rings/stash.ts';
import { linkTable, pathTable, peerTable, type RowTable } from '../rings/table.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, consumer, memoryOf, nativePort, producer, Throughput } from './kit/ports.ts';

export const definition: ActorDefinition = {
  role: 'sealer',
  turn: 'duty',
  start: (context) => new SealerActor(context),
};

/** `settings` of the sealer's spec. */
export interface SealerSettings {
  /** In the order of the link table: the ports `descriptors.<name>`. */
  readonly links: readonly { readonly name: string; readonly rateBps: number }[];
  /** The tunnel's MTU: padding never goes beyond it. */
  readonly mtu: number;
}

const trainsPerTurn = 16;
const framesPerTurn = 16;
/** What waits for a session is dropped after a handshake's lifetime of tries would be pointless: WireGuard keeps it 90 s, people do not. */
const sessionPatienceUs = 5_000_000;
const expiryCheckUs = 500_000;
const requestSpacingUs = 1_000;
const ringFullRetryUs = 200;

class SealerActor implements Actor {
  readonly #context: ActorContext;
  readonly #sealer: Sealer;
  readonly #mtu: number;
  readonly #sessions: SessionTable;
  readonly #peers: RowTable;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #stash: Stash;
  readonly #frames: RingConsumer;
  readonly #requests: RingProducer;
  readonly #requestedUs: number[] = [];
  readonly #facts = new Int32Array(64 * facts.columns);
  readonly #frameBytes = new Uint8Array(2048);
  readonly #queues: (FairQueue | undefined)[] = [];
  readonly #credits: PathCredit[] = [];
  readonly #rates: readonly number[];
  readonly #throughput: Throughput;
  #version = -1;
  #nextExpiryUs = 0;
  #firstPeer = 0;
  #queued = 0;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as SealerSettings;
    this.#context = context;
    this.#mtu = settings.mtu;
    this.#rates = settings.links.map((one) => one.rateBps);
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#paths = pathTable(memoryOf(spec, 'paths'));
    this.#links = linkTable(memoryOf(spec, 'links'));
    this.#stash = new Stash(memoryOf(spec, 'stash'));
    this.#frames = consumer(spec, 'frames');
    this.#requests = producer(context, 'requests');
    this.#throughput = new Throughput(spec);
    this.#sealer = new addon.Sealer({
      plain: nativePort(spec, 'plain'),
      links: settings.links.map((one) => nativePort(spec, `descriptors.${one.name}`)),
      log: bytesOf(spec, 'sealedLog'),
      sessions: bytesOf(spec, 'sessions'),
      allowedIps: bytesOf(spec, 'allowedIps'),
      stash: bytesOf(spec, 'stash'),
      facts: new Uint8Array(this.#facts.buffer),
    });
    for (const slot of this.#stash.survivors()) this.#enqueue(slot);
  }

  work(nowUs: number): number {
    this.#followSessions();
    let done = this.#sealFrames(nowUs);
    if (this.#queued > 0) {
      if (nowUs >= this.#nextExpiryUs) this.#expire(nowUs);
      done += this.#serveQueues(nowUs);
    }
    return done + this.#takeTrains(nowUs);
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
    this.#sealer.sweep();
    this.#sessions.acknowledge(session.sealerSeenAt, version);
  }

  #sealFrames(nowUs: number): number {
    let done = 0;
    for (; done < framesPerTurn; done += 1) {
      const at = this.#frames.peek();
      if (at < 0) break;
      const length = this.#frames.view.getInt32(at + frame.lengthAt, true);
      const row = this.#frames.view.getInt32(at + frame.peerAt, true);
      const wanted = this.#frames.view.getInt32(at + frame.slotAt, true);
      this.#frameBytes.set(this.#frames.bytes.subarray(at + frame.payloadAt, at + frame.payloadAt + length));
      const slot = wanted >= 0 ? wanted : this.#peers.int(row, peer.sendSlotAt);
      if (this.#begin(row, slot, trafficClass.control, nowUs)) {
        this.#sealer.sealPacket(this.#frameBytes, length);
        this.#finish(row, 1, nowUs, false);
      }
      this.#frames.advance();
      this.#frames.release();
    }
    return done;
  }

  #takeTrains(nowUs: number): number {
    const count = this.#sealer.look(trainsPerTurn);
    if (count === 0) return 0;
    let index = 0;
    while (index < count) {
      const taken = this.#takeRun(index, count, nowUs);
      if (taken === 0) break;
      index += taken;
    }
    this.#sealer.release(index);
    return index;
  }

  /**
   * Deals with train `index` and those after it that share its fate; returns how many. 0: it stays in the ring, because only
   * this machine's own threads are behind; a copy to the stash would make them slower still.
   */
  #takeRun(index: number, count: number, nowUs: number): number {
    const at = index * facts.columns;
    const row = this.#facts[at + facts.peer] as number;
    if (row < 0) {
      this.#throughput.count(row === -1 ? sealerCounters.noRoute : sealerCounters.malformed, 1);
      return 1;
    }
    const kind = classify(this.#facts, at);
    const allowed = this.#allowed(row, kind, nowUs);
    const backlog = (this.#queues[row]?.count ?? 0) > 0;
    if ((allowed <= 0 || backlog) && kind === trafficClass.bulk && this.#isMerelyBehind(row)) return 0;
    if (allowed <= 0 || backlog || !this.#begin(row, this.#peers.int(row, peer.sendSlotAt), kind, nowUs)) {
      return this.#queue(index, row, kind, nowUs);
    }
    let run = 1;
    let bytes = this.#facts[at + facts.bytes] as number;
    while (index + run < count && bytes < allowed && this.#alike(at, (index + run) * facts.columns, kind)) {
      bytes += this.#facts[(index + run) * facts.columns + facts.bytes] as number;
      run += 1;
    }
    const budget = this.#segmentBudget(at, allowed);
    const segments = this.#sealer.sealTrains(index, run, budget);
    this.#finish(row, Math.max(0, segments), nowUs);
    // The link's ring is full: nothing rings when it is not, so look again soon.
    if (segments < 0) this.#context.wakeAt(nowUs + ringFullRetryUs);
    let taken = 0;
    while (taken < run && this.#isDone((index + taken) * facts.columns)) taken += 1;
    if (taken === run) return run;
    // What is left of a train that was begun stays at the ring's head, or goes on from the stash.
    if (this.#isMerelyBehind(row)) return taken;
    return taken + this.#queue(index + taken, row, kind, nowUs);
  }

  #isMerelyBehind(row: number): boolean {
    const credit = this.#credits[this.#peers.int(row, peer.pathAt)];
    return credit !== undefined && !credit.isPathLimited;
  }

  #alike(at: number, next: number, kind: number): boolean {
    return this.#facts[at + facts.peer] === this.#facts[next + facts.peer] && classify(this.#facts, next) === kind;
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

  /** Puts train `index` into the stash; drops it when there is no room. Returns 1. */
  #queue(index: number, row: number, kind: number, nowUs: number): number {
    const at = index * facts.columns;
    if (this.#isDone(at)) return 1;
    const bytes = this.#facts[at + facts.bytes] as number;
    const slot = this.#stash.take(bytes);
    if (slot < 0) {
      this.#drop(row, sealerCounters.overflow, this.#facts[at + facts.segments] as number);
      return 1;
    }
    this.#sealer.stash(index, this.#stash.offset(slot));
    this.#stash.keep(slot, row, kind, this.#facts[at + facts.flow] as number, bytes, nowUs);
    this.#throughput.count(sealerCounters.stashed, 1);
    this.#enqueue(slot);
    if (this.#peers.int(row, peer.sendSlotAt) < 0) this.#wantHandshake(row, nowUs);
    return 1;
  }

  #enqueue(slot: number): void {
    const row = this.#stash.peer(slot);
    let queue = this.#queues[row];
    if (queue === undefined) {
      queue = new FairQueue(this.#stash, {
        mark: (entry) => this.#mark(entry),
        drop: (entry) => this.#forget(entry, sealerCounters.codel),
      });
      this.#queues[row] = queue;
    }
    if (!queue.push(slot)) {
      this.#drop(row, sealerCounters.overflow, 1);
      this.#stash.release(slot);
      return;
    }
    this.#queued += 1;
    this.#reportQueue(row, queue);
  }

  /** Serves the peers in turn, from another first one each time, until nobody has credit. */
  #serveQueues(nowUs: number): number {
    let done = 0;
    const peers = this.#queues.length;
    this.#firstPeer = (this.#firstPeer + 1) % peers;
    for (let turned = 0; turned < peers; turned += 1) {
      const row = (this.#firstPeer + turned) % peers;
      const queue = this.#queues[row];
      if (queue !== undefined && queue.count > 0) done += this.#serve(row, queue, nowUs);
    }
    return done;
  }

  #serve(row: number, queue: FairQueue, nowUs: number): number {
    let done = 0;
    while (queue.count > 0 && done < trainsPerTurn) {
      const entry = queue.peek(nowUs);
      if (entry < 0) break;
      const kind = this.#stash.trafficClass(entry);
      const allowed = this.#allowed(row, kind, nowUs);
      if (allowed <= 0 || !this.#begin(row, this.#peers.int(row, peer.sendSlotAt), kind, nowUs)) break;
      const segments = this.#sealer.sealStashed(
        this.#stash.offset(entry),
        Math.max(1, Math.floor(allowed / this.#mtu)),
      );
      queue.spend(this.#finish(row, Math.max(0, segments), nowUs));
      if (segments < 0) break;
      if (this.#sealer.segmentsLeft(this.#stash.offset(entry)) > 0) continue;
      queue.pop();
      this.#queued -= 1;
      this.#stash.release(entry);
      done += 1;
    }
    this.#reportQueue(row, queue);
    return done;
  }

  /** Bytes that may be sealed for the peer's path now. The latency class may overdraw: it is small, and must not wait for bulk. */
  #allowed(row: number, kind: number, nowUs: number): number {
    const pathRow = this.#peers.int(row, peer.pathAt);
    if (pathRow < 0) return 0;
    const linkRow = this.#paths.int(pathRow, path.linkAt);
    const credit = this.#creditOf(pathRow, linkRow);
    const drained =
      this.#paths.number(pathRow, path.sentBytesAt) +
      this.#paths.number(pathRow, path.lateBytesAt) +
      this.#paths.number(pathRow, path.refusedBytesAt);
    const sealed = this.#paths.number(pathRow, path.sealedBytesAt);
    const allowed = credit.allowed(nowUs, sealed, drained, this.#links.int(linkRow, link.outqBytesAt));
    if (kind !== trafficClass.bulk) return Math.max(allowed, this.#mtu);
    if (allowed <= 0) this.#context.wakeAt(nowUs + credit.retryUs());
    return allowed;
  }

  #creditOf(pathRow: number, linkRow: number): PathCredit {
    let credit = this.#credits[pathRow];
    if (credit === undefined) {
      credit = new PathCredit(this.#rates[linkRow] ?? 0);
      this.#credits[pathRow] = credit;
    }
    return credit;
  }

  #begin(row: number, slot: number, kind: number, nowUs: number): boolean {
    const pathRow = this.#peers.int(row, peer.pathAt);
    if (slot < 0 || pathRow < 0) {
      this.#wantHandshake(row, nowUs);
      return false;
    }
    const linkRow = this.#paths.int(pathRow, path.linkAt);
    if (this.#sealer.begin(slot, pathRow, kind, this.#mtu, nowUs, linkRow) === 0) return true;
    this.#throughput.count(sealerCounters.sealFailed, 1);
    this.#wantHandshake(row, nowUs);
    return false;
  }

  /** Ends a run of sealing and books it; returns the bytes. */
  #finish(row: number, packets: number, nowUs: number, isData = true): number {
    const bytes = this.#sealer.end();
    if (bytes === 0) return 0;
    const pathRow = this.#peers.int(row, peer.pathAt);
    this.#paths.addNumber(pathRow, path.sealedBytesAt, bytes);
    this.#credits[pathRow]?.spend(bytes);
    this.#peers.addNumber(row, peer.sentPacketsAt, packets);
    this.#peers.addNumber(row, peer.sentBytesAt, bytes);
    this.#peers.setNumber(row, peer.lastSentAt, nowUs);
    if (isData) this.#peers.setNumber(row, peer.lastDataSentAt, nowUs);
    this.#throughput.add(packets, bytes);
    return bytes;
  }

  /** At most one request a millisecond and peer: a flood without a session must not keep the session-manager awake. */
  #wantHandshake(row: number, nowUs: number): void {
    this.#peers.addInt(row, peer.handshakeWantedAt, 1);
    if (nowUs < (this.#requestedUs[row] ?? 0) + requestSpacingUs) return;
    this.#requestedUs[row] = nowUs;
    const at = this.#requests.claim(4);
    if (at < 0) return;
    this.#requests.view.setInt32(at, row, true);
    this.#requests.commit(4, recordType.handshakeWanted);
    this.#requests.publish();
  }

  #expire(nowUs: number): void {
    this.#nextExpiryUs = nowUs + expiryCheckUs;
    for (let row = 0; row < this.#queues.length; row += 1) {
      if (this.#peers.int(row, peer.sendSlotAt) >= 0) continue;
      this.#queues[row]?.expire(nowUs - sessionPatienceUs);
    }
  }

  /** ECN instead of a drop, when the inner packet allows it. */
  #mark(entry: number): boolean {
    if (this.#sealer.markCongestion(this.#stash.offset(entry)) === 0) return false;
    this.#throughput.count(sealerCounters.marked, 1);
    return true;
  }

  #forget(entry: number, why: number): void {
    this.#queued -= 1;
    this.#drop(this.#stash.peer(entry), why, 1);
    this.#stash.release(entry);
  }

  #drop(row: number, why: number, packets: number): void {
    this.#throughput.count(why, packets);
    this.#peers.addNumber(row, peer.droppedPacketsAt, packets);
  }

  #reportQueue(row: number, queue: FairQueue): void {
    this.#peers.setInt(row, peer.queuedPacketsAt, queue.count);
    this.#peers.setInt(row, peer.queuedBytesAt, queue.bytes);
  }
}
