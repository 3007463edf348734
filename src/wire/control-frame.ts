/**
 * Control frames between two Hawser ends (docs/wire-format.md): inner packets whose first nibble is 0, which a stock WireGuard
 * counts as an error and drops. Padding of the data message may follow a frame; what a later version appends is passed over.
 *
 * ```
 *          0      1       2         3       4              8
 * HELLO    zero   kind=1  version   flags   capabilities   AES receiver index     12 bytes, integers little-endian
 * CHALL.   zero   kind=3  0         flags   token (8 bytes), zeros to any length  12 bytes at least
 * RESPONSE zero   kind=4  0         0       token (8 bytes)                       12 bytes
 * NAMES    zero   kind=10 flags     length  name (ASCII), zeros                   12 bytes at least
 * LIMITS   zero   kind=11 flags     zero    kbit/s        number                  12 bytes
 * ```
 * flags of HELLO, bit 0: the sender has heard our HELLO of this session (it needs no answer). Of CHALLENGE, see
 * `pathWish`.
 */
import { assert } from '../base/assert.ts';
import { controlKind, skip } from '../contract/frames.ts';

export const helloBytes = 12;
/** What the sender of a CHALLENGE wants of the path it came by: nothing said, no data while there is another, data. */
export const pathWish = { none: 0, reserve: 1, carry: 2 } as const;
/** Of this implementation. A higher one keeps the meaning of what is here. */
export const helloVersion = 1;

const kindAt = 1;
const versionAt = 2;
const flagsAt = 3;
const capabilitiesAt = 4;
const aesIndexAt = 8;
const flagHeard = 1;
const tokenAt = 4;
export const tokenBytes = 8;
export const responseFrameBytes = tokenAt + tokenBytes;

/** Whether `bytes[at, end)` is a control frame, of a kind that is known and long enough. */
export function controlFrameCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < helloBytes || bytes[at] !== 0) return false;
  return controlKindOf(bytes, at) === controlKind.hello && helloVersionOf(bytes, at) > 0;
}

export function controlKindOf(bytes: Uint8Array, at: number): number {
  return bytes[at + kindAt] as number;
}

export function helloVersionOf(bytes: Uint8Array, at: number): number {
  return bytes[at + versionAt] as number;
}

export function helloHasHeard(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + flagsAt] as number) & flagHeard) !== 0;
}

export function helloCapabilities(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + capabilitiesAt);
}

/** Whether `bytes[at, end)` is a CHALLENGE or a RESPONSE. */
export function challengeCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < responseFrameBytes || bytes[at] !== 0) return false;
  const kind = controlKindOf(bytes, at);
  return kind === controlKind.challenge || kind === controlKind.response;
}

/** NAMES: kind 10, flags, length of the name, the name. */
const nameLengthAt = 3;
const nameAt = 4;
const namesFlagHeard = 1;
/** Bytes of the longest name that a frame bears. */
const mostNameBytes = 32;
/** As short as a RESPONSE, so that no answer is longer than what it answers. */
const leastNamesBytes = responseFrameBytes;

/** Whether `bytes[at, end)` is a NAMES. */
export function namesCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < leastNamesBytes || bytes[at] !== 0 || controlKindOf(bytes, at) !== controlKind.names) return false;
  const length = bytes[at + nameLengthAt] as number;
  return length <= mostNameBytes && nameAt + length <= end - at;
}

/** The peer has what we said. */
export function namesHasHeard(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + 2] as number) & namesFlagHeard) !== 0;
}

/** As it came: whether it is a name, who reads it must see. */
export function namesText(bytes: Uint8Array, at: number): string {
  const length = bytes[at + nameLengthAt] as number;
  return String.fromCharCode(...bytes.subarray(at + nameAt, at + nameAt + length));
}

/** A frame of its own: with a name (ASCII, at most 32 characters), or the answer to one. */
export function namesEmit(fields: { readonly name: string; readonly hasHeard: boolean }): Uint8Array {
  const { length } = fields.name;
  assert(length <= mostNameBytes, `a link's name of ${length} characters`);
  const bytes = new Uint8Array(Math.max(leastNamesBytes, nameAt + length));
  bytes[kindAt] = controlKind.names;
  bytes[2] = fields.hasHeard ? namesFlagHeard : 0;
  bytes[nameLengthAt] = length;
  for (let index = 0; index < length; index += 1) bytes[nameAt + index] = fields.name.charCodeAt(index);
  return bytes;
}

/** LIMITS: kind 11, flags, kbit/s of inner packets that its reader may send (0 = as much as it likes), number of the saying. */
export const limitsBytes = 12;
const limitsRateAt = 4;
const limitsNumberAt = 8;
const limitsFlagHeard = 1;

/** Whether `bytes[at, end)` is a LIMITS. */
export function limitsCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= limitsBytes && bytes[at] === 0 && controlKindOf(bytes, at) === controlKind.limits;
}

/** The peer has what we said. */
export function limitsHasHeard(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + 2] as number) & limitsFlagHeard) !== 0;
}

/** Bits a second; 0 = no limit. */
export function limitsBps(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + limitsRateAt) * 1000;
}

/** Goes up with each rate that is said; the answer repeats it. */
export function limitsNumber(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + limitsNumberAt);
}

/** A frame of its own. `bps` above 0 is told as 1 kbit/s at least. */
export function limitsEmit(fields: {
  readonly bps: number;
  readonly number: number;
  readonly hasHeard: boolean;
}): Uint8Array {
  const bytes = new Uint8Array(limitsBytes);
  bytes[kindAt] = controlKind.limits;
  bytes[2] = fields.hasHeard ? limitsFlagHeard : 0;
  const kbps = fields.bps > 0 ? Math.min(0xffff_ffff, Math.max(1, Math.floor(fields.bps / 1000))) : 0;
  writeU32(bytes, limitsRateAt, kbps);
  writeU32(bytes, limitsNumberAt, fields.number);
  return bytes;
}

