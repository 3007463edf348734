/** What SQLite says of a disk that takes nothing, and what it means to who asked. Pure. */
import { HawserError, messageOf } from '../../base/errors.ts';

export const diskRemedy = 'make room in runtime.stateDirectory, and see whether its disk works';

/** A full disk, or a failing one. */
export function isOfDisk(error: unknown): boolean {
  return /disk is full|disk I\/O error|readonly|unable to open/.test(messageOf(error));
}

/** What SQLite says of such a disk has a sentence of its own; nothing was changed then. */
export function storeFaultOf(error: unknown): HawserError {
  if (error instanceof HawserError) return error;
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const message = messageOf(error);
  if (isOfDisk(error))
    return new HawserError(
      'STORE',
      `The store of clients cannot be written: ${message}`,
      `${diskRemedy}; then try again`,
    );
  return new HawserError(typeof code === 'string' ? code : 'STORE', message);
}
