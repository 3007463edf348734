/**
 * What may be said how often: each kind of event has a limit for each subject and one for all subjects together, so that nobody
 * can wash the others out of a bounded list or fill a disk with the log. What comes too fast waits as its latest with a count, and
 * is said as "and N more" when the limits allow it. Pure; times in milliseconds of any clock that does not go back.
 */

/** A bucket of tokens. */
interface Limit {
  readonly burst: number;
  readonly refillMs: number;
}

/** A peer that roams, a link that flaps: its whole story when it is short, then one line each 3 s. */
const subjectLimit: Limit = { burst: 20, refillMs: 3000 };
const kindLimit: Limit = { burst: 100, refillMs: 1000 };
/** Subjects that are remembered for one kind; those beyond share one. */
const mostSubjects = 2000;

class Bucket {
  readonly #limit: Limit;
  #tokens: number;
  #atMs: number;

  constructor(limit: Limit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#atMs = nowMs;
  }

  /** After what has flowed in. */
  tokens(nowMs: number): number {
    const { burst, refillMs } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + (nowMs - this.#atMs) / refillMs);
    this.#atMs = nowMs;
    return this.#tokens;
  }

  isFull(nowMs: number): boolean {
    return this.tokens(nowMs) >= this.#limit.burst;
  }

  take(): void {
    this.#tokens -= 1;
  }
}

interface Subject<T> {
  readonly bucket: Bucket;
  /** The latest that was held back, and how many were. */
  held: { item: T; count: number } | undefined;
}

interface Kind<T> {
  readonly bucket: Bucket;
  readonly subjects: Map<string, Subject<T>>;
}

export class FloodGate<T> {
  readonly #pass: (item: T, more: number) => void;
  readonly #kinds = new Map<string, Kind<T>>();

  /** `pass` is called for what may be said now; `more` = how many of its subject were held back before it. */
  constructor(pass: (item: T, more: number) => void) {
    this.#pass = pass;
  }

  offer(kindName: string, subjectName: string, item: T, nowMs: number): void {
    const kind = this.#kind(kindName, nowMs);
    const subject = subjectOf(kind, subjectName, nowMs);
    const count = (subject.held?.count ?? 0) + 1;
    subject.held = { item, count };
    this.#release(kind, subject, nowMs);
  }

  /** Says what has waited long enough and forgets who has been quiet; called now and then. */
  tick(nowMs: number): void {
    for (const [kindName, kind] of this.#kinds) {
      for (const [name, subject] of kind.subjects) {
        this.#release(kind, subject, nowMs);
        if (subject.held === undefined && subject.bucket.isFull(nowMs)) kind.subjects.delete(name);
      }
      if (kind.subjects.size === 0 && kind.bucket.isFull(nowMs)) this.#kinds.delete(kindName);
    }
  }

  /** Says all that waits, whatever the limits: the end. */
  flush(): void {
    for (const kind of this.#kinds.values()) for (const subject of kind.subjects.values()) this.#say(subject);
  }

  #release(kind: Kind<T>, subject: Subject<T>, nowMs: number): void {
    if (subject.held === undefined || subject.bucket.tokens(nowMs) < 1 || kind.bucket.tokens(nowMs) < 1) return;
    subject.bucket.take();
    kind.bucket.take();
    this.#say(subject);
  }

  #say(subject: Subject<T>): void {
    const { held } = subject;
    subject.held = undefined;
    if (held !== undefined) this.#pass(held.item, held.count - 1);
  }

  #kind(name: string, nowMs: number): Kind<T> {
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const kind: Kind<T> = { bucket: new Bucket(kindLimit, nowMs), subjects: new Map() };
    this.#kinds.set(name, kind);
    return kind;
  }
}

function subjectOf<T>(kind: Kind<T>, asked: string, nowMs: number): Subject<T> {
  const name = kind.subjects.has(asked) || kind.subjects.size < mostSubjects ? asked : '';
  const known = kind.subjects.get(name);
  if (known !== undefined) return known;
  const subject: Subject<T> = { bucket: new Bucket(subjectLimit, nowMs), held: undefined };
  kind.subjects.set(name, subject);
  return subject;
}
