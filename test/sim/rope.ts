/**
 * A whole rope under the virtual clock: inner TCP flows, and pings beside them, into the real queue, the real Bond with its paths, lives, repairs and parity
 * over simulated links, and at the other end the real Reporter and GapKeeper. What is a model here is what the addon and the network do.
 */
import { PathCells } from '../../src/actors/sealer/path-cells.ts';
import { Bond } from '../../src/bonding/bond.ts';
import { AckThinner } from '../../src/bonding/queue/ack-thinner.ts';
import { FairQueue } from '../../src/bonding/queue/fair-queue.ts';
import { trainPackets } from '../../src/bonding/rate/probe-train.ts';
import { SendingPath, type SendingPathSettings } from '../../src/bonding/sending-path.ts';
import { carrier, link, transport } from '../../src/contract/link-tables.ts';
import { path, pathOrigin, pathState } from '../../src/contract/peer-tables.ts';
import { trafficClass } from '../../src/contract/records.ts';
import { carrierOf } from '../../src/rings/carriers.ts';
import { carrierTable, createRowTable, linkTable, pathTable } from '../../src/rings/table.ts';
import { Bbr } from './bbr.ts';
import { Cubic } from './cubic.ts';
import { type Packet, type ReportFacts, SimulatedFlight } from './flight.ts';
import { backLink, Link } from './link.ts';
import { probedRows } from './other-end.ts';
import { type InnerTraffic, PacedFlow } from './paced.ts';
import { SimulatedParity } from './parity.ts';
import { Receiver } from './receiver.ts';
import type { RopeOptions, RopeResult } from './rope-options.ts';
import { Stream } from './stream.ts';
import { VirtualClock } from './virtual-clock.ts';

const packetBytes = 1_400;
/** Outer headers of a data packet: IPv4, UDP, WireGuard. */
const headerBytes = 60;
const outerHeaderBytes = 28;
const sealedBytes = packetBytes + headerBytes - outerHeaderBytes;
const probeBytes = 100;
const receiveWindowBytes = 6e6;
/** By then every path is proven by challenge and response, and has answered. */
const firstDataUs = 400_000;
/** What the inner senders' timers are looked at by. */
const timerUs = 5_000;
/** Flows begin one after the other. */
const flowSpacingUs = 20_000;
const ackBytes = 100;
const reportBytes = 150;
const pingBytes = 150;
const pingSpacingUs = 20_000;
const inet = 2;
const interfaceMtu = 1_500;

/** In the order of preference. */
function transportAt(place: number): number {
  return place === 1 ? transport.udp : transport.faketcp;
}

