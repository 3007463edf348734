/** Revisions of what operations are about, as HTTP has them: ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1, RFC 6585 section 3). */
import type * as z from 'zod';
import { HawserError } from '../../base/errors.ts';
import type { Operation } from '../../control/operation.ts';
import { paramsOfQuery } from './queries.ts';

type Of = Pick<Operation<z.ZodType, unknown>, 'effect' | 'revision' | 'params'>;

/** Of an answer that says which revision it is. */
export function etagOf({ revision }: Of, result: unknown): string | undefined {
  if (revision !== 'told' || typeof result !== 'object' || result === null || !('revision' in result)) return undefined;
  return `"${String(result.revision)}"`;
}

/**
 * The parameters with the revision of `If-Match`, where the operation wants one. Throws REVISION when neither says which one is changed: two
 * who change the same thing at one time would undo each other's work.
 */
export function withRevision({ revision, params }: Of, ifMatch: string | undefined, given: unknown): unknown {
  if (revision !== 'wanted' || typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  const [, seen] = /^"([^"]{1,64})"$/.exec(ifMatch?.trim() ?? '') ?? [];
  if (seen !== undefined) return { ...given, ...paramsOfQuery(params, { revision: seen }) };
  if ('revision' in given) return given;
  const remedy = 'send the ETag of what you have read as If-Match';
  throw new HawserError('REVISION', 'The request does not say which revision it changes', remedy);
}
