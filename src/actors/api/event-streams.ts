/**
 * Events and rates as server-sent events: asked for once, whoever many read them. A reader of events has a place in what is remembered and
 * goes on from there as fast as it reads; a reader of rates gets the latest.
 */
import type { ServerResponse } from 'node:http';
import type { Choice } from '../../control/crowd.ts';
import { withDetail } from '../../control/event-text.ts';
import type { EventRecord } from '../../control/events.ts';
import type { Principal } from './principal.ts';
import { StreamReader } from './stream-reader.ts';

export interface StreamSource {
  /** Those behind `since`; waits some seconds for one. */
  nextEvents(since: number): Promise<readonly EventRecord[]>;
  /** What `GET /api/v1/top` answers for each, of one moment. */
  tops(choices: readonly Choice[]): Promise<readonly unknown[]>;
}

/** Pages and programs of a few operators; more means that somebody leaks connections. */
export const maxReaders = 128;
/** So long may a reader leave what was sent to it unread; one whose place is needed goes earlier. */
const stalledAfterMs = 30_000;
const tickMs = 1000;
/** As many as the supervisor keeps (`supervisor/journal.ts`). */
const mostEvents = 1000;
const retryMs = 1000;

interface Told {
  readonly record: EventRecord;
  readonly text: string;
}

interface Place {
  /** Number of the last event that the reader said it knows; 0 = none. */
  readonly since: number;
  /** Of the next that it shall get; -1 = not known yet. */
  next: number;
}

export class EventStreams {
  readonly #source: StreamSource;
  readonly #followers = new Map<StreamReader, Place>();
  readonly #watchers = new Map<StreamReader, Choice>();
  /** Oldest first, of those that were told since somebody follows. */
  #events: Told[] = [];
  /** Of the first of them. Places count what was told, without the gaps that the numbers have. */
  #firstPlace = 0;
  #isFollowing = false;
  #isAsking = false;
  #ticker: NodeJS.Timeout | undefined;

  constructor(source: StreamSource) {
    this.#source = source;
  }

