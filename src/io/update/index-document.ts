/**
 * The index of `hawser update`: one JSON document with a detached ed25519 signature over its very bytes (base64 in `NAME.sig`). It names
 * all that belongs to one release, so that no part of one can be joined with a part of another.
 */
import { createPublicKey, verify } from 'node:crypto';
import * as z from 'zod';
import { HawserError } from '../../base/errors.ts';

/** An index is 1 KB; who sends more sends no index. */
export const mostIndexBytes = 65_536;
/** 64 bytes as base64, and a line end. */
export const mostSignatureBytes = 128;
/** A program with its Node is 30 MB packed; what promises more is no release of ours. */
const mostFileBytes = 1 << 30;
/** A clock that is not set tells no expired index. Publisher's and host's may differ by so much. */
const clockSlackMs = 86_400_000;

/** DER of an ed25519 SubjectPublicKeyInfo up to its 32 raw bytes (RFC 8410 section 4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

const moment = z.iso.datetime().transform((input) => Date.parse(input));
const file = z.object({
  /** Absolute, or relative to the index. */
  url: z.string().min(1).max(2048),
  size: z.int().min(1).max(mostFileBytes),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Bytes on the disk when it is unpacked. */
  unpacked: z.int().min(0).max(mostFileBytes).default(0),
});
const document = z.object({
  format: z.literal('hawser-update-index/1'),
  /** Grows with each index that is signed, also with one that only lasts longer. */
  serial: z.int().min(1),
  version: z.string().regex(/^\d{1,6}\.\d{1,6}\.\d{1,6}(-[0-9A-Za-z.]{1,40})?$/),
  date: moment,
  expires: moment,
  /** By platform: `linux-x64`, `linux-arm64`. */
  files: z.record(z.string(), file),
});

export type UpdateIndex = z.output<typeof document>;
export type UpdateFile = z.output<typeof file>;

/** The index that `key` (base64) signed. Throws when the signature is another's or the document says what no index says. */
export function readIndex(bytes: Uint8Array, signature: string, key: string): UpdateIndex {
  const der = Buffer.concat([spkiPrefix, Buffer.from(key, 'base64')]);
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
  const given = Buffer.from(signature.trim(), 'base64');
  // Nothing of the document is looked at before: a parser is no place for strangers.
  if (given.length !== 64 || !verify(null, bytes, publicKey, given)) {
    const remedy = 'see that update.index and update.key belong together; while an index is published, try again';
    throw new HawserError('SIGNATURE', 'The index is not signed by the key of update.key', remedy);
  }
  const parsed = document.safeParse(jsonOf(bytes));
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const what = `${first?.path.join('.') ?? ''}: ${first?.message ?? ''}`;
  throw new HawserError(
    'INDEX',
    `The index is none that this version reads: ${what}`,
    'install the newest package by hand',
  );
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Throws what an index that is too old, replayed or from the future is refused with. `newestSerial`: seen before with this key, or 0. */
export function checkFreshness(index: UpdateIndex, newestSerial: number, nowMs: number): void {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  if (index.serial < newestSerial) {
    const message = `The index is older than one that was seen here: serial ${index.serial}, and ${newestSerial} before`;
    throw new HawserError(
      'ROLLBACK',
      message,
      'the server, or who stands before it, shows an old one: ask the publisher',
    );
  }
  if (index.date > nowMs + clockSlackMs) {
    const message = `The index is of ${day(index.date)}, and here it is ${day(nowMs)}`;
    throw new HawserError('CLOCK', message, 'set the clock of this host');
  }
  if (index.expires > nowMs) return;
  const message = `The index has expired on ${day(index.expires)}; here it is ${day(nowMs)}`;
  throw new HawserError('EXPIRED', message, 'the publisher signs a new one; see that the clock of this host is right');
}

/** Precedence of versions (semver.org, 11): less than, equal to or greater than 0. */
export function compareVersions(a: string, b: string): number {
  const [[coreA, tailA], [coreB, tailB]] = [splitVersion(a), splitVersion(b)];
  const core = compareParts(coreA, coreB);
  if (core !== 0) return core;
  // A version without a tail comes after each that has one.
  if (tailA.length === 0 || tailB.length === 0) return tailB.length - tailA.length;
  return compareParts(tailA, tailB);
}

function splitVersion(version: string): [string[], string[]] {
  const dash = version.indexOf('-');
  const core = dash < 0 ? version : version.slice(0, dash);
  return [core.split('.'), dash < 0 ? [] : version.slice(dash + 1).split('.')];
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [one, other] = [a[at], b[at]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const areNumbers = [/^\d+$/.test(one), /^\d+$/.test(other)] as const;
    if (areNumbers[0] !== areNumbers[1]) return areNumbers[0] ? -1 : 1;
    if (one !== other) return areNumbers[0] ? Number(one) - Number(other) : one < other ? -1 : 1;
  }
  return 0;
}
