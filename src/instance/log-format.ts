/** How a line of the log looks to people: one line of text each, with a priority for journald. JSON is pino's own. Pure. */

/** What pino writes of a message. */
export interface LogRecord {
  /** 20 debug, 30 info, 40 warn, 50 error. */
  readonly level: number;
  readonly time: number;
  readonly pid: number;
  readonly msg: string;
  /** `source` and whatever else an actor said. */
  readonly [field: string]: unknown;
}

/** sd-daemon(3): debug, info, warning, err. */
const priorities: Readonly<Record<number, number>> = { 20: 7, 30: 6, 40: 4, 50: 3 };

/** `<6>sealer: started thread=3`, without a line end. */
export function journalLine(record: LogRecord): string {
  return `<${priorities[record.level] ?? 6}>${recordText(record)}`;
}

/** `sealer: started thread=3`: source, message, and the other fields. */
export function recordText({ level: _level, time: _time, pid: _pid, msg, source, ...rest }: LogRecord): string {
  const pairs = Object.entries(rest).map(([key, value]) => {
    return `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`;
  });
  const words = [source === undefined ? msg : `${String(source)}: ${msg}`, ...pairs].join(' ');
  // What an actor or a peer said may hold line ends, and a line has one message.
  return words.replace(/\s*\n\s*/g, ' ');
}
