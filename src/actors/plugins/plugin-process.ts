/**
 * One run of a plugin: its process, what goes in and comes out, and its end. Whatever the process does, what is held of it is bounded, in both
 * directions, and it is gone when this says so.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import type { Readable, Writable } from 'node:stream';
import { processesOf } from '../../io/process-facts.ts';
import type { Confinement } from './confinement.ts';
import { type FromPlugin, mostLineBytes, printable, readLine, type ToPlugin } from './interface.ts';
import { LineSplitter } from './line-splitter.ts';

export interface PluginProcessParts {
  readonly confinement: Confinement;
  readonly onMessage: (message: FromPlugin) => void;
  /** It did what no plugin may, and is being ended for it. */
  readonly onFault: (reason: string) => void;
  /** Once. `reason`: how it ended. */
  readonly onEnd: (reason: string) => void;
}

/** What a plugin has not read yet; behind that nothing is put. */
const mostUnreadBytes = 262_144;
/** Of all that it writes, within a second. */
const mostWrittenBytes = 1 << 20;
const mostWordsBytes = 2048;
const windowMs = 1000;
/** A fork that ran ahead of the look before is found by the next one. */
const mostSweeps = 5;
/** The plugin's end of what it says. */
const answerFd = 3;

export class PluginProcess {
  readonly #parts: PluginProcessParts;
  readonly #child: ChildProcess | undefined;
  readonly #splitter = new LineSplitter(mostLineBytes);
  #writtenBytes = 0;
  #windowMs = performance.now();
  #words = Buffer.alloc(0);
  #fault = '';
  #hasEnded = false;

  constructor(parts: PluginProcessParts) {
    this.#parts = parts;
    const begun = begin(parts.confinement);
    if (begun instanceof Error) {
      setImmediate(() => this.#end(`it cannot be begun: ${begun.message}`));
      return;
    }
    this.#child = begun;
    begun.once('error', (error) => this.#end(`it cannot be begun: ${error.message}`));
    // Not 'close': that waits for whoever else holds the pipes.
    begun.once('exit', (code, signal) => this.#end(signal === null ? `exit code ${code}` : `ended by ${signal}`));
    for (const stream of this.#pipes()) stream.on('error', (error: Error) => this.#onPipe(error));
    this.#read(1, (chunk) => this.#takeWords(chunk));
    this.#read(2, (chunk) => this.#takeWords(chunk));
    this.#read(answerFd, (chunk) => this.#takeLines(chunk));
  }

  get pid(): number | undefined {
    return this.#hasEnded ? undefined : this.#child?.pid;
  }

  /** The last that it printed, on one line. */
  get lastWords(): string {
    const lines = this.#words.toString().split('\n').map(printable).filter(Boolean);
    return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 300);
  }

  /** False = it does not read what it was sent, or has ended. */
  send(message: ToPlugin): boolean {
    const input = this.#child?.stdin;
    if (!input?.writable || this.#hasEnded) return false;
    const line = `${JSON.stringify(message)}\n`;
    if (Buffer.byteLength(line) > mostLineBytes || input.writableLength + line.length > mostUnreadBytes) return false;
    input.write(line);
    return true;
  }

  /** Ends it, with the reason that `onEnd` is given. */
  endFor(reason: string): void {
    if (this.#fault === '') this.#fault = reason;
    this.kill();
  }

  /** At once; `onEnd` follows. */
  kill(): void {
    if (!this.#hasEnded) this.#child?.kill('SIGKILL');
  }

  /** This thread ends: nothing of the process shall hold it back. Returns whose processes are the plugin's; undefined = others may have that id. */
  letGo(): number | undefined {
    this.kill();
    for (const stream of this.#pipes()) stream.destroy();
    this.#child?.unref();
    const { uid, isOwn } = this.#parts.confinement;
    return isOwn ? uid : undefined;
  }

  #read(fd: number, take: (chunk: Buffer) => void): void {
    const stream = this.#child?.stdio?.[fd] as Readable | null | undefined;
    stream?.on('data', (chunk: Buffer) => {
      if (this.#isFlood(chunk.length)) this.#faultOf(`it writes more than ${mostWrittenBytes >> 20} MiB a second`);
      else take(chunk);
    });
  }

  #isFlood(bytes: number): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#windowMs > windowMs) {
      this.#windowMs = nowMs;
      this.#writtenBytes = 0;
    }
    this.#writtenBytes += bytes;
    return this.#writtenBytes > mostWrittenBytes;
  }

  #takeWords(chunk: Buffer): void {
    this.#words = Buffer.concat([this.#words, chunk.subarray(-mostWordsBytes)]).subarray(-mostWordsBytes);
  }

  #takeLines(chunk: Buffer): void {
    const lines = this.#splitter.take(chunk);
    if (lines === undefined) this.#faultOf(`it wrote a line of more than ${mostLineBytes >> 10} KiB`);
    for (const line of lines ?? []) if (this.#fault === '') this.#takeLine(line);
  }

  #takeLine(line: string): void {
    try {
      this.#parts.onMessage(readLine(line));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#faultOf(error.message);
    }
  }

  /** Its end of a pipe is closed: by its end, which is told of otherwise, or by itself. */
  #onPipe(error: Error): void {
    setImmediate(() => {
      if (!this.#hasEnded) this.#faultOf(`it closed what it is told by (${error.message})`);
    });
  }

  #faultOf(reason: string): void {
    if (this.#fault !== '' || this.#hasEnded) return;
    this.#fault = reason;
    for (const stream of this.#pipes()) stream.destroy();
    this.#parts.onFault(reason);
    this.kill();
  }

  #pipes(): (Readable | Writable)[] {
    // Without descriptors to spare there are none.
    return (this.#child?.stdio ?? []).flatMap((stream) => stream ?? []);
  }

  #end(how: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // What it wrote last is read by now, or belongs to nobody.
    setImmediate(() => {
      for (const stream of this.#pipes()) stream.destroy();
      // A look at all processes takes milliseconds, on a busy host many: not before the plugin itself is gone.
      const { uid, isOwn } = this.#parts.confinement;
      if (isOwn) killAll([uid]);
      const words = this.lastWords;
      this.#parts.onEnd(this.#fault !== '' ? this.#fault : words === '' ? how : `${how}: ${words}`);
    });
  }
}

/** Where the kernel has no more descriptors or memory for us, that is said, and tried again later like any other end. */
function begin({ command, args }: Confinement): ChildProcess | Error {
  const { TZ } = process.env;
  try {
    return spawn(command, args, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/nonexistent', ...(TZ === undefined ? {} : { TZ }) },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** Whatever runs as these users, who are plugins' alone. */
export function killAll(uids: readonly number[]): void {
  for (let sweep = 0; uids.length > 0 && sweep < mostSweeps; sweep += 1) {
    const left = processesOf(uids);
    for (const pid of left) killQuietly(pid);
    if (left.length === 0) return;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself.
    if (!(error instanceof Error)) throw error;
  }
}
