/** How the program ends: exit codes, and one way to tell a person what went wrong. */
import { CommanderError } from 'commander';
import { exitConfig, HawserError, messageOf } from '../base/errors.ts';

export const exitFailure = 1;
/** sysexits.h EX_USAGE. */
export const exitUsage = 64;

const usageCode = 'USAGE';
/** Code of `ConfigError` (config/problems.ts), which also crosses the control socket. */
const configCode = 'CONFIG';

export function usageError(message: string, remedy = 'see --help'): HawserError {
  return new HawserError(usageCode, message, remedy);
}

/** Writes the error to stderr where it was not written yet, and returns the exit code. */
export function reportError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
  const code = error instanceof HawserError ? error.code : '';
  // Problems name their file and line at the start of each line, whether found here or told by a daemon that reloads.
  const prefix = code === configCode ? '' : 'hawser: ';
  const message = messageOf(error);
  process.stderr.write(`${prefix}${message}${remedyFor(message)}\n`);
  if (code === configCode) return exitConfig;
  return code === usageCode ? exitUsage : exitFailure;
}

/** Whoever meets the limit of open files, often a module that is being loaded, does not know the remedy. */
function remedyFor(message: string): string {
  return /\bE[MN]FILE\b/.test(message) ? ' (too few files may be open at once: ulimit -n 1024)' : '';
}
