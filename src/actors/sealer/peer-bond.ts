/** All paths to one peer as one rope: which of them a train leaves by, what the peer acknowledged, what goes out again. */
import type { RoundTrips } from '../../bonding/queue/ack-thinner.ts';
import { queueTargetWith } from '../../bonding/queue/queue-target.ts';
import { chooseForRepair } from '../../bonding/repair/repair-choice.ts';
import { createScheduler, type Demand, type Scheduler } from '../../bonding/schedule/scheduler.ts';
import { fit } from '../../bonding/size/path-size.ts';
import { feedback, flight } from '../../contract/columns.ts';
import type { Sealer } from '../../native/data-api.ts';
import { path, peer, trafficClass } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';
import type { BondSettings } from './bonds.ts';
import type { PathTrack } from './path-track.ts';
import { PeerMtu } from './peer-mtu.ts';
import { PeerParity } from './peer-parity.ts';
import { type RepairRoutes, Repairs } from './repairs.ts';

const pathsPerPeer = path.rowsPerPeer;
/** Something in flight is looked at this often, a peer that is idle when a probe is due. */
const busyTickUs = 5_000;
const idleTickUs = 50_000;
const quietTickUs = 1_000_000;
/** A path's share is cut into what it drains in this time, so that no path is behind by more. */
const quantumUs = 2_000;
const leastQuantumBytes = 3_000;
/** For so long after a path went, bulk may wait this long. */
const brokenUs = 2_000_000;
const brokenQueueUs = 1_000_000;
const protectedQueueUs = 500_000;
const firstReportIntervalUs = 10_000;
/** Without data for so long, paths are probed less and less, and a path may be dead without anybody knowing. */
const peerIdleUs = 10_000_000;
/** What leaves first after that goes by two paths until the first has proven itself, for so long at most. */
const wakingUs = 1_000_000;
/** Longer than any path takes: data that left before this has arrived. */
const sendingUs = 500_000;
/** Packets that were held for order say so long that more will be. */
const orderingUs = 10_000_000;
/** `PathLife.rank` of a path that answers and waits for its stability. */
const lastAnswering = 3;
/** Modes in which one flow uses all paths. */
const spreading: ReadonlySet<string> = new Set(['adaptive', 'round-robin', 'weighted', 'least-used']);

export class PeerBond implements RepairRoutes {
  readonly row: number;
  /** Tracks of the rows that are in use. */
  readonly tracks: PathTrack[] = [];
  readonly parity: PeerParity;
  readonly mtu: PeerMtu;
  /** The peer reads reports and may be reached by many paths; else it is a stock WireGuard, and `tracks` has its one path. */
  isBonded = false;
  /** What its only path has lost goes out again: the peer puts it in order. */
  isRepairedAlone = false;
  /** If the last `choose` found no path, or too little credit, only this machine's own threads are behind. */
  isMerelyBehind = false;
  /** When `tick` wants to be called. */
  nextTickUs = 0;
  readonly #native: Sealer;
  readonly #feedback: Float64Array;
  readonly #limits: Float64Array;
  readonly #peers: RowTable;
  readonly #settings: BondSettings;
  readonly #schedulers: readonly Scheduler[];
  readonly #demand: Demand = { trafficClass: 0, flow: 0, bytes: 0, backlogBytes: 0 };
  readonly #maySpread: boolean;
  readonly #repairs: Repairs;
  readonly #roundTrips = { leastUs: 0, mostUs: 0, inUseUs: 0 };
  #reportedUs = 0;
  #reportIntervalUs = firstReportIntervalUs;
  #usable = 0;
  #nowUs = 0;
  #brokenUs = Number.NEGATIVE_INFINITY;
  #heldUs = Number.NEGATIVE_INFINITY;
  #sentUs = 0;
  /** When data left after an idle time. */
  #wokenUs = Number.NEGATIVE_INFINITY;

