/** Control frames that leave: seals those of the session-manager and the opener, and asks paths whether they live, how fast and how wide they are. */

import type { Bond } from '../../bonding/bond.ts';
import { trainPackets } from '../../bonding/rate/probe-train.ts';
import type { SendingPath } from '../../bonding/sending-path.ts';
import { skip } from '../../contract/frames.ts';
import { session } from '../../contract/peer-tables.ts';
import { frame, framePath, trafficClass } from '../../contract/records.ts';
import type { Sealer } from '../../native/data-api.ts';
import { SessionTable } from '../../rings/session-table.ts';
import type { RingConsumer } from '../../rings/spsc-ring.ts';
import { pathRoles, probeBytes, probeEmit, skipEmit } from '../../wire/control-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import { consumer, memoryOf } from '../kit/ports.ts';
import type { Bonds } from './bonds.ts';
import type { SealDesk } from './seal-desk.ts';
import { ToldSkips } from './told-skips.ts';

/** Records of one ring a turn. */
export const framesPerTurn = 16;
/** Largest control frame; the addon needs 16 bytes behind it. */
export const frameBytes = 2048;
const least = 16;
/** Largest IP packet. */
const mostBytes = 65_536;
/** Header and tag. */
const dataMessageBytes = 32;

export class FrameDesk {
  readonly #native: Sealer;
  readonly #bonds: Bonds;
  readonly #desk: SealDesk;
  readonly #sessions: SessionTable;
  readonly #frames: RingConsumer;
  readonly #reports: RingConsumer;
  readonly #bytes = new Uint8Array(frameBytes);
  readonly #answer = new Uint8Array(64);
  readonly #skipFrame = new Uint8Array(64);
  readonly #toldSkips = new ToldSkips();
  readonly #probeTrain = new Uint8Array(frameBytes);
  /** A probe of any size. */
  readonly #padded = new Uint8Array(mostBytes + least);

  constructor(context: ActorContext, native: Sealer, bonds: Bonds, desk: SealDesk) {
    this.#native = native;
    this.#bonds = bonds;
    this.#desk = desk;
    this.#sessions = new SessionTable(memoryOf(context.spec, 'sessions'));
    this.#frames = consumer(context.spec, 'frames');
    this.#reports = consumer(context.spec, 'reports');
  }

  work(nowUs: number): number {
    return this.#take(this.#reports, nowUs) + this.#take(this.#frames, nowUs);
  }

  /** Sends again what the peer lacks, and the probes that are due; returns when the next are, or the bond is to judge again. */
  turn(bond: Bond, nowUs: number): number {
    // A stock peer's bond judges when something leaves for the peer.
    if (!bond.isBonded) return Number.POSITIVE_INFINITY;
    const resent = bond.repair(nowUs);
    if (resent > 0) {
      this.#desk.countResent(bond, resent);
      // What went in pieces has other counters now.
      this.skipLost(bond, this.#desk.slotOf(bond.row), nowUs);
    }
    let dueUs = bond.nextTickUs;
    for (const path of bond.paths) {
      if (!path.isProbed) continue;
      if (nowUs >= path.life.nextProbeAtUs) {
        this.#probe(bond, path, nowUs);
        if (path.wantsTrain) this.#probeRate(bond, path, nowUs);
      }
      dueUs = Math.min(dueUs, path.life.nextProbeAtUs);
      if (!path.isAnswering) continue;
      this.#probeSize(bond, path, nowUs);
      dueUs = Math.min(dueUs, path.fit.size.wakeUs);
    }
    return dueUs;
  }

  /** Each record is released by itself: one that throws is not seen more than twice (`contract/`, suspectAt). */
  #take(ring: RingConsumer, nowUs: number): number {
    let done = 0;
    for (; done < framesPerTurn; done += 1) {
      const at = ring.peek();
      if (at < 0) break;
      ring.begin();
      this.#takeRecord(ring, at, nowUs);
      ring.end();
      ring.advance();
      ring.release();
    }
    return done;
  }

