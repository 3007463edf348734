/**
 * What must outlive the process, in the state directory: the last TAI64N stamp, so that our initiations never look like replays
 * after the clock went back, and where peers were last, so that a restarted daemon need not wait to be found.
 */
import path from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { inWords, isCode, readSmallFile, replaceFile } from '../../base/lasting-files.ts';
import type { EndpointText } from '../../config/config.ts';
import { transport } from '../../contract/link-tables.ts';
import { StampFile } from './stamp-file.ts';

/** By name of link and address text. */
export interface KnownPlace extends EndpointText {
  readonly link: string;
}

/** Where a peer was last heard. */
export interface KnownEndpoint extends KnownPlace {
  /** It said HELLO: after a restart we may call it, whoever was the client. */
  readonly isHawser: boolean;
  /** TAI64N of its last initiation, hexadecimal, and of the last from the far future (`stamp-marks.ts`). */
  readonly timestamp: string;
  readonly farTimestamp?: string;
  /** When it last had new keys, since 1970; a file of an older version has none. */
  readonly heardMs?: number;
  /** Other paths that it has proven; a file of an older version has none. */
  readonly others?: readonly KnownPlace[];
}

/** Something is wrong with a file, until `remedy` is undefined: then it is over. `message` follows the file's name. */
export interface FileTrouble {
  readonly file: string;
  readonly message: string;
  readonly remedy: string | undefined;
}

/** A roaming peer writes its file at most this often. */
const writeSpacingUs = 1_000_000;
/** Of 10,000 it is 5 MB, and who roams is one of them: it is written every ten seconds then. */
const writeSpacingUsPerPeer = 1000;
/** Who was there is written down so often, though nobody has moved. */
const heardSpacingUs = 60_000_000;
/** Keys are renewed after two to three minutes; those of the last who were there before the end were written a minute before it. */
const thereMs = 300_000;
/** A file that could not be written is tried again so often. */
const retrySpacingUs = 10_000_000;
/** Some 500 bytes for each peer, and 10,000 of them. */
const mostPeersBytes = 32 << 20;
const mostStampBytes = 4096;

export class StateFiles {
  readonly #stamps: StampFile;
  readonly #peersFile: string;
  readonly #tell: (trouble: FileTrouble) => void;
  /** By file, what was told of it last. */
  readonly #troubles = new Map<string, string>();
  readonly #peers: Map<string, KnownEndpoint>;
  #isDirty = false;
  /** Peers were heard since the last writing. */
  #isAged = false;
  #nextWriteUs = 0;
  #nextHeardUs = 0;
  /** By the file as it was found, for a router's clock may be years behind when it starts: when the last one was heard. */
  readonly #lastHeardMs: number;

  /**
   * `tell`: hears of each file that cannot be read, used or written, once until that is over; the daemon goes on without them.
   * `unixUs`: CLOCK_REALTIME microseconds.
   */
  constructor(directory: string, name: string, unixUs: number, tell: (trouble: FileTrouble) => void) {
    const stampFile = path.join(directory, `${name}.timestamp`);
    this.#peersFile = path.join(directory, `${name}.peers.json`);
    this.#tell = tell;
    const write = (text: string): boolean => this.#write(stampFile, text);
    const warn = (message: string): void => this.#report(stampFile, `cannot be used: ${message}`);
    this.#stamps = new StampFile(this.#read(stampFile, '', mostStampBytes), unixUs, write, warn);
    this.#peers = this.#readPeers();
    this.#lastHeardMs = [...this.#peers.values()].reduce((last, { heardMs = 0 }) => Math.max(last, heardMs), 0);
  }

  /** Stamp of the next initiation. */
  nextStampUs(unixUs: number): number {
    return this.#stamps.next(unixUs);
  }

  endpointOf(publicKey: string): KnownEndpoint | undefined {
    return this.#peers.get(publicKey);
  }

  setEndpoint(publicKey: string, endpoint: KnownEndpoint): void {
    this.#peers.set(publicKey, endpoint);
    this.#isDirty = true;
  }

  /** It has new keys; `unixMs`: now. */
  noteHeard(publicKey: string, unixMs: number): void {
    const known = this.#peers.get(publicKey);
    if (known === undefined) return;
    this.#peers.set(publicKey, { ...known, heardMs: unixMs });
    this.#isAged = true;
  }

  /** It was there when the process before this one ended, however long ago that is, or since. */
  wasThere(publicKey: string): boolean {
    const heardMs = this.#peers.get(publicKey)?.heardMs;
    return heardMs !== undefined && this.#lastHeardMs - heardMs <= thereMs;
  }

