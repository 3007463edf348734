/** `webhooks`: who is told of events by HTTP, and which secret signs what is said. */
import path from 'node:path';
import * as z from 'zod';
import { eventPatternFits } from './event-patterns.ts';
import { authorityFile, isPath, text, when } from './leaves.ts';
import { pluginName } from './plugins-schema.ts';
import type { WebhookConfig } from './webhook-secret.ts';

/** More are refused: each has a queue of its own. */
const mostWebhooks = 16;

function isUrl(input: string): boolean {
  if (!/^https?:\/\//.test(input) || input.length > 2048 || !URL.canParse(input)) return false;
  const { username, password, hostname } = new URL(input);
  return username === '' && password === '' && hostname !== '';
}

export const webhooksSchema = z
  .array(
    z.strictObject({
      url: text(when(isUrl), {
        title: 'a URL of https (or http, to a private address) without a password',
        examples: ['https://example.net/hook'],
      }),
      events: z
        .array(
          text(when(eventPatternFits), {
            title: 'a kind of event, or a pattern of some',
            examples: ['failover', 'link-*', '*'],
          }),
        )
        .min(1)
        .max(64),
      secretFile: text(
        when((input) => isPath(input) && !input.startsWith('whsec_')),
        {
          title: 'a file path (the secret itself stands in that file)',
          examples: ['/etc/hawser/hook.secret'],
          description: 'What signs: 24 to 64 bytes as base64, with or without `whsec_` before them, mode 0600.',
        },
      ),
      ca: authorityFile.optional(),
      format: pluginName.optional().describe('The plugin that makes of an event what is sent; without it JSON.'),
      allowPrivate: z.boolean().default(false).describe('true = the receiver may have a private address.'),
    }),
  )
  .max(mostWebhooks);

export function buildWebhooks(input: z.output<typeof webhooksSchema>, folder: string): WebhookConfig[] {
  return input.map(({ ca, format, ...one }) => ({
    ...one,
    secretFile: path.resolve(folder, one.secretFile),
    caFile: ca === undefined ? undefined : path.resolve(folder, ca),
    format,
  }));
}
