/** The tokens of the file, read again when it has changed: whoever is removed from it is out with the next request. */
import { messageOf } from '../../base/errors.ts';
import { hashOf, readTokens, type Token, versionOfFile } from '../../control/token-file.ts';
import type { Principal } from './principal.ts';

export class TokenBook {
  readonly #file: string;
  #version: string | undefined;
  #byHash: ReadonlyMap<string, Token> = new Map();
  #fault: string | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Of those in the file now. */
  get count(): number {
    this.#refresh();
    return this.#byHash.size;
  }

  /** Why the file is of no use, in words; then there are no tokens. */
  get fault(): string | undefined {
    this.#refresh();
    return this.#fault;
  }

  /** By the text of the token. What an attacker learns of the time that a look-up takes is about a hash, and not about the text. */
  find(secret: string): Principal | undefined {
    const hash = hashOf(secret);
    const token = this.#of(hash);
    if (token === undefined) return undefined;
    const { name, role } = token;
    return { name, role, by: 'token', isValid: () => this.#of(hash)?.role === role };
  }

  #of(hash: string): Token | undefined {
    this.#refresh();
    return this.#byHash.get(hash);
  }

  #refresh(): void {
    try {
      const version = versionOfFile(this.#file);
      if (version === this.#version) return;
      this.#version = version;
      this.#byHash = new Map(readTokens(this.#file).map((token) => [token.hash, token]));
      this.#fault = undefined;
    } catch (error) {
      this.#byHash = new Map();
      this.#fault = messageOf(error);
    }
  }
}