/** The token, shared. */
export function challengeToken(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + tokenAt, at + tokenAt + tokenBytes);
}

/** One of `pathWish`; what a later version may say is no wish. */
export function challengeWish(bytes: Uint8Array, at: number): number {
  const wish = bytes[at + flagsAt] as number;
  return wish === pathWish.reserve || wish === pathWish.carry ? wish : pathWish.none;
}

/** Fills `target` from `at` to its end. `wish`: one of `pathWish`. */
export function challengeEmit(target: Uint8Array, at: number, token: Uint8Array, wish: number): void {
  assert(target.length - at >= responseFrameBytes, `no room for a CHALLENGE in ${target.length - at} bytes`);
  target.fill(0, at);
  target[at + kindAt] = controlKind.challenge;
  target[at + flagsAt] = wish;
  target.set(token, at + tokenAt);
}

export function responseEmit(target: Uint8Array, at: number, token: Uint8Array): void {
  assert(target.length - at >= responseFrameBytes, `no room for a RESPONSE in ${target.length - at} bytes`);
  target.fill(0, at, at + responseFrameBytes);
  target[at + kindAt] = controlKind.response;
  target.set(token, at + tokenAt);
}

/** Index that the sender of the HELLO wants AES-256-GCM packets addressed to; 0 = none. */
export function helloAesIndex(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + aesIndexAt);
}

export function helloEmit(
  target: Uint8Array,
  at: number,
  fields: { hasHeard: boolean; capabilities: number; aesIndex: number },
): void {
  assert(target.length - at >= helloBytes, `no room for a HELLO in ${target.length - at} bytes`);
  target[at] = 0;
  target[at + kindAt] = controlKind.hello;
  target[at + versionAt] = helloVersion;
  target[at + flagsAt] = fields.hasHeard ? flagHeard : 0;
  writeU32(target, at + capabilitiesAt, fields.capabilities);
  writeU32(target, at + aesIndexAt, fields.aesIndex);
}

/** Index (ours) of the session that a REPORT is about. */
export function reportReceiverIndex(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + reportReceiverAt);
}

/** Roles of a path, as PROBE counts them. */
export const pathRoles = ['always', 'backup', 'metered'] as const;

/** PROBE and REPLY: the asker's number of the path, and its sequence number. */
export const probeBytes = 18;
/** Of older peers, which say nothing of the way. */
const probeLeastBytes = 17;
export const probeReplyBytes = 12;
const reportReceiverAt = 4;
const probeNumberAt = 2;
const probeSequenceAt = 4;
const probePriorityAt = 3;
const probeNextAt = 8;
const probeRoleAt = 16;
const probeWayAt = 17;
const replyHeldAt = 8;
const flagCameBack = 1;

export function probeNumber(bytes: Uint8Array, at: number): number {
  return bytes[at + probeNumberAt] as number;
}

export function probeSequence(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + probeSequenceAt);
}

/** How the asker prefers this path: 0 (primary) to 255. */
export function probePriority(bytes: Uint8Array, at: number): number {
  return bytes[at + probePriorityAt] as number;
}

/** Index into `pathRoles`: what the asker keeps this path for. A sender that says nothing means 0. */
export function probeRole(bytes: Uint8Array, at: number): number {
  return bytes[at + probeRoleAt] as number;
}

export function probeCheckLength(length: number): boolean {
  return length >= probeLeastBytes;
}

/** The asker's number of the link that this path leaves by, the same for all paths by it; 0 = it does not say. */
export function probeWay(bytes: Uint8Array, at: number, length: number): number {
  return length > probeWayAt ? (bytes[at + probeWayAt] as number) : 0;
}

/** `next`: the sender's next counter; nothing older will follow by this path. `role`: index into `pathRoles`. `way`: 1 to 255. */
export function probeEmit(
  target: Uint8Array,
  at: number,
  fields: { number: number; sequence: number; next: number; priority: number; role: number; way: number },
): void {
  target.set([0, controlKind.probe, fields.number, fields.priority], at);
  target[at + probeRoleAt] = fields.role;
  target[at + probeWayAt] = fields.way;
  writeU32(target, at + probeSequenceAt, fields.sequence);
  writeU32(target, at + probeNextAt, fields.next >>> 0);
  writeU32(target, at + probeNextAt + 4, Math.floor(fields.next / 2 ** 32));
}

/** The reply came by the path the probe took. */
export function probeReplyCameBack(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + flagsAt] as number) & flagCameBack) !== 0;
}

export function probeReplyHeldUs(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + replyHeldAt);
}

export function probeReplyEmit(
  target: Uint8Array,
  at: number,
  fields: { number: number; sequence: number; heldUs: number; cameBack: boolean },
): void {
  target.set([0, controlKind.probeReply, fields.number, fields.cameBack ? flagCameBack : 0], at);
  writeU32(target, at + probeSequenceAt, fields.sequence);
  writeU32(target, at + replyHeldAt, Math.max(0, Math.round(fields.heldUs)));
}

/** Nobody need wait for the `count` counters from `first` on. */
export function skipEmit(target: Uint8Array, at: number, fields: { first: number; count: number }): void {
  target.set([0, controlKind.skip, 0, 0], at);
  writeU32(target, at + skip.countAt, fields.count);
  writeU32(target, at + skip.firstAt, fields.first >>> 0);
  writeU32(target, at + skip.firstAt + 4, Math.floor(fields.first / 2 ** 32));
}

function readU32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  new DataView(target.buffer, target.byteOffset + at, 4).setUint32(0, value, true);
}