  constructor(
    row: number,
    native: Sealer,
    shared: { readonly feedback: Float64Array; readonly limits: Float64Array },
    settings: BondSettings,
    peers: RowTable,
  ) {
    this.row = row;
    this.#native = native;
    this.#feedback = shared.feedback;
    this.#limits = shared.limits;
    this.#peers = peers;
    this.#settings = settings;
    this.#repairs = new Repairs(row, native, shared.feedback);
    this.parity = new PeerParity(settings.fec);
    this.mtu = new PeerMtu(row, settings, peers);
    this.#maySpread = spreading.has(settings.modes[trafficClass.bulk] ?? '');
    this.#schedulers = settings.modes.map((mode) => createScheduler(mode));
  }

  /** Each flow keeps its path: trains of different flows are chosen for one by one. */
  isPerFlow(kind: number): boolean {
    return this.#settings.modes[kind] === 'per-flow';
  }

  /** Data left lately. */
  isSending(nowUs: number): boolean {
    return nowUs - this.#sentUs < sendingUs;
  }

  /** A flow of bulk is spread over several paths: nobody else can say when they are full. */
  get isSpreading(): boolean {
    return this.isBonded && this.#usable > 1 && this.#maySpread;
  }

  /** What the peer's flows send is put in order here: they see that as longer round trips. */
  isOrdering(nowUs: number): boolean {
    return this.isSpreading || nowUs - this.#heldUs < orderingUs;
  }

