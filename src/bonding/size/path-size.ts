/**
 * How long a packet one path passes, in our direction (RFC 8899): volleys of padded probes, each with a small one behind them. What is
 * answered passes; what is not, while the small one behind it is, counts as a miss, and three misses of a size say that it is too long.
 * So loss by chance, a burst of it, a stall and a dead path are not taken for a size. Sizes are bytes of the outer IP packet. Pure:
 * times are arguments, and whoever owns it sends what `volley` names.
 *
 * | purpose | asks for                                                      | ends when                           | then   |
 * |---------|---------------------------------------------------------------|-------------------------------------|--------|
 * | search  | the base, the wanted and the most; then usual sizes between;  | what passes and what does not are   | rest   |
 * |         | then three in between                                         | `grainBytes` apart                  |        |
 * | rest    | nothing                                                       | `raiseUs` have passed               | raise  |
 * | raise   | usual sizes above                                             | one is answered / all are missed    | search / rest |
 * | verify  | what the tunnel sends and the base, because long packets seem | the long one is answered / missed   | as before / search |
 * |         | to vanish; once that is missed, usual sizes between           |                                     |        |
 *
 * A path of which nothing is known, or that is in doubt, may pass what it may: `passes` says so, and its owner takes another where there
 * is one; where there is none, `usableBytes` says how long packets may surely be meanwhile. A doubt that comes up while it searches is one
 * more question: it does not begin the search anew.
 */
import { doubleZero } from '../../base/double.ts';

/** RFC 8899 5.1.2: what nearly every path passes. */
const baseBytes = 1200;
/** Ethernet, PPPoE, and what tunnels, mobile networks and IPv6 leave of it; those below the base for IPv4 alone. */
const usualBytes: readonly number[] = [576, 1000, baseBytes, 1280, 1400, 1420, 1452, 1492, 1500];
/** A size is known well enough when the next that fails is no more above it. */
const grainBytes = 8;
const missesWanted = 3;
/** Where small probes are lost, too, a miss says less. */
const mostMisses = 9;
const volleySpacingUs = 50_000;
/** Where packets overtake each other, the answer to the small probe is no more than this ahead of the others. */
const leastGraceUs = 20_000;
/** Without any answer a volley says nothing; each is waited for longer than the last. */
const voidUs = 1_000_000;
const mostVoidUs = 16_000_000;
/** RFC 8899 5.1.1, PMTU_RAISE_TIMER. */
const raiseUs = 600_000_000;
/** A doubt that was dispelled is not raised again at once. */
const doubtSpacingUs = 200_000;
/** Whoever forges hints shall not make much of our probes. */
const hintSpacingUs = 500_000;
const never = Number.POSITIVE_INFINITY;

/** Answers of `passes`. */
export const fit = { no: 0, maybe: 1, yes: 2 } as const;

type Purpose = 'search' | 'rest' | 'raise' | 'verify';

interface Question {
  readonly bytes: number;
  misses: number;
  /** Of a size that passed before: open until it is answered, though something longer was. */
  readonly isDoubt: boolean;
}

export class PathSize {
  /** What is to leave when `nextVolley` says so: sizes from the longest to the shortest; a small probe follows them. */
  readonly volley: number[] = [];
  /** Longest that is known to pass; 0 = none is. */
  #low: number;
  /** Shortest that is known not to. */
  #high = never;
  #wanted = 0;
  #most = 0;
  #expected = 0;
  #purpose: Purpose = 'search';
  #questions: Question[] = [];
  #missesNeeded = missesWanted;
  #nextUs = doubleZero;
  #doubtedUs = Number.NEGATIVE_INFINITY;
  #hintedUs = Number.NEGATIVE_INFINITY;
  /** What was named last; the search asks for it where it may be right. */
  #hintedBytes = 0;
  /** What is in doubt; 0 = nothing is. */
  #doubtedBytes = 0;
  /** There is reason enough to spare it long packets meanwhile. */
  #isGrave = false;
  /** The longest that was answered since the doubt came up. */
  #provenBytes = 0;
  #holes = 0;
  // the volley that is out
  #isOut = false;
  #first = Number.POSITIVE_INFINITY;
  /** A bit for each place of the volley. */
  #answered = 0;
  #sentUs = doubleZero;
  #companionUs = never;
  #voids = 0;

