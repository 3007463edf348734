/**
 * A whole bond under the virtual clock: one inner TCP flow, the sealer's queue with CoDel, the real scheduler, a simulated link with
 * the real PathController for each path, repairs of what a path lost, and the order restored at the other end.
 */

import { AckThinner } from '../../src/bonding/queue/ack-thinner.ts';
import { Codel } from '../../src/bonding/queue/codel.ts';
import { queueTargetWith } from '../../src/bonding/queue/queue-target.ts';
import { chooseForRepair } from '../../src/bonding/repair/repair-choice.ts';
import { createScheduler, type Demand, type PathView } from '../../src/bonding/schedule/scheduler.ts';
import { trafficClass } from '../../src/rings/layout.ts';
import { pathView } from '../support/path-views.ts';
import { InnerFlow } from './inner-flow.ts';
import { Link, type LinkOptions } from './link.ts';
import { SimulatedPath } from './path.ts';
import { ReorderBuffer } from './reorder-buffer.ts';
import { VirtualClock } from './virtual-clock.ts';

const packetBytes = 1_400;
/** Outer headers of a data packet: IPv4, UDP, WireGuard. */
const headerBytes = 60;
const reportUs = 10_000;
const receiveWindowBytes = 6e6;
/** The receiver acknowledges once a batch. */
const batchUs = 500;
const firstProbesUs = 400_000;
const probeIntervalUs = 200_000;
/** Of full probes: in front of all data, as where a daemon starts before its users do. */
const trainsUs = [10_000, 210_000] as const;
const unusedUs = 2_000;
/** Nothing is known of a path yet. */
const blank: Partial<PathView> = { allowedBytes: 0, rttUs: 0, rateBytesPerUs: 0, isStarting: true };
const leastRetryUs = 50;
const mostRetryUs = 2_000;

export interface BondOptions {
  readonly links: readonly LinkOptions[];
  readonly durationUs: number;
  /** Goodput is counted from here on. */
  readonly settledUs: number;
  readonly mode?: 'adaptive' | 'round-robin';
  /** `bonding.repair`: what an only path loses is sent again and waited for; true if left out. */
  readonly repairsAlone?: boolean;
  readonly onSecond?: (bond: Bond) => void;
}

interface Waiting {
  readonly id: number;
  readonly sinceUs: number;
}

interface Lost {
  readonly counter: number;
  readonly id: number;
}

export interface BondResult {
  readonly mbps: number;
  readonly shares: readonly number[];
  readonly drops: number;
}

export class Bond {
  readonly clock = new VirtualClock();
  readonly paths: readonly SimulatedPath[];
  readonly flow: InnerFlow;
  readonly order: ReorderBuffer;
  readonly #views: PathView[];
  readonly #scheduler;
  readonly #delaysUs: readonly number[];
  readonly #segmentBytes: number;
  readonly #nearestUs: number;
  readonly #codel = new Codel();
  readonly #queue: Waiting[] = [];
  #head = 0;
  readonly #demand: Demand = { trafficClass: trafficClass.bulk, flow: 1, bytes: 0, backlogBytes: 0 };
  readonly #creditSinceUs: number[];
  #acknowledged: number[] = [];
  readonly #thinner = new AckThinner();
  #heldUntilUs = 0;
  #batchAtUs = 0;
  #counter = 0;
  readonly #lost: Lost[] = [];
  readonly #isRepairing: boolean;
  #serveAtUs = Number.POSITIVE_INFINITY;
  #arrivedSegments = 0;
  readonly #seen: boolean[] = [];
  readonly #sequences: number[] = [];
  drops = 0;
  repairs = 0;

