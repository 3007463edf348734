/** Memory that threads share, apart from the tables: rings of records, doorbells, the sealed log, the stash, counters. */

/**
 * ```
 * ring (one SharedArrayBuffer)
 *    0 magic u32 | 4 capacity u32 (power of two, bytes)
 *  128 tail i32: bytes ever published, modulo 2^32            written by the producer only
 *  256 head i32: bytes ever released, modulo 2^32             written by the consumer only
 *  260 working i32: position of the record in work | 268 busy i32: 0 or 1
 *  276 suspect i32: position where a consumer died | 264 crashes i32: how many died there
 *  272 poisoned i32: records skipped because two consumers died on them
 *  384 published u32: records | 388 full u32: claims refused  (producer's statistics)
 *  512 data[capacity]
 *
 * record, 8-byte aligned:   0 length i32 (payload bytes) | 4 type i32 | 8 payload … | padding to 8
 * padding record: type = -1, length = bytes to the end of the data area less 8
 * ```
 */
export const ring = {
  magic: 0x48524e47,
  magicAt: 0,
  capacityAt: 4,
  tailAt: 128,
  headAt: 256,
  workingAt: 260,
  crashesAt: 264,
  busyAt: 268,
  poisonedAt: 272,
  suspectAt: 276,
  publishedAt: 384,
  fullAt: 388,
  dataAt: 512,
  recordHeaderBytes: 8,
  paddingType: -1,
} as const;

/**
 * Doorbell of one thread (128 bytes): `armed` is 1 while the thread is about to park, or parked, in its native wait;
 * `mail` (i32) counts the messages ever posted to the thread, so that it looks into its port only when there is one.
 */
export const doorbell = { armedAt: 0, mailAt: 64, bytes: 128 } as const;

/**
 * The sealed log: a circular arena of sealed packets. One writer (the sealer); readers check a position before use.
 * `reserved` is stored before the bytes are written, so a reader that finds `reserved - position` within the capacity
 * knows that nobody was overwriting what it is about to read.
 */
export const log = {
  magic: 0x484c4f47,
  magicAt: 0,
  capacityAt: 4,
  /** i32, units modulo 2^32. */
  reservedAt: 128,
  dataAt: 512,
  unitBytes: 64,
} as const;

/**
 * Stash: trains that wait in the sealer (`stash.ts`). Header, one meta row a slot, then the slots' bytes: a train record each.
 */
export const stash = {
  magic: 0x48535448,
  magicAt: 0,
  smallSlotsAt: 4,
  largeSlotsAt: 8,
  dataAt: 512,
  metaBytes: 32,
  // within a meta row
  inUseAt: 0,
  peerAt: 4,
  classAt: 8,
  flowAt: 12,
  bytesAt: 16,
  sequenceAt: 20,
  /** f64: when it was queued. */
  timeAt: 24,
  smallBytes: 2048,
  largeBytes: 65664,
} as const;

/** Counters of one actor: `count` f64 cells, named by `counter-names.ts`; a heartbeat block before them. */
export const counters = {
  /** i32: 0 starting, 1 running, 2 parked, 3 stopped. */
  stateAt: 0,
  /** i32: turns of the duty cycle. */
  turnsAt: 4,
  /** f64 CLOCK_BOOTTIME microseconds: last heartbeat; while parked, the time it will wake at the latest. */
  beatAt: 8,
  parkedUntilAt: 16,
  /** i32: turns that did something. */
  busyTurnsAt: 24,
  /** f64: microseconds spent working, and the longest single turn. */
  busyUsAt: 32,
  longestTurnUsAt: 40,
  /** f64: packets and bytes that went through the actor. */
  packetsAt: 48,
  bytesAt: 56,
  cellsAt: 128,
  bytes: 1024,
} as const;

export const runState = { starting: 0, running: 1, parked: 2, stopped: 3 } as const;
