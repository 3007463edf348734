/**
 * A whole rope under the virtual clock: one inner TCP flow into the real queue, the real Bond with its paths, lives, repairs and parity
 * over simulated links, and at the other end the real Reporter and GapKeeper. What is a model here is what the addon and the network do.
 */
import { PathCells } from '../../src/actors/sealer/path-cells.ts';
import { Bond } from '../../src/bonding/bond.ts';
import { AckThinner } from '../../src/bonding/queue/ack-thinner.ts';
import { FairQueue } from '../../src/bonding/queue/fair-queue.ts';
import { trainPackets } from '../../src/bonding/rate/probe-train.ts';
import type { FecMode } from '../../src/bonding/repair/fec-policy.ts';
import type { SchedulerMode } from '../../src/bonding/schedule/scheduler.ts';
import { SendingPath } from '../../src/bonding/sending-path.ts';
import { carrier, link, transport } from '../../src/contract/link-tables.ts';
import { path, pathState } from '../../src/contract/peer-tables.ts';
import { trafficClass } from '../../src/contract/records.ts';
import { carrierOf } from '../../src/rings/carriers.ts';
import { carrierTable, createRowTable, linkTable, pathTable } from '../../src/rings/table.ts';
import { type Packet, type ReportFacts, SimulatedFlight } from './flight.ts';
import { InnerFlow } from './inner-flow.ts';
import { Link, type LinkOptions } from './link.ts';
import { SimulatedParity } from './parity.ts';
import { Receiver } from './receiver.ts';
import { VirtualClock } from './virtual-clock.ts';

const packetBytes = 1_400;
/** Outer headers of a data packet: IPv4, UDP, WireGuard. */
const headerBytes = 60;
const outerHeaderBytes = 28;
const sealedBytes = packetBytes + headerBytes - outerHeaderBytes;
const probeBytes = 100;
const receiveWindowBytes = 6e6;
/** The receiver acknowledges once a batch. */
const batchUs = 500;
/** By then every path is proven by challenge and response, and has answered. */
const firstDataUs = 400_000;
/** What the inner sender's timers are looked at by. */
const timerUs = 5_000;
const inet = 2;
const interfaceMtu = 1_500;

export interface RopeOptions {
  readonly links: readonly LinkOptions[];
  readonly durationUs: number;
  /** Goodput is counted from here on. */
  readonly settledUs: number;
  readonly mode?: SchedulerMode;
  /** `bonding.repair`: what an only path loses is sent again and waited for; true if left out. */
  readonly repairsAlone?: boolean;
  readonly fec?: FecMode;
  /** So many bytes are worth a look at when they have arrived. */
  readonly transferBytes?: number;
  /** Stretches of time whose goodput is wanted. */
  readonly windowsUs?: readonly (readonly [number, number])[];
}

export interface RopeResult {
  readonly mbps: number;
  /** By stretch. */
  readonly windows: readonly number[];
  /** When `transferBytes` had arrived, from the flow's beginning on; Infinity = not yet. */
  readonly transferUs: number;
  readonly shares: readonly number[];
  readonly drops: number;
  /** Lost by a path, as its sender believed at some time. */
  readonly lostPackets: number;
  readonly resentPackets: number;
}

class Rope {
  readonly clock = new VirtualClock();
  readonly bond: Bond;
  readonly links: readonly Link[];
  readonly flight: SimulatedFlight;
  readonly #cells: readonly PathCells[];
  readonly #flow: InnerFlow;
  readonly #receiver: Receiver;
  readonly #parity: SimulatedParity;
  readonly #queue: FairQueue;
  readonly #segmentBytes: number;
  readonly #trainBytes: number;
  readonly #isPutInOrder: boolean;
  readonly #queuedUs: number[] = [];
  readonly #sequences: number[] = [];
  readonly #thinner = new AckThinner();
  readonly arrivedBytes: number[];
  readonly #seen: boolean[] = [];
  #acknowledged: number[] = [];
  #heldUntilUs = 0;
  #batchAtUs = 0;
  #counter = 0;
  #wakeUs = Number.POSITIVE_INFINITY;
  #isTurning = false;
  #segments = 0;
  readonly #transferBytes: number;
  transferUs = Number.POSITIVE_INFINITY;
  drops = 0;
  resentPackets = 0;

