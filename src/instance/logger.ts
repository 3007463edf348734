/**
 * The log: pino on stdout, in the main thread only, written at once, so that a process that ends has said why. pino is loaded when the
 * start is over; lines before that wait in a list.
 */
import { fstatSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Logger as PinoLogger } from 'pino';
import type { Config } from '../config/config.ts';
import type { LogLevel } from '../supervisor/options.ts';
import { journalLine, type LogRecord, recordText } from './log-format.ts';

type Line = readonly [LogLevel, Readonly<Record<string, unknown>>, string];
export type LogFormat = 'pretty' | 'json' | 'journal';

const stdoutFd = 1;
const require = createRequire(import.meta.url);

export class Logger {
  readonly #format: LogFormat;
  #level: LogLevel;
  #pino: PinoLogger | undefined;
  #waiting: Line[] = [];
  /** Lines that nobody took: the reader of a pipe is slow, and the daemon does not wait for it. */
  #lost = 0;

  constructor({ logLevel, logFormat }: Pick<Config['runtime'], 'logLevel' | 'logFormat'>) {
    this.#level = logLevel;
    this.#format = chooseFormat(logFormat, process.env);
  }

  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#pino === undefined) this.#waiting.push([level, fields, message]);
    else this.#pino[level](fields, message);
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
    if (this.#pino !== undefined) this.#pino.level = level;
  }

  /** Loads pino (and pino-pretty for people) and writes what has waited. Also when the process ends before anything else did it. */
  open(): void {
    if (this.#pino !== undefined) return;
    const { pino } = require('pino') as typeof import('pino');
    const format = formatterOf(this.#format);
    const options = { level: this.#level, base: { pid: process.pid } };
    this.#pino = pino(options, { write: (text) => this.#write(format(text)) });
    for (const [level, fields, message] of this.#waiting.splice(0)) this.#pino[level](fields, message);
  }

  #write(text: string): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#pino?.warn(`${lost} lines of the log were lost: nobody read them`);
    try {
      writeSync(stdoutFd, text);
    } catch (error) {
      // A full pipe, a full disk, a reader that is gone.
      if (!(error instanceof Error && 'code' in error)) throw error;
      this.#lost += lost + 1;
    }
  }
}

/** From a line of pino's to what is written. */
function formatterOf(format: LogFormat): (text: string) => string {
  if (format === 'json') return (text) => text;
  if (format === 'journal') return (text) => `${journalLine(JSON.parse(text) as LogRecord)}\n`;
  const { prettyFactory } = require('pino-pretty') as typeof import('pino-pretty');
  return prettyFactory({
    colorize: process.stdout.isTTY && process.env.NO_COLOR === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    hideObject: true,
    messageFormat: (record) => recordText(record as LogRecord),
  });
}

/** systemd.exec(5), JOURNAL_STREAM: device and inode of the stream that the journal reads. */
export function chooseFormat(asked: Config['runtime']['logFormat'], env: NodeJS.ProcessEnv): LogFormat {
  if (asked === 'json') return 'json';
  const { dev, ino } = fstatSync(stdoutFd);
  if (env.JOURNAL_STREAM === `${dev}:${ino}`) return 'journal';
  return asked === 'pretty' || process.stdout.isTTY ? 'pretty' : 'json';
}
