/** One path as its sender sees it: what reports and probes say of it, how fast it may be used, how long a packet it takes, and whether it lives. */
import { doubleZero } from '../base/double.ts';
import { feedback } from '../contract/columns.ts';
import { pathOrigin, pathState, pathVote } from '../contract/peer-tables.ts';
import type { Candidate } from './life/election.ts';
import { PathLife, pathLifeDefaults } from './life/path-life.ts';
import { lifeState } from './life/path-life-states.ts';
import { PathProber } from './life/path-prober.ts';
import type { LifeSample } from './life/silence.ts';
import { pathHold } from './path-hold.ts';
import type { PathRow } from './path-row.ts';
import { PathController } from './rate/path-controller.ts';
import { PathCredit } from './rate/path-credit.ts';
import { PathSamples } from './rate/path-samples.ts';
import { calmed } from './rate/round-trip.ts';
import type { PathRole, PathView } from './schedule/scheduler.ts';
import { PathFit } from './size/path-fit.ts';

const idleUs = 200_000;
const expiryMarginUs = 8_000;
const unknownRttUs = 1_000_000;
/** Without any report what is in flight is given up after so many times what a report takes, and this at least. */
const silentShare = 4;
const leastSilentUs = 400_000;

export interface SendingPathSettings {
  readonly priority: number;
  readonly weight: number;
  readonly role: PathRole;
  /** Configured upper bound, 0 = none. */
  readonly rateBps: number;
  readonly failbackUs: number;
  /** Of its transport, in the order of preference: from 1 on. */
  readonly place: number;
  /** Of the longest sealed packet that the tunnel makes. */
  readonly sealedBytes: number;
}

/** Ways of the peer's are counted behind those of our own. */
const peerWays = 1 << 16;
/** What is put before all others, or behind them, for a while. */
const ahead = 1_000;

export class SendingPath implements PathView, Candidate {
  readonly row: number;
  /** Among the peer's: what the flight record and probes call it. */
  readonly number: number;
  /** Number of the carrier that it leaves by. */
  readonly port: number;
  /** Number of its transport. */
  readonly transport: number;
  readonly life: PathLife;
  readonly controller: PathController;
  readonly credit: PathCredit;
  readonly fit: PathFit;
  readonly prober: PathProber;
  readonly samples: PathSamples;
  // PathView
  isUsable = false;
  /** When it could last be used. */
  usableUs = Number.NEGATIVE_INFINITY;
  priority: number;
  weight: number;
  role: PathRole;
  /** As configured here, or suggested within that. */
  readonly ownPriority: number;
  ownRole: PathRole;
  allowedBytes = doubleZero;
  rttUs = doubleZero;
  minRttUs = doubleZero;
  jitterUs = doubleZero;
  loss = doubleZero;
  rateBytesPerUs = doubleZero;
  inFlightBytes = doubleZero;
  sentBytes = doubleZero;
  readyInUs = doubleZero;
  isStarting = false;
  isShallow = false;
  lastingLoss = doubleZero;
  /** For the bond to say: how long flows wait at the other end for what this path has lost. */
  repairUs = doubleZero;
  /** Oldest packet in flight left then; 0 = none is. */
  oldestSentUs = doubleZero;
  /** Lost packets that went out again by this path, ever. */
  resentPackets = doubleZero;
  /** Of `pathHold`: why it carries nothing though it lives. */
  hold: number = pathHold.none;
  /** It is usable, but not for the packet at hand. */
  isLeftOut = false;
  /** The operator wants another link. */
  isExcluded = false;
  // Candidate
  isChosen: boolean;
  carries: boolean;
  /** The peer's number of its link at the other end, 0 = it has not said. */
  peerWay = 0;
  /** Another transport by the same way is tried in its place, or has been found to carry more: 1 and -1 put it behind and before the others. */
  handicap = 0;
  /** Of what was sent by it, acknowledged ever. */
  ackedBytes = doubleZero;
  ackedPackets = doubleZero;
  /** Nothing but this machine's own pipeline keeps it from taking more. */
  isMerelyBehind = false;
  readonly #cells: PathRow;
  readonly #ownPlace: number;
  #state = -1;
  #spentUs = doubleZero;
  #deaths = 0;
  /** Share of loss when a long packet was last acknowledged. */
  #soundLoss = doubleZero;
  /** What the peer keeps it for. */
  #peerRole: PathRole = 'always';
  /** Nothing was overdue when another one of its way took its place. */
  #isLeftInOrder = false;

