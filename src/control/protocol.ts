/**
 * What travels on the control socket: one JSON object a line. A request `{"id":1,"method":"peers","params":{…}}` is answered by
 * `{"id":1,"result":…}` or `{"id":1,"error":{"code":…,"message":…}}`, in the order of the requests. `follow` is answered by a line
 * `{"id":1,"result":[…events]}` each time something happened, until the caller hangs up; once a connection. Who reads slowly gets
 * an event of kind `left-out` in place of what was forgotten meanwhile. An error with id 0 belongs to the connection.
 */

export const methods = [
  'status',
  'peers',
  'paths',
  'links',
  'health',
  'explain',
  'actors',
  'rings',
  'top',
  'events',
  'follow',
  'errors',
  'actor',
  'failover',
  'link',
  'peer',
  'reload',
  'stop',
] as const;
export type Method = (typeof methods)[number];

export const actorVerbs = ['kill', 'restart', 'hang'] as const;
export type ActorVerb = (typeof actorVerbs)[number];

export const linkVerbs = ['add', 'remove', 'enable', 'disable'] as const;
export type LinkVerb = (typeof linkVerbs)[number];

export const peerVerbs = ['forget-clock', 'rekey'] as const;
export type PeerVerb = (typeof peerVerbs)[number];

export interface Request {
  readonly id: number;
  readonly method: Method;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type Response =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: Failure };

/** A longer line is no request of ours: the connection is closed. */
export const maxRequestBytes = 65_536;

/** The request of one line, or what to answer to a line that is none. */
export function parseRequest(line: string): Request | Response {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return { id: 0, error: { code: 'REQUEST', message: 'The line is not JSON' } };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { id: 0, error: { code: 'REQUEST', message: 'The line is not a JSON object' } };
  }
  const { id, method, params }: { id?: unknown; method?: unknown; params?: unknown } = parsed;
  const number = typeof id === 'number' ? id : 0;
  const known = methods.find((name) => name === method);
  if (known === undefined) {
    const message = `There is no method ${JSON.stringify(method)}; there are: ${methods.join(', ')}`;
    return { id: number, error: { code: 'METHOD', message } };
  }
  const fields = typeof params === 'object' && params !== null ? Object.fromEntries(Object.entries(params)) : {};
  return { id: number, method: known, params: fields };
}

/** Where the socket of an instance is; also what `hawser` looks for when it is not told a name. */
export function socketPathOf(runDirectory: string, name: string): string {
  return `${runDirectory}/${name}.sock`;
}
