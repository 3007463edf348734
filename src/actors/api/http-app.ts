/**
 * What stands between the network and the operations: limits of a connection, whose request it is, whether it is meant for this host, and
 * the form of errors. One for each time that HTTP is opened.
 */
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Dialect, dialectFor, mediaTypes } from '../../control/exposition.ts';
import { answerBroken } from './broken-requests.ts';
import type { EventStreams } from './event-streams.ts';
import { Gate, type GateParts } from './gate.ts';
import { checkHost, factsOf } from './guards.ts';
import { Load } from './load.ts';
import { apiPrefix } from './names.ts';
import { servePage } from './page-files.ts';
import { problem, problemOf, sendProblem } from './problem.ts';
import { addRoutes, type Perform } from './routes.ts';

export interface AppParts extends Omit<GateParts, 'isSecure'> {
  readonly version: string;
  readonly hosts: readonly string[];
  readonly hasPage: boolean;
  /** Families as text; undefined = nobody shall have them. */
  readonly metrics: ((dialect: Dialect) => Promise<string>) | undefined;
  /** PEM; undefined = plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  readonly perform: Perform;
  readonly streams: EventStreams;
  /** Something failed that no part of ours has a sentence for. */
  onFault(error: unknown): void;
}

/** As on the socket: the longest that an operation takes is a client's file to be imported. */
const maxBodyBytes = 65_536;
const maxConnections = 512;
const maxHeaderBytes = 8192;
const limits = {
  // Whoever dawdles over a request, or keeps a connection without one, is cut off.
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: maxHeaderBytes,
};

/** Node's own is two minutes: so long a silent connection would have its place among `maxConnections`. */
const handshakeTimeout = limits.headersTimeout;

export const leastTls = 'TLSv1.2';

const ourMethods: readonly string[] = ['GET', 'HEAD', 'POST'];

const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** Operations check their own parameters. Without these fastify loads ajv and what goes with it, which is half of the start of this thread. */
const noSchemas = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

function refuseSchema(): never {
  throw new Error('routes have no schemas: control/operations.ts checks');
}

export function buildApp(parts: AppParts): FastifyInstance {
  const app = fastify({
    bodyLimit: maxBodyBytes,
    serverFactory: (handler) => {
      const { tls } = parts;
      const server: Server =
        tls === undefined
          ? createPlainServer(limits, handler)
          : createTlsServer(
              { ...limits, handshakeTimeout, cert: tls.certificate, key: tls.key, minVersion: leastTls },
              handler,
            );
      server.maxConnections = maxConnections;
      return server;
    },
    forceCloseConnections: true,
    schemaController: { compilersFactory: noSchemas },
    routerOptions: { caseSensitive: true, maxParamLength: 256 },
    clientErrorHandler: (error, socket) => answerBroken(error, socket, maxHeaderBytes),
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problem(400, 'request', error.message)),
  });
  takeJsonOnly(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(everywhere);
    const fault = checkHost(factsOf(request), parts.hosts);
    if (fault !== undefined) await sendProblem(reply, fault);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    // Before it looks for a route, fastify wants a body of methods that nothing here is called by.
    if (!ourMethods.includes(request.method)) return sendUnknown(app, request, reply);
    // What fastify itself refuses: a body that is no JSON, or is too long.
    const { statusCode, code } = error;
    if (typeof code === 'string' && code.startsWith('FST_') && statusCode !== undefined && statusCode < 500)
      return sendProblem(reply, problem(statusCode, 'request', error.message));
    const what = problemOf(error);
    if (what.status === 500) parts.onFault(error);
    return sendProblem(reply, what);
  });
  app.setNotFoundHandler((request, reply) => sendUnknown(app, request, reply));
  const gate = new Gate({ ...parts, isSecure: parts.tls !== undefined });
  const load = new Load();
  void app.register(async (scope) => addApi(scope, { ...parts, gate, load }), { prefix: apiPrefix });
  if (parts.metrics !== undefined) void app.register(async (scope) => addMetrics(scope, gate, load, parts.metrics));
  if (parts.hasPage) servePage(app);
  return app;
}

/** What is there by another method says by which. */
function sendUnknown(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [route = ''] = request.url.split('?');
  const other = (['GET', 'POST'] as const).filter((method) => app.findRoute({ method, url: route }) !== null);
  const asked = `${request.method} ${route.slice(0, 200)}`;
  if (other.length === 0) return sendProblem(reply, problem(404, 'not-found', `There is no ${asked}`));
  const allowed = other.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return sendProblem(reply.header('allow', allowed), problem(405, 'method', `There is no ${asked}`, `use ${allowed}`));
}

/** Everything below `/api/v1` wants to know who asks, before anything else of the request is looked at. */
function addApi(scope: FastifyInstance, parts: AppParts & { readonly gate: Gate; readonly load: Load }): void {
  const { gate, load } = parts;
  scope.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
  });
  gate.addLogin(scope);
  void scope.register(async (inner) => {
    inner.addHook('onRequest', async (request, reply) => gate.check(request, reply));
    inner.addHook('onSend', async (_request, reply, payload) => load.watch(reply, payload));
    addRoutes(inner, { ...parts, principalOf: (request) => gate.principalOf(request) });
  });
}

/** For a token of any role, outside `/api/v1`, where Prometheus looks for them. */
function addMetrics(scope: FastifyInstance, gate: Gate, load: Load, metrics: AppParts['metrics']): void {
  scope.addHook('onRequest', async (request, reply) => gate.check(request, reply));
  scope.addHook('onSend', async (_request, reply, payload) => load.watch(reply, payload));
  scope.get('/metrics', async (request, reply) => {
    const busy = load.take(reply);
    if (busy !== undefined) return busy;
    const dialect = dialectFor(request.headers.accept);
    const text = await metrics?.(dialect);
    return reply.headers({ 'cache-control': 'no-store', vary: 'accept' }).type(mediaTypes[dialect]).send(text);
  });
}

/** A form of another site can send no JSON; nothing else is taken. An empty body stands for no parameters. */
function takeJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else void parse(request, String(body), done);
  });
}