  /** What is lost goes out again and is waited for. */
  get isRepaired(): boolean {
    return this.isBonded && (this.isRepairedAlone || this.#usable > 1);
  }

  /** What an inner flow may see as its own. */
  roundTrips(nowUs: number): RoundTrips {
    const trips = this.#roundTrips;
    trips.leastUs = Number.POSITIVE_INFINITY;
    trips.mostUs = 0;
    let farthestUs = 0;
    for (const track of this.tracks) {
      if (!track.isUsable) continue;
      trips.leastUs = Math.min(trips.leastUs, track.rttUs);
      trips.mostUs = Math.max(trips.mostUs, track.rttUs);
      if (track.rttUs > farthestUs && track.bringsData(nowUs)) farthestUs = track.rttUs;
    }
    trips.inUseUs = (Math.max(farthestUs, trips.leastUs) + trips.leastUs) / 2;
    return trips;
  }

  get hasUsable(): boolean {
    return !this.isBonded || this.#usable > 0;
  }

  /** `queueTargetUs` of the queue in front of this bond (`bonding/queue/queue-target.ts`). */
  get queueTargetUs(): number {
    let targetUs = this.#schedulers[trafficClass.bulk]?.queueTargetUs ?? 0;
    if (!this.isBonded) return targetUs;
    // Who protects bulk wants it late rather than lost.
    if (this.#settings.protects[trafficClass.bulk] === true) targetUs = Math.max(targetUs, protectedQueueUs);
    // What waited while a path died has waited for us; its senders have done nothing wrong.
    if (this.#nowUs - this.#brokenUs < brokenUs) return brokenQueueUs;
    for (const track of this.tracks) if (track.isUsable) targetUs = queueTargetWith(targetUs, track);
    return targetUs;
  }

  /**
   * The path that a train of `bytes` leaves by now, whose longest packet has so many sealed; undefined = it must wait, and `retryUs` says
   * how long.
   */
  choose(
    kind: number,
    flow: number,
    bytes: number,
    sealedBytes: number,
    backlogBytes: number,
    nowUs: number,
  ): PathTrack | undefined {
    const { tracks } = this;
    const demand = this.#demand;
    demand.trafficClass = kind;
    demand.flow = flow;
    demand.bytes = bytes;
    demand.backlogBytes = backlogBytes;
    this.#refresh(nowUs);
    const left = this.#leaveOut(sealedBytes);
    const scheduler = this.#schedulers[kind] as Scheduler;
    const chosen = scheduler.choose(tracks, tracks.length, demand, nowUs);
    const track = tracks[chosen];
    this.isMerelyBehind = track === undefined ? this.#usable > left && this.#areAllBehind() : track.isMerelyBehind;
    if (left > 0) this.#takeBack();
    return track;
  }

  /** Further path that a copy of what was just chosen for leaves by. */
  copyTo(kind: number, usedMask: number): number {
    const { tracks } = this;
    if (tracks.length < 2) return -1;
    const wanted = (this.#schedulers[kind] as Scheduler).copy(tracks, tracks.length, this.#demand, usedMask);
    return wanted >= 0 || !this.#isWaking ? wanted : this.#secondPath(usedMask);
  }

  /** Nobody knows yet which paths have died while nothing was sent. */
  get #isWaking(): boolean {
    return this.isBonded && (this.#isIdle(this.#nowUs) || this.#nowUs - this.#wokenUs < wakingUs);
  }

  #isIdle(nowUs: number): boolean {
    return nowUs - this.#sentUs > peerIdleUs;
  }

  /** The nearest other path, while the only one in `usedMask` has not proven itself since the idle time; -1 = none. */
  #secondPath(usedMask: number): number {
    if ((usedMask & (usedMask - 1)) !== 0) return -1;
    const first = this.tracks[31 - Math.clz32(usedMask)];
    if (first === undefined || (!this.#isIdle(this.#nowUs) && first.life.isProvenSince(this.#wokenUs))) return -1;
    let found = -1;
    for (const [index, track] of this.tracks.entries()) {
      if (track === first || !track.isUsable) continue;
      if (found < 0 || track.rttUs < (this.tracks[found] as PathTrack).rttUs) found = index;
    }
    return found;
  }

  /** Bytes that may be sealed for the chosen path in one go. */
  quantumBytes(track: PathTrack): number {
    if (this.#usable < 2 || track.rateBytesPerUs === 0) return track.allowedBytes;
    return Math.min(track.allowedBytes, shareBytes(track));
  }

  retryUs(): number {
    let leastUs = 2_000;
    for (const track of this.tracks) if (track.isUsable) leastUs = Math.min(leastUs, track.retryUs(this.isBonded));
    return leastUs;
  }

  /** `record` of the native `begin` for a run of this class. */
  recordFlags(kind: number): number {
    if (!this.isBonded) return -1;
    if (kind === trafficClass.control) return 0;
    const isResendable = this.isRepaired || this.#settings.protects[kind] === true;
    return isResendable ? flight.watched | flight.resendable : flight.watched;
  }

  /** What is sealed of this class gets parity. */
  isProtected(kind: number): boolean {
    const isCopied = this.#settings.modes[kind] === 'redundant';
    return this.isBonded && kind !== trafficClass.control && this.parity.isOn && !isCopied;
  }

  /** A REPORT of the peer about what was sealed under `slot`, read `lagUs` after the turn's time. */
  handleReport(slot: number, frame: Uint8Array, length: number, nowUs: number, lagUs: number): void {
    const intervalUs = nowUs - this.#reportedUs;
    if (intervalUs < 200_000) this.#reportIntervalUs += (intervalUs - this.#reportIntervalUs) / 8;
    this.#reportedUs = nowUs;
    // What parity may yet bring back is not sent again.
    const { groupUs } = this.parity;
    for (const track of this.tracks) this.#limits[track.index] = track.lossDelayUs + groupUs;
    const lost = this.#native.report(this.row, slot, frame, length, nowUs);
    if (lost < 0) return;
    this.#repairs.lostPackets = lost;
    for (const track of this.tracks) {
      const at = track.index * feedback.columns + feedback.rttUs;
      const rttUs = this.#feedback[at] as number;
      if (rttUs >= 0) this.#feedback[at] = rttUs + lagUs;
      track.handleFeedback(this.#feedback, track.index * feedback.columns, nowUs);
      this.#noteLoss(track);
    }
    this.tick(nowUs);
  }

  /** Judges what is in flight, and every path's life. */
  tick(nowUs: number): void {
    const { tracks } = this;
    if (!this.isBonded) {
      // Nothing but the interface's MTU, and what the kernel refused, is known of such a path.
      for (const track of tracks) track.fit.follow(nowUs);
      this.mtu.follow(this, nowUs);
      this.nextTickUs = nowUs + idleTickUs;
      return;
    }
    this.#limits.fill(0, pathsPerPeer);
    for (const track of tracks) {
      this.#limits[pathsPerPeer + track.index] = track.expiryUs(nowUs, this.#reportedUs);
    }
    const lost = this.#native.tick(this.row, nowUs);
    this.#repairs.lostPackets = lost;
    let isBusy = lost > 0;
    let wakeUs = nowUs + (this.#isIdle(nowUs) ? quietTickUs : idleTickUs);
    let sentBytes = 0;
    for (const track of tracks) {
      track.handleSurvey(this.#feedback, track.index * feedback.columns, nowUs);
      this.#noteLoss(track);
      sentBytes += track.sentBytes;
      track.tick(nowUs, {
        inFlightBytes: track.inFlightBytes,
        oldestUnackedUs: track.oldestSentUs,
        lastReportUs: this.#reportedUs,
        reportIntervalUs: this.#reportIntervalUs,
        rttUs: track.controller.smoothedRttUs,
        jitterUs: track.controller.jitterUs,
        loss: track.controller.loss,
        isPeerIdle: this.#isIdle(nowUs),
      });
      if (track.takeHole(nowUs)) this.#native.loseLonger(this.row, track.row, track.fit.longest(fit.maybe));
      track.publish(nowUs);
      if (track.inFlightBytes > 0) isBusy = true;
      // Who is not probed would be due for ever.
      wakeUs = Math.min(wakeUs, track.isProbed ? track.life.nextWakeUs : track.life.verdictAtUs);
    }
    this.mtu.follow(this, nowUs);
    this.parity.tick(nowUs, sentBytes);
    if (this.#peers.int(this.row, peer.heldPacketsAt) > 0) this.#heldUs = nowUs;
    const usable = this.#usable;
    this.#refresh(nowUs);
    // What is under way on a path that went is for the others now.
    if (this.#usable < usable) this.nextTickUs = nowUs;
    else this.nextTickUs = isBusy ? nowUs + busyTickUs : Math.max(nowUs + 1_000, wakeUs);
  }

  /** Sends again what was lost; returns packets. */
  repair(nowUs: number): number {
    return this.#repairs.run(this, nowUs);
  }

  /** Data of the peer left. */
  handleSent(nowUs: number): void {
    if (this.#isIdle(nowUs)) {
      this.#wokenUs = nowUs;
      this.nextTickUs = nowUs;
      for (const track of this.tracks) track.life.handleSent(nowUs);
    }
    this.#sentUs = nowUs;
  }

  /** The nearest live path for a frame; undefined = there is none. */
  best(nowUs: number): PathTrack | undefined {
    return this.choose(trafficClass.control, 0, 200, 200, 0, nowUs);
  }

  /** For a frame when no path is in order. A peer that knows no challenges has one path, proven by every packet. */
  get spare(): PathTrack | undefined {
    return this.isBonded ? this.tracks.find((track) => track.isAddressProven) : this.tracks[0];
  }

  /**
   * A further path for it: the best that answers and takes so many sealed bytes, though it may have to wait before it carries data
   * again.
   */
  other(than: PathTrack | undefined, sealedBytes = 0): PathTrack | undefined {
    let found: PathTrack | undefined;
    for (const track of this.tracks) {
      if (track === than || track.rank > lastAnswering || track.fit.passes(sealedBytes) === fit.no) continue;
      const isBetter = found === undefined || track.rank < found.rank;
      if (isBetter || (track.rank === found?.rank && track.rttUs < found.rttUs)) found = track;
    }
    return found;
  }

  trackOf(pathRow: number): PathTrack | undefined {
    return this.tracks.find((track) => track.row === pathRow);
  }

  /** Where one flow uses all paths its repairs may, too; else they keep to the path that the mode has chosen. */
  repairPath(nowUs: number, sealedBytes: number): PathTrack | undefined {
    if (this.#usable === 0) return undefined;
    if (!this.isSpreading) return this.choose(trafficClass.latency, 0, leastQuantumBytes, sealedBytes, 0, nowUs);
    this.#refresh(nowUs);
    const left = this.#leaveOut(sealedBytes);
    const track = this.tracks[chooseForRepair(this.tracks, this.tracks.length, leastQuantumBytes)];
    if (left > 0) this.#takeBack();
    return track;
  }

  /** What is longer fits no path that is there. */
  get longestBytes(): number {
    let most = 0;
    for (const track of this.tracks) if (track.rank < 4) most = Math.max(most, track.fit.longest(fit.maybe));
    return most;
  }

  /** No more than a share of it at once, so that the next may find another path the earlier one. */
  repairBytes(track: PathTrack): number {
    return this.isSpreading ? shareBytes(track) : Number.POSITIVE_INFINITY;
  }

  /**
   * Paths that a packet does not fit are no choice for it, nor those that it may fit while it surely fits others. Returns how many were
   * left out; then `#takeBack`.
   */
  #leaveOut(sealedBytes: number): number {
    if (!this.isBonded) return 0;
    let best: number = fit.no;
    let isMixed = false;
    for (const track of this.tracks) {
      if (!track.isUsable) continue;
      const passes = track.fit.passes(sealedBytes);
      isMixed ||= passes !== fit.yes;
      best = Math.max(best, passes);
    }
    if (!isMixed) return 0;
    let left = 0;
    for (const track of this.tracks) {
      track.isLeftOut = track.isUsable && (best === fit.no || track.fit.passes(sealedBytes) < best);
      if (!track.isLeftOut) continue;
      track.isUsable = false;
      left += 1;
    }
    return left;
  }

  #takeBack(): void {
    for (const track of this.tracks) {
      if (!track.isLeftOut) continue;
      track.isLeftOut = false;
      track.isUsable = true;
    }
  }

  #noteLoss(track: PathTrack): void {
    const cells = this.#feedback;
    const at = track.index * feedback.columns;
    const acked = cells[at + feedback.ackedPackets] as number;
    const lost = (cells[at + feedback.lostPackets] as number) - (cells[at + feedback.spuriousPackets] as number);
    this.parity.note(acked, Math.max(0, lost), cells[at + feedback.lostRuns] as number);
  }

  #refresh(nowUs: number): void {
    this.#nowUs = nowUs;
    let best = 4;
    for (const track of this.tracks) best = Math.min(best, track.rank);
    const waitingBytes = this.#repairs.waitingBytes + this.#demand.backlogBytes;
    for (const track of this.tracks) track.refresh(nowUs, this.isBonded, best, waitingBytes);
    this.#countUsable();
    for (const track of this.tracks) track.repairUs = this.isRepaired ? track.rttUs + this.#reportIntervalUs : 0;
  }

  #countUsable(): void {
    let usable = 0;
    for (const track of this.tracks) if (track.isUsable) usable += 1;
    if (usable < this.#usable) this.#brokenUs = this.#nowUs;
    this.#usable = usable;
  }

  #areAllBehind(): boolean {
    for (const track of this.tracks) if (track.isUsable && !track.isMerelyBehind) return false;
    return true;
  }
}

/** What goes by a path in one go before others are looked at again. */
function shareBytes(track: PathTrack): number {
  return Math.max(leastQuantumBytes, track.rateBytesPerUs * quantumUs);
}