  #takeRecord(ring: RingConsumer, at: number, nowUs: number): void {
    const { view } = ring;
    const room = Math.min(ring.length - frame.payloadAt, frameBytes - least);
    const length = Math.max(0, Math.min(view.getInt32(at + frame.lengthAt, true), room));
    const row = view.getInt32(at + frame.peerAt, true);
    const slot = view.getInt32(at + frame.slotAt, true);
    const pathRow = view.getInt32(at + frame.pathAt, true);
    this.#bytes.set(ring.bytes.subarray(at + frame.payloadAt, at + frame.payloadAt + length));
    const under = slot >= 0 ? slot : this.#desk.slotOf(row);
    if (this.#bonds.isPlain(row)) this.#sealPlain(row, under, length, pathRow, nowUs);
    else this.seal(this.#bonds.of(row, nowUs), under, this.#bytes, length, pathRow, nowUs);
  }

  /** Seals one frame of `#bytes` for a peer without a bond. */
  #sealPlain(row: number, slot: number, length: number, pathRow: number, nowUs: number): void {
    const path = pathRow >= 0 ? pathRow : this.#bonds.homeOf(row);
    const port = this.#bonds.portOf(path);
    if (port < 0) this.#desk.wantHandshake(row, nowUs);
    else if (this.#desk.beginPlain(row, slot, path, port, this.#bonds.mtu, nowUs)) {
      this.#native.sealPacket(this.#bytes, length);
      this.#desk.finishPlain(row, nowUs);
    }
  }

  /** Seals one frame by the path named, or by the best, or by the best and one other. */
  seal(bond: Bond, slot: number, bytes: Uint8Array, length: number, pathRow: number, nowUs: number): void {
    const named = pathRow >= 0 ? bond.pathOf(pathRow) : undefined;
    const path = pathRow >= 0 ? named : (bond.routes.best(nowUs) ?? bond.routes.spare);
    const row = path?.row ?? pathRow;
    const port = path?.port ?? this.#bonds.portOf(row);
    if (row < 0 || port < 0) {
      this.#desk.wantHandshake(bond.row, nowUs);
      return;
    }
    if (!this.#desk.begin(bond, slot, row, port, trafficClass.control, nowUs)) return;
    const counter = this.#sessions.wide(slot, session.sendCounterAt);
    this.#native.sealPacket(bytes, length);
    if (pathRow === framePath.two) this.#copy(bond.routes.other(path, 0, nowUs));
    this.#desk.finish(bond, path, 1, false, nowUs);
    if (pathRow >= 0 && bond.isBonded) this.#skip(bond, slot, counter, 1, row, nowUs);
  }

  /** Data shall not wait at the peer for frames that went by a path far behind its own: it says so by the best, right behind them. */
  #skip(bond: Bond, slot: number, first: number, count: number, row: number, nowUs: number): void {
    const best = bond.routes.best(nowUs);
    if (best === undefined || best.row === row || !bond.isSending(nowUs)) return;
    this.#tellSkipped(bond, best, slot, first, count, nowUs);
  }