  constructor(options: RopeOptions) {
    const { clock } = this;
    const { mode = 'adaptive', repairsAlone = true, fec = 'off' } = options;
    const sum = options.links.reduce((total, one) => total + one.rateBps, 0);
    // Fine enough for a slow link, coarse enough for a fast rope to be simulated.
    const packetsPerSegment = sum > 400e6 ? 3 : sum > 150e6 ? 2 : 1;
    this.#segmentBytes = packetBytes * packetsPerSegment;
    this.#transferBytes = options.transferBytes ?? Number.POSITIVE_INFINITY;
    this.#trainBytes = this.#segmentBytes + headerBytes;
    this.links = options.links.map((one) => new Link(clock, one));
    this.arrivedBytes = this.links.map(() => 0);
    this.#isPutInOrder = this.links.length > 1 || repairsAlone;
    const paths = pathTable(createRowTable(path, path.rowsPerPeer));
    const linkRows = linkTable(createRowTable(link, this.links.length));
    const carriers = carrierTable(createRowTable(carrier, this.links.length * carrier.rowsPerLink));
    this.#cells = this.links.map((_, row) => {
      paths.setInt(row, path.stateAt, pathState.up);
      paths.setInt(row, path.carrierAt, carrierOf(row, transport.udp));
      paths.setInt(row, path.endpointAt, inet);
      paths.setNumber(row, path.provenUsAt, 1);
      paths.setInt(row, path.mtuAt, interfaceMtu);
      linkRows.setInt(row, link.interfaceMtuAt, interfaceMtu);
      return new PathCells(row, row, { paths, links: linkRows, carriers });
    });
    const own = { priority: 0, weight: 0, role: 'always', rateBps: 0, failbackUs: 5_000_000, sealedBytes } as const;
    this.flight = new SimulatedFlight(sealedBytes, (packet, number) => this.#resend(packet, number));
    const modes = [mode, mode, mode];
    const protects = [false, false, false];
    const settings = { modes, protects, repairsAlone, failbackMs: 5_000, fec, sealedBytes, mtu: sealedBytes - 32 };
    this.bond = new Bond(0, settings, this.flight, 0);
    const word = { reports: true, repairs: repairsAlone, parity: fec !== 'off', pieces: false };
    this.bond.follow(
      word,
      this.#cells.map((cells) => new SendingPath(cells, own, 0)),
      0,
    );
    this.#receiver = new Receiver({
      clock,
      paths,
      marks: this.links.map((one) => one.marks),
      keepsOrder: this.#isPutInOrder,
      deliver: (packet) => this.#deliver(packet.id),
      report: (facts) => this.#sendReport(facts),
    });
    this.#parity = new SimulatedParity({
      clock,
      bond: this.bond,
      receiver: this.#receiver,
      send: (way, bytes, onArrival) => {
        way.spendFrame(bytes);
        this.links[way.port]?.send(bytes, onArrival);
      },
    });
    this.#queue = new FairQueue(
      {
        bytes: () => this.#trainBytes,
        timeUs: (id) => this.#queuedUs[id] as number,
        trafficClass: () => trafficClass.bulk,
        flow: () => 1,
        progress: () => 0,
      },
      { mark: () => false, trim: () => false, drop: () => this.#countDrop() },
    );
    this.#flow = new InnerFlow({
      packetsPerSegment,
      receiveWindowBytes,
      send: (id, sequence) => {
        this.#sequences[id] = sequence;
        this.#queuedUs[id] = clock.nowUs;
        if (!this.#queue.push(id)) this.#countDrop();
      },
    });
  }

  get goodBytes(): number {
    return this.#segments * this.#segmentBytes;
  }

  start(): void {
    this.#turn();
    this.clock.after(firstDataUs, () => {
      this.#flow.pump(firstDataUs);
      this.#time();
    });
  }

  #countDrop(): void {
    this.drops += 1;
  }

  #time(): void {
    const { nowUs } = this.clock;
    this.#flow.detectLosses(nowUs);
    this.#flow.pump(nowUs);
    this.#turn();
    this.clock.after(timerUs, () => this.#time());
  }

  /** What a turn of the sealer does for one peer (`frame-desk.ts`, `sealer.ts`). */
  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    const { bond, clock } = this;
    const { nowUs } = clock;
    if (nowUs >= bond.nextTickUs) {
      bond.tick(nowUs);
      this.#publish();
    }
    bond.repair(nowUs);
    let wakeUs = bond.nextTickUs;
    for (const one of bond.paths) wakeUs = Math.min(wakeUs, this.#ask(one));
    this.#serve();
    this.#wakeAt(Math.max(wakeUs, nowUs + 200));
    this.#isTurning = false;
  }

  #publish(): void {
    for (const one of this.bond.paths) this.#cells[one.number]?.publish(one, this.clock.nowUs);
  }

  /** Sends the probes that are due; returns when the next are. */
  #ask(one: SendingPath): number {
    if (!one.isProbed) return Number.POSITIVE_INFINITY;
    const { nowUs } = this.clock;
    if (nowUs >= one.life.nextProbeAtUs) {
      this.#probe(one, one.prober.startProbe(nowUs), probeBytes);
      if (one.wantsTrain) {
        const first = one.prober.startTrain(sealedBytes, nowUs);
        for (let place = 0; place < trainPackets; place += 1) this.#probe(one, first + place, sealedBytes);
      }
    }
    if (!one.isAnswering) return one.life.nextProbeAtUs;
    const { size } = one.fit;
    if (nowUs >= size.wakeUs && size.nextVolley(nowUs)) {
      const first = one.prober.startVolley(nowUs);
      for (const [place, bytes] of size.volley.entries()) this.#probe(one, first + place, bytes - outerHeaderBytes);
      this.#probe(one, first + size.volley.length, probeBytes);
    }
    return Math.min(one.life.nextProbeAtUs, size.wakeUs);
  }

  /** Answered by the path it came by, and once more by the nearest other. */
  #probe(one: SendingPath, sequence: number, bytes: number): void {
    const { clock, links } = this;
    const by = links[one.port] as Link;
    one.spendFrame(bytes);
    by.send(bytes + outerHeaderBytes, () => {
      const answer = (way: Link | undefined): void => {
        if (way?.isOpen !== true) return;
        clock.after(way.delayUs, () => one.handleProbeReply(sequence, 0, way === by, clock.nowUs));
      };
      answer(by);
      answer(this.#nearestOpen(by));
    });
  }

  #nearestOpen(but?: Link): Link | undefined {
    const open = this.links.filter((one) => one !== but && one.isOpen);
    return open.sort((a, b) => a.delayUs - b.delayUs)[0];
  }

  #serve(): void {
    const { bond, clock } = this;
    const { nowUs } = clock;
    this.#queue.queueTargetUs = bond.queueTargetUs(nowUs);
    for (;;) {
      const id = this.#queue.peek(nowUs);
      if (id < 0) return;
      const { routes } = bond;
      const one = routes.choose(trafficClass.bulk, 1, this.#trainBytes, sealedBytes, this.#queue.bytes, nowUs);
      if (one === undefined || routes.quantumBytes(one) <= 0) {
        this.#wakeAt(nowUs + routes.retryUs());
        return;
      }
      this.#queue.spend(this.#trainBytes);
      this.#queue.pop();
      this.#seal(one, id);
    }
  }

  #seal(one: SendingPath, id: number): void {
    const { bond, clock } = this;
    const { nowUs } = clock;
    bond.isOrdering(nowUs);
    const packet: Packet = {
      counter: this.#counter,
      id,
      path: one.number,
      sentUs: nowUs,
      bytes: this.#trainBytes,
      flags: bond.recordFlags(trafficClass.bulk),
      isAcked: false,
      isLost: false,
      isWaiting: false,
      resends: 0,
    };
    this.#counter += 1;
    this.flight.record(packet);
    one.spend(packet.bytes, nowUs);
    bond.handleSent(nowUs);
    this.#send(packet, one.number);
    if (bond.isProtected(trafficClass.bulk)) this.#parity.protect(packet, one);
  }

  #resend(packet: Packet, number: number): void {
    this.resentPackets += 1;
    this.#send(packet, number);
  }

  #send(packet: Packet, number: number): void {
    this.links[number]?.send(packet.bytes, (isMarked) => {
      this.arrivedBytes[number] = (this.arrivedBytes[number] as number) + packet.bytes;
      this.#receiver.handleArrival(packet, number, isMarked);
      this.#parity.handleArrival(packet);
    });
  }

  /** By the nearest path that is open. */
  #sendReport(facts: ReportFacts): void {
    const way = this.#nearestOpen();
    if (way === undefined) return;
    this.clock.after(way.delayUs, () => {
      this.bond.handleReport(this.flight.reportOf(facts), this.clock.nowUs, 0);
      this.#publish();
      this.#turn();
    });
  }

  #deliver(id: number): void {
    const sequence = this.#sequences[id] as number;
    if (this.#seen[sequence] !== true) {
      this.#seen[sequence] = true;
      this.#segments += 1;
      if (this.goodBytes >= this.#transferBytes)
        this.transferUs = Math.min(this.transferUs, this.clock.nowUs - firstDataUs);
    }
    this.#acknowledged.push(id);
    if (this.#batchAtUs > this.clock.nowUs) return;
    this.#batchAtUs = this.clock.nowUs + batchUs;
    this.clock.after(batchUs, () => this.#thin());
  }

  /** The receiver's acknowledgement of a batch; held as its sealer would hold it (`ack-desk.ts`). */
  #thin(): void {
    const { nowUs } = this.clock;
    if (this.#receiver.held > 0) this.bond.handleHeld(nowUs);
    const isOrdering = this.bond.isOrdering(nowUs);
    const trips = this.bond.roundTrips(nowUs);
    const untilUs = isOrdering ? this.#thinner.holdUntilUs(1, this.goodBytes % 2 ** 32, trips, nowUs) : nowUs;
    this.#heldUntilUs = untilUs;
    if (untilUs <= nowUs) {
      this.#letGo();
      return;
    }
    this.clock.at(untilUs, () => {
      if (this.#heldUntilUs !== untilUs) return;
      this.#heldUntilUs = 0;
      this.#letGo();
    });
  }

  #letGo(): void {
    const batch = this.#acknowledged;
    this.#acknowledged = [];
    this.#thinner.handleSent(1, this.goodBytes % 2 ** 32, this.clock.nowUs);
    const way = this.#nearestOpen();
    if (way !== undefined) this.clock.after(way.delayUs, () => this.#acknowledge(batch));
  }

  #acknowledge(batch: readonly number[]): void {
    const { nowUs } = this.clock;
    this.#flow.acknowledge(batch, nowUs);
    this.#flow.detectLosses(nowUs);
    this.#flow.pump(nowUs);
    this.#turn();
  }

  #wakeAt(atUs: number): void {
    const { clock } = this;
    const dueUs = Math.max(atUs, clock.nowUs + 50);
    if (dueUs >= this.#wakeUs && this.#wakeUs > clock.nowUs) return;
    this.#wakeUs = dueUs;
    clock.at(dueUs, () => {
      if (this.#wakeUs !== dueUs) return;
      this.#wakeUs = Number.POSITIVE_INFINITY;
      this.#turn();
    });
  }
}

export function runRope(options: RopeOptions): RopeResult {
  const rope = new Rope(options);
  const { clock } = rope;
  const goodAt = new Map<number, number>();
  const stretches = [[options.settledUs, options.durationUs] as const, ...(options.windowsUs ?? [])];
  for (const atUs of stretches.flat()) clock.at(atUs, () => goodAt.set(atUs, rope.goodBytes));
  rope.start();
  clock.runUntil(options.durationUs);
  const [mbps = 0, ...windows] = stretches.map(
    ([fromUs, untilUs]) => (((goodAt.get(untilUs) ?? 0) - (goodAt.get(fromUs) ?? 0)) * 8) / (untilUs - fromUs),
  );
  const sum = rope.arrivedBytes.reduce((total, bytes) => total + bytes, 0);
  return {
    mbps,
    windows,
    transferUs: rope.transferUs,
    shares: rope.arrivedBytes.map((bytes) => bytes / Math.max(1, sum)),
    drops: rope.drops,
    lostPackets: rope.flight.lostPackets,
    resentPackets: rope.resentPackets,
  };
}
