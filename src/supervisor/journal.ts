/** What the supervisor remembers for `hawser events` and `hawser errors`: bounded, newest kept, of each kind some. */
import type { ErrorReport } from '../actors/kit/messages.ts';
import type { EventRecord, InstanceEvent } from '../control/events.ts';
import type { ErrorRecord } from '../control/supervisor-api.ts';

const keptEvents = 1000;
const keptErrors = 200;

export class EventLog {
  readonly #records: EventRecord[] = [];
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #nextId = 1;

  add(source: string, event: InstanceEvent): EventRecord {
    const { kind } = event;
    const record = { id: this.#nextId, timeMs: Date.now(), source, ...event };
    this.#nextId += 1;
    this.#records.push(record);
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#records.length > keptEvents) this.#forgetOne();
    for (const wake of [...this.#waiting]) wake();
    return record;
  }

  /** The oldest of the most frequent kind: what happens often may not push out what happened once. */
  #forgetOne(): void {
    const [most] = [...this.#counts].reduce((best, one) => (one[1] > best[1] ? one : best));
    const index = this.#records.findIndex((record) => record.kind === most);
    this.#records.splice(index, 1);
    this.#counts.set(most, (this.#counts.get(most) ?? 0) - 1);
  }

  /** As `since`, once there is one or `waitMs` have passed. */
  async next(sinceId: number, waitMs: number): Promise<EventRecord[]> {
    const known = this.since(sinceId);
    if (known.length > 0) return known;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs).unref();
      this.#waiting.add(wake);
    });
    return this.since(sinceId);
  }

  /** Those with an id above `sinceId`, oldest first; all when it is an id of a run before, as who watches over a restart asks. */
  since(sinceId: number): EventRecord[] {
    const fromId = sinceId < this.#nextId ? sinceId : 0;
    return this.#records.filter((record) => record.id > fromId);
  }
}

/** One record for each distinct stack, with how often it came. */
export class ErrorLog {
  readonly #records = new Map<string, ErrorRecord>();

  add(source: string, error: ErrorReport): void {
    const nowMs = Date.now();
    const key = `${source}\n${error.name}\n${framesOf(error)}`;
    const known = this.#records.get(key);
    this.#records.delete(key);
    this.#records.set(key, {
      firstMs: known?.firstMs ?? nowMs,
      lastMs: nowMs,
      count: (known?.count ?? 0) + 1,
      source,
      name: error.name,
      code: error.code,
      message: error.message,
      stack: error.stack,
    });
    const oldest = this.#records.keys().next();
    if (this.#records.size > keptErrors && !oldest.done) this.#records.delete(oldest.value);
  }

  /** Latest last. */
  all(): ErrorRecord[] {
    return [...this.#records.values()];
  }
}

/** Frames of what calls an actor: by which of its looks an input was found says nothing of the fault. */
const isOfRunner = /\/actors\/kit\/thread-runner\./;

/** The stack without its message, which may hold numbers that differ each time. */
function framesOf(error: ErrorReport): string {
  const lines = error.stack.split('\n');
  const frames = lines.filter((line) => line.trimStart().startsWith('at ') && !isOfRunner.test(line));
  return frames.length > 0 ? frames.join('\n') : error.message;
}