  /** Nor for frames that were lost, which are never sent again, for what those named, and for what went again in pieces. */
  skipLost(bond: Bond, slot: number, nowUs: number): void {
    let first = this.#native.nextHollow(bond.row, slot);
    if (first < 0 || !bond.isRepaired || !bond.isSending(nowUs) || slot !== this.#desk.slotOf(bond.row)) return;
    const best = bond.routes.best(nowUs);
    while (first >= 0 && best !== undefined) {
      let count = 1;
      let next = this.#native.nextHollow(bond.row, slot);
      for (; next === first + count; next = this.#native.nextHollow(bond.row, slot)) count += 1;
      this.#tellSkipped(bond, best, slot, first, count, nowUs);
      for (let counter = first; counter < first + count; counter += 1)
        this.#tellAgain(bond, best, slot, counter, nowUs);
      first = next;
    }
  }

  /** What was lost under `counter` may have been a SKIP: the path that was the best when it left is the one that went. */
  #tellAgain(bond: Bond, best: SendingPath, slot: number, counter: number, nowUs: number): void {
    const skips = this.#toldSkips;
    const place = skips.take(slot, counter, nowUs);
    if (place >= 0) this.#tellSkipped(bond, best, slot, skips.firstOf(place), skips.countOf(place), nowUs);
  }

  #tellSkipped(bond: Bond, best: SendingPath, slot: number, first: number, count: number, nowUs: number): void {
    skipEmit(this.#skipFrame, 0, { first, count });
    if (!this.#desk.begin(bond, slot, best.row, best.port, trafficClass.control, nowUs)) return;
    this.#toldSkips.note(slot, this.#sessions.wide(slot, session.sendCounterAt), first, count, nowUs);
    this.#native.sealPacket(this.#skipFrame, skip.bytes);
    this.#desk.finish(bond, best, 1, false, nowUs);
  }

  #copy(path: SendingPath | undefined): void {
    if (path !== undefined) this.#native.copy(path.port, path.row, mostBytes);
  }

  #probe(bond: Bond, path: SendingPath, nowUs: number): void {
    const slot = this.#desk.slotOf(bond.row);
    const sequence = path.prober.startProbe(nowUs);
    if (slot < 0) return;
    this.#writeProbe(this.#answer, slot, path, sequence);
    this.seal(bond, slot, this.#answer, probeBytes, path.row, nowUs);
  }

  /** Full probes in one train: how far apart they arrive tells a slow path's rate (`bonding/rate/probe-train.ts`). */
  #probeRate(bond: Bond, path: SendingPath, nowUs: number): void {
    const slot = this.#desk.slotOf(bond.row);
    // Padded as data is they would be longer than a path takes whose longest packet is no multiple of 16.
    if (slot < 0 || !this.#desk.begin(bond, slot, path.row, path.port, trafficClass.control, nowUs, 0)) return;
    const fitting = path.fit.sealedBytes - dataMessageBytes;
    const lengthBytes = Math.min(bond.mtu.bytes, fitting, this.#probeTrain.length - least);
    const sequence = path.prober.startTrain(lengthBytes + dataMessageBytes, nowUs);
    const counter = this.#sessions.wide(slot, session.sendCounterAt);
    for (let place = 0; place < trainPackets; place += 1) {
      this.#writeProbe(this.#probeTrain, slot, path, sequence + place);
      this.#native.sealPacket(this.#probeTrain, lengthBytes);
    }
    this.#desk.finish(bond, path, trainPackets, false, nowUs);
    this.#skip(bond, slot, counter, trainPackets, path.row, nowUs);
  }

  /** Padded probes of several sizes and a small one: those that come back tell what the path takes (`bonding/size/path-size.ts`). */
  #probeSize(bond: Bond, path: SendingPath, nowUs: number): void {
    const slot = this.#desk.slotOf(bond.row);
    const { size } = path.fit;
    if (slot < 0 || nowUs < size.wakeUs || !size.nextVolley(nowUs)) return;
    if (!this.#desk.begin(bond, slot, path.row, path.port, trafficClass.control, nowUs, 0)) return;
    const counter = this.#sessions.wide(slot, session.sendCounterAt);
    const sequence = path.prober.startVolley(nowUs);
    const { volley } = size;
    for (let place = 0; place <= volley.length; place += 1) {
      const outer = volley[place];
      const lengthBytes = outer === undefined ? probeBytes : path.fit.innerBytes(outer);
      this.#writeProbe(this.#padded, slot, path, sequence + place);
      this.#native.sealPacket(this.#padded, lengthBytes);
    }
    this.#desk.finish(bond, path, volley.length + 1, false, nowUs);
    this.#skip(bond, slot, counter, volley.length + 1, path.row, nowUs);
  }

  #writeProbe(target: Uint8Array, slot: number, path: SendingPath, sequence: number): void {
    probeEmit(target, 0, {
      number: path.number,
      sequence,
      next: this.#sessions.wide(slot, session.sendCounterAt),
      priority: path.ownPriority,
      role: pathRoles.indexOf(path.ownRole),
      way: path.ownWay,
    });
  }
}
