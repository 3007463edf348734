/** How the program ends: exit codes, and one way to tell a person what went wrong. */
import { CommanderError } from 'commander';
import { exitConfig, HawserError, messageOf } from '../base/errors.ts';
import { ConfigError } from '../config/problems.ts';

export const exitFailure = 1;
/** sysexits.h EX_USAGE. */
export const exitUsage = 64;

export function usageError(message: string, remedy = 'see --help'): HawserError {
  return new HawserError('USAGE', message, remedy);
}

/** Writes the error to stderr where it was not written yet, and returns the exit code. */
export function reportError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    return exitConfig;
  }
  process.stderr.write(`hawser: ${messageOf(error)}\n`);
  return error instanceof HawserError && error.code === 'USAGE' ? exitUsage : exitFailure;
}
