/**
 * Brings one target what waits for it, in order, one at a time, until it says that it has it: exponential backoff with jitter, for a day. Time
 * and chance are arguments; who owns it turns it when `nextAtMs` has come.
 */
import type { InstanceEvent } from '../../control/events.ts';
import type { WebhookAnswer } from '../../io/webhook-call.ts';
import type { Message, Spool } from './spool.ts';

export interface CourierParts {
  readonly target: string;
  readonly spool: Spool;
  /** Rejects with why there was no answer. */
  readonly send: (message: Message) => Promise<WebhookAnswer>;
  readonly emit: (event: InstanceEvent) => void;
  /** The clock of the day: how old a message is. */
  readonly nowMs: () => number;
  /** Never jumps. */
  readonly steadyMs: () => number;
  /** 0 to 1. */
  readonly random: () => number;
}

const firstDelayMs = 1000;
const mostDelayMs = 3_600_000;
/** Of the delay, as much as chance takes or adds. */
const jitter = 0.25;
/** Of a message's age, and of failures in a row: a clock that was set forward does not end a message. */
const mostAgeMs = 24 * 3_600_000;
const leastFailures = 20;
/** The receiver does not take this one, and would not take the next one before it: a few tries are enough. */
const unfit = [400, 413, 415, 422];
const unfitTries = 5;

export class Courier {
  readonly #parts: CourierParts;
  #failures = 0;
  #tries = 0;
  #dueMs = 0;
  #isSending = false;
  #isFailing = false;
  lastReason = '';
  deliveredAtMs = 0;
  delivered = 0;

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Of `steadyMs`; undefined = nothing waits, or is under way. */
  get nextAtMs(): number | undefined {
    return this.#isSending || this.#head === undefined ? undefined : this.#dueMs;
  }

  get #head(): Message | undefined {
    return this.#parts.spool.waiting(this.#parts.target)[0];
  }

  /** Sends what is due until nothing is; resolves when it waits again. */
  async turn(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      for (let head = this.#head; head !== undefined && this.#dueMs <= this.#parts.steadyMs(); head = this.#head)
        await this.#deliver(head);
    } finally {
      this.#isSending = false;
    }
  }

  async #deliver(message: Message): Promise<void> {
    const { target, spool, send, nowMs } = this.#parts;
    this.#tries += 1;
    let retryAfterS: number | undefined;
    let status = 0;
    try {
      const answer = await send(message);
      status = answer.status;
      retryAfterS = answer.retryAfterS;
      const { reason } = answer;
      this.lastReason = reason ?? (status >= 300 && status < 400 ? `HTTP ${status}, a redirect` : `HTTP ${status}`);
    } catch (error) {
      this.lastReason = error instanceof Error ? error.message : String(error);
    }
    if (status >= 200 && status < 300) {
      spool.remove(target, message.id);
      this.#succeed(nowMs());
    } else this.#fail(message, status, retryAfterS);
  }

  #succeed(atMs: number): void {
    const { target, emit } = this.#parts;
    if (this.#isFailing) emit({ kind: 'webhook-recovered', target, failures: this.#failures });
    this.#isFailing = false;
    this.#failures = 0;
    this.#tries = 0;
    this.#dueMs = 0;
    this.deliveredAtMs = atMs;
    this.delivered += 1;
  }

  #fail(message: Message, status: number, retryAfterS: number | undefined): void {
    const { target, spool, emit, nowMs, steadyMs } = this.#parts;
    this.#failures += 1;
    if (!this.#isFailing) {
      const waiting = spool.waiting(target).length;
      emit({ kind: 'webhook-failed', target, reason: this.lastReason, waiting });
    }
    this.#isFailing = true;
    const isTooOld = nowMs() - message.timeMs > mostAgeMs && this.#failures >= leastFailures;
    if (isTooOld || (unfit.includes(status) && this.#tries >= unfitTries)) {
      spool.remove(target, message.id);
      this.#tries = 0;
      emit({ kind: 'webhook-dropped', target, reason: isTooOld ? 'a day has passed' : this.lastReason, count: 1 });
    }
    const askedMs = Math.min(mostDelayMs, (retryAfterS ?? 0) * 1000);
    this.#dueMs = steadyMs() + Math.max(askedMs, this.#backoffMs());
  }

  #backoffMs(): number {
    const mean = Math.min(mostDelayMs, firstDelayMs * 2 ** Math.min(30, this.#failures - 1));
    return mean * (1 - jitter + 2 * jitter * this.#parts.random());
  }
}
