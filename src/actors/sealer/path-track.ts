/** One path as the sealer sees it: what feedback and probes say of it, how fast it may be used, and whether it lives. */

import { PathLife, pathLifeDefaults } from '../../bonding/life/path-life.ts';
import { lifeState } from '../../bonding/life/path-life-states.ts';
import { ProbeLoss } from '../../bonding/life/probe-loss.ts';
import type { LifeSample } from '../../bonding/life/silence.ts';
import { OneWayDelay } from '../../bonding/rate/one-way-delay.ts';
import { PathController } from '../../bonding/rate/path-controller.ts';
import type { PathCredit } from '../../bonding/rate/path-credit.ts';
import { ProbeTrain, trainPackets } from '../../bonding/rate/probe-train.ts';
import { LossDelay } from '../../bonding/repair/loss-delay.ts';
import type { PathRole, PathView } from '../../bonding/schedule/scheduler.ts';
import { feedback } from '../../contract/columns.ts';
import { link, path, pathState } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';
import { Arrivals } from './arrivals.ts';
import { Marks } from './marks.ts';
import { PathFit } from './path-fit.ts';
import { PathProbes } from './path-probes.ts';

/** Credit that stays unused for this long means that there was nothing to send: a turn comes more often under load. */
const unusedUs = 2_000;
const idleUs = 200_000;
const expiryMarginUs = 8_000;
const unknownRttUs = 1_000_000;

export interface TrackSettings {
  readonly linkRow: number;
  /** Index of the link's descriptor ring. */
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
  readonly role: PathRole;
  readonly rateBps: number;
  readonly failbackUs: number;
  /** Of the longest sealed packet that the tunnel makes. */
  readonly sealedBytes: number;
}

export class PathTrack implements PathView {
  readonly row: number;
  /** Within the peer's rows: the native flight's number of the path. */
  readonly index: number;
  readonly port: number;
  readonly linkRow: number;
  readonly life: PathLife;
  readonly controller: PathController;
  readonly credit: PathCredit;
  readonly fit: PathFit;
  // PathView
  isUsable = false;
  priority: number;
  weight: number;
  role: PathRole;
  /** As configured here. */
  readonly ownPriority: number;
  readonly ownRole: PathRole;
  allowedBytes = 0;
  rttUs = 0;
  minRttUs = 0;
  jitterUs = 0;
  loss = 0;
  rateBytesPerUs = 0;
  inFlightBytes = 0;
  sentBytes = 0;
  readyInUs = 0;
  isStarting = false;
  lastingLoss = 0;
  /** For the bond to say: how long flows wait at the other end for what this path has lost. */
  repairUs = 0;
  /** Oldest packet in flight left then; 0 = none is. */
  oldestSentUs = 0;
  /** It is usable, but not for the packet at hand. */
  isLeftOut = false;
  /** The operator wants another link. */
  isExcluded = false;
  /** Nothing but this machine's own pipeline keeps it from taking more. */
  isMerelyBehind = false;
  state = -1;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #delay = new OneWayDelay();
  readonly #arrivals = new Arrivals();
  readonly #marks = new Marks();
  readonly #probes = new PathProbes();
  readonly #probeLoss = new ProbeLoss();
  readonly #train = new ProbeTrain();
  readonly #lossDelay = new LossDelay();
  #isAppLimited = true;
  #creditSinceUs = -1;
  #spentUs = 0;
  #acked = 0;
  #lost = 0;
  #deaths = 0;
  /** Share of loss when a long packet was last acknowledged. */
  #soundLoss = 0;

