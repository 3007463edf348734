/**
 * One path under the virtual clock: the real PathController in front of a simulated link, a receiver that counts arrivals and
 * reports every few milliseconds, and the bookkeeping of what is in flight that the sealer does.
 */
import { PathController, type PathControllerOptions } from '../../src/bonding/rate/path-controller.ts';
import { ProbeTrain, trainPackets } from '../../src/bonding/rate/probe-train.ts';
import type { Link } from './link.ts';
import type { VirtualClock } from './virtual-clock.ts';

interface Sent {
  readonly number: number;
  readonly sentUs: number;
  readonly bytes: number;
  readonly onLost: (() => void) | undefined;
  arrivalUs: number;
  isDone: boolean;
  isMarked: boolean;
}

export interface PathOptions {
  readonly reportUs: number;
  /** Way back of the reports. */
  readonly returnUs: number;
  readonly controller?: Partial<PathControllerOptions>;
}

const probeBytes = 100;
const fullBytes = 1_460;
const leastIdleUs = 200_000;
const expiryTickUs = 5_000;
const expirySlackUs = 10_000;
/** Packets sent this long before the newest one that arrived are lost, at least; RFC 9002 6.1.2 uses 1/8 of the round trip. */
const leastReorderingUs = 5_000;
/** A late packet widens it at once, and is forgotten so slowly (per report). */
const reorderingDecay = 0.9998;

export class SimulatedPath {
  readonly controller: PathController;
  readonly link: Link;
  readonly #clock: VirtualClock;
  readonly #options: PathOptions;
  readonly #flying: Sent[] = [];
  readonly #arrived: Sent[] = [];
  readonly #train = new ProbeTrain();
  #probeNumber = 0;
  #number = 0;
  #spentUs = 0;
  #lastArrivalUs = -1;
  #reportedArrivalUs = -1;
  #isReporting = false;
  #isAppLimited = false;
  #newestSentUs = 0;
  #isExpiring = false;
  #reorderingUs = 0;
  inFlightBytes = 0;
  arrivedBytes = 0;
  lostPackets = 0;
  markedPackets = 0;

  constructor(clock: VirtualClock, link: Link, options: PathOptions) {
    this.#clock = clock;
    this.link = link;
    this.#options = options;
    this.controller = new PathController({ configuredBps: 0, ...options.controller });
  }

