/** What the carrier of FakeTCP and the addon share: its connections, segments that are no plain data of one, and packets that have none yet. */

/** What names a TCP connection, and how its packets leave; `flow` rows and `segment` rows begin with it. */
export const tuple = {
  /** The other end: a raw socket address, zeros behind it up to 32 bytes. */
  endpointAt: 0,
  /** 16 bytes: our address (IPv4 in the first 4). */
  localAt: 32,
  /** u16: our port. */
  localPortAt: 48,
  /** u16: bytes of the link-layer header on its interface: 14 (Ethernet) or 0. */
  linkHeaderBytesAt: 50,
  /** i32: index of the interface that the other end was last heard by; 0 = never heard. */
  interfaceAt: 52,
  /** 6 bytes each: link-layer addresses of whom that packet came from and went to. */
  nextHopAt: 56,
  ownLinkAddressAt: 62,
  bytes: 72,
} as const;

/**
 * Flow table: one row a connection. It belongs to one carrier's actor and outlives it, so that a successor goes on with all connections;
 * the actor's thread alone reads and writes it. Sequence numbers, and all that RFC 9293 counts modulo 2^32, are u32.
 */
export const flow = {
  most: 4096,
  magic: 0x48464c4f,
  magicAt: 0,
  rowsAt: 4,
  /** i32: rows from here on were never used. */
  usedAt: 128,
  dataAt: 512,
  rowBytes: 256,
  /** i32: `flowState`. */
  stateAt: 72,
  /** i32: 1 = both ends said timestamps, and each segment has them (RFC 7323). */
  timestampsAt: 76,
  // Both. Sent: next to be used, oldest that was not acknowledged, how far beyond that the other end takes.
  sendNextAt: 80,
  sendUnacknowledgedAt: 84,
  sendWindowAt: 88,
  /** i32: shift of the other end's window field (RFC 7323 section 2). */
  sendShiftAt: 92,
  /** Highest number received, plus one: what we acknowledge, whatever is missing below it. */
  receiveNextAt: 96,
  /** Sent, too: behind the highest that ever was. `sendNext` goes back where nobody acknowledges. */
  sendMostAt: 100,
  /** What our window field says, and what it means in bytes. */
  windowFieldAt: 104,
  receiveWindowAt: 108,
  /** Timestamp of the other end that we echo, and what we add to milliseconds to make our own. */
  recentStampAt: 112,
  stampOffsetAt: 116,
  /** Next IPv4 identification (u16), and IPv6 flow label. */
  identificationAt: 120,
  flowLabelAt: 124,
  /** i32: segments received since we acknowledged; of the addon: the row stands in `touched`. */
  owedSegmentsAt: 128,
  touchedAt: 132,
  /** f64 CLOCK_BOOTTIME microseconds each: last acceptable segment, last segment sent, last payload sent; 0 = none yet. */
  receivedUsAt: 136,
  sentUsAt: 144,
  sentDataUsAt: 152,
  /** f64: bytes received since we acknowledged. */
  owedBytesAt: 160,
  /** Highest number received, plus one, of late: where a forged segment has moved `receiveNextAt` ahead, this stays behind. */
  recentNextAt: 168,
  // TypeScript alone.
  /** i32: 1 = the other end called us. */
  acceptedAt: 172,
  /** i32: SYNs that were sent; of an open one, connections that were called for in its place. */
  triesAt: 176,
  // Both.
  /**
   * i32: 1 = the other end has said its window. That of a SYN-ACK is never scaled (RFC 7323 section 2.2), so that until then it takes 64 KiB, and
   * an older connection goes on sending.
   */
  settledAt: 180,
  // TypeScript alone.
  /** f64 CLOCK_BOOTTIME microseconds: when the row is to be looked at again; when it came to its state. */
  dueUsAt: 184,
  stateUsAt: 192,
  /** f64: when an RST came that must yet be proven; 0 = none did. */
  resetUsAt: 200,
  /** f64: an acknowledgement is due then; 0 = none is. */
  acknowledgeUsAt: 208,
  /** f64: since when what we send has had no answer; 0 = it has. */
  waitingUsAt: 216,
  /** f64: when a doubtful segment was answered last. */
  challengedUsAt: 224,
  /** The newest of our timestamps that the other end has echoed; the addon reads and writes it, too. */
  recentEchoAt: 232,
  /** Our first number, and the first of the other end's that it had after its SYN: who repeats them repeats an old call. */
  firstSentAt: 236,
  firstReceivedAt: 240,
  /** `sendUnacknowledged` when it was last looked at. */
  seenUnacknowledgedAt: 244,
  /** f64: when another one took its place; it goes on receiving for a while. 0 = none has. The addon reads it, too. */
  replacedUsAt: 248,
} as const;

export const flowState = {
  free: 0,
  /** We have sent a SYN. */
  dialled: 1,
  open: 2,
  /** Over; the row stays so that what comes late is known, and the port is not used again at once. */
  closed: 3,
} as const;

/** Flags of a TCP header (RFC 9293 section 3.1). */
export const tcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** What the addon tells of a segment that is no plain data of an open connection; begins with a `tuple`. */
export const segment = {
  rows: 64,
  rowBytes: 2304,
  /** i32: row of its connection, -1 = none. */
  flowAt: 72,
  /** i32 each: bytes of its TCP header, of its payload, and of those how many are here. */
  headerBytesAt: 76,
  payloadBytesAt: 80,
  keptBytesAt: 84,
  /** f64: CLOCK_REALTIME microseconds of its arrival. */
  timeAt: 88,
  /** i32: DSCP and ECN byte. */
  trafficClassAt: 96,
  /** i32: of each of the segments that were joined in it. */
  segmentBytesAt: 100,
  headerAt: 104,
  payloadAt: 168,
  mostPayloadBytes: 2048,
} as const;

/** A packet of a path that has no connection: a copy of it. */
export const wanted = {
  rows: 16,
  rowBytes: 2304,
  /** `endpoint.bytes`, and 16. */
  endpointAt: 0,
  localAt: 64,
  /** i32. */
  payloadBytesAt: 80,
  payloadAt: 88,
  mostPayloadBytes: 2048,
} as const;
