/** What a receiver checks: the headers of Standard Webhooks (standardwebhooks.com, version 1), HMAC-SHA256 over `id.timestamp.body`. */
import { createHash, createHmac } from 'node:crypto';
import { textOfEvent } from '../../control/event-text.ts';
import type { EventRecord } from '../../control/events.ts';
import type { Message } from './spool.ts';

/** `atMs`: of this try; a receiver refuses what is minutes old. */
export function signedHeaders(secret: Uint8Array, { id, body }: Message, atMs: number): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}

/** The same for the same event of the same process and target, so that what is taken twice is one. */
export function messageOf(event: EventRecord, instance: string, process: number, target: string): Message {
  const hash = createHash('sha256').update(`${instance} ${process} ${event.id} ${target}`).digest('base64url');
  const id = `msg_${hash.slice(0, 27)}`;
  const time = new Date(event.timeMs).toISOString();
  return {
    id,
    timeMs: event.timeMs,
    body: JSON.stringify({ id, time, instance, event: { ...event, detail: textOfEvent(event) } }),
  };
}