  constructor(options: BondOptions) {
    const { clock } = this;
    const sum = options.links.reduce((total, link) => total + link.rateBps, 0);
    // Fine enough for a slow link, coarse enough for a fast bond to be simulated.
    const packetsPerSegment = sum > 400e6 ? 3 : sum > 150e6 ? 2 : 1;
    this.#segmentBytes = packetBytes * packetsPerSegment;
    this.#delaysUs = options.links.map((link) => link.delayUs);
    this.#nearestUs = Math.min(...options.links.map((link) => link.delayUs));
    this.paths = options.links.map(
      (link) => new SimulatedPath(clock, new Link(clock, link), { reportUs, returnUs: this.#nearestUs }),
    );
    this.#isRepairing = options.links.length > 1 || options.repairsAlone !== false;
    this.#views = this.paths.map((_, row) => pathView(row, blank));
    this.#creditSinceUs = this.paths.map(() => -1);
    this.#scheduler = createScheduler(options.mode ?? 'adaptive');
    this.flow = new InnerFlow({
      packetsPerSegment,
      receiveWindowBytes,
      send: (id, sequence) => {
        this.#sequences[id] = sequence;
        this.#queue.push({ id, sinceUs: clock.nowUs });
      },
    });
    this.order = new ReorderBuffer(clock, (id) => this.#deliver(id));
  }

  get goodBytes(): number {
    return this.#arrivedSegments * this.#segmentBytes;
  }

  get queueBytes(): number {
    return (this.#queue.length - this.#head) * this.#segmentBytes;
  }

  /** As `PeerBond.queueTargetUs` has it. */
  get queueTargetUs(): number {
    let targetUs = this.#scheduler.queueTargetUs;
    for (const { controller } of this.paths)
      targetUs = queueTargetWith(targetUs, {
        rttUs: controller.smoothedRttUs,
        jitterUs: controller.jitterUs,
        isStarting: controller.isStarting,
        lastingLoss: controller.lastingLoss,
        repairUs: this.#isRepairing ? controller.smoothedRttUs + reportUs : 0,
      });
    return targetUs;
  }

  start(): void {
    for (const atUs of trainsUs)
      this.clock.at(atUs, () => {
        for (const path of this.paths) path.probeRate();
      });
    for (const path of this.paths) path.probe();
    // By then every path is proven by challenge and response.
    this.clock.after(firstProbesUs, () => {
      this.flow.pump(firstProbesUs);
      this.#tick();
      this.#probe();
    });
  }

  /** What the sealer does at least every 5 ms: the inner sender's timers, and the deadline of the order. */
  #tick(): void {
    const { nowUs } = this.clock;
    this.flow.detectLosses(nowUs);
    this.flow.pump(nowUs);
    this.#serve();
    const skewUs = Math.max(...this.#delaysUs) - this.#nearestUs;
    this.order.update(skewUs, reportUs, 2 * this.#nearestUs, this.paths.length === 1);
    this.clock.after(5_000, () => this.#tick());
  }

  #probe(): void {
    for (const path of this.paths) if (path.inFlightBytes === 0) path.probe();
    this.clock.after(probeIntervalUs, () => this.#probe());
  }

  #refresh(): void {
    const { nowUs } = this.clock;
    const waitingBytes = this.queueBytes + this.#lost.length * this.#segmentBytes;
    for (let index = 0; index < this.paths.length; index += 1) {
      const path = this.paths[index] as SimulatedPath;
      const view = this.#views[index] as PathView;
      const { controller } = path;
      view.allowedBytes = path.allowedBytes(waitingBytes);
      // Probes come back by the path itself, reports by the nearest: as `PathTrack.refresh` has it.
      const probeRttUs = controller.smoothedRttUs > 0 ? 2 * (this.#delaysUs[index] as number) : 0;
      view.rttUs = path.isIdle() ? probeRttUs : Math.max(probeRttUs, controller.smoothedRttUs);
      view.minRttUs = controller.minRttUs;
      view.jitterUs = controller.jitterUs;
      view.loss = controller.loss;
      view.rateBytesPerUs = controller.rateBytesPerUs;
      view.inFlightBytes = path.inFlightBytes;
      view.isStarting = controller.isStarting;
      view.readyInUs = view.allowedBytes > 0 ? 0 : controller.retryUs();
      const sinceUs = this.#creditSinceUs[index] as number;
      if (view.allowedBytes <= 0) this.#creditSinceUs[index] = -1;
      else if (sinceUs < 0) this.#creditSinceUs[index] = nowUs;
      else if (nowUs - sinceUs > unusedUs) path.noteAppLimited();
    }
  }

  #serve(): void {
    const { clock } = this;
    const bytes = this.#segmentBytes + headerBytes;
    this.#repair();
    for (;;) {
      this.#refresh();
      const first = this.#queue[this.#head];
      if (first === undefined) return;
      const isLast = this.#head + 1 === this.#queue.length;
      const waitedUs = clock.nowUs - first.sinceUs;
      if (this.#codel.shouldDrop(clock.nowUs, waitedUs, isLast, this.queueTargetUs, 2 * waitedUs)) {
        this.drops += 1;
        this.#advance();
        continue;
      }
      this.#demand.bytes = bytes;
      this.#demand.backlogBytes = this.queueBytes;
      const chosen = this.#scheduler.choose(this.#views, this.#views.length, this.#demand, clock.nowUs);
      const view = this.#views[chosen];
      if (view === undefined || view.allowedBytes <= 0) {
        this.#serveLater();
        return;
      }
      this.#advance();
      this.#send(chosen, this.#counter, first.id);
      this.#counter += 1;
    }
  }

  #advance(): void {
    this.#head += 1;
    if (this.#head < 4_096) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  #serveLater(): void {
    let retryUs = mostRetryUs;
    for (const view of this.#views) if (view.readyInUs > 0) retryUs = Math.min(retryUs, view.readyInUs);
    const atUs = this.clock.nowUs + Math.max(leastRetryUs, retryUs);
    if (this.#serveAtUs <= atUs && this.#serveAtUs > this.clock.nowUs) return;
    this.#serveAtUs = atUs;
    this.clock.at(atUs, () => {
      if (this.#serveAtUs !== atUs) return;
      this.#serveAtUs = Number.POSITIVE_INFINITY;
      this.#serve();
    });
  }

  #send(index: number, counter: number, id: number): void {
    const path = this.paths[index] as SimulatedPath;
    const bytes = this.#segmentBytes + headerBytes;
    (this.#views[index] as PathView).sentBytes += bytes;
    const isRepairable = this.#isRepairing;
    path.send(
      bytes,
      () => (isRepairable ? this.order.arrive(counter, id) : this.#deliver(id)),
      isRepairable ? () => this.#lost.push({ counter, id }) : undefined,
    );
  }

  /** What a path lost goes out again ahead of what waits, as far as credit and a small reserve go. */
  #repair(): void {
    for (let lost = this.#lost[0]; lost !== undefined; lost = this.#lost[0]) {
      this.#refresh();
      const chosen = chooseForRepair(this.#views, this.#views.length, this.#segmentBytes);
      if (chosen < 0) return;
      this.#lost.shift();
      this.repairs += 1;
      this.#send(chosen, lost.counter, lost.id);
    }
  }

  #deliver(id: number): void {
    const sequence = this.#sequences[id] as number;
    if (this.#seen[sequence] !== true) {
      this.#seen[sequence] = true;
      this.#arrivedSegments += 1;
    }
    this.#acknowledged.push(id);
    if (this.#batchAtUs > this.clock.nowUs) return;
    this.#batchAtUs = this.clock.nowUs + batchUs;
    this.clock.after(batchUs, () => this.#thin());
  }

  /** The receiver's acknowledgement of a batch; held as its sealer would hold it. */
  #thin(): void {
    const { nowUs } = this.clock;
    const ack = this.goodBytes % 2 ** 32;
    const rttsUs = this.paths.map(({ controller }) => controller.smoothedRttUs);
    const leastUs = Math.min(...rttsUs);
    const inUse = rttsUs.filter((_, index) => (this.paths[index] as SimulatedPath).bringsData());
    const inUseUs = (Math.max(leastUs, ...inUse) + leastUs) / 2;
    const trips = { leastUs, mostUs: Math.max(...rttsUs), inUseUs };
    const isHolding = this.order.heldMost > 1;
    const untilUs = this.paths.length > 1 || isHolding ? this.#thinner.holdUntilUs(1, ack, trips, nowUs) : nowUs;
    this.#heldUntilUs = untilUs;
    if (untilUs <= nowUs) {
      const batch = this.#acknowledged;
      this.#acknowledged = [];
      this.#thinner.handleSent(1, ack, nowUs);
      this.clock.after(this.#nearestUs, () => this.#acknowledge(batch));
      return;
    }
    this.clock.at(untilUs, () => {
      if (this.#heldUntilUs !== untilUs) return;
      this.#heldUntilUs = 0;
      const batch = this.#acknowledged;
      this.#acknowledged = [];
      this.#thinner.handleSent(1, this.goodBytes % 2 ** 32, untilUs);
      this.clock.after(this.#nearestUs, () => this.#acknowledge(batch));
    });
  }

  #acknowledge(batch: readonly number[]): void {
    const { nowUs } = this.clock;
    this.flow.acknowledge(batch, nowUs);
    this.flow.detectLosses(nowUs);
    this.flow.pump(nowUs);
    this.#serve();
  }
}

export function runBond(options: BondOptions): BondResult {
  const bond = new Bond(options);
  const { clock } = bond;
  let before = 0;
  clock.at(options.settledUs, () => {
    before = bond.goodBytes;
  });
  if (options.onSecond !== undefined) {
    const { onSecond } = options;
    for (let second = 1; second * 1e6 <= options.durationUs; second += 1) clock.at(second * 1e6, () => onSecond(bond));
  }
  bond.start();
  clock.runUntil(options.durationUs);
  const arrived = bond.paths.map((path) => path.arrivedBytes);
  const sum = arrived.reduce((total, bytes) => total + bytes, 0);
  return {
    mbps: ((bond.goodBytes - before) * 8) / (options.durationUs - options.settledUs),
    shares: arrived.map((bytes) => bytes / Math.max(1, sum)),
    drops: bond.drops,
  };
}
