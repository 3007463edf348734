/** Throws when an invariant is broken: the thread dies and the supervisor restarts it. Never used on network input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}
