/**
 * Keeps the page up to date: two streams (rates by the second, events as they happen) and `explain` now and then. A daemon that falls silent
 * shows at once, and is asked again until it answers.
 */
import type { EventRecord } from '../control/events.ts';
import type { Top } from '../control/rows.ts';
import { ApiError, addressOf, errorOf, headers, read } from './api.ts';
import { listen, type StreamEvent } from './event-stream.ts';
import { isMark } from './sentences.ts';
import { checkSession } from './session.ts';
import { events, explanations, me, nowMs, series, silentSinceMs, top } from './state.ts';

/** Rates come each second. */
const silenceMs = 3_000;
const explainEveryMs = 5_000;
/** Several events tell of one thing. */
const settleMs = 300;
const keptEvents = 1_000;
const [firstWaitMs, mostWaitMs] = [500, 5_000];

let running: AbortController | undefined;

export function start(): void {
  stop();
  const ended = new AbortController();
  running = ended;
  const { signal } = ended;
  const explainer = new Explainer(signal);
  const rates = new Stream('rates', signal, ({ data }) => {
    top.value = JSON.parse(data) as Top;
    series.add(top.value, Date.now());
  });
  const follow = new Stream('follow', signal, ({ data }) => {
    const event = JSON.parse(data) as EventRecord;
    keep(event);
    if (isMark(event) || /^(link|path|health|exit|started)/.test(event.kind)) explainer.soon();
  });
  const clock = setInterval(() => {
    nowMs.value = Date.now();
    rates.watch();
  }, 1_000);
  // Who comes back to the page, or to the network, does not wait for a timer.
  const again = (): void => {
    if (document.visibilityState !== 'visible') return;
    rates.hurry();
    follow.hurry();
  };
  document.addEventListener('visibilitychange', again, { signal });
  window.addEventListener('online', again, { signal });
  signal.addEventListener('abort', () => clearInterval(clock));
  void rates.run(true);
  void follow.run(false);
  void explainer.run();
}

export function stop(): void {
  running?.abort();
  running = undefined;
}

/** One that was started anew counts its events from 1 again. */
function keep(event: EventRecord): void {
  const last = events.peek().at(-1);
  const isNew = last === undefined || event.id > last.id;
  const isOther = last !== undefined && event.id <= last.id && event.timeMs > last.timeMs;
  if (isNew) events.value = [...events.peek(), event].slice(-keptEvents);
  else if (isOther)
    events.value = [...events.peek().filter(({ timeMs }) => timeMs < event.timeMs), event].slice(-keptEvents);
}

/** One stream that is there as long as anybody answers. */
class Stream {
  readonly #name: string;
  readonly #ended: AbortSignal;
  readonly #handle: (event: StreamEvent) => void;
  #current: AbortController | undefined;
  #hurry: (() => void) | undefined;
  #aliveMs = Date.now();
  #lastId: string | undefined;

  constructor(name: string, ended: AbortSignal, handle: (event: StreamEvent) => void) {
    this.#name = name;
    this.#ended = ended;
    this.#handle = handle;
  }

  /** `tells`: its silence is the daemon's. */
  async run(tells: boolean): Promise<void> {
    let waitMs = firstWaitMs;
    while (!this.#ended.aborted) {
      this.#aliveMs = Date.now();
      try {
        await this.#listen(tells, () => {
          waitMs = firstWaitMs;
        });
      } catch (error) {
        if (this.#ended.aborted) return;
        if (error instanceof ApiError && error.status === 401) me.value = null;
      }
      if (this.#ended.aborted) return;
      if (tells) silentSinceMs.value ??= Date.now();
      await this.#pause(waitMs);
      waitMs = Math.min(2 * waitMs, mostWaitMs);
    }
  }

  /** Ends a connection that says nothing any more. */
  watch(): void {
    if (Date.now() - this.#aliveMs <= silenceMs || this.#current === undefined) return;
    silentSinceMs.value ??= this.#aliveMs;
    this.#current.abort();
  }

  hurry(): void {
    this.#hurry?.();
  }

  async #listen(tells: boolean, succeeded: () => void): Promise<void> {
    const current = new AbortController();
    this.#current = current;
    try {
      await listen(addressOf(this.#name), {
        headers: { ...headers(), ...(this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId }) },
        signal: AbortSignal.any([this.#ended, current.signal]),
        alive: () => {
          this.#aliveMs = Date.now();
          succeeded();
        },
        handle: (event) => {
          this.#lastId = event.id ?? this.#lastId;
          this.#handle(event);
          if (tells && silentSinceMs.peek() !== undefined) this.#returned();
        },
        refused: errorOf,
      });
    } finally {
      this.#current = undefined;
    }
  }

  /** It may be another version now, or another right. */
  #returned(): void {
    silentSinceMs.value = undefined;
    void checkSession();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#hurry = resolve;
      this.#ended.addEventListener('abort', () => resolve(), { once: true });
      setTimeout(resolve, ms);
    });
    this.#hurry = undefined;
  }
}

class Explainer {
  readonly #ended: AbortSignal;
  #isDue = false;

  constructor(ended: AbortSignal) {
    this.#ended = ended;
  }

  async run(): Promise<void> {
    while (!this.#ended.aborted) {
      await this.#ask();
      await new Promise((resolve) => setTimeout(resolve, explainEveryMs));
    }
  }

  soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      if (!this.#ended.aborted) void this.#ask();
    }, settleMs);
  }

  /** Who does not answer is found out by the streams. */
  async #ask(): Promise<void> {
    try {
      explanations.value = await read('explain');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
}
