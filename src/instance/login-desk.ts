/**
 * Logins of browsers: a code that stands in one address for a minute is traded for a secret that a cookie bears for half a day. Kept on
 * the main thread, so that a restarted api-server knows who is logged in; as hashes, as tokens are.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HawserError } from '../base/errors.ts';
import { bracketed } from '../config/address.ts';
import type { ApiConfig } from '../config/api-schema.ts';
import type { ApiLogin, LoginCalls, NewLogin, OpenedLogin } from '../control/login-calls.ts';
import type { Role } from '../control/roles.ts';
import { hashOf } from '../control/token-file.ts';

const codeBytes = 16;
const secretBytes = 32;
const codeLivesMs = 60_000;
const loginLivesMs = 12 * 3_600_000;
/** An instance that has just become ready opens HTTP a moment later; shorter than the control-server's patience. */
const httpLookMs = 50;
const httpPatienceMs = 8_000;
/** More are never meant; the oldest makes room. */
const mostCodes = 16;
const mostLogins = 64;

interface Code {
  readonly role: Role;
  readonly untilMs: number;
}

interface LoginParts {
  /** Of a clock that nobody sets. */
  nowMs(): number;
  api(): ApiConfig | undefined;
  /** Why HTTP is off; empty = it is on, or nobody knows yet. */
  trouble(): readonly { readonly text: string; readonly remedy: string }[];
  /** It is known whether HTTP is on. */
  hasSaid(): boolean;
  /** Its thread could not be kept. Asked only when there is an `api`. */
  hasFailed(): boolean;
}

export class LoginDesk implements LoginCalls {
  readonly #parts: LoginParts;
  /** By hash, oldest first. */
  readonly #codes = new Map<string, Code>();
  readonly #logins = new Map<string, ApiLogin>();

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** As `openLogin`, once HTTP is on: a browser may be quicker than the rest of a start. */
  async openLoginSoon(role: Role): Promise<OpenedLogin> {
    const { api, hasSaid, hasFailed } = this.#parts;
    for (let waitedMs = 0; api() !== undefined && !hasSaid(); waitedMs += httpLookMs) {
      if (hasFailed())
        throw new HawserError(
          'API_OFF',
          'The api-server has failed',
          '`hawser actor restart api-server` tries it again now, `hawser errors --stack` says why',
        );
      if (waitedMs >= httpPatienceMs)
        throw new HawserError('API_OFF', 'The HTTP API does not answer yet', '`hawser explain` says why; try again');
      await sleep(httpLookMs);
    }
    return this.openLogin(role);
  }

  /** An address with a code that is good for one login. Throws API_OFF. */
  openLogin(role: Role): OpenedLogin {
    const api = this.#parts.api();
    if (api === undefined)
      throw new HawserError('API_OFF', 'This instance answers no HTTP', 'write `api: {}` into its file');
    if (!api.page) throw new HawserError('API_OFF', 'This instance serves no page', 'api.page in its file is false');
    const [trouble] = this.#parts.trouble();
    if (trouble !== undefined) throw new HawserError('API_OFF', trouble.text, trouble.remedy);
    const code = randomBytes(codeBytes).toString('base64url');
    makeRoom(this.#codes, mostCodes);
    this.#codes.set(hashOf(code), { role, untilMs: this.#parts.nowMs() + codeLivesMs });
    return { url: `${originOf(api)}/#login=${code}`, role, seconds: codeLivesMs / 1000 };
  }

  redeemLogin(code: string): NewLogin {
    const hash = hashOf(code);
    const found = this.#codes.get(hash);
    this.#codes.delete(hash);
    if (found === undefined || found.untilMs < this.#parts.nowMs())
      throw new HawserError(
        'LOGIN',
        'This login code is not valid, was used, or is older than a minute',
        'hawser open',
      );
    const secret = randomBytes(secretBytes).toString('base64url');
    const login: ApiLogin = { hash: hashOf(secret), role: found.role, leftMs: loginLivesMs };
    makeRoom(this.#logins, mostLogins);
    this.#logins.set(login.hash, { ...login, leftMs: this.#parts.nowMs() + loginLivesMs });
    return { secret, login };
  }

  endLogin(hash: string): void {
    this.#logins.delete(hash);
  }

  logins(): ApiLogin[] {
    const nowMs = this.#parts.nowMs();
    for (const [hash, { leftMs: untilMs }] of this.#logins) if (untilMs < nowMs) this.#logins.delete(hash);
    return [...this.#logins.values()].map((one) => ({ ...one, leftMs: one.leftMs - nowMs }));
  }
}

/** With a certificate by the name that it may bear; an address that stands for all is this host's own. */
function originOf({ listen, hosts, tls }: ApiConfig): string {
  const [named] = hosts;
  const own: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const host = tls !== undefined && named !== undefined ? named : (own[listen.host] ?? listen.host);
  return `${tls === undefined ? 'http' : 'https'}://${bracketed(host)}:${listen.port}`;
}

function makeRoom(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size < most) return;
    map.delete(oldest);
  }
}
