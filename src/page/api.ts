/** What the page asks of the daemon: one place that knows addresses, headers, tokens and errors of the HTTP API. */
import type {
  ClientRow,
  ClientUsage,
  FoundClients,
  HubFacts,
  InvitationRow,
  NewClientAnswer,
} from '../control/client-calls.ts';
import type { SessionStatus } from '../control/client-sessions.ts';
import type { ConfigApplied, ConfigCheck, ConfigDiff, ConfigText } from '../control/config-calls.ts';
import type { Explanation } from '../control/explain.ts';
import type { HistoryAnswer } from '../control/history.ts';
import type { Top } from '../control/rows.ts';
import type { ReloadResult } from '../control/supervisor-api.ts';
import type { SchemaNode } from './config-help.ts';

export type Role = 'viewer' | 'operator' | 'admin';

export interface Me {
  readonly name: string;
  readonly role: Role;
  readonly instance: string;
  readonly version: string;
}

/** Operations that read, with their answers. */
export interface Reads {
  top: Top;
  explain: readonly Explanation[];
  sessions: readonly SessionStatus[];
  hub: HubFacts;
  'client.find': FoundClients;
  'client.usage': ClientUsage;
  'invite.list': readonly InvitationRow[];
  history: HistoryAnswer;
  'config.read': ConfigText;
  'config.schema': SchemaNode;
}

/** Operations that change, or that ask about a long text, with their answers. */
export interface Changes {
  'client.add': NewClientAnswer;
  'client.set': ClientRow;
  'client.enable': ClientRow;
  'client.disable': ClientRow;
  'client.kick': ClientRow;
  'client.remove': ClientRow;
  'invite.revoke': InvitationRow;
  'link.enable': unknown;
  'link.disable': unknown;
  failover: unknown;
  'actor.restart': string;
  reload: ReloadResult;
  'config.check': ConfigCheck;
  'config.diff': ConfigDiff;
  'config.apply': ConfigApplied;
  'config.confirm': unknown;
  'config.revert': unknown;
}

/** An answer that is none: `status` 0 = nobody answered. */
export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string | undefined;

  constructor(status: number, detail: string, remedy?: string) {
    super(detail);
    this.status = status;
    this.remedy = remedy;
  }
}

const tokenKey = 'hawser-token';
/** Longer than the daemon itself waits for what it asks. */
const patienceMs = 15_000;

/** A pasted token lives as long as the tab; who logs in with a code has a cookie that no script can read. */
export const token = {
  get: (): string | null => sessionStorage.getItem(tokenKey),
  set: (text: string): void => sessionStorage.setItem(tokenKey, text),
  forget: (): void => sessionStorage.removeItem(tokenKey),
};

export function headers(): Record<string, string> {
  const text = token.get();
  return text === null ? {} : { authorization: `Bearer ${text}` };
}

/** `client.add` → `api/v1/client/add`, relative to the page, so that a proxy may serve it anywhere. */
export function addressOf(name: string): string {
  return `api/v1/${name.replaceAll('.', '/')}`;
}

export function read<Name extends keyof Reads>(
  name: Name,
  params: Readonly<Record<string, string | number | readonly string[]>> = {},
): Promise<Reads[Name]> {
  const pairs = Object.entries(params).flatMap(([key, value]) => [value].flat().map((one) => [key, String(one)]));
  const query = new URLSearchParams(pairs).toString();
  return request('GET', query === '' ? addressOf(name) : `${addressOf(name)}?${query}`);
}

export function change<Name extends keyof Changes>(name: Name, params: object = {}): Promise<Changes[Name]> {
  return request('POST', addressOf(name), params);
}

export function me(): Promise<Me> {
  return request('GET', addressOf('me'));
}

/** Trades a code of `hawser open` for a cookie. */
export function login(code: string): Promise<unknown> {
  return request('POST', addressOf('login'), { code });
}

export function logout(): Promise<unknown> {
  return request('POST', addressOf('logout'), {});
}

/** Throws ApiError, and nothing else. */
async function request<T>(method: string, address: string, body?: object): Promise<T> {
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(address, {
      method,
      cache: 'no-store',
      headers: { ...headers(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      signal: AbortSignal.timeout(patienceMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await answer.text();
  } catch (error) {
    throw new ApiError(0, `The daemon does not answer (${error instanceof Error ? error.message : String(error)})`);
  }
  const value = parsed(text);
  if (answer.ok) return value as T;
  throw errorOf(answer.status, value);
}

export function errorOf(status: number, problem: unknown): ApiError {
  const { detail, title, remedy } = (problem ?? {}) as Readonly<Record<string, unknown>>;
  const text = [detail, title].find((one) => typeof one === 'string' && one !== '') ?? `The daemon answered ${status}`;
  if (typeof remedy !== 'string' || remedy === '') return new ApiError(status, String(text));
  // What is to be done stands in the sentence too, for those who print nothing else.
  return new ApiError(status, String(text).replace(` (${remedy})`, ''), remedy);
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
