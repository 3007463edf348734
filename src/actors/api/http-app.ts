/**
 * What stands between the network and the operations: limits of a connection, whose request it is, whether it is meant for this host, and
 * the form of errors. One for each time that HTTP is opened.
 */
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { EventStreams } from './event-streams.ts';
import { Gate, type GateParts } from './gate.ts';
import { checkHost, factsOf } from './guards.ts';
import { Load } from './load.ts';
import { servePage } from './page-files.ts';
import { problem, problemOf, sendProblem } from './problem.ts';
import { addRoutes, apiPrefix, type Perform } from './routes.ts';

export interface AppParts extends Omit<GateParts, 'isSecure'> {
  readonly instance: string;
  readonly version: string;
  readonly hosts: readonly string[];
  readonly hasPage: boolean;
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

export const leastTls = 'TLSv1.2';

const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

export function buildApp(parts: AppParts): FastifyInstance {
  const app = fastify({
    bodyLimit: maxBodyBytes,
    serverFactory: (handler) => {
      const { tls } = parts;
      const server: Server =
        tls === undefined
          ? createPlainServer(limits, handler)
          : createTlsServer({ ...limits, cert: tls.certificate, key: tls.key, minVersion: leastTls }, handler);
      server.maxConnections = maxConnections;
      return server;
    },
    forceCloseConnections: true,
    routerOptions: { caseSensitive: true, maxParamLength: 256 },
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problem(400, 'request', error.message)),
  });
  takeJsonOnly(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(everywhere);
    const fault = checkHost(factsOf(request), parts.hosts);
    if (fault !== undefined) await sendProblem(reply, fault);
  });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    // What fastify itself refuses: a body that is no JSON, or is too long.
    const { statusCode, code } = error;
    if (typeof code === 'string' && code.startsWith('FST_') && statusCode !== undefined && statusCode < 500)
      return sendProblem(reply, problem(statusCode, 'request', error.message));
    const what = problemOf(error);
    if (what.status === 500) parts.onFault(error);
    return sendProblem(reply, what);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problem(404, 'not-found', `There is no ${request.method} ${request.url.slice(0, 200)}`)),
  );
  void app.register(async (scope) => addApi(scope, parts), { prefix: apiPrefix });
  if (parts.hasPage) servePage(app);
  return app;
}

/** Everything below `/api/v1` wants to know who asks, before anything else of the request is looked at. */
function addApi(scope: FastifyInstance, parts: AppParts): void {
  const gate = new Gate({ ...parts, isSecure: parts.tls !== undefined });
  const load = new Load();
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
    addRoutes(inner, { ...parts, load, principalOf: (request) => gate.principalOf(request) });
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