  constructor(
    row: number,
    settings: TrackSettings,
    credit: PathCredit,
    tables: { readonly paths: RowTable; readonly links: RowTable },
    nowUs: number,
  ) {
    this.row = row;
    this.index = row % path.rowsPerPeer;
    this.port = settings.port;
    this.linkRow = settings.linkRow;
    this.priority = settings.priority;
    this.ownPriority = settings.priority;
    this.ownRole = settings.role;
    this.weight = settings.weight;
    this.role = settings.role;
    this.credit = credit;
    this.life = new PathLife(nowUs, { ...pathLifeDefaults, failbackUs: settings.failbackUs });
    this.controller = new PathController({ configuredBps: settings.rateBps });
    this.#paths = tables.paths;
    this.#links = tables.links;
    this.fit = new PathFit(row, settings.linkRow, tables, settings.sealedBytes);
    this.fit.follow(nowUs);
  }

  /** Follows the session-manager's word about the path. Returns true when it changed. */
  followState(nowUs: number): boolean {
    const state = this.#paths.int(this.row, path.stateAt);
    if (state === this.state) return false;
    this.state = state;
    if (state === pathState.down) {
      this.life.handleKernelDown(nowUs);
      this.fit.size.begin(nowUs);
    }
    if (!this.isProbed) return true;
    this.life.handleKernelUp(nowUs);
    // Challenge and response have proven it just now.
    if (this.life.state === lifeState.unproven) this.life.handleProgress(nowUs);
    return true;
  }

  /** It is known to lead to the peer: asked whether it lives, even while another one of its link carries the data. */
  get isProbed(): boolean {
    return this.state === pathState.up || this.state === pathState.standby;
  }

  /** The peer showed once that it can be reached there: an address that was only heard gets what the session-manager sends. */
  get isAddressProven(): boolean {
    return this.#paths.number(this.row, path.provenUsAt) > 0;
  }

  /** Probes are answered, as far as is known: what is not is for its size. */
  get isAnswering(): boolean {
    const { state } = this.life;
    return state !== lifeState.unproven && state !== lifeState.dead && state !== lifeState.withdrawn;
  }

  /** The lower the better (`PathLife.rank`); 4 = carries nothing. */
  get rank(): number {
    if (this.state !== pathState.up) return 4;
    return this.isExcluded ? Math.max(3, this.life.rank) : this.life.rank;
  }

  /** The peer sends data by it. */
  bringsData(nowUs: number): boolean {
    return nowUs - this.#paths.number(this.row, path.lastDataReceivedAt) < idleUs;
  }

  /** Refreshes what a scheduler looks at; paths of rank `best` carry data. */
  refresh(nowUs: number, isBonded: boolean, best: number, waitingBytes: number): void {
    const local = this.#localBytes(nowUs);
    this.isMerelyBehind = !this.credit.isPathLimited;
    if (!isBonded) {
      this.isUsable = true;
      this.allowedBytes = local;
      return;
    }
    const { controller } = this;
    this.isUsable = best < 4 && this.rank <= Math.max(best, 1);
    // What stood in its queue when it was last used has gone.
    const probedUs = this.#probes.rttUs;
    this.rttUs = probedUs > 0 && this.#isIdle(nowUs) ? probedUs : Math.max(probedUs, controller.smoothedRttUs);
    this.minRttUs = controller.minRttUs;
    this.jitterUs = controller.jitterUs;
    this.loss = controller.loss;
    this.lastingLoss = controller.lastingLoss;
    this.rateBytesPerUs = controller.rateBytesPerUs;
    this.isStarting = controller.isStarting;
    const remote = controller.allowedBytes(nowUs, this.inFlightBytes, waitingBytes);
    this.allowedBytes = Math.min(local, remote);
    this.#noteUnused(nowUs);
    if (remote <= 0) this.isMerelyBehind = false;
    this.readyInUs =
      this.allowedBytes > 0 ? 0 : Math.max(0, remote <= 0 ? controller.retryUs() : this.credit.retryUs());
  }

  /** Microseconds after which asking again is worth while. */
  retryUs(isBonded: boolean): number {
    return isBonded && !this.isMerelyBehind ? Math.max(50, this.readyInUs) : this.credit.retryUs();
  }

