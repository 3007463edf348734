/** Where a program lies that this process may run; undefined = nowhere in PATH. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

export function findCommand(command: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const file = path.join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  return undefined;
}
