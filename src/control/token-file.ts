/**
 * The file of tokens of the HTTP API: a line `NAME ROLE sha256:HEX WHEN` for each. A token is 256 random bits, of which the file holds the
 * hash alone: there is nothing in it that could be guessed, and so nothing that a slow hash would protect.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { inWords, isCode, makeFolder, readWithMode } from '../base/lasting-files.ts';
import { isRole, type Role, roles } from './roles.ts';

export interface Token {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of its text, hexadecimal. */
  readonly hash: string;
  readonly createdMs: number;
}

const mostBytes = 1 << 20;
const tokenBytes = 32;
/** So that people and secret scanners see what it is. */
const prefix = 'hawser_';
const heading =
  '# Who may ask the HTTP API: name, role, hash of the token, when it was made. Written by `hawser token`.\n';
const isTokenName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text);

export function newToken(): string {
  return `${prefix}${randomBytes(tokenBytes).toString('base64url')}`;
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** None when there is no file. Throws TOKENS when it cannot be read, is not ours alone, or holds anything else. */
export function readTokens(file: string): Token[] {
  let read: ReturnType<typeof readWithMode>;
  try {
    read = readWithMode(file, mostBytes);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw new HawserError('TOKENS', `Cannot read the tokens in ${file}: ${inWords(error)}`);
  }
  const { text, mode, uid } = read;
  if ((mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new HawserError('TOKENS', `${file} has mode ${octal}: others can read or change it`, `chmod 600 '${file}'`);
  }
  if (uid !== 0 && uid !== process.geteuid?.())
    throw new HawserError('TOKENS', `${file} belongs to user ${uid}, who could let anybody in`, `chown root '${file}'`);
  return parseTokens(text, file);
}

function parseTokens(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const token = parseLine(line);
    if (token === undefined || tokens.some(({ name }) => name === token.name)) {
      const fault = token === undefined ? 'is no token' : `names ${token.name} again`;
      throw new HawserError('TOKENS', `Line ${index + 1} of ${file} ${fault}`, 'remove that line');
    }
    tokens.push(token);
  }
  return tokens;
}

function parseLine(line: string): Token | undefined {
  const [name = '', role, hashed = '', when = '', ...rest] = line.trim().split(/\s+/);
  const [, hash] = /^sha256:([0-9a-f]{64})$/.exec(hashed) ?? [];
  const createdMs = Date.parse(when);
  if (!isTokenName(name) || !isRole(role) || hash === undefined || Number.isNaN(createdMs) || rest.length > 0)
    return undefined;
  return { name, role, hash, createdMs };
}

/** Adds a token of that name and returns its text, which stands nowhere else. */
export function addToken(file: string, name: string, role: string, nowMs: number): string {
  if (!isTokenName(name))
    throw new HawserError('TOKENS', `"${name}" is no name of a token`, '1 to 64 letters, digits, "-", "_" or "."');
  if (!isRole(role)) throw new HawserError('TOKENS', `"${role}" is no role`, roles.join(', '));
  const secret = newToken();
  change(file, (tokens) => {
    if (tokens.some((one) => one.name === name))
      throw new HawserError('TOKENS', `There is a token "${name}" already`, `hawser token remove ${name}`);
    return [...tokens, { name, role, hash: hashOf(secret), createdMs: nowMs }];
  });
  return secret;
}

export function removeToken(file: string, name: string): void {
  change(file, (tokens) => {
    if (!tokens.some((one) => one.name === name))
      throw new HawserError('TOKENS', `There is no token "${name}" in ${file}`, 'hawser token list');
    return tokens.filter((one) => one.name !== name);
  });
}

/** The draft beside the file is also what keeps two from changing it at once; a reader finds the old file or the new one. */
function change(file: string, edit: (tokens: readonly Token[]) => readonly Token[]): void {
  const draft = `${file}.new`;
  makeFolder('the folder of the tokens', path.dirname(file), 0o700);
  const fd = openDraft(draft);
  try {
    const lines = edit(readTokens(file)).map(
      ({ name, role, hash, createdMs }) => `${name} ${role} sha256:${hash} ${new Date(createdMs).toISOString()}\n`,
    );
    writeFileSync(fd, `${heading}${lines.join('')}`);
    fsyncSync(fd);
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    if (error instanceof HawserError) throw error;
    throw new HawserError('TOKENS', `Cannot write ${file}: ${inWords(error)}`);
  } finally {
    closeSync(fd);
  }
}

/** Nobody needs longer than a moment; what is older was left by a crash. */
const staleMs = 10_000;

function openDraft(draft: string): number {
  for (let tries = 0; ; tries += 1) {
    try {
      return openSync(draft, 'wx', 0o600);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw new HawserError('TOKENS', `Cannot write ${draft}: ${inWords(error)}`);
      const isStale = Date.now() - (statSync(draft, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > staleMs;
      if (tries > 0 || !isStale)
        throw new HawserError('TOKENS', `Somebody else is changing the tokens: ${draft} is there`, 'try again');
      rmSync(draft, { force: true });
    }
  }
}

/** What tells one version of the file from another, at the cost of a system call; '' = it is not there. */
export function versionOfFile(file: string): string {
  const facts = statSync(file, { throwIfNoEntry: false, bigint: true });
  return facts === undefined ? '' : [facts.ino, facts.size, facts.ctimeNs, facts.mode, facts.uid].join();
}