  setStamps(publicKey: string, timestamp: string, farTimestamp: string): void {
    const known = this.#peers.get(publicKey);
    if (known !== undefined) this.setEndpoint(publicKey, { ...known, timestamp, farTimestamp });
  }

  /** Forgets all peers but these. */
  keepOnly(publicKeys: readonly string[]): void {
    const kept = new Set(publicKeys);
    for (const known of this.#peers.keys()) {
      if (!kept.has(known) && this.#peers.delete(known)) this.#isDirty = true;
    }
  }

  /** A peer that has gone. */
  forget(publicKey: string): void {
    if (this.#peers.delete(publicKey)) this.#isDirty = true;
  }

  /** The end: what is left to write down, and the stamp that was used last. */
  close(): void {
    this.#stamps.close();
    this.#isDirty ||= this.#isAged;
    this.flushNow();
  }

  /** Writes what changed, now and then. */
  flush(nowUs: number): void {
    if (this.#isAged && nowUs >= this.#nextHeardUs) this.#isDirty = true;
    if (!this.#isDirty || nowUs < this.#nextWriteUs) return;
    this.flushNow();
    const spacingUs = Math.max(writeSpacingUs, this.#peers.size * writeSpacingUsPerPeer);
    this.#nextWriteUs = nowUs + (this.#isDirty ? Math.max(retrySpacingUs, spacingUs) : spacingUs);
    this.#nextHeardUs = nowUs + heardSpacingUs;
  }

  /** At once. */
  flushNow(): void {
    if (!this.#isDirty) return;
    this.#isAged = false;
    this.#isDirty = !this.#write(this.#peersFile, `${JSON.stringify(Object.fromEntries(this.#peers), null, 1)}\n`);
  }

  #readPeers(): Map<string, KnownEndpoint> {
    try {
      const text = this.#read(this.#peersFile, '{}', mostPeersBytes);
      const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return new Map(entries.filter((entry): entry is [string, KnownEndpoint] => isEndpoint(entry[1])));
    } catch (error) {
      this.#report(this.#peersFile, `cannot be used: ${messageOf(error)}`);
      return new Map();
    }
  }

  #read(file: string, fallback: string, mostBytes: number): string {
    try {
      return readSmallFile(file, mostBytes);
    } catch (error) {
      if (!isCode(error, 'ENOENT')) this.#report(file, `cannot be read: ${inWords(error)}`);
      return fallback;
    }
  }

  #report(
    file: string,
    message: string,
    remedy = `it is written anew; if that fails, see what is there: ls -l ${file}`,
  ): void {
    if (this.#troubles.get(file) === message) return;
    this.#troubles.set(file, message);
    this.#tell({ file, message, remedy });
  }

  /** Whether it was written. */
  #write(file: string, text: string): boolean {
    try {
      replaceFile(file, text, 0o600);
    } catch (error) {
      this.#report(file, `cannot be written: ${inWords(error)}`, remedyFor(error, file));
      return false;
    }
    if (this.#troubles.delete(file)) this.#tell({ file, message: 'is written again', remedy: undefined });
    return true;
  }
}

function remedyFor(error: unknown, file: string): string {
  const folder = path.dirname(file);
  const isFull = isCode(error, 'ENOSPC') || isCode(error, 'EDQUOT');
  const first = isFull ? `make room there (df ${folder})` : `see what is there (ls -ld ${folder})`;
  return `${first}, or name another runtime.stateDirectory; until then a restart forgets where peers are and what was used`;
}

function isEndpoint(value: unknown): value is KnownEndpoint {
  const one = value as Partial<KnownEndpoint> | null;
  const others: unknown = one?.others ?? [];
  return (
    isPlace(value) &&
    typeof one?.isHawser === 'boolean' &&
    typeof one.timestamp === 'string' &&
    (one.heardMs === undefined || typeof one.heardMs === 'number') &&
    Array.isArray(others) &&
    others.every(isPlace)
  );
}

/** A later version may have written down what this one cannot. */
function isTransport(name: unknown): boolean {
  return name === undefined || (typeof name === 'string' && Object.hasOwn(transport, name));
}

function isPlace(value: unknown): value is KnownPlace {
  const one = value as Partial<KnownPlace> | null;
  return (
    typeof one?.link === 'string' &&
    typeof one.host === 'string' &&
    Number.isInteger(one.port) &&
    isTransport(one.transport)
  );
}
