/**
 * The interface `hawser-plugin`, version 1, between the plugin-host and the program that runs a plugin (`plugin-runner.ts`): one JSON object a
 * line. To the program by its standard input, from it by descriptor 3, so that what a plugin prints disturbs nothing. What comes from there is
 * a stranger's word, whoever wrote the program.
 */
import * as z from 'zod';
import { eventPatternFits } from '../../config/event-patterns.ts';
import type { EventRecord } from '../../control/events.ts';
import type { PluginHook } from '../../control/plugins.ts';

export const interfaceVersion = 1;
/** A line that is longer is no line; each question and answer is one. */
export const mostLineBytes = 65_536;

export type ToPlugin =
  | {
      readonly kind: 'hello';
      readonly interface: number;
      readonly name: string;
      readonly instance: string;
      readonly file: string;
      readonly settings: Readonly<Record<string, unknown>>;
    }
  /** `leftOut`: so many before it were not told, since the plugin did not read. */
  | { readonly kind: 'event'; readonly event: EventRecord; readonly leftOut: number }
  | { readonly kind: 'question'; readonly id: number; readonly hook: PluginHook | 'ping'; readonly question: unknown };

const fromPlugin = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    interface: z.number(),
    hooks: z.object({
      /** Kinds of events, with `*` for any characters. */
      events: z.array(z.string().refine(eventPatternFits)).max(64).optional(),
      webhook: z.literal(true).optional(),
      authorise: z.literal(true).optional(),
      health: z.literal(true).optional(),
      /** Seconds from one question to the next. */
      bonding: z.number().min(1).max(3600).optional(),
    }),
  }),
  z.object({
    kind: z.literal('answer'),
    id: z.number().int().positive(),
    answer: z.unknown().optional(),
    /** In place of an answer. */
    error: z.string().optional(),
  }),
  /** It threw for something that is not answered: an event. */
  z.object({ kind: z.literal('trouble'), error: z.string() }),
]);
export type FromPlugin = z.output<typeof fromPlugin>;

/** Throws what is wrong with the line, in few words. */
export function readLine(line: string): FromPlugin {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error('it wrote a line that is no JSON');
  }
  const { data, error } = fromPlugin.safeParse(json);
  if (data === undefined) throw new Error(`it wrote a line that means nothing: ${error.issues[0]?.message ?? ''}`);
  return data;
}

const words = z.string().transform((text) => printable(text).slice(0, 200));

/** What each hook may answer. */
export const answerSchemas = {
  /** null = nothing is sent for this event. */
  webhook: z
    .object({
      body: z.string().max(mostLineBytes),
      contentType: z
        .string()
        .regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}(; ?charset=[\w-]{1,32})?$/)
        .optional(),
    })
    .nullable(),
  authorise: z.union([
    z.boolean().transform((allow) => ({ allow, reason: '', forSeconds: 0 })),
    z.object({
      allow: z.boolean(),
      reason: words.default(''),
      /** It is not asked again before. */
      forSeconds: z.number().min(0).max(86_400).default(0),
    }),
  ]),
  health: z.union([
    z.boolean().transform((ok) => ({ ok, rttMs: 0, detail: '' })),
    z.object({
      ok: z.boolean(),
      rttMs: z.number().min(0).max(60_000).default(0),
      detail: words.default(''),
    }),
  ]),
  bonding: z
    .array(
      z.object({
        link: z.string().max(64),
        weight: z.number().optional(),
        role: z.enum(['always', 'backup', 'metered']).optional(),
      }),
    )
    .max(64),
} as const;

/** Without what would move a terminal's cursor, or end a line. */
export function printable(text: string): string {
  return text.replace(/\p{C}+/gu, ' ').trim();
}
