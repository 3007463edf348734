/** How a line of the log looks: JSON for programs, one line of text for people, text with a priority for journald. Pure. */
import { styleText } from 'node:util';
import type { LogLevel } from './options.ts';

export type LogFormat = 'pretty' | 'json' | 'journal';

export interface LogLine {
  readonly level: LogLevel;
  readonly timeMs: number;
  readonly pid: number;
  /** `source` and whatever else an actor said. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The numbers of pino and bunyan, which log readers know. */
export const levelNumbers = { debug: 20, info: 30, warn: 40, error: 50 } as const;
/** sd-daemon(3): debug, info, warning, err. */
const priorities = { debug: 7, info: 6, warn: 4, error: 3 } as const;
const colours = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

/** With its line end. */
export function formatLine(format: LogFormat, line: LogLine, withColour: boolean): string {
  if (format === 'json') return jsonLine(line);
  // What an actor or a peer said may hold line ends, and a line has one message.
  const text = textOf(line).replace(/\s*\n\s*/g, ' ');
  if (format === 'journal') return `<${priorities[line.level]}>${text}\n`;
  const time = new Date(line.timeMs - new Date(line.timeMs).getTimezoneOffset() * 60_000).toISOString();
  const word = line.level.toUpperCase().padEnd(5);
  return `${time.slice(11, 23)} ${withColour ? styleText(colours[line.level], word) : word} ${text}\n`;
}

function jsonLine({ level, timeMs, pid, fields, message }: LogLine): string {
  return `${JSON.stringify({ level: levelNumbers[level], time: timeMs, pid, ...fields, msg: message })}\n`;
}

function textOf({ fields, message }: LogLine): string {
  const { source, ...rest } = fields;
  const pairs = Object.entries(rest).map(([key, value]) => {
    return `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`;
  });
  return [source === undefined ? message : `${String(source)}: ${message}`, ...pairs].join(' ');
}