  /** False when there is no room: nobody reads too slowly, and all places are taken. */
  hasRoom(nowMs = performance.now()): boolean {
    if (this.count < maxReaders) return true;
    const stalled = [...this.#all()].filter((one) => one.stalledMs !== undefined && nowMs - one.stalledMs > tickMs);
    const [longest] = stalled.sort((a, b) => (a.stalledMs ?? nowMs) - (b.stalledMs ?? nowMs));
    if (longest === undefined) return false;
    this.#drop(longest);
    return true;
  }

  get count(): number {
    return this.#followers.size + this.#watchers.size;
  }

  /** `since`: number of the last event that the reader knows; 0 = none. */
  follow(
    response: ServerResponse,
    principal: Principal,
    since: number,
    headers: Readonly<Record<string, string>>,
  ): void {
    const reader = this.#add(response, principal, headers);
    this.#followers.set(reader, { since, next: -1 });
    reader.onDrain = () => this.#pump(reader);
    this.#pump(reader);
    void this.#followEvents();
  }

  watch(
    response: ServerResponse,
    principal: Principal,
    choice: Choice,
    headers: Readonly<Record<string, string>>,
  ): void {
    this.#watchers.set(this.#add(response, principal, headers), choice);
    void this.#tellRates();
  }

  close(): void {
    clearInterval(this.#ticker);
    for (const reader of this.#all()) this.#drop(reader);
  }

  #add(response: ServerResponse, principal: Principal, headers: Readonly<Record<string, string>>): StreamReader {
    const reader = new StreamReader(response, principal, headers, performance.now());
    reader.onClose(() => this.#forget(reader));
    this.#ticker ??= setInterval(() => this.#tick(), tickMs);
    return reader;
  }

  #forget(reader: StreamReader): void {
    this.#followers.delete(reader);
    this.#watchers.delete(reader);
    if (this.count > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #drop(reader: StreamReader): void {
    this.#forget(reader);
    reader.end();
  }

  *#all(): Generator<StreamReader> {
    yield* this.#followers.keys();
    yield* this.#watchers.keys();
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const reader of [...this.#all()]) {
      const isStuck = reader.stalledMs !== undefined && nowMs - reader.stalledMs > stalledAfterMs;
      if (isStuck || !reader.principal.isValid()) this.#drop(reader);
      else reader.ping(nowMs);
    }
    void this.#tellRates();
  }

  async #tellRates(): Promise<void> {
    if (this.#watchers.size === 0 || this.#isAsking) return;
    this.#isAsking = true;
    try {
      // Most want the same: it is written once.
      const wanted = new Map([...this.#watchers.values()].map((choice) => [JSON.stringify(choice), choice]));
      const tops = await this.#source.tops([...wanted.values()]);
      const texts = new Map(
        [...wanted.keys()].map((key, at) => [key, `event: top\ndata: ${JSON.stringify(tops[at])}\n\n`]),
      );
      const nowMs = performance.now();
      for (const [reader, choice] of this.#watchers) {
        const text = texts.get(JSON.stringify(choice));
        // One that came meanwhile gets the next.
        if (text !== undefined && reader.isReady) reader.write(text, nowMs);
      }
    } catch {
      // The supervisor has a long moment; the next second asks again.
    } finally {
      this.#isAsking = false;
    }
  }

  /** Runs while there is anybody who follows. */
  async #followEvents(): Promise<void> {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    while (this.#followers.size > 0) {
      const since = this.#events.at(-1)?.record.id ?? 0;
      try {
        for (const record of await this.#source.nextEvents(since)) this.#events.push({ record, text: textOf(record) });
        const surplus = Math.max(0, this.#events.length - mostEvents);
        this.#events.splice(0, surplus);
        this.#firstPlace += surplus;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
      for (const reader of [...this.#followers.keys()]) this.#pump(reader);
    }
    this.#events = [];
    this.#isFollowing = false;
  }

  /** Sends what the reader does not know yet, as long as it reads. */
  #pump(reader: StreamReader): void {
    const place = this.#followers.get(reader);
    if (place === undefined || this.#events.length === 0) return;
    const nowMs = performance.now();
    this.#join(reader, place, nowMs);
    if (place.next < this.#firstPlace && reader.isReady) {
      const first = this.#events[0] as Told;
      reader.write(textOf(leftOut(first.record, this.#firstPlace - place.next)), nowMs);
      place.next = this.#firstPlace;
    }
    while (reader.isReady) {
      const event = this.#events[place.next - this.#firstPlace];
      if (event === undefined) return;
      reader.write(event.text, nowMs);
      place.next += 1;
    }
  }

  /** Finds its place by the number of the last event that it knows. */
  #join(reader: StreamReader, place: Place, nowMs: number): void {
    if (place.next >= 0) return;
    const newest = (this.#events.at(-1) as Told).record.id;
    // What it knows may be of a run before this one, which counts anew.
    const since = place.since > newest ? 0 : place.since;
    const index = this.#events.findIndex(({ record }) => record.id > since);
    const at = index < 0 ? this.#events.length : index;
    place.next = this.#firstPlace + at;
    const event = this.#events[at];
    const left = newest - since - (this.#events.length - at);
    if (since > 0 && left > 0 && event !== undefined) reader.write(textOf(leftOut(event.record, left)), nowMs);
  }
}

/** In place of what was forgotten before the reader asked for it. */
function leftOut(next: EventRecord, count: number): EventRecord {
  return { id: next.id - 1, timeMs: next.timeMs, source: 'api-server', kind: 'left-out', count };
}

function textOf(record: EventRecord): string {
  return `id: ${record.id}\nevent: event\ndata: ${JSON.stringify(withDetail(record))}\n\n`;
}