  allowedBytes(waitingBytes = 0): number {
    return this.controller.allowedBytes(this.#clock.nowUs, this.inFlightBytes, waitingBytes);
  }

  /** The sender has nothing more to send though it could. */
  noteAppLimited(): void {
    this.#isAppLimited = true;
  }

  /** As the sealer does for an idle path; the answer comes back by the nearest one. */
  probe(): void {
    const sentUs = this.#clock.nowUs;
    this.link.send(probeBytes, () => {
      this.#clock.after(this.#options.returnUs, () => {
        const { nowUs } = this.#clock;
        if (this.inFlightBytes === 0) this.controller.handleProbe(nowUs - sentUs, nowUs);
      });
    });
  }

  /** A train of full probes, as the sealer sends behind the first probes of a path. */
  probeRate(): void {
    const train = this.#train;
    if (!train.isWanted || this.controller.rateBytesPerUs > 0) return;
    const sentUs = this.#clock.nowUs;
    const first = this.#probeNumber;
    this.#probeNumber += trainPackets;
    train.handleSent(first, fullBytes);
    for (let number = first; number < first + trainPackets; number += 1) {
      this.link.send(fullBytes, () => {
        this.#clock.after(this.#options.returnUs, () => {
          train.handleReply(number, this.#clock.nowUs - sentUs);
          this.controller.handleBottleneck(train.bytesPerUs);
        });
      });
    }
  }

  bringsData(): boolean {
    return this.#lastArrivalUs > 0 && this.#clock.nowUs - this.#lastArrivalUs < leastIdleUs;
  }

  isIdle(): boolean {
    const idleUs = Math.max(leastIdleUs, 2 * this.controller.smoothedRttUs);
    return this.inFlightBytes === 0 && this.#clock.nowUs - this.#spentUs > idleUs;
  }

  send(bytes: number, onArrival?: () => void, onLost?: () => void): void {
    const nowUs = this.#clock.nowUs;
    const sent: Sent = {
      number: this.#number,
      sentUs: nowUs,
      bytes,
      onLost,
      arrivalUs: -1,
      isDone: false,
      isMarked: false,
    };
    if (this.isIdle()) this.controller.handleIdle(nowUs);
    this.#spentUs = nowUs;
    this.#number += 1;
    this.#flying.push(sent);
    this.inFlightBytes += bytes;
    this.controller.spend(bytes);
    if (!this.#isExpiring) this.#expire();
    this.link.send(bytes, (isMarked) => {
      sent.isMarked = isMarked;
      if (isMarked) this.markedPackets += 1;
      sent.arrivalUs = this.#clock.nowUs;
      this.arrivedBytes += bytes;
      this.#lastArrivalUs = sent.arrivalUs;
      this.#arrived.push(sent);
      this.#startReporting();
      onArrival?.();
    });
  }

  #startReporting(): void {
    if (this.#isReporting) return;
    this.#isReporting = true;
    this.#clock.after(this.#options.reportUs, () => this.#report());
  }

  #report(): void {
    this.#isReporting = false;
    const batch = this.#arrived.splice(0);
    const reportedUs = this.#clock.nowUs;
    const deliveryUs = this.#reportedArrivalUs < 0 ? 0 : this.#lastArrivalUs - this.#reportedArrivalUs;
    this.#reportedArrivalUs = this.#lastArrivalUs;
    this.#clock.after(this.#options.returnUs, () => this.#handleReport(batch, reportedUs, deliveryUs));
  }

  #handleReport(batch: readonly Sent[], reportedUs: number, deliveryUs: number): void {
    const nowUs = this.#clock.nowUs;
    let deliveredBytes = 0;
    let newest: Sent | undefined;
    for (const sent of batch) {
      deliveredBytes += sent.bytes;
      this.#newestSentUs = Math.max(this.#newestSentUs, sent.sentUs);
      this.#reorderingUs = Math.max(this.#reorderingUs, 1.25 * (this.#newestSentUs - sent.sentUs));
      if (!sent.isDone) this.inFlightBytes -= sent.bytes;
      sent.isDone = true;
      if (newest === undefined || sent.number > newest.number) newest = sent;
    }
    const rttUs = newest === undefined ? -1 : nowUs - newest.sentUs - (reportedUs - newest.arrivalUs);
    const reorderingUs = Math.max(leastReorderingUs, this.controller.smoothedRttUs / 8, this.#reorderingUs);
    const lostPackets = newest === undefined ? 0 : this.#declareLost(newest.sentUs - reorderingUs);
    this.#reorderingUs *= reorderingDecay;
    if (this.link.marks) this.controller.handleMarks(batch.length, batch.filter((sent) => sent.isMarked).length);
    this.controller.handleSample({
      nowUs,
      rttUs,
      deliveredBytes,
      deliveryUs,
      ackedPackets: batch.length,
      lostPackets,
      isAppLimited: this.#isAppLimited,
    });
    this.#isAppLimited = false;
  }

  /** What was not acknowledged by now will not arrive: otherwise a lost tail would count as in flight for ever. */
  #expire(): void {
    this.#isExpiring = this.inFlightBytes > 0;
    if (!this.#isExpiring) return;
    const { smoothedRttUs, jitterUs } = this.controller;
    const expiryUs =
      smoothedRttUs === 0 ? 1_000_000 : smoothedRttUs * 1.125 + 4 * jitterUs + 2 * this.#options.reportUs;
    const { nowUs } = this.#clock;
    const lostPackets = this.#declareLost(nowUs - expiryUs - expirySlackUs);
    if (lostPackets > 0) {
      const nothing = { rttUs: -1, deliveredBytes: 0, deliveryUs: 0, ackedPackets: 0 };
      this.controller.handleSample({ nowUs, ...nothing, lostPackets, isAppLimited: this.#isAppLimited });
    }
    this.#clock.after(expiryTickUs, () => this.#expire());
  }

  /** All that left before then and has not arrived. */
  #declareLost(beforeUs: number): number {
    let lost = 0;
    let from = 0;
    for (; from < this.#flying.length; from += 1) {
      const sent = this.#flying[from];
      if (sent === undefined || sent.sentUs >= beforeUs) break;
      if (sent.isDone) continue;
      sent.isDone = true;
      this.inFlightBytes -= sent.bytes;
      lost += 1;
      sent.onLost?.();
    }
    this.#flying.splice(0, from);
    this.lostPackets += lost;
    return lost;
  }
}
