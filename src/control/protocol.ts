/**
 * What travels on the control socket: one JSON object a line. A request `{"id":1,"method":"peers","params":{…}}`, whose method is an
 * operation of `operations.ts`, is answered by `{"id":1,"result":…}` or `{"id":1,"error":{"code":…,"message":…}}`, in the order of the requests. `follow` is answered by a line
 * `{"id":1,"result":[…events]}` each time something happened, until the caller hangs up; once a connection. Who reads slowly gets
 * an event of kind `left-out` in place of what was forgotten meanwhile. An error with id 0 belongs to the connection.
 */

export interface Failure {
  readonly code: string;
  readonly message: string;
}

export type Response =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: Failure };

/** A longer line is no request of ours: the connection is closed. The longest bears the text of a configuration. */
export const maxRequestBytes = 2 << 20;

/** Where the socket of an instance is; also what `hawser` looks for when it is not told a name. */
export function socketPathOf(runDirectory: string, name: string): string {
  return `${runDirectory}/${name}.sock`;
}
