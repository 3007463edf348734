/**
 * All paths to one peer as one rope: which of them a train leaves by, what the peer acknowledged, what goes out again. It decides, and
 * does nothing: its owner seals and sends, keeps the record of what is in flight (`FlightRecord`) and the rows of the paths (`PathRow`),
 * and calls `tick` when `nextTickUs` is due. Times are arguments.
 */
import { doubleZero } from '../base/double.ts';
import { feedback, flight } from '../contract/columns.ts';
import { trafficClass } from '../contract/records.ts';
import type { BondSettings, PeerWord } from './bond-settings.ts';
import type { FlightRecord, PeerReport } from './flight-record.ts';
import { Activity } from './life/activity.ts';
import { Election } from './life/election.ts';
import { lifeState } from './life/path-life-states.ts';
import { newsWaitUs } from './life/silence.ts';
import { TransportTrials } from './life/transport-trials.ts';
import { PathSet } from './path-set.ts';
import { absentQueueUs } from './queue/absent-queue.ts';
import type { RoundTrips } from './queue/ack-thinner.ts';
import { queueTargetWith } from './queue/queue-target.ts';
import { PeerParity } from './repair/peer-parity.ts';
import { Repairs } from './repair/repairs.ts';
import { Routes } from './schedule/routes.ts';
import type { PathRole } from './schedule/scheduler.ts';
import type { SendingPath } from './sending-path.ts';
import { fit } from './size/path-size.ts';
import { PeerMtu } from './size/peer-mtu.ts';

/** Something in flight is looked at this often, a peer that is idle when a probe is due. */
const busyTickUs = 5_000;
const idleTickUs = 50_000;
const quietTickUs = 1_000_000;
/** For so long after a path went, bulk may wait this long. */
const brokenUs = 2_000_000;
const brokenQueueUs = 1_000_000;
const protectedQueueUs = 500_000;
/** Reports that are farther apart have a pause between them. */
const pauseUs = 200_000;
/** Packets that were held for order say so long that more will be. */
const orderingUs = 10_000_000;
/** A path that carried data this lately has left its place to the one that takes it. */
const lateUs = 1_000_000;

