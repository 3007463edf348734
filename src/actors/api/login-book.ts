/** Who is logged in, as the main thread keeps it (`instance/login-desk.ts`): looked up here with each request that bears a cookie. */
import type { ApiLogin, LoginCalls, NewLogin } from '../../control/login-calls.ts';
import { hashOf } from '../../control/token-file.ts';
import type { Principal } from './principal.ts';

interface Known {
  readonly login: ApiLogin;
  /** performance.now() */
  readonly untilMs: number;
}

export class LoginBook {
  readonly #calls: LoginCalls;
  readonly #byHash = new Map<string, Known>();

  constructor(calls: LoginCalls) {
    this.#calls = calls;
  }

  /** After a restart: those of before. */
  async load(): Promise<void> {
    for (const login of await this.#calls.logins()) this.#keep(login);
  }

  /** Rejects with LOGIN for a code that is good for nothing. */
  async redeem(code: string): Promise<NewLogin> {
    const made = await this.#calls.redeemLogin(code);
    this.#keep(made.login);
    return made;
  }

  find(secret: string): Principal | undefined {
    const hash = hashOf(secret);
    const known = this.#of(hash);
    if (known === undefined) return undefined;
    return { name: 'login', role: known.login.role, by: 'login', isValid: () => this.#of(hash) !== undefined };
  }

  async end(secret: string): Promise<void> {
    const hash = hashOf(secret);
    this.#byHash.delete(hash);
    await this.#calls.endLogin(hash);
  }

  #keep(login: ApiLogin): void {
    const nowMs = performance.now();
    for (const [hash, { untilMs }] of this.#byHash) if (untilMs < nowMs) this.#byHash.delete(hash);
    this.#byHash.set(login.hash, { login, untilMs: nowMs + login.leftMs });
  }

  #of(hash: string): Known | undefined {
    const known = this.#byHash.get(hash);
    return known !== undefined && known.untilMs > performance.now() ? known : undefined;
  }
}
