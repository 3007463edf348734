/** The log: lines on stdout, written at once by the main thread alone, so that a process that ends has said why. */
import { fstatSync, writeSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { formatLine, type LogFormat, levelNumbers } from './log-format.ts';
import type { LogLevel } from './options.ts';

const stdoutFd = 1;

export class Logger {
  readonly #format: LogFormat;
  #level: LogLevel;
  /** Lines that nobody took: the reader of a pipe is slow, and the daemon does not wait for it. */
  #lost = 0;

  constructor({ logLevel, logFormat }: Pick<Config['runtime'], 'logLevel' | 'logFormat'>) {
    this.#level = logLevel;
    this.#format = chooseFormat(logFormat, process.env);
  }

  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    if (levelNumbers[level] < levelNumbers[this.#level]) return;
    if (this.#lost > 0 && this.#write('warn', {}, `${this.#lost} lines of the log were lost: nobody read them`)) {
      this.#lost = 0;
    }
    if (!this.#write(level, fields, message)) this.#lost += 1;
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  /** False = the line was not taken: a full pipe, a full disk, a reader that is gone. */
  #write(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): boolean {
    const line = { level, timeMs: Date.now(), pid: process.pid, fields, message };
    const withColour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
    try {
      writeSync(stdoutFd, formatLine(this.#format, line, withColour));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error) return false;
      throw error;
    }
  }
}

/** systemd.exec(5), JOURNAL_STREAM: device and inode of the stream that the journal reads. */
export function chooseFormat(asked: Config['runtime']['logFormat'], env: NodeJS.ProcessEnv): LogFormat {
  if (asked === 'json') return 'json';
  const { dev, ino } = fstatSync(stdoutFd);
  if (env.JOURNAL_STREAM === `${dev}:${ino}`) return 'journal';
  return asked === 'pretty' || process.stdout.isTTY ? 'pretty' : 'json';
}