  /** `knownBytes`: what a predecessor knew to pass, 0 = nothing. */
  constructor(knownBytes = 0) {
    this.#low = knownBytes;
  }

  /** Longest packet that is known to pass; 0 = not known. */
  get bytes(): number {
    return this.#low;
  }

  /** Longest packet to reckon with: what is wanted, until a search has ended below it. */
  get expectedBytes(): number {
    return this.#expected;
  }

  get isDoubted(): boolean {
    return this.#doubtedBytes > 0 && this.#isGrave;
  }

  /** Longest packet to send for now: what is sure where the last answer is in doubt or not complete, else what is expected. */
  get usableBytes(): number {
    if (this.isDoubted) return this.safeBytes;
    const isNarrower = this.#purpose === 'search' && this.#low > 0 && this.#high <= this.#expected;
    return isNarrower ? this.#low : this.#expected;
  }

  /** Times that what it took before was found too long. */
  get holes(): number {
    return this.#holes;
  }

  /** The longest packet of which `passes` says yes, and the longest of which it does not say no. */
  get safeBytes(): number {
    return this.isDoubted ? Math.min(this.#low, Math.max(this.#provenBytes, baseBytes)) : this.#low;
  }

  get mostBytes(): number {
    return Math.min(this.#high - 1, this.#most);
  }

  /** When `nextVolley` is worth calling. */
  get wakeUs(): number {
    return this.#nextUs;
  }

  /** Whether the path passes a packet of this length: `fit`. */
  passes(bytes: number): number {
    if (bytes >= this.#high) return fit.no;
    return bytes <= this.safeBytes ? fit.yes : fit.maybe;
  }

  /** The longest packet that the tunnel sends, and the longest that the interface takes or that is worth knowing of. */
  setGoal(wantedBytes: number, mostBytes: number, nowUs: number): void {
    const wanted = Math.min(wantedBytes, mostBytes);
    if (wanted === this.#wanted && mostBytes === this.#most) return;
    const isSearched = this.#most !== 0 && mostBytes <= this.#most && wanted <= Math.max(this.#low, this.#wanted);
    this.#wanted = wanted;
    this.#most = mostBytes;
    this.#low = Math.min(this.#low, mostBytes);
    this.#doubtedBytes = Math.min(this.#doubtedBytes, this.#low);
    if (!isSearched) this.#high = never;
    this.#high = Math.min(this.#high, mostBytes + 1);
    this.#expected = this.#high > wanted ? wanted : this.#low;
    this.#begin('search', nowUs);
  }

  /** From the start: it may be another path than before. */
  begin(nowUs: number): void {
    this.#low = 0;
    this.#high = this.#most + 1;
    this.#expected = this.#wanted;
    this.#doubtedBytes = 0;
    this.#voids = 0;
    this.#begin('search', nowUs);
  }

  /** Long packets vanish, it seems: what passed before is asked for again. `isGrave`: it is taken for none that passes them meanwhile. */
  handleDoubt(nowUs: number, isGrave: boolean): void {
    this.#isGrave ||= isGrave && this.#doubtedBytes > 0;
    if (this.#doubtedBytes > 0 || this.#low <= baseBytes || nowUs < this.#doubtedUs + doubtSpacingUs) return;
    this.#doubtedUs = nowUs;
    this.#isGrave = isGrave;
    this.#doubtedBytes = Math.min(this.#low, Math.max(this.#wanted, baseBytes));
    this.#provenBytes = 0;
    if (this.#purpose === 'search' && this.#questions.length > 0) {
      this.#questions.push({ bytes: this.#doubtedBytes, misses: 0, isDoubt: true });
      return;
    }
    this.#begin('verify', nowUs);
    this.#questions.push({ bytes: baseBytes, misses: 0, isDoubt: false });
  }

  /**
   * A router said how long packets may be, or somebody who forges its words: what passed before is asked for again, and what was named
   * with it (RFC 8899 4.6.1).
   */
  handleHint(bytes: number, nowUs: number): void {
    if (bytes < baseBytes || bytes >= this.#high) return;
    this.#hintedBytes = bytes;
    if (nowUs < this.#hintedUs + hintSpacingUs) return;
    this.#hintedUs = nowUs;
    if (bytes < this.#low) this.handleDoubt(nowUs, false);
    else if (bytes > this.#low && this.#purpose === 'rest') this.#begin('search', nowUs);
    const isAsked = this.#questions.length === 0 || this.#questions.some((one) => one.bytes === bytes);
    if (!isAsked) this.#questions.push({ bytes, misses: 0, isDoubt: false });
  }

  /** The kernel did not take a packet of this length (EMSGSIZE). */
  handleRefused(bytes: number, nowUs: number): void {
    if (bytes >= this.#high) return;
    this.#high = bytes;
    if (this.#low >= bytes) this.#fall();
    this.#begin('search', nowUs);
  }

  /** A packet of this length has arrived. */
  handleDelivered(bytes: number, nowUs: number): void {
    if (this.#doubtedBytes > 0 && bytes >= this.#doubtedBytes) this.#trust(nowUs);
    if (bytes < this.#low) return;
    this.#low = bytes;
    if (bytes < this.#high) return;
    // It has become wider.
    this.#high = this.#most + 1;
    this.#begin('search', nowUs);
  }

  /** Whether `volley` should leave now, and a small probe behind it: then call `handleSent`. */
  nextVolley(nowUs: number): boolean {
    if (nowUs < this.#nextUs) return false;
    if (this.#isOut) this.#close(nowUs);
    if (nowUs < this.#nextUs) return false;
    if (this.#isAnswered()) this.#goOn(nowUs);
    if (this.#questions.length === 0) return false;
    this.volley.length = 0;
    for (const { bytes } of this.#questions) this.volley.push(bytes);
    this.volley.sort((a, b) => b - a);
    return true;
  }

  /** The volley left, numbered from `first` on in its order, the small probe behind it. */
  handleSent(first: number, nowUs: number): void {
    this.#isOut = true;
    this.#first = first;
    this.#answered = 0;
    this.#sentUs = nowUs;
    this.#companionUs = never;
    this.#nextUs = nowUs + Math.min(mostVoidUs, voidUs * 2 ** Math.min(this.#voids, 8));
  }

  /** Whether the probe of this number belongs to the volley that left last. */
  has(sequence: number): boolean {
    return sequence >= this.#first && sequence <= this.#first + this.volley.length;
  }

  /** A probe of the volley was answered. */
  handleReply(sequence: number, nowUs: number): void {
    const place = sequence - this.#first;
    const { length } = this.volley;
    if (place === length) this.#companionUs = Math.min(this.#companionUs, nowUs);
    else {
      this.#answered |= 1 << place;
      this.#provenBytes = Math.max(this.#provenBytes, this.volley[place] as number);
      this.handleDelivered(this.volley[place] as number, nowUs);
    }
    if (!this.#isOut) return;
    if (this.#answered === (1 << length) - 1) this.#nextUs = nowUs;
    else if (place === length) this.#nextUs = nowUs + Math.max(leastGraceUs, (nowUs - this.#sentUs) / 4);
  }

  /** The volley is over: what was not answered, though the small probe behind it was, is missed. */
  #close(nowUs: number): void {
    this.#isOut = false;
    const isWhole = this.#answered === (1 << this.volley.length) - 1;
    if (!isWhole && this.#companionUs === never) {
      this.#voids += 1;
      this.#missesNeeded = Math.min(mostMisses, this.#missesNeeded + 2);
      return;
    }
    this.#voids = 0;
    for (const question of this.#questions) {
      const place = this.volley.indexOf(question.bytes);
      // Asked since.
      if (place < 0) continue;
      if ((this.#answered & (1 << place)) !== 0) continue;
      question.misses += 1;
      if (question.isDoubt && question.misses === 1) this.#widen();
      if (question.misses >= this.#missesNeeded) this.#miss(question.bytes);
    }
    if (!isWhole) this.#nextUs = Math.max(nowUs, this.#sentUs + volleySpacingUs);
  }

  #miss(bytes: number): void {
    this.#high = Math.min(this.#high, bytes);
    if (bytes <= this.#low || bytes === this.#doubtedBytes) this.#fall();
  }

  /** A black hole for what it took before: no more is known than what was answered since. */
  #fall(): void {
    this.#low = this.#doubtedBytes > 0 ? this.#provenBytes : 0;
    this.#doubtedBytes = 0;
    this.#holes += 1;
  }

  /** What is in doubt was not answered: how much of it is? */
  #widen(): void {
    this.#isGrave = true;
    for (const bytes of usualBytes) {
      const isNew =
        bytes > baseBytes && bytes < this.#doubtedBytes && !this.#questions.some((one) => one.bytes === bytes);
      if (isNew) this.#questions.push({ bytes, misses: 0, isDoubt: false });
    }
  }

  /** Long packets arrive after all. */
  #trust(nowUs: number): void {
    this.#doubtedBytes = 0;
    if (this.#purpose === 'verify') this.#begin('search', nowUs);
    else this.#questions = this.#questions.filter(({ isDoubt }) => !isDoubt);
  }

  /** Whether nothing is left to ask of these questions. */
  #isAnswered(): boolean {
    const floor = this.#doubtedBytes > 0 ? this.#provenBytes : this.#low;
    const isOpen = ({ bytes, misses, isDoubt }: Question): boolean => {
      if (misses >= this.#missesNeeded) return false;
      if (isDoubt) return bytes < this.#high;
      return bytes > floor && (this.#purpose === 'raise' || bytes < this.#high);
    };
    this.#questions = this.#questions.filter(isOpen);
    return this.#questions.length === 0;
  }

  #begin(purpose: Purpose, nowUs: number): void {
    this.#purpose = purpose;
    this.#isOut = false;
    this.#nextUs = nowUs;
    this.#ask([]);
    // A doubt outlasts it: nothing else would ask for what passed before, and the path would be spared it for ever.
    if (this.#doubtedBytes > 0) this.#questions.push({ bytes: this.#doubtedBytes, misses: 0, isDoubt: true });
  }

  #ask(sizes: readonly number[]): void {
    this.#missesNeeded = missesWanted;
    this.#questions = sizes.map((bytes) => ({ bytes, misses: 0, isDoubt: false }));
  }

  /** The next questions; none: there is nothing to ask for now. */
  #goOn(nowUs: number): void {
    if (this.#purpose === 'rest') {
      this.#purpose = 'raise';
      this.#ask(
        distinct([...usualBytes, this.#wanted, this.#most].filter((bytes) => bytes > this.#low && bytes <= this.#most)),
      );
      if (this.#questions.length > 0) return;
    }
    if (this.#purpose !== 'raise') {
      this.#purpose = 'search';
      this.#ask(this.#between());
      if (this.#questions.length > 0) return;
    }
    this.#purpose = 'rest';
    this.#expected = Math.min(this.#low, this.#wanted);
    this.#nextUs = nowUs + raiseUs;
  }

  /** What to ask for, between what passes and what does not; nothing when that is known well enough. */
  #between(): number[] {
    const isOpen = (bytes: number): boolean => bytes > this.#low && bytes < this.#high;
    const least = isOpen(baseBytes) ? baseBytes : 0;
    if (least !== 0 && this.#high > this.#most) return distinct([baseBytes, this.#wanted, this.#most].filter(isOpen));
    const usual = distinct(
      [...usualBytes, this.#wanted, this.#most, this.#hintedBytes].filter((bytes) => isOpen(bytes) && bytes >= least),
    );
    if (usual.length > 0) return usual;
    const span = this.#high - this.#low;
    if (this.#low === 0 || span <= grainBytes) return [];
    const parts = Math.min(4, Math.ceil(span / grainBytes));
    return distinct(Array.from({ length: parts - 1 }, (_, k) => this.#low + Math.floor((span * (k + 1)) / parts)));
  }
}

function distinct(sizes: readonly number[]): number[] {
  return [...new Set(sizes)].sort((a, b) => a - b);
}
