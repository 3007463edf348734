/** Control frames that have come, opened: reads what peers report and answer, and answers their probes. */
import type { Bond } from '../../bonding/bond.ts';
import { controlKind } from '../../contract/frames.ts';
import { frame } from '../../contract/records.ts';
import type { Sealer } from '../../native/data-api.ts';
import type { RingConsumer } from '../../rings/spsc-ring.ts';
import {
  controlKindOf,
  pathRoles,
  probeCheckLength,
  probeNumber,
  probePriority,
  probeReplyBytes,
  probeReplyCameBack,
  probeReplyEmit,
  probeReplyHeldUs,
  probeRole,
  probeSequence,
  probeWay,
  reportReceiverIndex,
} from '../../wire/control-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import { consumer } from '../kit/ports.ts';
import type { Bonds } from './bonds.ts';
import { type FrameDesk, frameBytes, framesPerTurn } from './frame-desk.ts';
import { ReportFrame } from './native-flight.ts';
import type { SealDesk } from './seal-desk.ts';

export class HeardFrames {
  readonly #context: ActorContext;
  readonly #bonds: Bonds;
  readonly #desk: SealDesk;
  readonly #frames: FrameDesk;
  readonly #heard: RingConsumer;
  readonly #bytes = new Uint8Array(frameBytes);
  readonly #report: ReportFrame;
  readonly #answer = new Uint8Array(64);

  constructor(context: ActorContext, native: Sealer, bonds: Bonds, desk: SealDesk, frames: FrameDesk) {
    this.#context = context;
    this.#bonds = bonds;
    this.#desk = desk;
    this.#frames = frames;
    this.#heard = consumer(context.spec, 'heard');
    this.#report = new ReportFrame(native, this.#bytes);
  }

  /** Each record is released by itself: one that throws is not seen more than twice (`contract/`, suspectAt). */
  work(nowUs: number): number {
    const ring = this.#heard;
    let done = 0;
    for (; done < framesPerTurn; done += 1) {
      const at = ring.peek();
      if (at < 0) break;
      ring.begin();
      this.#take(ring, at, nowUs);
      ring.end();
      ring.advance();
      ring.release();
    }
    return done;
  }

  #take(ring: RingConsumer, at: number, nowUs: number): void {
    const { view } = ring;
    const room = Math.min(ring.length - frame.payloadAt, frameBytes);
    const length = Math.max(0, Math.min(view.getInt32(at + frame.lengthAt, true), room));
    const bond = this.#bonds.of(view.getInt32(at + frame.peerAt, true), nowUs);
    this.#bytes.set(ring.bytes.subarray(at + frame.payloadAt, at + frame.payloadAt + length));
    this.#read(bond, view.getInt32(at + frame.pathAt, true), length, view.getFloat64(at + frame.timeAt, true), nowUs);
  }

  #read(bond: Bond, pathRow: number, length: number, timeUs: number, nowUs: number): void {
    const bytes = this.#bytes;
    // A thread that lost the CPU within its turn reads what came after the turn began: round trips would seem too short for that,
    // and the shortest of ten seconds is what queues are measured from.
    const lagUs = Math.max(0, this.#context.addon.nowUs() - nowUs);
    const kind = controlKindOf(bytes, 0);
    if (kind === controlKind.report) {
      const slot = this.#desk.slotUnder(bond.row, reportReceiverIndex(bytes, 0));
      if (slot >= 0) {
        this.#bonds.handleReport(bond, this.#report.of(bond.row, slot, length), nowUs, lagUs);
        this.#frames.skipLost(bond, slot, nowUs);
      }
    } else if (kind === controlKind.probe && probeCheckLength(length)) {
      const role = pathRoles[probeRole(bytes, 0)] ?? 'always';
      const path = bond.pathOf(pathRow);
      if (path !== undefined) bond.handleProbe(path, probePriority(bytes, 0), role, probeWay(bytes, 0, length), nowUs);
      this.#answerProbe(bond, pathRow, Math.max(0, nowUs + lagUs - timeUs), nowUs);
    } else if (kind === controlKind.probeReply && length >= probeReplyBytes) {
      const path = bond.numbered(probeNumber(bytes, 0));
      const cameBack = probeReplyCameBack(bytes, 0) && path?.row === pathRow;
      if (path !== undefined)
        bond.handleProbeReply(path, probeSequence(bytes, 0), probeReplyHeldUs(bytes, 0) - lagUs, cameBack, nowUs);
    }
  }

  /**
   * By the path it came by, once that is proven, and by the best other: a hole in our direction shall not look like one in the peer's.
   */
  #answerProbe(bond: Bond, pathRow: number, heldUs: number, nowUs: number): void {
    const slot = this.#desk.slotOf(bond.row);
    const fields = { number: probeNumber(this.#bytes, 0), sequence: probeSequence(this.#bytes, 0), heldUs };
    const answer = this.#answer;
    if (bond.pathOf(pathRow)?.isAddressProven) {
      probeReplyEmit(answer, 0, { ...fields, cameBack: true });
      this.#frames.seal(bond, slot, answer, probeReplyBytes, pathRow, nowUs);
    }
    const other = bond.routes.other(bond.pathOf(pathRow), 0, nowUs);
    if (other === undefined) return;
    probeReplyEmit(answer, 0, { ...fields, cameBack: false });
    this.#frames.seal(bond, slot, answer, probeReplyBytes, other.row, nowUs);
  }
}