  /** Lost packets that went out again by this path. */
  countResent(packets: number): void {
    this.#paths.addNumber(this.row, path.resentPacketsAt, packets);
  }

  /** Data leaves by it. */
  spend(bytes: number, nowUs: number): void {
    if (this.#isIdle(nowUs)) this.#startAgain(nowUs);
    this.#spentUs = nowUs;
    this.sentBytes += bytes;
    this.inFlightBytes += bytes;
    this.life.handleSent(nowUs);
    this.#creditSinceUs = -1;
    this.spendFrame(bytes);
  }

  /** A control frame leaves by it, which no report acknowledges: a path that bears nothing else is idle. */
  spendFrame(bytes: number): void {
    this.credit.spend(bytes);
    this.controller.spend(bytes);
  }

  /** Takes in row `at` of the native feedback after a report. */
  handleFeedback(cells: Float64Array, at: number, nowUs: number): void {
    const acked = cells[at + feedback.ackedPackets] as number;
    const lost = cells[at + feedback.lostPackets] as number;
    const spurious = cells[at + feedback.spuriousPackets] as number;
    this.#survey(cells, at);
    this.fit.handleFeedback(cells, at, nowUs);
    if (acked > 0) this.life.handleProgress(nowUs);
    if (!this.fit.isVanishing) this.#soundLoss = this.controller.loss;
    this.#lossDelay.handleReport(lost, spurious, this.rttUs);
    this.#acked += acked + spurious;
    this.#lost += lost - spurious;
    this.#paths.addNumber(this.row, path.lostPacketsAt, lost);
    if (cells[at + feedback.hasSection] !== 1) {
      if (acked > 0 || lost > 0) this.#sample(nowUs, -1, 0, 0);
      return;
    }
    // Control frames alone say nothing about what the path could carry.
    if (acked === 0 && lost === 0) return;
    const arrivals = this.#arrivals;
    if (!arrivals.read(cells, at)) return;
    if (arrivals.isNewer) this.#takeMarks(cells, at);
    const rttUs = arrivals.isNewer ? this.#roundTripUs(cells, at, nowUs) : -1;
    this.#sample(nowUs, rttUs, arrivals.deliveredBytes, arrivals.deliveryUs);
  }

  /** After a tick: what was given up counts as lost. */
  handleSurvey(cells: Float64Array, at: number, nowUs: number): void {
    this.#survey(cells, at);
    this.fit.handleFeedback(cells, at, nowUs);
    const lost = cells[at + feedback.lostPackets] as number;
    this.#paths.addNumber(this.row, path.lostPacketsAt, lost);
    this.life.handleGivenUp(lost);
    // What a path swallowed as it died is no share that it loses while it lives.
    if (!this.isUsable) return;
    this.#lost += lost;
    if (this.#lost > 0) this.#sample(nowUs, -1, 0, 0);
  }

  /** A packet is lost when one that left by this path so much later has arrived. */
  get lossDelayUs(): number {
    return this.#lossDelay.us(this.jitterUs);
  }

  /**
   * What left before then and was not acknowledged by now will not arrive: a report came that was late enough to name it, or the
   * path carries nothing any more. 0 = no limit.
   */
  expiryUs(nowUs: number, lastReportUs: number): number {
    if (!this.isUsable) return nowUs - 1;
    const { smoothedRttUs, minRttUs, rateBytesPerUs } = this.controller;
    if (smoothedRttUs === 0) return nowUs - unknownRttUs;
    // What is under way beyond the path's own length stands in a queue, and will be late and not lost.
    const queuedUs = rateBytesPerUs > 0 ? this.inFlightBytes / rateBytesPerUs : 0;
    const rttUs = Math.max(smoothedRttUs, minRttUs + queuedUs);
    return lastReportUs - (rttUs * 1.125 + 4 * this.jitterUs + expiryMarginUs);
  }

  /** The peer's preference: who has one link only follows who has several. */
  handleWish(priority: number, role: PathRole): void {
    this.priority = Math.max(this.ownPriority, priority);
    this.role = this.ownRole === 'always' ? role : this.ownRole;
  }

  /** Sequence number of a probe that leaves now. */
  startProbe(nowUs: number): number {
    this.life.handleProbeSent(nowUs);
    const sequence = this.#probes.start(nowUs);
    this.#probeLoss.handleSent(sequence, nowUs);
    return sequence;
  }

  /** A train of full probes should leave behind the next probe, for nothing is known of the path's rate. */
  get wantsTrain(): boolean {
    return this.fit.sealedBytes > 0 && this.#train.isWanted && this.controller.rateBytesPerUs === 0;
  }

  /** Sequence number of the first of `trainPackets` probes that leave now, sealed into `bytesEach` bytes. */
  startTrain(bytesEach: number, nowUs: number): number {
    const first = this.#probes.start(nowUs);
    for (let place = 1; place < trainPackets; place += 1) this.#probes.start(nowUs);
    this.#train.handleSent(first, bytesEach);
    return first;
  }

  /** Sequence number of the first of the probes that `fit.size` names, which leave now with a small one behind them. */
  startVolley(nowUs: number): number {
    const { size } = this.fit;
    const first = this.#probes.start(nowUs);
    for (let place = 0; place < size.volley.length; place += 1) this.#probes.start(nowUs);
    size.handleSent(first, nowUs);
    return first;
  }

  /** Judges the path's life, and what that says of its size. */
  tick(nowUs: number, sample: LifeSample): void {
    const { life, fit } = this;
    const before: number = life.state;
    life.tick(nowUs, sample);
    const isSuspect = before === lifeState.live && life.state === lifeState.suspect;
    if (life.deaths !== this.#deaths) {
      this.#deaths = life.deaths;
      // What comes back may be another way.
      fit.size.begin(nowUs);
    } else if (sample.inFlightBytes > 0 && (life.isQuestioned || isSuspect)) {
      fit.size.handleDoubt(nowUs, isSuspect);
    }
    fit.follow(nowUs);
  }

  /** True once when packets that are too long for it vanished: no fault of the path's, and no loss. */
  takeHole(nowUs: number): boolean {
    if (!this.fit.takeHole()) return false;
    this.controller.handleHole(this.#soundLoss, nowUs);
    this.#lost = 0;
    return true;
  }

  handleProbeReply(sequence: number, heldUs: number, cameBack: boolean, nowUs: number): void {
    if (this.fit.size.has(sequence)) {
      this.fit.size.handleReply(sequence, nowUs);
      return;
    }
    const rttUs = this.#probes.roundTripUs(sequence, heldUs, nowUs);
    if (rttUs < 0) return;
    this.#probeLoss.handleReply(sequence, cameBack);
    if (cameBack) this.#train.handleReply(sequence, rttUs);
    if (this.#train.has(sequence)) {
      // It waited behind the others: its round trip is not the path's.
      this.controller.handleBottleneck(this.#train.bytesPerUs);
      return;
    }
    this.life.handleProbeReply(nowUs, rttUs, cameBack);
    if (!cameBack) return;
    this.#probes.note(rttUs);
    // Reports come back by the nearest path: the controller must not take the difference for a queue.
    if (this.inFlightBytes === 0) this.controller.handleProbe(rttUs, nowUs);
  }

  /** Writes its columns of the path table, for status and for a successor. */
  publish(nowUs: number): void {
    const { controller, life, row } = this;
    const rows = this.#paths;
    if (rows.int(row, path.lifeAt) !== life.state) rows.setNumber(row, path.changedUsAt, nowUs);
    rows.setInt(row, path.lifeAt, life.state);
    rows.setInt(row, path.reasonAt, life.reason);
    rows.setNumber(row, path.smoothedRttUsAt, controller.smoothedRttUs);
    rows.setNumber(row, path.minRttUsAt, controller.minRttUs);
    rows.setNumber(row, path.jitterUsAt, controller.jitterUs);
    rows.setNumber(row, path.lossAt, controller.loss);
    // A rate that is still being found says nothing about what the path could carry.
    rows.setNumber(row, path.rateBpsAt, controller.isStarting ? 0 : controller.rateBytesPerUs * 8e6);
    rows.setNumber(row, path.rateUsAt, controller.rateUs);
    rows.setNumber(row, path.probeLossAt, this.#probeLoss.forward);
    rows.setNumber(row, path.answerLossAt, this.#probeLoss.backward);
    rows.setNumber(row, path.lossyUsAt, this.#probeLoss.lossyUs);
    rows.setNumber(row, path.paceBpsAt, controller.paceBytesPerUs * 8e6);
    rows.setNumber(row, path.inFlightBytesAt, this.inFlightBytes);
    rows.setNumber(row, path.queueDelayUsAt, controller.queueDelayUs);
    this.fit.publish(nowUs);
  }

  /** Credit that nobody takes: what is delivered then says nothing about what the path could carry. */
  #noteUnused(nowUs: number): void {
    if (this.allowedBytes <= 0) this.#creditSinceUs = -1;
    else if (this.#creditSinceUs < 0) this.#creditSinceUs = nowUs;
    else if (nowUs - this.#creditSinceUs > unusedUs) this.#isAppLimited = true;
  }

  #isIdle(nowUs: number): boolean {
    return this.inFlightBytes === 0 && nowUs - this.#spentUs > Math.max(idleUs, 2 * this.rttUs);
  }

  #startAgain(nowUs: number): void {
    this.controller.handleIdle(nowUs);
    this.#arrivals.forget();
  }

  #roundTripUs(cells: Float64Array, at: number, nowUs: number): number {
    const rttUs = cells[at + feedback.rttUs] as number;
    return rttUs < 0 ? rttUs : this.#delay.roundTripUs(rttUs, cells[at + feedback.delayUs] as number, nowUs);
  }

  #sample(nowUs: number, rttUs: number, delivered: number, deliveryUs: number): void {
    const acked = this.#acked;
    // Packets that came after all are set against losses to come.
    const lost = Math.max(0, this.#lost);
    this.#acked = 0;
    this.#lost -= lost;
    this.controller.handleSample({
      nowUs,
      rttUs,
      deliveredBytes: delivered,
      deliveryUs,
      ackedPackets: acked,
      lostPackets: lost,
      isAppLimited: this.#isAppLimited,
    });
    if (acked > 0) this.#paths.setNumber(this.row, path.lastProgressUsAt, nowUs);
    this.#isAppLimited = false;
  }

  #takeMarks(cells: Float64Array, at: number): void {
    const marks = this.#marks;
    marks.read(cells, at);
    if (marks.ecnPackets === 0) return;
    this.controller.handleMarks(marks.ecnPackets, marks.markedPackets);
    this.#paths.addNumber(this.row, path.ecnPacketsAt, marks.ecnPackets);
    this.#paths.addNumber(this.row, path.markedPacketsAt, marks.markedPackets);
  }

  #survey(cells: Float64Array, at: number): void {
    this.inFlightBytes = cells[at + feedback.inFlightBytes] as number;
    this.oldestSentUs = cells[at + feedback.oldestSentUs] as number;
  }

  /** What the pipeline and the local device can take. */
  #localBytes(nowUs: number): number {
    const rows = this.#paths;
    const drained =
      rows.number(this.row, path.sentBytesAt) +
      rows.number(this.row, path.lateBytesAt) +
      rows.number(this.row, path.refusedBytesAt);
    const outq = this.#links.int(this.linkRow, link.outqBytesAt);
    return this.credit.allowed(nowUs, rows.number(this.row, path.sealedBytesAt), drained, outq);
  }
}
