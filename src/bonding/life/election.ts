/**
 * Which of the paths that share a way carry its data. A way is one of our links or, for paths that were learnt, one of the peer's: what leaves
 * by two of its paths meets in one bottleneck, so one of them carries and the others stand by, whatever transport each travels by.
 *
 * | the path that carries | leaves its place to                                                                                |
 * |-----------------------|----------------------------------------------------------------------------------------------------|
 * | works                 | a trusted one that is preferred, once it has answered lately                                       |
 * | is doubtful           | nobody; the others of the way are asked (`PathLife.doubt`), as it is itself                        |
 * | is overdue with much  | as one that is suspect: nothing came of what it sent, and it did not answer when another one did   |
 * | is suspect            | a trusted one by another carrier that has answered what left before a probe of this one, which did not |
 * | is dead, or gone      | the best that is not                                                                               |
 *
 * Whoever blocks a transport may block it on every way. So while a path is in doubt the carriers of its transport by other ways are asked as well, and what
 * stands by beside them. Once its own way has left it for another transport, a kin that has not answered when another transport beside it
 * did is suspect as well: no second silence is waited for, and what was entrusted to it meanwhile goes out again at once.
 *
 * A stall of a radio silences all paths of its way: nobody answers, and nothing moves. Trusted = live, and it has answered what it was asked
 * since there was reason to; one that was dead is not live before its stability time is over (`path-life.ts`).
 *
 * `isChosen` is our own judgement, and what the peer is told (flags of CHALLENGE). `carries` is what comes of it and of what the peer
 * wishes. Wishes do not go into the choice: two ends that followed each other would change places for ever.
 */
import { pathOrigin } from '../../contract/peer-tables.ts';
import { pathWish } from '../../wire/control-frame.ts';
import type { PathLife } from './path-life.ts';
import { lifeState } from './path-life-states.ts';

/** `off`: one path of a way carries; `redundant`: so it does, and another one bears copies; `spread`: all that live carry. */
export type ParallelMode = 'off' | 'redundant' | 'spread';

/** A path, as the election sees it. */
export interface Candidate {
  /** Number of its carrier: what ails one path of a carrier ails the others. */
  readonly port: number;
  /** Number of its transport: who blocks one way of it may block all. */
  readonly transport: number;
  /** The same for all that share a way; negative = nobody knows, so it is alone. */
  readonly way: number;
  /** The lower the better: the place of its transport in the order of preference. */
  readonly worth: number;
  /** A trial puts it before the others of its way (less than 0) or behind them, whatever the peer said last. */
  readonly handicap: number;
  /** Of `pathOrigin`. */
  readonly origin: number;
  /** Of `pathWish`, and when the peer last said so. */
  readonly wish: number;
  readonly wishUs: number;
  /** Proven, and not withdrawn. */
  readonly isProbed: boolean;
  readonly life: Pick<
    PathLife,
    | 'state'
    | 'isDoubtful'
    | 'isOverdue'
    | 'isTrusted'
    | 'askedUs'
    | 'answeredUs'
    | 'provenUs'
    | 'provenTripUs'
    | 'probedFromUs'
    | 'doubt'
    | 'handleOutlived'
  >;
  /** Microseconds; 0 = unknown. */
  readonly distanceUs: number;
  isChosen: boolean;
  carries: boolean;
}

/** One answer may be so much later than another that left with it. */
const graceUs = 4_000;
/** Who has not answered for so long is asked before it takes over from one that works. */
const freshUs = 500_000;
/** Behind all that the peer does not hold in reserve. */
const reserved = 1e6;
/** Beyond every moment in microseconds. */
const tried = 1e16;

export class Election {
  readonly #parallel: ParallelMode;
  /** By index: who shall carry. */
  readonly #carries: boolean[] = [];

  constructor(parallel: ParallelMode) {
    this.#parallel = parallel;
  }

