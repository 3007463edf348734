/** The log: pino on stdout, in the main thread only. Loaded when the start is over; lines before that wait in a list. */
import type { Logger as PinoLogger } from 'pino';
import type { LogLevel } from './options.ts';

type Line = readonly [LogLevel, Readonly<Record<string, unknown>>, string];

export class Logger {
  #level: LogLevel;
  #pino: PinoLogger | undefined;
  #waiting: Line[] = [];

  constructor(level: LogLevel) {
    this.#level = level;
  }

  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#pino === undefined) this.#waiting.push([level, fields, message]);
    else this.#pino[level](fields, message);
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
    if (this.#pino !== undefined) this.#pino.level = level;
  }

  /** Loads pino (and pino-pretty for people) and writes what has waited. */
  async open(): Promise<void> {
    const { pino } = await import('pino');
    const options = { level: this.#level, base: { pid: process.pid } };
    if (process.stdout.isTTY) {
      const { build } = await import('pino-pretty');
      this.#pino = pino(options, build({ sync: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l' }));
    } else {
      // Synchronous: a process that exits must not lose the line that says why.
      this.#pino = pino(options, pino.destination({ fd: 1, sync: true }));
    }
    for (const [level, fields, message] of this.#waiting.splice(0)) this.#pino[level](fields, message);
  }

  /** Writes what still waits, plainly, when the process ends before pino was there. */
  flush(): void {
    for (const [level, , message] of this.#waiting.splice(0)) process.stderr.write(`${level}: ${message}\n`);
  }
}
