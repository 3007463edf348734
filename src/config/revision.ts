/** Which text of a configuration is meant. */
import { createHash } from 'node:crypto';

/** The same for the same text, and no other. */
export function revisionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