  /** Says of each whether it is chosen and whether it carries, for others to follow. Returns true when any of that is news. */
  run(all: readonly Candidate[], nowUs: number): boolean {
    let isNews = false;
    askOthers(all, nowUs);
    suspectOutlived(all, nowUs);
    for (let index = 0; index < all.length; index += 1)
      if (isFirstOfWay(all, index)) isNews = this.#electWay(all, all[index] as Candidate, nowUs) || isNews;
    for (let index = 0; index < all.length; index += 1)
      if (this.#isOvertakenKin(all, index, nowUs))
        isNews = this.#electWay(all, all[index] as Candidate, nowUs) || isNews;
    if (!this.#carriesAny(all)) this.#appoint(all);
    return this.#commit(all, nowUs) || isNews;
  }

  #electWay(all: readonly Candidate[], of: Candidate, nowUs: number): boolean {
    const isSpread = this.#parallel === 'spread';
    const chosen = pick(all, of, ownKey, nowUs);
    let isNews = false;
    for (const one of all) {
      if (!isSameWay(of, one)) continue;
      const isChosen = one === chosen || (isSpread && one.origin !== pathOrigin.learnt && isAble(one));
      isNews ||= one.isChosen !== isChosen;
      one.isChosen = isChosen;
    }
    const leader = isHeldBack(all, of) ? undefined : pick(all, of, wishedKey, nowUs);
    for (let index = 0; index < all.length; index += 1) {
      const one = all[index] as Candidate;
      if (!isSameWay(of, one)) continue;
      const isOurs = one.origin !== pathOrigin.learnt;
      const isWanted = isSpread || (isOurs && one.wish === pathWish.carry);
      this.#carries[index] = one === leader || (isWanted && one.wish !== pathWish.reserve && isAble(one));
    }
    return isNews;
  }

  /** It carries, and is silent as one of its transport was that another way has just left: suspects it, and says so. */
  #isOvertakenKin(all: readonly Candidate[], index: number, nowUs: number): boolean {
    const kin = all[index] as Candidate;
    if (this.#carries[index] !== true || kin.life.state !== lifeState.live) return false;
    if (!all.some((one, place) => isKin(one, kin) && this.#isLeft(all, one, place)) || !isOutlived(all, kin, nowUs))
      return false;
    kin.life.handleOutlived(nowUs);
    return true;
  }

  /** Suspect, and another transport carries in its place. */
  #isLeft(all: readonly Candidate[], one: Candidate, index: number): boolean {
    if (one.life.state !== lifeState.suspect || this.#carries[index] === true) return false;
    return all.some(
      (other, place) => this.#carries[place] === true && isSameWay(one, other) && other.transport !== one.transport,
    );
  }

  #carriesAny(all: readonly Candidate[]): boolean {
    for (let index = 0; index < all.length; index += 1)
      if (this.#carries[index] === true && isAble(all[index] as Candidate)) return true;
    return false;
  }

  /** What is held in reserve carries when nothing else is left. */
  #appoint(all: readonly Candidate[]): void {
    let best: Candidate | undefined;
    for (const one of all) if (isAble(one)) best = better(best, one, wishedKey);
    if (best !== undefined) this.#carries[all.indexOf(best)] = true;
  }

  #commit(all: readonly Candidate[], nowUs: number): boolean {
    let isNews = false;
    for (let index = 0; index < all.length; index += 1) {
      const one = all[index] as Candidate;
      const carries = this.#carries[index] === true;
      if (one.carries === carries) continue;
      // It was left for a reason: it says that it lives before it counts as a spare.
      if (one.carries) one.life.doubt(nowUs);
      one.carries = carries;
      isNews = true;
    }
    return isNews;
  }
}

/** Whoever could take over for one in doubt must answer something that leaves after the doubt began. */
function askOthers(all: readonly Candidate[], nowUs: number): void {
  for (const one of all) {
    if (!one.carries || !one.life.isDoubtful) continue;
    for (const other of all) {
      const isAsked = other !== one && (isSameWay(one, other) || isBesideKin(all, other, one));
      if (isAsked && isAble(other)) other.life.doubt(Math.min(one.life.askedUs, nowUs));
    }
  }
}

/** By the way of `one` a kin of `doubtful` carries, which may be itself, and another transport there could take over. */
function isBesideKin(all: readonly Candidate[], one: Candidate, doubtful: Candidate): boolean {
  let hasKin = false;
  let hasSpare = false;
  for (const other of all) {
    if (!isSameWay(one, other)) continue;
    hasKin ||= other.carries && isKin(doubtful, other);
    hasSpare ||= other.transport !== doubtful.transport && isAble(other);
  }
  return hasKin && hasSpare;
}

/** Of one transport, by different ways. */
function isKin(one: Candidate, other: Candidate): boolean {
  return one !== other && one.transport === other.transport && !isSameWay(one, other);
}

/** Another transport by its way has answered what it has not. */
function isOutlived(all: readonly Candidate[], one: Candidate, nowUs: number): boolean {
  for (const other of all) {
    const mayJudge = isSameWay(one, other) && other.transport !== one.transport && other.life.isTrusted;
    if (mayJudge && hasOutlived(other, one, nowUs)) return true;
  }
  return false;
}

/** Three probes more would say the same a round trip and a half later. */
function suspectOutlived(all: readonly Candidate[], nowUs: number): void {
  for (const one of all) {
    if (!one.carries || !one.life.isOverdue) continue;
    for (const other of all) {
      const mayJudge = other !== one && isSameWay(one, other) && other.port !== one.port && other.life.isTrusted;
      if (mayJudge && hasOutlived(other, one, nowUs)) one.life.handleOutlived(nowUs);
    }
  }
}

/** The lower, the more a path is preferred; Infinity = it is not to be chosen. */
type Key = (one: Candidate) => number;

/** By our own judgement; learnt paths are the peer's to choose. */
const ownKey: Key = (one) => (one.origin === pathOrigin.learnt ? Number.POSITIVE_INFINITY : one.worth);

/**
 * By what the peer wishes, too. Of the paths that it made it wants what it said last: that it has left another may have got lost. It holds in
 * reserve whatever it has left itself, and knows nothing of what arrives from here: a trial of ours comes before its wishes.
 */
const wishedKey: Key = (one) => {
  const isLearnt = one.origin === pathOrigin.learnt;
  const trialKey = isLearnt ? Math.sign(one.handicap) * tried : 0;
  if (one.wish === pathWish.reserve) return reserved + one.worth + trialKey;
  if (isLearnt) return (one.wish === pathWish.carry ? -one.wishUs : one.worth) + trialKey;
  return one.isChosen || one.wish === pathWish.carry ? one.worth : reserved / 2 + one.worth;
};

/** Of the way of `of`: who has the place, or who takes it over. One that is dead keeps it while there is none to take it. */
function pick(all: readonly Candidate[], of: Candidate, key: Key, nowUs: number): Candidate | undefined {
  let present: Candidate | undefined;
  for (const one of all) {
    const hasPlace = key === ownKey ? one.isChosen : one.carries;
    if (hasPlace && one.isProbed && isCounted(of, one, key)) present = better(present, one, key);
  }
  let best: Candidate | undefined;
  for (const one of all) {
    if (one === present || !isAble(one) || !isCounted(of, one, key)) continue;
    if (present === undefined || takesOver(one, present, key, nowUs)) best = better(best, one, key);
  }
  return best ?? present;
}

function isCounted(of: Candidate, one: Candidate, key: Key): boolean {
  return isSameWay(of, one) && key(one) !== Number.POSITIVE_INFINITY;
}

/**
 * It has answered what left after `present` was last heard, and what `present` was asked no sooner was not answered in the same time: a stall
 * that ends lets through whichever was asked next. That very answer's time, for what is usual may be of hours when the way had a queue.
 */
function hasOutlived(one: Candidate, present: Candidate, nowUs: number): boolean {
  const { provenUs, provenTripUs } = one.life;
  return provenUs >= present.life.askedUs && nowUs - present.life.probedFromUs(provenUs) >= provenTripUs + graceUs;
}

function takesOver(one: Candidate, present: Candidate, key: Key, nowUs: number): boolean {
  if (!isAble(present)) return true;
  if (!one.life.isTrusted || one.port === present.port) return false;
  const { state } = present.life;
  if (state === lifeState.suspect) return hasOutlived(one, present, nowUs);
  if (state !== lifeState.live) return true;
  if (key(one) >= key(present)) return false;
  // Where nothing was heard of the present one either, nothing speaks for it.
  if (nowUs - one.life.answeredUs < freshUs || nowUs - present.life.answeredUs >= freshUs) return true;
  one.life.doubt(nowUs);
  return false;
}

function isAble(one: Candidate): boolean {
  return one.isProbed && one.origin !== pathOrigin.leaving && one.life.state !== lifeState.dead;
}

function better(one: Candidate | undefined, other: Candidate, key: Key): Candidate {
  if (one === undefined) return other;
  const byLife = Number(other.life.state === lifeState.live) - Number(one.life.state === lifeState.live);
  const byKey = key(one) - key(other);
  return (byLife || byKey || one.distanceUs - other.distanceUs) > 0 ? other : one;
}

/** The peer holds all of them in reserve: it is about to take their link out. */
function isHeldBack(all: readonly Candidate[], of: Candidate): boolean {
  for (const one of all) if (isSameWay(of, one) && one.isProbed && one.wish !== pathWish.reserve) return false;
  return true;
}

function isFirstOfWay(all: readonly Candidate[], index: number): boolean {
  const { way } = all[index] as Candidate;
  if (way < 0) return true;
  for (let before = 0; before < index; before += 1) if (all[before]?.way === way) return false;
  return true;
}

function isSameWay(one: Candidate, other: Candidate): boolean {
  return one === other || (one.way >= 0 && one.way === other.way);
}
