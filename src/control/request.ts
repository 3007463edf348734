/** Reads a line of the control socket (`protocol.ts`). */
import { HawserError } from '../base/errors.ts';
import { checkParams, isOperationName, type OperationName, operations } from './operations.ts';
import type { Response } from './protocol.ts';

export interface Request {
  readonly id: number;
  readonly method: OperationName;
  /** As `checkParams` returned them. */
  readonly params: unknown;
}

/** The request of one line, or what to answer to a line that is none. */
export function parseRequest(line: string): Request | Response {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return failure(0, 'REQUEST', 'The line is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return failure(0, 'REQUEST', 'The line is not a JSON object');
  }
  const { id: asked, method, params = {} }: { id?: unknown; method?: unknown; params?: unknown } = parsed;
  const id = typeof asked === 'number' ? asked : 0;
  if (!isOperationName(method)) {
    const known = Object.keys(operations).join(', ');
    return failure(id, 'METHOD', `There is no method ${JSON.stringify(method)}; there are: ${known}`);
  }
  try {
    return { id, method, params: checkParams(method, params) };
  } catch (error) {
    if (error instanceof HawserError) return failure(id, error.code, error.message);
    throw error;
  }
}

function failure(id: number, code: string, message: string): Response {
  return { id, error: { code, message } };
}