class Rope {
  readonly clock = new VirtualClock();
  readonly bond: Bond;
  readonly links: readonly Link[];
  readonly flight: SimulatedFlight;
  readonly #cells: readonly PathCells[];
  readonly #backs: readonly Link[];
  readonly #streams: readonly InnerTraffic[];
  readonly #receiver: Receiver;
  readonly #parity: SimulatedParity;
  readonly #queue: FairQueue;
  readonly #segmentBytes: number;
  readonly #trainBytes: number;
  readonly #isPutInOrder: boolean;
  readonly #hasPings: boolean;
  readonly #areBacksLossy: boolean;
  readonly #queuedUs: number[] = [];
  /** By packet: the stream that it is of, and which of its segments. */
  readonly #streamOf: InnerTraffic[] = [];
  readonly #segmentOf: number[] = [];
  readonly #thinner = new AckThinner();
  readonly arrivedBytes: number[];
  readonly #pingSentUs: number[] = [];
  /** When each ping left, and what it took, microseconds. */
  readonly pings: { readonly sentUs: number; readonly tookUs: number }[] = [];
  #counter = 0;
  #wakeUs = Number.POSITIVE_INFINITY;
  #isTurning = false;
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
    // A train stands for several packets, of which a short buffer would hold the first.
    const leastQueueBytes = Math.max(3_000, 2 * this.#trainBytes);
    this.links = options.links.map((one) => new Link(clock, { ...one, leastQueueBytes }));
    this.#backs = options.links.map((one) => backLink(clock, one));
    this.arrivedBytes = this.links.map(() => 0);
    this.#areBacksLossy = options.links.some((one) => one.isAlikeBack === true);
    this.#hasPings = options.pings === true;
    this.#isPutInOrder = this.links.length > 1 || repairsAlone;
    const paths = pathTable(createRowTable(path, path.mostPerPeer));
    const linkRows = linkTable(createRowTable(link, this.links.length));
    const carriers = carrierTable(createRowTable(carrier, this.links.length * carrier.rowsPerLink));
    this.#cells = this.links.map((_, row) => {
      paths.setInt(row, path.stateAt, pathState.up);
      if (options.paths !== undefined) paths.setInt(row, path.originAt, pathOrigin.configured);
      paths.setInt(
        row,
        path.carrierAt,
        carrierOf(options.paths?.[row]?.link ?? row, transportAt(options.paths?.[row]?.place ?? 1)),
      );
      paths.setInt(row, path.endpointAt, inet);
      paths.setNumber(row, path.provenUsAt, 1);
      paths.setInt(row, path.mtuAt, interfaceMtu);
      linkRows.setInt(row, link.interfaceMtuAt, interfaceMtu);
      return new PathCells(row, row, { paths, links: linkRows, carriers });
    });
    const ownOf = (number: number): SendingPathSettings => ({
      priority: options.paths?.[number]?.priority ?? 0,
      weight: 0,
      role: 'always',
      rateBps: 0,
      failbackUs: 5_000_000,
      place: options.paths?.[number]?.place ?? 1,
      sealedBytes,
    });
    this.flight = new SimulatedFlight(sealedBytes, (packet, number) => this.#resend(packet, number));
    const modes = [mode, mode, mode];
    const protects = [false, false, false];
    const settings = {
      modes,
      protects,
      repairsAlone,
      failbackMs: 5_000,
      parallel: 'off' as const,
      fec,
      sealedBytes,
      mtu: sealedBytes - 32,
    };
    this.bond = new Bond(0, settings, this.flight, 0);
    const word = { reports: true, repairs: repairsAlone, parity: fec !== 'off', pieces: false };
    this.bond.follow(
      word,
      this.#cells.map((cells) => new SendingPath(cells, ownOf(cells.number), 0)),
      0,
    );
    this.#receiver = new Receiver({
      clock,
      paths: this.#areBacksLossy ? probedRows(clock, this.links, this.#backs) : paths,
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
        flow: (id) => (this.#streamOf[id] as InnerTraffic).flow,
        progress: () => 0,
      },
      { mark: () => false, trim: () => false, drop: () => this.#countDrop() },
    );
    this.#streams =
      options.datagramsBps === undefined
        ? Array.from({ length: options.flows ?? 1 }, (_, index) =>
            this.#stream(index + 1, packetsPerSegment, options.tcp === 'bbr'),
          )
        : [this.#paced(options.datagramsBps)];
    const { onSample } = options;
    if (onSample === undefined) return;
    const look = (): void => {
      onSample.look(this.bond, this.links);
      clock.after(onSample.everyUs, look);
    };
    clock.after(onSample.everyUs, look);
  }

  get goodBytes(): number {
    return this.#streams.reduce((sum, stream) => sum + stream.goodBytes, 0);
  }

  get givenUpTooSoon(): number {
    return this.#receiver.givenUpTooSoon;
  }

  #stream(flow: number, packetsPerSegment: number, isBbr: boolean): Stream {
    const { clock } = this;
    return new Stream({
      clock,
      flow,
      control: isBbr ? new Bbr() : new Cubic(),
      packetsPerSegment,
      segmentBytes: this.#segmentBytes,
      receiveWindowBytes,
      thinner: this.#thinner,
      send: (stream, segment) => this.#enqueue(stream, segment),
      trips: () => {
        if (this.#receiver.held > 0) this.bond.handleHeld(clock.nowUs);
        return this.bond.isOrdering(clock.nowUs) ? this.bond.roundTrips(clock.nowUs) : undefined;
      },
      answer: (arrive) => this.#back(ackBytes, arrive),
      turn: () => this.#turn(),
    });
  }

  #paced(rateBps: number): PacedFlow {
    return new PacedFlow({
      clock: this.clock,
      flow: 1,
      packetBytes: this.#segmentBytes,
      spacingUs: (this.#segmentBytes * 8e6) / rateBps,
      send: (flow, id) => this.#enqueue(flow, id),
      turn: () => this.#turn(),
    });
  }

  #enqueue(stream: InnerTraffic, segment: number): void {
    const id = this.#queuedUs.length;
    this.#queuedUs.push(this.clock.nowUs);
    this.#streamOf.push(stream);
    this.#segmentOf.push(segment);
    if (!this.#queue.push(id)) this.#countDrop();
  }

  /** The datagrams; undefined = it is TCP. */
  get paced(): PacedFlow | undefined {
    const [first] = this.#streams;
    return first instanceof PacedFlow ? first : undefined;
  }

  start(): void {
    this.#turn();
    for (const [index, stream] of this.#streams.entries())
      this.clock.after(firstDataUs + index * flowSpacingUs, () => stream.begin(this.clock.nowUs));
    this.clock.after(firstDataUs, () => this.#time());
    if (this.#hasPings) this.clock.after(firstDataUs, () => this.#ping());
  }

  #countDrop(): void {
    this.drops += 1;
  }

  #time(): void {
    const { nowUs } = this.clock;
    for (const stream of this.#streams) stream.time(nowUs);
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
        this.#backOf(way).send(probeBytes, () => one.handleProbeReply(sequence, 0, way === by, clock.nowUs));
      };
      answer(by);
      answer(this.#nearestOpen(by));
    });
  }

  /** A small packet of the latency class, and the echo of it. */
  #ping(): void {
    const { clock } = this;
    const sentUs = clock.nowUs;
    clock.after(pingSpacingUs, () => this.#ping());
    const one = this.bond.routes.choose(trafficClass.latency, 0, pingBytes, pingBytes, this.#queue.bytes, sentUs);
    if (one === undefined) return;
    const id = -1 - this.#pingSentUs.length;
    this.#pingSentUs.push(sentUs);
    this.#leave(one, this.#packet(one, id, pingBytes, trafficClass.latency));
  }

  /** Something small goes back by the nearest path that is open. */
  #back(bytes: number, arrive: () => void): void {
    const way = this.#nearestOpen();
    if (way !== undefined) this.#backOf(way).send(bytes, arrive);
  }

  #backOf(way: Link): Link {
    return this.#backs[this.links.indexOf(way)] as Link;
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

  #packet(one: SendingPath, id: number, bytes: number, kind: number): Packet {
    const counter = this.#counter;
    this.#counter += 1;
    return {
      counter,
      id,
      path: one.number,
      sentUs: this.clock.nowUs,
      bytes,
      flags: this.bond.recordFlags(kind),
      waits: kind === trafficClass.bulk,
      isAcked: false,
      isLost: false,
      isWaiting: false,
      resends: 0,
    };
  }

  #leave(one: SendingPath, packet: Packet): void {
    const { nowUs } = this.clock;
    this.flight.record(packet);
    one.spend(packet.bytes, nowUs);
    this.bond.handleSent(nowUs);
    this.#send(packet, one.number);
  }

  #seal(one: SendingPath, id: number): void {
    const { bond } = this;
    bond.isOrdering(this.clock.nowUs);
    const packet = this.#packet(one, id, this.#trainBytes, trafficClass.bulk);
    this.#leave(one, packet);
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

  /** By the nearest path, and by one other: that copy says nothing new where the first cannot be lost. */
  #sendReport(facts: ReportFacts): void {
    const first = this.#nearestOpen();
    for (const way of [first, this.#nearestOpen(first)]) {
      if (way === undefined || (way !== first && !this.#areBacksLossy)) continue;
      this.#backOf(way).send(reportBytes, () => {
        this.bond.handleReport(this.flight.reportOf(facts), this.clock.nowUs, 0);
        this.#publish();
        this.#turn();
      });
    }
  }

  #deliver(id: number): void {
    if (id < 0) {
      const sentUs = this.#pingSentUs[-1 - id] as number;
      this.#back(pingBytes, () => this.pings.push({ sentUs, tookUs: this.clock.nowUs - sentUs }));
      return;
    }
    this.#streamOf[id]?.deliver(this.#segmentOf[id] as number);
    if (this.goodBytes < this.#transferBytes) return;
    this.transferUs = Math.min(this.transferUs, this.clock.nowUs - firstDataUs);
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
  const pings = rope.pings.filter(({ sentUs }) => sentUs >= options.settledUs).map(({ tookUs }) => tookUs);
  pings.sort((a, b) => a - b);
  const sum = rope.arrivedBytes.reduce((total, bytes) => total + bytes, 0);
  const { paced } = rope;
  const silences = (paced?.silences ?? []).filter(({ fromUs }) => fromUs >= options.settledUs);
  return {
    mbps,
    windows,
    transferUs: rope.transferUs,
    shares: rope.arrivedBytes.map((bytes) => bytes / Math.max(1, sum)),
    drops: rope.drops,
    lostPackets: rope.flight.lostPackets,
    resentPackets: rope.resentPackets,
    givenUpTooSoon: rope.givenUpTooSoon,
    silenceMs: Math.max(0, ...silences.map(({ forUs }) => forUs)) / 1_000,
    pingP95Ms: (pings[Math.floor(pings.length * 0.95)] ?? Number.POSITIVE_INFINITY) / 1_000,
  };
}
