/**
 * Who asks, before anything else of a request is looked at: a token, or the cookie of a login. Whoever is wrong too often waits, whatever
 * he shows next; whoever is right does not.
 */
import { createHash } from 'node:crypto';
import os from 'node:os';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AttemptLimit } from './attempt-limit.ts';
import { checkOrigin, factsOf } from './guards.ts';
import type { LoginBook } from './login-book.ts';
import type { Principal } from './principal.ts';
import { type Problem, problem, sendProblem } from './problem.ts';

export interface GateParts {
  /** By the text of a token. */
  findToken(secret: string): Principal | undefined;
  readonly logins: LoginBook;
  readonly instance: string;
  /** The cookie is for TLS alone. */
  readonly isSecure: boolean;
  /** Somebody showed what is good for nothing. */
  onRefused(address: string, reason: string): void;
}

const loginSeconds = 12 * 3600;

/** Cookies know no ports: two instances on a host, or two hubs behind one proxy, would end each other's logins by a common name. */
export function cookieNameOf(instance: string): string {
  return `hawser_session_${createHash('sha256').update(`${os.hostname()} ${instance}`).digest('hex').slice(0, 8)}`;
}

export class Gate {
  readonly #parts: GateParts;
  readonly #cookieName: string;
  readonly #principals = new WeakMap<FastifyRequest, Principal>();
  /** Of tokens and cookies, and of login codes, each of which costs the main thread a look. */
  readonly #wrong = new AttemptLimit(20, 3_000);
  readonly #wrongCodes = new AttemptLimit(5, 10_000);

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#cookieName = cookieNameOf(parts.instance);
  }

  /** Whose request it is: one that has passed `check`. */
  principalOf(request: FastifyRequest): Principal {
    const principal = this.#principals.get(request);
    if (principal === undefined) throw new Error('a request came past the gate');
    return principal;
  }

  /** Answers whoever may not come in; undefined = he may. */
  check(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const [token, cookie] = [bearerOf(request), this.#cookieOf(request)];
    const principal = token === undefined ? this.#findLogin(cookie) : this.#parts.findToken(token);
    if (principal === undefined) return this.#refuse(request, reply, token ?? cookie);
    const foreign = principal.by === 'login' ? checkOrigin(factsOf(request)) : undefined;
    if (foreign !== undefined) return sendProblem(reply, foreign);
    this.#principals.set(request, principal);
    return undefined;
  }

  addLogin(app: FastifyInstance): void {
    app.post('/login', (request, reply) => this.#login(request, reply));
    app.post('/logout', (request, reply) => this.#logout(request, reply));
  }

  #findLogin(cookie: string | undefined): Principal | undefined {
    return cookie === undefined ? undefined : this.#parts.logins.find(cookie);
  }

  #refuse(request: FastifyRequest, reply: FastifyReply, shown: string | undefined): FastifyReply {
    if (shown !== undefined) {
      const late = this.#tooMany(this.#wrong, request, 'a token or login that is not valid');
      if (late !== undefined) return sendProblem(retryAfter(reply, late.waitMs), late.problem);
    }
    const message =
      shown === undefined ? 'The request shows no token' : 'The token or login is not valid, or not any more';
    return sendProblem(
      reply.header('www-authenticate', 'Bearer realm="hawser"'),
      problem(401, 'unauthenticated', message, '`hawser token add` makes a token, `hawser open` a login'),
    );
  }

  /** Counts a wrong attempt; what to answer when there were too many before. */
  #tooMany(
    limit: AttemptLimit,
    { ip }: FastifyRequest,
    reason: string,
  ): { waitMs: number; problem: Problem } | undefined {
    const nowMs = performance.now();
    const waitMs = limit.waitMs(ip, nowMs);
    if (waitMs > 0) return { waitMs, problem: problem(429, 'too-many', `Too many wrong attempts from ${ip}`, 'wait') };
    limit.spend(ip, nowMs);
    this.#parts.onRefused(ip, reason);
    return undefined;
  }

  async #login(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const foreign = checkOrigin(factsOf(request), 'program');
    if (foreign !== undefined) return sendProblem(reply, foreign);
    const waitMs = this.#wrongCodes.waitMs(request.ip, performance.now());
    if (waitMs > 0)
      return sendProblem(
        retryAfter(reply, waitMs),
        problem(429, 'too-many', `Too many wrong login codes from ${request.ip}`, 'wait'),
      );
    const code = codeOf(request.body);
    if (code === undefined) return sendProblem(reply, problem(400, 'params', 'The body is not {"code": "…"}'));
    try {
      const { secret, login } = await this.#parts.logins.redeem(code);
      reply.header('set-cookie', this.#cookie(secret, loginSeconds));
      return await reply
        .type('application/json; charset=utf-8')
        .send(JSON.stringify({ name: 'login', role: login.role }));
    } catch (error) {
      if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'LOGIN') throw error;
      this.#wrongCodes.spend(request.ip, performance.now());
      this.#parts.onRefused(request.ip, 'a login code that is not valid');
      return sendProblem(reply, problem(403, 'login', error.message));
    }
  }

  /** Also of somebody who is not logged in: there is nothing to be hindered. */
  async #logout(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const foreign = checkOrigin(factsOf(request), 'program');
    if (foreign !== undefined) return sendProblem(reply, foreign);
    const cookie = this.#cookieOf(request);
    if (cookie !== undefined && this.#findLogin(cookie) !== undefined) await this.#parts.logins.end(cookie);
    reply.header('set-cookie', this.#cookie('', 0));
    return await reply.type('application/json; charset=utf-8').send('null');
  }

  #cookie(value: string, seconds: number): string {
    const secure = this.#parts.isSecure ? '; Secure' : '';
    return `${this.#cookieName}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
  }

  /** RFC 6265 section 5.4: of several of one name the first is the most specific. */
  #cookieOf({ headers }: FastifyRequest): string | undefined {
    const begin = `${this.#cookieName}=`;
    const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
    return pairs.find((pair) => pair.startsWith(begin))?.slice(begin.length, begin.length + 256);
  }
}

function retryAfter(reply: FastifyReply, waitMs: number): FastifyReply {
  return reply.header('retry-after', String(Math.ceil(waitMs / 1000)));
}

function bearerOf({ headers }: FastifyRequest): string | undefined {
  const [, secret] = /^Bearer +([A-Za-z0-9._~+/=-]{1,256}) *$/i.exec(headers.authorization ?? '') ?? [];
  return headers.authorization === undefined ? undefined : (secret ?? '');
}

function codeOf(body: unknown): string | undefined {
  const code: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'code') : undefined;
  return typeof code === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(code) ? code : undefined;
}
