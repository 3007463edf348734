/** Gives memory back that was needed once: V8 keeps what a start has used until there is a reason to look, and an idle thread has none. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Takes some milliseconds for each 10 MB that are in use. Not for threads that carry packets. */
export function collectGarbage(): void {
  if (collect === undefined) {
    // The function is there in contexts that are made after the flag.
    setFlagsFromString('--expose-gc');
    const found: unknown = runInNewContext('gc');
    collect = typeof found === 'function' ? () => void found() : () => undefined;
  }
  collect();
  // What the first has emptied goes back to the kernel with the second.
  collect();
}
