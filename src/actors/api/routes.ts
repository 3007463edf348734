/** `/api/v1/…`: every operation of the table that is not for the socket alone, by its name with slashes for the dots. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { Choice } from '../../control/crowd.ts';
import { checkParams, type OperationName, operations } from '../../control/operations.ts';
import { checkRole } from '../../control/roles.ts';
import type { EventStreams } from './event-streams.ts';
import { cookieNameOf } from './gate.ts';
import type { Load } from './load.ts';
import { calledNames, pathOf } from './names.ts';
import { openApiDocument } from './openapi.ts';
import type { Principal } from './principal.ts';
import { problem, sendProblem } from './problem.ts';
import { paramsOfQuery, type Query } from './queries.ts';
import { etagOf, withRevision } from './revisions.ts';

/** Does what is asked for, if the caller may; `params` as `checkParams` returned them. */
export type Perform = (principal: Principal, name: OperationName, params: unknown) => Promise<unknown>;

export interface RouteParts {
  readonly perform: Perform;
  readonly streams: EventStreams;
  readonly load: Load;
  /** Who has sent it; the request would not have come so far without. */
  principalOf(request: FastifyRequest): Principal;
  readonly instance: string;
  readonly version: string;
}

export function addRoutes(app: FastifyInstance, parts: RouteParts): void {
  let document: string | undefined;
  for (const name of calledNames()) {
    const { effect, params } = operations[name];
    const call = (request: FastifyRequest, reply: FastifyReply, given: unknown): Promise<FastifyReply> =>
      answer(parts, name, request, reply, given);
    if (effect === 'reads')
      app.get(pathOf(name), (request, reply) => call(request, reply, paramsOfQuery(params, request.query as Query)));
    else
      app.post(pathOf(name), optionsOf(parts, name), (request, reply) =>
        // Nothing at all stands for no parameters; `null` is no object.
        call(request, reply, request.body === undefined ? {} : request.body),
      );
  }
  app.get('/me', (request) => {
    const { name, role } = parts.principalOf(request);
    return { name, role, instance: parts.instance, version: parts.version };
  });
  app.get('/openapi.json', (_request, reply) => {
    document ??= JSON.stringify(openApiDocument(parts.version, cookieNameOf(parts.instance)));
    return reply.type('application/json; charset=utf-8').send(document);
  });
  addStreams(app, parts);
}

/** Who may not call has no long body read for him. */
function optionsOf({ principalOf }: RouteParts, name: OperationName): RouteShorthandOptions {
  const { mostBytes, who } = operations[name];
  if (mostBytes === undefined) return {};
  return { bodyLimit: mostBytes, onRequest: async (request) => checkRole(principalOf(request).role, who, name) };
}

async function answer(
  { perform, principalOf, load }: RouteParts,
  name: OperationName,
  request: FastifyRequest,
  reply: FastifyReply,
  given: unknown,
): Promise<FastifyReply> {
  const busy = load.take(reply);
  if (busy !== undefined) return busy;
  const principal = principalOf(request);
  // Whoever may not call hears nothing of the parameters.
  checkRole(principal.role, operations[name].who, name);
  const params = checkParams(name, withRevision(operations[name], request.headers['if-match'], given));
  const result = await perform(principal, name, params);
  const etag = etagOf(operations[name], result);
  if (etag !== undefined) reply.header('etag', etag);
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(result ?? null));
}

function addStreams(app: FastifyInstance, { streams, principalOf }: RouteParts): void {
  app.get('/follow', (request, reply) => {
    const { 'last-event-id': lastId } = request.headers;
    const { since: asked } = checkParams('follow', paramsOfQuery(operations.follow.params, request.query as Query)) as {
      readonly since: number;
    };
    const since = typeof lastId === 'string' && /^\d{1,15}$/.test(lastId) ? Number(lastId) : asked;
    return stream(reply, streams, (headers) => streams.follow(reply.raw, principalOf(request), since, headers));
  });
  app.get('/rates', (request, reply) => {
    const choice = checkParams('top', paramsOfQuery(operations.top.params, request.query as Query)) as Choice;
    return stream(reply, streams, (headers) => streams.watch(reply.raw, principalOf(request), choice, headers));
  });
}

function stream(
  reply: FastifyReply,
  streams: EventStreams,
  begin: (headers: Readonly<Record<string, string>>) => void,
): FastifyReply {
  if (!streams.hasRoom()) {
    const message = 'So many read events and rates that there is no room for more';
    return sendProblem(reply.header('retry-after', '5'), problem(503, 'full', message, 'close some pages'));
  }
  const headers = reply.getHeaders() as Readonly<Record<string, string>>;
  reply.hijack();
  begin(headers);
  return reply;
}
