/** What the api-server and the main thread say to each other about logins of browsers. */
import type { Role } from './roles.ts';

export interface ApiLogin {
  /** SHA-256 of the secret, hexadecimal. */
  readonly hash: string;
  readonly role: Role;
  /** It ends after so long. */
  readonly leftMs: number;
}

export interface NewLogin {
  /** For the cookie; it stands nowhere else. */
  readonly secret: string;
  readonly login: ApiLogin;
}

export interface LoginCalls {
  logins(): readonly ApiLogin[] | Promise<readonly ApiLogin[]>;
  /** Throws LOGIN for a code that was never given, was used, or is too old. */
  redeemLogin(code: string): NewLogin | Promise<NewLogin>;
  endLogin(hash: string): void | Promise<void>;
}

/** What `hawser open` is told. */
export interface OpenedLogin {
  /** With the code in its fragment, which no browser sends to anybody. */
  readonly url: string;
  readonly role: Role;
  readonly seconds: number;
}
