/** Types of calls to an interface that lies elsewhere: whatever its methods return, the caller waits for it. */

/** Names of an interface's methods. */
export type MethodOf<Api> = {
  [K in keyof Api]: Api[K] extends (...args: never[]) => unknown ? K : never;
}[keyof Api] &
  string;

export type ArgsOf<Api, K extends keyof Api> = Api[K] extends (...args: infer A) => unknown ? A : never;
export type ResultOf<Api, K extends keyof Api> = Api[K] extends (...args: never[]) => infer R ? Awaited<R> : never;

/** The asking side of an interface. */
export interface Calls<Api> {
  request<M extends MethodOf<Api>>(method: M, ...args: ArgsOf<Api, M>): Promise<ResultOf<Api, M>>;
}
