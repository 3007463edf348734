/** What may be asked of the webhooks, and how they answer. */

export interface WebhookStatus {
  /** Its host; `#2` behind it where several are there. The rest of a URL may be a secret. */
  readonly target: string;
  readonly origin: string;
  readonly events: readonly string[];
  readonly waiting: number;
  readonly delivered: number;
  /** In a row. */
  readonly failures: number;
  /** What the last try came to; '' = there was none. */
  readonly last: string;
  /** Since the last that was delivered; undefined = none in this process. */
  readonly deliveredAgeMs: number | undefined;
  /** Until the next try; undefined = nothing waits. */
  readonly nextInMs: number | undefined;
  /** Why the queue is in memory alone; undefined = it is on the disk. */
  readonly trouble: string | undefined;
}

export interface WebhookTest {
  readonly target: string;
  readonly isDelivered: boolean;
  /** `HTTP 204`, or why there was no answer. */
  readonly outcome: string;
  readonly tookMs: number;
}

export interface WebhookAnswers {
  readonly list: readonly WebhookStatus[];
  readonly test: readonly WebhookTest[];
}

export type WebhookVerb = keyof WebhookAnswers;