  constructor(cells: PathRow, settings: SendingPathSettings, nowUs: number) {
    this.#cells = cells;
    this.row = cells.row;
    this.number = cells.number;
    this.port = cells.port;
    this.transport = cells.transport;
    this.priority = settings.priority;
    this.ownPriority = settings.priority;
    this.ownRole = settings.role;
    this.#ownPlace = settings.place;
    this.weight = settings.weight;
    this.role = settings.role;
    this.credit = new PathCredit(settings.rateBps);
    this.life = new PathLife(nowUs, { ...pathLifeDefaults, failbackUs: settings.failbackUs });
    this.controller = new PathController({ configuredBps: settings.rateBps });
    this.fit = new PathFit(cells, settings.sealedBytes);
    this.prober = new PathProber({ life: this.life, controller: this.controller, size: this.fit.size });
    this.samples = new PathSamples(this.controller);
    this.isChosen = (cells.vote & pathVote.chosen) !== 0;
    this.carries = (cells.vote & pathVote.carries) !== 0;
    this.fit.follow(nowUs);
  }

  /** What the operator and others say of it has changed. */
  followState(nowUs: number): void {
    const { state } = this.#cells;
    if (state === this.#state) return;
    this.#state = state;
    if (state === pathState.down) {
      this.life.handleKernelDown(nowUs);
      this.fit.size.begin(nowUs);
    }
    if (!this.isProbed) return;
    this.life.handleKernelUp(nowUs);
    // Challenge and response have proven it just now.
    if (this.life.state === lifeState.unproven) this.life.handleProgress(nowUs);
  }

  /** It is known to lead to the peer: asked whether it lives, even while another one of its link carries the data. */
  get isProbed(): boolean {
    return this.#state === pathState.up || this.#state === pathState.standby;
  }

  /** The peer showed once that it can be reached there: an address that was only heard gets what the session-manager sends. */
  get isAddressProven(): boolean {
    return this.#cells.isAddressProven;
  }

  /** Probes are answered, as far as is known: what is not is for its size. */
  get isAnswering(): boolean {
    const { state } = this.life;
    return state !== lifeState.unproven && state !== lifeState.dead && state !== lifeState.withdrawn;
  }

  get way(): number {
    if (this.origin !== pathOrigin.learnt) return this.#cells.link;
    return this.peerWay > 0 ? peerWays + this.peerWay : -1;
  }

  get worth(): number {
    return (this.#cells.place || this.#ownPlace) + this.handicap * ahead - (this.isForced ? 2 * ahead : 0);
  }

  /** The operator wants its transport while it lives. */
  get isForced(): boolean {
    return this.#cells.isForced;
  }

  get origin(): number {
    return this.#cells.origin;
  }

  get wish(): number {
    return this.#cells.wish;
  }

  get wishUs(): number {
    return this.#cells.wishUs;
  }

  get distanceUs(): number {
    return this.prober.rttUs || unknownRttUs;
  }

  /** It shall carry data when it lives. */
  get isWanted(): boolean {
    return this.carries && !this.isExcluded;
  }

  /** It lives, and another one by its way carries the data. */
  get isSpare(): boolean {
    return this.isProbed && !this.carries && !this.isExcluded && this.life.isTrusted;
  }

  /** Another one of its way has just taken its place. */
  handleReplaced(): void {
    this.#isLeftInOrder = this.life.state === lifeState.live && !this.life.isDoubtful;
  }

  /** What left by it before it was replaced arrives: a better one came back, and nothing was wrong with this one. */
  get #isArriving(): boolean {
    return this.#isLeftInOrder && !this.carries && !this.isExcluded && this.life.state === lifeState.live;
  }

  /** It stands by and has given no reason to doubt it, and what it bears beside the path that carries may be all that arrives. */
  mayBear(carrier: SendingPath | undefined, nowUs: number): boolean {
    if (!this.isProbed || this.carries || this.isExcluded || this.life.state !== lifeState.live) return false;
    // The peer may have left the path that carries here because that is blocked, or is about to; or so are we.
    return this.bringsData(nowUs) || carrier?.life.isTrusted === false;
  }

  /** It answers again, and waits for its stability time. */
  get isReturning(): boolean {
    return this.life.state === lifeState.recovering;
  }

  /** The lower the better (`PathLife.rank`); 4 = carries nothing. */
  get rank(): number {
    if (!this.carries || !this.isProbed) return 4;
    return this.isExcluded ? Math.max(3, this.life.rank) : this.life.rank;
  }

  /** The peer sends data by it. */
  bringsData(nowUs: number): boolean {
    return nowUs - this.#cells.dataReceivedUs < idleUs;
  }

  /** Refreshes what a scheduler looks at; paths of rank `best` carry data. */
  refresh(nowUs: number, isBonded: boolean, best: number, waitingBytes: number): void {
    const cells = this.#cells;
    const local = this.credit.allowed(nowUs, cells.sealedBytes, cells.drainedBytes, cells.outqBytes);
    this.isMerelyBehind = !this.credit.isPathLimited;
    if (!isBonded) {
      this.isUsable = true;
      this.allowedBytes = local;
      return;
    }
    const { controller } = this;
    this.isUsable = best < 4 && this.rank <= Math.max(best, 1);
    if (this.isUsable) this.usableUs = nowUs;
    // What stood in its queue when it was last used has gone.
    const probedUs = this.prober.rttUs;
    this.rttUs = probedUs > 0 && this.#isIdle(nowUs) ? probedUs : Math.max(probedUs, controller.smoothedRttUs);
    this.jitterUs = this.lateJitterUs(nowUs);
    this.minRttUs = controller.minRttUs;
    this.loss = controller.loss;
    this.lastingLoss = controller.lastingLoss;
    this.rateBytesPerUs = controller.rateBytesPerUs;
    this.isStarting = controller.isStarting;
    this.isShallow = controller.isShallow;
    const remote = controller.allowedBytes(nowUs, this.inFlightBytes, waitingBytes);
    this.allowedBytes = Math.min(local, remote);
    this.samples.noteCredit(this.allowedBytes, nowUs);
    if (remote <= 0) this.isMerelyBehind = false;
    this.readyInUs =
      this.allowedBytes > 0 ? 0 : Math.max(0, remote <= 0 ? controller.retryUs() : this.credit.retryUs());
  }

  /**
   * Smoothed round trip of late: of data, or while it bears none, of probes. What was measured when it was last used may be long untrue, and
   * who is not used for it would never learn that.
   */
  lateRttUs(nowUs: number): number {
    const { rttUs } = this.prober;
    return rttUs > 0 && this.#isIdle(nowUs) ? rttUs : this.controller.smoothedRttUs;
  }

  /** Standard deviation of it, likewise. */
  lateJitterUs(nowUs: number): number {
    const { jitterUs } = this.controller;
    return this.#isIdle(nowUs) ? calmed(jitterUs, this.prober.jitterUs) : jitterUs;
  }

  /** Microseconds after which asking again is worth while. */
  retryUs(isBonded: boolean): number {
    return isBonded && !this.isMerelyBehind ? Math.max(50, this.readyInUs) : this.credit.retryUs();
  }

  /** Data leaves by it. */
  spend(bytes: number, nowUs: number): void {
    if (this.#isIdle(nowUs)) {
      this.controller.handleIdle(nowUs, this.prober.rttUs, this.prober.jitterUs);
      this.samples.handleIdle();
    }
    this.#spentUs = nowUs;
    this.sentBytes += bytes;
    this.inFlightBytes += bytes;
    this.life.handleSent(nowUs);
    this.samples.handleSent();
    this.spendFrame(bytes);
  }

  /** A control frame leaves by it, which no report acknowledges: a path that bears nothing else is idle. */
  spendFrame(bytes: number): void {
    this.credit.spend(bytes);
    this.controller.spend(bytes);
  }

  /** Takes in row `at` of the feedback after a report. */
  handleReport(cells: Float64Array, at: number, nowUs: number): void {
    this.#survey(cells, at);
    this.fit.handleFeedback(cells, at, nowUs);
    this.ackedBytes += cells[at + feedback.ackedBytes] as number;
    this.ackedPackets += cells[at + feedback.ackedPackets] as number;
    if ((cells[at + feedback.ackedPackets] as number) > 0)
      this.life.handleProgress(nowUs, cells[at + feedback.ackedSentUs] || undefined);
    if (!this.fit.isVanishing) this.#soundLoss = this.controller.loss;
    this.samples.areLossesDoubted = this.fit.size.isDoubted;
    this.samples.handleReport(cells, at, this.rttUs, nowUs);
  }

  /** Takes in row `at` of the feedback after a survey: what was given up counts as lost. */
  handleSurvey(cells: Float64Array, at: number, nowUs: number): void {
    const lost = cells[at + feedback.lostPackets] as number;
    this.#survey(cells, at);
    this.fit.handleFeedback(cells, at, nowUs);
    this.life.handleGivenUp(lost);
    this.samples.areLossesDoubted = this.fit.size.isDoubted;
    this.samples.handleGivenUp(lost, this.isUsable, nowUs);
  }

  /** A packet is lost when one that left by this path so much later has arrived. */
  get lossDelayUs(): number {
    return this.samples.lossDelayUs(this.jitterUs);
  }

  /**
   * What left before then and was not acknowledged by now will not arrive: a report came that was late enough to name it, none has come for
   * long, as when all that would have caused one is lost and fills the window, or the path carries nothing any more. 0 = no limit.
   */
  expiryUs(nowUs: number, lastReportUs: number): number {
    // What is under way by one that lives arrives, though another one carries now.
    if (!this.isUsable && !this.isSpare && !this.#isArriving) return nowUs - 1;
    const { smoothedRttUs, minRttUs, rateBytesPerUs, wayBackUs } = this.controller;
    if (smoothedRttUs === 0) return nowUs - unknownRttUs;
    // What is under way beyond the path's own length stands in a queue, and will be late and not lost.
    const queuedUs = rateBytesPerUs > 0 ? this.inFlightBytes / rateBytesPerUs : 0;
    const rttUs = Math.max(smoothedRttUs, minRttUs + queuedUs);
    const namedUs = wayBackUs + rttUs * 1.125 + 4 * this.jitterUs + expiryMarginUs;
    return Math.max(lastReportUs - namedUs, nowUs - Math.max(leastSilentUs, silentShare * namedUs));
  }

  /** What the peer calls the link that it leaves by, 1 to 255: a number that all paths by the link share. */
  get ownWay(): number {
    return (this.#cells.link % 255) + 1;
  }

  /** The peer's preference, which who has one link only follows; and its number of its link, 0 = it does not say. */
  handleWish(priority: number, role: PathRole, way: number): void {
    this.peerWay = way;
    this.priority = Math.max(this.ownPriority, priority);
    this.#peerRole = role;
    this.#mixRoles();
  }

  /** What stands in place of the configuration for a while. */
  handleSuggestion(weight: number, role: PathRole): void {
    this.weight = weight;
    this.ownRole = role;
    this.#mixRoles();
  }

  #mixRoles(): void {
    this.role = this.ownRole === 'always' ? this.#peerRole : this.ownRole;
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
    this.samples.forgetLosses();
    return true;
  }

  handleProbeReply(sequence: number, heldUs: number, cameBack: boolean, nowUs: number): void {
    this.prober.handleReply(sequence, heldUs, cameBack, this.inFlightBytes === 0, nowUs);
  }

  /** A train of full probes should leave behind the next probe. */
  get wantsTrain(): boolean {
    return this.fit.sealedBytes > 0 && this.prober.wantsTrain;
  }

  #isIdle(nowUs: number): boolean {
    return this.inFlightBytes === 0 && nowUs - this.#spentUs > Math.max(idleUs, 2 * this.rttUs);
  }

  #survey(cells: Float64Array, at: number): void {
    this.inFlightBytes = cells[at + feedback.inFlightBytes] as number;
    this.oldestSentUs = cells[at + feedback.oldestSentUs] as number;
  }
}