export class Bond {
  /** Of the peer, as its owner counts them. */
  readonly row: number;
  readonly parity: PeerParity;
  readonly mtu: PeerMtu;
  /** By which of the paths something leaves. */
  readonly routes: Routes;
  /** When `tick` wants to be called. */
  nextTickUs = doubleZero;
  readonly #flight: FlightRecord;
  readonly #settings: BondSettings;
  readonly #set = new PathSet();
  readonly #repairs: Repairs;
  readonly #activity = new Activity();
  readonly #election: Election;
  readonly #trials = new TransportTrials();
  readonly #roundTrips = {
    leastUs: doubleZero,
    mostUs: doubleZero,
    inUseUs: doubleZero,
    seenSinceUs: Number.NEGATIVE_INFINITY,
    sendingSinceUs: doubleZero,
  };
  #reportedUs = doubleZero;
  #heldUs = Number.NEGATIVE_INFINITY;
  #wasOrdering = false;
  /** How long bulk might wait while no path was missing. */
  #wholeQueueUs = doubleZero;

  /** `knownMtu`: of inner packets, as a predecessor chose it; 0 = none did. */
  constructor(row: number, settings: BondSettings, record: FlightRecord, knownMtu: number) {
    this.row = row;
    this.#flight = record;
    this.#settings = settings;
    this.#repairs = new Repairs(record);
    this.#election = new Election(settings.parallel);
    this.parity = new PeerParity(settings.fec);
    this.mtu = new PeerMtu(settings, knownMtu);
    this.routes = new Routes({ settings, paths: this.#set, repairs: this.#repairs, activity: this.#activity });
  }

  /** What the peer said, or the paths that lead to it, have changed. */
  follow(word: PeerWord, paths: readonly SendingPath[], nowUs: number): void {
    this.#set.isBonded = word.reports;
    this.#set.mayCut = word.pieces;
    this.#set.isRepairedAlone = this.#settings.repairsAlone && word.repairs;
    this.parity.isHeard = word.reports && word.parity;
    this.paths.splice(0, this.paths.length, ...paths);
    if (!this.isBonded) return;
    for (const path of paths) path.followState(nowUs);
    this.tick(nowUs);
  }

  get isBonded(): boolean {
    return this.#set.isBonded;
  }

  get paths(): SendingPath[] {
    return this.#set.all;
  }

  pathOf(row: number): SendingPath | undefined {
    return this.#set.of(row);
  }

  /** By the number that probes and the flight record call it. */
  numbered(number: number): SendingPath | undefined {
    return this.#set.numbered(number);
  }

  isSending(nowUs: number): boolean {
    return this.#activity.isSending(nowUs);
  }

  /** What the peer's flows send is put in order here: they see that as longer round trips. To be asked before each train. */
  isOrdering(nowUs: number): boolean {
    const isOrdering = this.routes.isSpreading || nowUs - this.#heldUs < orderingUs;
    if (isOrdering && !this.#wasOrdering) {
      this.#roundTrips.seenSinceUs = this.#activity.isSending(nowUs) ? nowUs : Number.NEGATIVE_INFINITY;
      this.#roundTrips.sendingSinceUs = this.#activity.sinceUs;
    }
    this.#wasOrdering = isOrdering;
    return isOrdering;
  }

  /** What is lost goes out again and is waited for. */
  get isRepaired(): boolean {
    return this.#set.isRepaired;
  }

  /** What an inner flow may see as its own. */
  roundTrips(nowUs: number): RoundTrips {
    const trips = this.#roundTrips;
    trips.leastUs = Number.POSITIVE_INFINITY;
    trips.mostUs = 0;
    let farthestUs = 0;
    for (const path of this.paths) {
      if (!path.isUsable) continue;
      trips.leastUs = Math.min(trips.leastUs, path.rttUs);
      trips.mostUs = Math.max(trips.mostUs, path.rttUs);
      if (path.rttUs > farthestUs && path.bringsData(nowUs)) farthestUs = path.rttUs;
    }
    trips.inUseUs = (Math.max(farthestUs, trips.leastUs) + trips.leastUs) / 2;
    return trips;
  }

  get hasUsable(): boolean {
    return !this.isBonded || this.#set.usable > 0;
  }

  /** `queueTargetUs` of the queue in front of this bond (`bonding/queue/queue-target.ts`). */
  queueTargetUs(nowUs: number): number {
    let targetUs = this.routes.queueTargetUs;
    if (!this.isBonded) return targetUs;
    // Who protects bulk wants it late rather than lost.
    if (this.#settings.protects[trafficClass.bulk] === true) targetUs = Math.max(targetUs, protectedQueueUs);
    // What waited while a path died has waited for us; its senders have done nothing wrong.
    if (nowUs - this.#set.brokenUs < brokenUs) return brokenQueueUs;
    for (const path of this.paths) if (path.isUsable) targetUs = queueTargetWith(targetUs, path);
    // Where each flow has one path, none of them waits for another path's return.
    const absentUs = this.routes.maySpread ? absentQueueUs(this.paths, this.#wholeQueueUs, nowUs) : 0;
    if (absentUs === 0) this.#wholeQueueUs = targetUs;
    return Math.max(targetUs, absentUs);
  }

  /** Flags of `flight` with which a run of this class is recorded; -1 = it is not. */
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

  /** A probe was answered: what waited for that need not wait for the next tick. */
  handleProbeReply(path: SendingPath, sequence: number, heldUs: number, cameBack: boolean, nowUs: number): void {
    if (!path.life.isTrusted) this.nextTickUs = nowUs;
    path.handleProbeReply(sequence, heldUs, cameBack, nowUs);
  }

  /** A probe of the peer's has come by this path; it says what the peer wishes, and by which of its links it left. */
  handleProbe(path: SendingPath, priority: number, role: PathRole, way: number, nowUs: number): void {
    path.handleWish(priority, role, way);
    if (this.isBonded && this.#set.handleAsked(path, nowUs)) this.nextTickUs = nowUs;
  }

  /** Data of the peer left. */
  handleSent(nowUs: number): void {
    if (!this.#activity.handleSent(nowUs)) return;
    this.nextTickUs = nowUs;
    for (const path of this.paths) path.life.handleSent(nowUs);
  }

  /** Something of the peer's was held back here for its order. */
  handleHeld(nowUs: number): void {
    this.#heldUs = nowUs;
  }

  /** What the peer says has arrived, read `lagUs` after the turn's time. */
  handleReport(report: PeerReport, nowUs: number, lagUs: number): void {
    const { feedback: cells, lossDelaysUs } = this.#flight;
    const intervalUs = nowUs - this.#reportedUs;
    if (intervalUs < pauseUs) this.#set.reportIntervalUs += (intervalUs - this.#set.reportIntervalUs) / 8;
    this.#reportedUs = nowUs;
    // What parity may yet bring back is not sent again.
    const { groupUs } = this.parity;
    for (const path of this.paths) lossDelaysUs[path.number] = path.lossDelayUs + groupUs;
    const lost = report.acknowledge(nowUs);
    if (lost < 0) return;
    this.#repairs.lostPackets = lost;
    let wayBackUs = -1;
    for (const path of this.paths) {
      const at = path.number * feedback.columns;
      const rttUs = cells[at + feedback.rttUs] as number;
      if (rttUs >= 0) cells[at + feedback.rttUs] = rttUs + lagUs;
      path.handleReport(cells, at, nowUs);
      wayBackUs = Math.max(wayBackUs, path.samples.wayBackUs);
      this.#noteLoss(cells, at);
    }
    this.#shareWayBack(wayBackUs);
    this.tick(nowUs);
  }

  /**
   * A report comes back by one way for all paths. One that just came back has told nothing of it yet, and the peer may not use it before
   * we do: what left by it first would be given up before the report of it can be here.
   */
  #shareWayBack(wayBackUs: number): void {
    if (wayBackUs < 0) return;
    for (const path of this.paths) if (path.samples.wayBackUs < 0) path.controller.handleWayBack(wayBackUs);
  }

  /** Judges what is in flight, and every path's life. */
  tick(nowUs: number): void {
    const { paths } = this;
    if (!this.isBonded) {
      // Nothing but the interface's MTU, and what the kernel refused, is known of such a path.
      for (const path of paths) path.fit.follow(nowUs);
      this.mtu.follow(paths, false, false, nowUs);
      this.nextTickUs = nowUs + idleTickUs;
      return;
    }
    const { feedback: cells, expireBeforeUs } = this.#flight;
    expireBeforeUs.fill(0);
    for (const path of paths) expireBeforeUs[path.number] = path.expiryUs(nowUs, this.#reportedUs);
    const lost = this.#flight.expire(nowUs);
    this.#repairs.lostPackets = lost;
    let isBusy = lost > 0;
    let sentBytes = 0;
    const isPeerIdle = this.#activity.isIdle(nowUs);
    let wakeUs = nowUs + (isPeerIdle ? quietTickUs : idleTickUs);
    for (const path of paths) {
      const at = path.number * feedback.columns;
      path.handleSurvey(cells, at, nowUs);
      this.#noteLoss(cells, at);
      this.#judge(path, isPeerIdle, nowUs);
      sentBytes += path.sentBytes;
      if (path.inFlightBytes > 0 || (path.carries && path.life.isDoubtful)) isBusy = true;
      // Who is not probed would be due for ever.
      wakeUs = Math.min(wakeUs, path.isProbed ? path.life.nextWakeUs : path.life.verdictAtUs);
    }
    const isLeft = this.#elect(nowUs);
    this.mtu.follow(paths, true, this.parity.isHeard, nowUs);
    this.parity.tick(nowUs, sentBytes);
    const { usable } = this.#set;
    this.routes.refresh(nowUs);
    const longestBytes = this.mtu.sealedBytes(this.mtu.bytes);
    for (const [place, path] of paths.entries()) path.hold = this.routes.holdOf(place, longestBytes, nowUs);
    // What is under way on a path that went is for the others now.
    if (isLeft || this.#set.usable < usable) this.nextTickUs = nowUs;
    else this.nextTickUs = isBusy ? nowUs + busyTickUs : Math.max(nowUs + 1_000, wakeUs);
  }

  /** Something is lost, and has not gone out again. */
  get hasRepairs(): boolean {
    return this.#repairs.lostPackets > 0;
  }

  /** Sends again what was lost; returns packets. */
  repair(nowUs: number): number {
    return this.#repairs.run(this.routes, nowUs);
  }

  /** Returns whether one that carried data has left its place. */
  #elect(nowUs: number): boolean {
    if (this.#settings.parallel === 'off' && this.paths.length > 1) this.#trials.run(this.paths, nowUs);
    if (!this.#election.run(this.paths, nowUs)) return false;
    let isLeft = false;
    for (const path of this.paths) {
      path.life.handleStandby(path.isProbed && !path.carries);
      if (path.isUsable && !path.carries) {
        path.handleReplaced();
        isLeft = true;
      }
      // While it was in doubt another link may have served.
      if (path.carries || path.life.state === lifeState.live || nowUs - path.usableUs > lateUs) continue;
      // What waited for a path that did not work has waited for us.
      this.#set.brokenUs = nowUs;
      this.#set.bequeath(path);
    }
    return isLeft;
  }

  #judge(path: SendingPath, isPeerIdle: boolean, nowUs: number): void {
    const { controller } = path;
    const jitterUs = path.lateJitterUs(nowUs);
    const waitUs = newsWaitUs(jitterUs, this.#set.reportIntervalUs);
    path.tick(nowUs, {
      inFlightBytes: path.inFlightBytes,
      freshBytes: controller.freshBytes(waitUs, nowUs),
      oldestUnackedUs: path.oldestSentUs,
      lastReportUs: this.#reportedUs,
      reportIntervalUs: this.#set.reportIntervalUs,
      rttUs: path.lateRttUs(nowUs),
      jitterUs,
      loss: controller.ownLoss,
      isPeerIdle,
      hasStandby: path.carries && this.#set.hasSpareFor(path),
    });
    if (!path.takeHole(nowUs)) return;
    this.#flight.loseLonger(path.number, path.fit.longest(fit.maybe));
    this.#set.brokenUs = nowUs;
  }

  #noteLoss(cells: Float64Array, at: number): void {
    const acked = cells[at + feedback.ackedPackets] as number;
    const lost = (cells[at + feedback.lostPackets] as number) - (cells[at + feedback.spuriousPackets] as number);
    this.parity.note(acked, Math.max(0, lost), cells[at + feedback.lostRuns] as number);
  }
}
