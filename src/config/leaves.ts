/** Leaves of the configuration that are text with a meaning: a parser, and the words for what it refuses. */
import * as z from 'zod';
import { mayHoldKey } from './show.ts';

interface LeafWords {
  readonly title: string;
  readonly examples: readonly string[];
  readonly description?: string;
}

/** A string that `parse` turns into its value; undefined from `parse` is a problem. */
export function text<T>(parse: (input: string) => T | undefined, words: LeafWords) {
  return z
    .string()
    .meta({ ...words, examples: [...words.examples] })
    .transform((input, context): T => {
      const value = parse(input);
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', input });
      return z.NEVER;
    });
}

export function when(accepted: (input: string) => boolean): (input: string) => string | undefined {
  return (input) => (accepted(input) ? input : undefined);
}

/** RFC 1123 section 2.1, with underscores; one label is enough. */
export const isDomain = (input: string): boolean =>
  input.length <= 253 &&
  !mayHoldKey(input) &&
  input
    .replace(/\.$/, '')
    .split('.')
    .every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));

/** What the kernel takes for a path. */
export const isPath = (input: string): boolean => input.length > 0 && !input.includes('\0');

/** A file that is read when the configuration is used. */
export const filePath = (example: string, description: string) =>
  text(when(isPath), { title: 'a file path', examples: [example], description });

export const authorityFile = filePath(
  '/etc/hawser/authority.pem',
  "Certificates (PEM) of one's own authority, beside the public ones.",
);
