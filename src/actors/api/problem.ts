/** What went wrong, as RFC 9457 has it, with the words that the commands would print. */
import type { FastifyReply } from 'fastify';
import { messageOf } from '../../base/errors.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** What to do about it; it stands in `detail` too. */
  readonly remedy?: string;
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  408: 'Too slow',
  409: 'Conflict',
  412: 'Changed meanwhile',
  413: 'Too large',
  415: 'Not JSON',
  421: 'Not a name of this host',
  422: 'Refused',
  428: 'Which revision?',
  429: 'Too many attempts',
  431: 'Headers too large',
  500: 'Failed',
  503: 'Not available now',
  504: 'Late',
};

/** By the codes of errors; those that begin with NO_SUCH_ are 404, what is not named here 422. */
const statuses: Readonly<Record<string, number>> = {
  PARAMS: 400,
  FORBIDDEN: 403,
  AMBIGUOUS: 409,
  BUSY: 409,
  ADDRESS_TAKEN: 409,
  CLIENT_EXISTS: 409,
  LINK_EXISTS: 409,
  PEER_EXISTS: 409,
  EXISTS: 409,
  NO_SERVER: 409,
  NO_HISTORY: 404,
  NO_WEBHOOKS: 409,
  NO_PLUGINS: 409,
  NAT_OFF: 409,
  TRIAL: 409,
  NO_TRIAL: 409,
  CONFIG_FILE: 409,
  REVISION: 428,
  CHANGED: 412,
  RPC_CLOSED: 503,
  STARTING: 503,
  SILENT: 503,
  ACTOR_FAILED: 503,
  RPC_DEADLINE: 504,
};

export function problemOf(error: unknown): Problem {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  // What no part of ours has made into a sentence with a code is a fault of ours.
  if (typeof code !== 'string' || code === '')
    return problem(500, 'failed', 'This request failed within the daemon', 'its log and `hawser errors` say why');
  const status = statuses[code] ?? (code.startsWith('NO_SUCH_') ? 404 : 422);
  const remedy: unknown = error instanceof Error ? Reflect.get(error, 'remedy') : undefined;
  return {
    ...problem(status, code.toLowerCase().replaceAll('_', '-'), messageOf(error)),
    ...(typeof remedy === 'string' && remedy !== '' ? { remedy } : {}),
  };
}

/** `kind`: the last part of the type, small letters and hyphens. */
export function problem(status: number, kind: string, detail: string, remedy = ''): Problem {
  const shown = { type: `urn:hawser:problem:${kind}`, title: titles[status] ?? 'Failed', status };
  return remedy === '' ? { ...shown, detail } : { ...shown, detail: `${detail} (${remedy})`, remedy };
}

export function sendProblem(reply: FastifyReply, what: Problem): FastifyReply {
  return reply.code(what.status).type('application/problem+json').send(JSON.stringify(what));
}
