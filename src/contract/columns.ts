/**
 * Rows that the addon fills for TypeScript, or the other way round, one call at a time. A group with `columns` is one row of so many
 * cells: i32 where `cellBytes` is 4, f64 where it is 8. C++ has the same row as a struct (`layout::FactsRow`), written from here.
 */

/** Columns of one row of `Sealer`'s facts (Int32Array). */
export const facts = {
  bytes: 0,
  segments: 1,
  /** Segments sealed already. */
  progress: 2,
  /** Row of the peer table; -1 = no allowed IP matches, -2 = not an IP packet. */
  peer: 3,
  flow: 4,
  protocol: 5,
  sourcePort: 6,
  destinationPort: 7,
  /** DSCP and ECN byte. */
  trafficClass: 8,
  payloadBytes: 9,
  /** 1 = a TCP segment that acknowledges, and says nothing else: a later one of the connection may take its place. */
  pureAck: 10,
  /** TCP's acknowledgement number, as i32. */
  ack: 11,
  /** 1 = a TCP segment that opens a connection. */
  syn: 12,
  columns: 13,
  cellBytes: 4,
} as const;

/** Flags of what is remembered of a run: it counts as in flight and is watched for loss; lost packets may go out again. */
export const flight = { watched: 1, resendable: 2 } as const;

/** Columns of one row of `Sealer`'s feedback (Float64Array), one row for each of a peer's paths. Sums of one call. */
export const feedback = {
  ackedPackets: 0,
  ackedBytes: 1,
  lostPackets: 2,
  lostBytes: 3,
  /** Declared lost, and arrived all the same. */
  spuriousPackets: 4,
  inFlightBytes: 5,
  /** When the oldest packet in flight left; 0 = none. */
  oldestSentUs: 6,
  /** -1 = none. */
  rttUs: 7,
  /** With it: arrival by the peer's clock less sending by ours, modulo 2^32. */
  delayUs: 8,
  /** 1: the report had a section of the path, and the next three are as it says (modulo 2^32). */
  hasSection: 9,
  packets: 10,
  bytes: 11,
  arrivalUs: 12,
  resentPackets: 13,
  /** Runs of consecutive lost packets. */
  lostRuns: 14,
  /** 1: the report told of the path's ECN fields, and the next two are as it says (modulo 2^32). */
  hasMarks: 15,
  ecnPackets: 16,
  markedPackets: 17,
  /** Sealed bytes of the longest packet that was acknowledged, and of the longest that was lost; 0 = none was. */
  ackedLongest: 18,
  lostLongest: 19,
  /** When the newest packet left that is acknowledged, and left by this path alone; 0 = none is. */
  ackedSentUs: 20,
  columns: 21,
  cellBytes: 8,
} as const;

/**
 * Columns of `Sealer`'s `tooLong` (Float64Array): inner packets that were longer than their peer takes uncut, ever. They went in FRAG
 * frames, in fragments of the inner IP, were left to fragments of the outer one, or dropped; and answers that said how long they may be.
 */
export const tooLong = { cut: 0, fragmented: 1, outer: 2, refused: 3, told: 4, columns: 5, cellBytes: 8 } as const;

/** `tunnel.fragment`, as the addon counts it: may packets to a peer that reads no FRAG leave in fragments of the outer IP? */
export const outerFragments = { never: 0, auto: 1, always: 2 } as const;

/** Columns of one row of `Opener`'s runs (Int32Array). `slot` and `cipher` are filled in by TypeScript. */
export const runs = {
  record: 0,
  from: 1,
  count: 2,
  receiverIndex: 3,
  slot: 4,
  cipher: 5,
  columns: 6,
  cellBytes: 4,
  max: 512,
} as const;

/** Columns of `Opener`'s result (Int32Array). */
export const opened = {
  packets: 0,
  bytes: 1,
  replayed: 2,
  rejected: 3,
  keepalives: 4,
  control: 5,
  unknown: 6,
  stalled: 7,
  /** PARITY frames. */
  parity: 8,
  /** Packets rebuilt from parity. */
  rebuilt: 9,
  /** Dropped: marked congestion-experienced on the way, and its sender would not understand (RFC 6040). */
  unmarkable: 10,
  /** FRAG frames. */
  fragments: 11,
  /** Packets, or pieces of them, that FRAG frames brought in vain. */
  unjoined: 12,
  columns: 13,
  cellBytes: 4,
} as const;

/** Columns of one row of `Opener`'s gaps (Float64Array): a key slot in which counter `missing` has not come, but later ones have. */
export const gaps = {
  slot: 0,
  peer: 1,
  missing: 2,
  /** When the first packet came that waits for it. */
  sinceUs: 3,
  /** Packets held in the slot. */
  held: 4,
  /** 1: it has come, and waits for room in the output. */
  isReady: 5,
  columns: 6,
  cellBytes: 8,
  max: 64,
} as const;

/** Columns of one row of `Opener`'s lateness (Float64Array): a packet came so long after the first of a higher counter. */
export const lateness = {
  peer: 0,
  lateUs: 1,
  /** 1: not waited for any longer. */ wasGivenUp: 2,
  columns: 3,
  cellBytes: 8,
  max: 128,
} as const;
