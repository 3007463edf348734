/**
 * Every offset that TypeScript and the addon share. The addon holds the same numbers in `native/sys/layout.h` and exports
 * them; `native/addon.ts` compares the two when it loads and refuses to run on a difference.
 *
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

/** Types of ring records. */
export const recordType = {
  /** tun-reader → sealer and opener → tun-writer: a train (see `train`). */
  train: 1,
  /** wan-link → opener: what one recvmmsg message held (see `received`). */
  received: 2,
  /** sealer → wan-link: a run of sealed packets in the log (see `descriptor`). */
  descriptor: 3,
  /** wan-link → session-manager: one handshake-type datagram, a `received` header before it. */
  handshakeIn: 4,
  /** session-manager → wan-link: one datagram, an `outgoing` header before it. */
  handshakeOut: 5,
  /** session-manager → sealer, opener → sealer: an inner packet to seal (see `frame`); empty = keepalive. */
  frameOut: 6,
  /** opener → session-manager: an inner control frame that was opened (see `frame`). */
  frameIn: 7,
  /** opener → session-manager: an authenticated packet came from elsewhere than its path says (a `received` header). */
  roamed: 8,
  /** sealer → session-manager: i32 peer row; data waits and no key slot serves (wakes it; `peer.handshakeWantedAt` says the same). */
  handshakeWanted: 9,
} as const;

/** Header of a train record; the packet is 8-byte aligned and its virtio_net_hdr (10 bytes) ends where it begins. */
export const train = {
  /** i32: segments of this train that are sealed already; kept here so that a restarted sealer goes on where it was. */
  progressAt: 0,
  /** i32: bytes of the packet or super-packet. */
  lengthAt: 4,
  /** f64: CLOCK_BOOTTIME microseconds of the read. */
  timeAt: 8,
  vnetAt: 22,
  packetAt: 32,
  vnetBytes: 10,
  /** Largest record payload: header, 64 KiB, and slack that the sealer may scribble padding on. */
  maxRecordBytes: 32 + 65536 + 64,
} as const;

/** Header of what a link received: one message of recvmmsg; with GRO several datagrams of `segmentBytes`, the last maybe shorter. */
export const received = {
  /** raw sockaddr_in or sockaddr_in6 of the sender (28 bytes), family first. */
  sockaddrAt: 0,
  /** i32: index of the link. */
  linkAt: 28,
  /** 16 bytes: local address of the datagram (IPv4 in the first 4), from IP_PKTINFO. */
  localAt: 32,
  /** i32: interface index the datagram came in by. */
  interfaceAt: 48,
  /** i32: bytes of each datagram but the last. */
  segmentBytesAt: 52,
  /** i32: bytes of all datagrams. */
  lengthAt: 56,
  /** i32: key slot the run was opened under; only in `roamed` records. */
  slotAt: 60,
  /** f64: CLOCK_REALTIME microseconds the kernel received it. */
  timeAt: 64,
  /** i32: datagrams the opener has dealt with; kept here so that it can stop in the middle when its output is full. */
  progressAt: 72,
  /** i32: the outer header's DSCP and ECN byte, of all of them (IP_TOS, IPV6_TCLASS). */
  trafficClassAt: 76,
  payloadAt: 80,
} as const;

/** One run of equal sealed packets in the log, with one short tail, and of one ECN field. */
export const descriptor = {
  /** i32: where the first begins, in units of `log.unitBytes`, modulo 2^32. */
  positionAt: 0,
  countAt: 4,
  segmentBytesAt: 8,
  lastBytesAt: 12,
  /** i32: row of the path table it leaves by. */
  pathAt: 16,
  classAt: 20,
  /** u64: counter of the first packet (low word first), and the key slot it was sealed under. */
  counterAt: 24,
  slotAt: 32,
  /** i32: bytes of all packets. */
  lengthAt: 36,
  /** i32: packets of `segmentBytes` to pass over at the position, when part of an older run goes out again. */
  skipAt: 40,
  /** i32: ECN field of the outer header, 0 to 3. */
  ecnAt: 44,
  bytes: 48,
} as const;

/** Header of a datagram to send as it is (handshakes). */
export const outgoing = {
  sockaddrAt: 0,
  /** i32: length of the sockaddr, 16 or 28. */
  sockaddrBytesAt: 28,
  localAt: 32,
  interfaceAt: 48,
  lengthAt: 52,
  payloadAt: 64,
} as const;

/** Header of an inner frame on its way to or from the sealed form. */
export const frame = {
  peerAt: 0,
  slotAt: 4,
  lengthAt: 8,
  classAt: 12,
  timeAt: 16,
  /** i32: row of the path it came by or shall leave by; see `framePath`. */
  pathAt: 24,
  payloadAt: 32,
} as const;

/** Values of `frame.pathAt` that are no row. */
export const framePath = {
  /** Came by no path we know; or the sealer shall choose the best. */
  any: -1,
  /** The best path and one other. */
  two: -2,
} as const;

/**
 * REPORT, a control frame (docs/wire-format.md): header, `sections` sections, a bit for each of `words` words of bitmap that says
 * whether it is spelt out, and those that are. Integers little-endian.
 */
export const report = {
  sectionsAt: 2,
  flagsAt: 3,
  /** u32: the reporter's own receiver index of the session whose counters it reports (the ChaCha20-Poly1305 one). */
  receiverIndexAt: 4,
  /** u64: largest counter accepted plus one. */
  nextAt: 8,
  /** u16: words of 64 bits; bit j of word i stands for counter next - 1 - (64 i + j). One that is not spelt out is all ones. */
  wordsAt: 16,
  /** u32: microseconds of the reporter's clock when it was written, modulo 2^32. */
  timeAt: 20,
  headerBytes: 24,
  // within a section
  /** u32: low 24 bits next - 1 - (largest counter that came by this path), high 8 bits the reporter's number of the path. */
  backAt: 0,
  /** u32: microseconds of the same clock when that one arrived at the kernel. */
  arrivalAt: 4,
  /** u32 each: packets and bytes (UDP payload) that ever came by it, modulo 2^32. */
  packetsAt: 8,
  bytesAt: 12,
  sectionBytes: 16,
  maxSections: 32,
  /** Of `flags`: a u8 and as many u16 follow the bitmap: next - 1 - counter of packets rebuilt from parity, which did not arrive. */
  flagRebuilt: 1,
  /**
   * Of `flags`: behind all that, for each section in its order, two u32: packets that ever came by the path with an ECN field that is not
   * 0, and those of them that were marked congestion-experienced on the way; both modulo 2^32.
   */
  flagMarks: 2,
  marksBytes: 8,
  maxWords: 128,
} as const;

/**
 * PARITY, a control frame (docs/wire-format.md): one parity shard of a group of sealed packets. A shard protects, of each packet,
 * its length less the header (u16) and what follows the header. Integers little-endian.
 */
export const parity = {
  kind: 7,
  kindAt: 1,
  /** u8: data shards of the code; a shorter group counts the rest as zeros. */
  dataAt: 2,
  /** u8: low 4 bits number of this parity, high 4 bits how many there are less one. */
  indexAt: 3,
  /** u16 */
  shardBytesAt: 4,
  /** u64: counter of the group's first packet. */
  baseAt: 6,
  /** u64: bit i = the packet with counter base + i is in the group, as the next data shard. Bit 0 is set. */
  membersAt: 14,
  headerBytes: 22,
  /** Bytes of a shard before the packet's own: its length. */
  lengthBytes: 2,
  maxData: 64,
  maxParity: 16,
  /** How much longer the longest parity frame is than the longest inner packet it protects (header, length, tag). */
  excessBytes: 40,
} as const;

/**
 * FRAG, a control frame (docs/wire-format.md): one piece of an inner packet that is longer than its path takes. The pieces of a packet
 * have counters that follow one another, so a packet is named by the counter of its first piece. Integers little-endian.
 */
export const fragment = {
  kind: 9,
  kindAt: 1,
  /** u8: number of the piece, from 0. */
  indexAt: 2,
  flagsAt: 3,
  /** u16: bytes of the whole packet. */
  totalAt: 4,
  /** u16: bytes of each piece but the last. */
  pieceBytesAt: 6,
  headerBytes: 8,
  /** Of `flags`: the packet is of those that are put in order. */
  flagOrdered: 1,
  maxPieces: 64,
} as const;

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
 * Session table: `slots` key slots of `slotBytes`, then one replay window for each.
 * Writers: session-manager all but the counter (sealer, atomic add) and the replay columns (opener).
 */
export const session = {
  magic: 0x48534553,
  magicAt: 0,
  slotsAt: 4,
  windowBitsAt: 8,
  /** i32: goes up whenever a slot changes state; a reader that sees it move re-reads the slots. */
  versionAt: 64,
  /** i32: version that the sealer and the opener have seen; a retired slot may be zeroed once both have passed it. */
  sealerSeenAt: 128,
  openerSeenAt: 192,
  dataAt: 512,
  slotBytes: 512,
  // within a slot
  stateAt: 0,
  generationAt: 4,
  peerAt: 8,
  /** u32: index we chose; the peer writes it into what it sends us. One for each cipher. */
  localIndexAt: 12,
  localIndexAesAt: 16,
  /** u32: index the peer chose. The second is 0 until its HELLO named it. */
  remoteIndexAt: 20,
  remoteIndexAesAt: 24,
  /** i32: `cipher` in use for sending. */
  sendCipherAt: 28,
  /** i32: capability bits of the peer's HELLO in this session; 0 = none said. */
  capabilitiesAt: 32,
  /** i32: 1 if we were the initiator. */
  initiatorAt: 36,
  /** f64: CLOCK_BOOTTIME microseconds the keys were derived. */
  birthAt: 40,
  /** f64: CLOCK_BOOTTIME microseconds after which nothing may be sealed or opened under it. */
  expiryAt: 48,
  sendKeyAt: 64,
  receiveKeyAt: 96,
  sendKeyAesAt: 128,
  receiveKeyAesAt: 160,
  /** u64, atomic add: next counter to seal with. */
  sendCounterAt: 256,
  /** u64: largest counter accepted plus one. Written by the opener. */
  receiveNextAt: 320,
  /** f64: microseconds of the first and the last authenticated packet under it; 0 = none. Written by the opener. */
  firstReceivedAt: 328,
  lastReceivedAt: 336,
} as const;

export const slotState = { free: 0, ready: 1, retired: 2 } as const;
export const cipher = { chacha20poly1305: 0, aes256gcm: 1, /** benches only: a copy */ plaintext: 2 } as const;

export const peerKind = { unknown: 0, hawser: 1, /** silent after every HELLO of a session */ wireguard: 2 } as const;

/** Why handshakes with a peer fail. */
export const peerRefusal = {
  none: 0,
  /** Its initiations bear earlier stamps than those before. */
  clockBehind: 1,
  /** Somebody claims its public key without the private one. */
  notItsKey: 2,
  /** We cannot open its responses: another preshared key. */
  unreadable: 3,
  /** It calls again and again, and never uses our responses. */
  unused: 4,
  /** It wants to see a cookie first. */
  busy: 5,
} as const;

/** Peer table: one row a peer, columns grouped by their one writer. f64 times are CLOCK_BOOTTIME microseconds. */
export const peer = {
  magic: 0x48504552,
  magicAt: 0,
  rowsAt: 4,
  versionAt: 64,
  dataAt: 512,
  rowBytes: 512,
  // session-manager
  inUseAt: 0,
  /** i32: key slot to seal with, -1 = none. */
  sendSlotAt: 4,
  /** i32: path to send on, -1 = none known. */
  pathAt: 8,
  lastHandshakeAt: 16,
  /** 12 bytes: TAI64N of the last initiation that was answered; a restarted session-manager still knows replays. */
  timestampAt: 32,
  /** i32: of `peerKind`, what its HELLO said, or its silence. */
  kindAt: 48,
  /** 12 bytes: the last such stamp that lay in the far future (`protocols/session/stamp-marks.ts`). */
  farTimestampAt: 52,
  /** i32: of `peerRefusal`, why a handshake with the peer failed last; f64 when, and how often since the last that did not. */
  refusalAt: 64,
  refusedUsAt: 72,
  refusedCountAt: 80,
  /** f64: microseconds that the peer's last stamp lay behind those before, of `clockBehind`. */
  behindUsAt: 88,
  // sealer
  /** f64: last packet sealed that was data, and any packet at all (keepalives too). */
  lastDataSentAt: 128,
  lastSentAt: 136,
  /** i32: goes up when data waits and no key slot serves: session-manager starts a handshake. */
  handshakeWantedAt: 144,
  queuedPacketsAt: 148,
  queuedBytesAt: 152,
  droppedPacketsAt: 160,
  sentPacketsAt: 168,
  sentBytesAt: 176,
  /** f64: packets that went out again on another path. */
  resentPacketsAt: 184,
  /** i32: longest inner packet that is sent to the peer uncut now; 0 = the tunnel's MTU. */
  innerMtuAt: 192,
  // opener
  lastDataReceivedAt: 256,
  lastReceivedAt: 264,
  receivedPacketsAt: 272,
  receivedBytesAt: 280,
  replayedPacketsAt: 288,
  rejectedPacketsAt: 296,
  /** i32: packets held until those before them come. */
  heldPacketsAt: 304,
  /** f64: packets that were not waited for any longer. */
  givenUpPacketsAt: 312,
  /** f64: microseconds a gap in the bulk class is held open now. */
  reorderDeadlineUsAt: 320,
  /** f64: packets rebuilt from parity. */
  rebuiltPacketsAt: 328,
} as const;

/**
 * Path table: one row a path = link × transport × endpoint; `rowsPerPeer` rows for each row of the peer table. `versionAt` goes up
 * whenever a path appears, goes, or changes its state or place. Writer: session-manager, but for the columns named.
 */
export const path = {
  rowsPerPeer: 32,
  magic: 0x48504154,
  magicAt: 0,
  rowsAt: 4,
  versionAt: 64,
  dataAt: 512,
  rowBytes: 512,
  /** i32 seqlock: odd while the row is being written. */
  sequenceAt: 0,
  stateAt: 4,
  peerAt: 8,
  linkAt: 12,
  transportAt: 16,
  sockaddrBytesAt: 20,
  /** raw sockaddr, 28 bytes. */
  sockaddrAt: 24,
  interfaceAt: 52,
  /** 16 bytes: source address to send from (IPv4 in the first 4); zero = the kernel chooses. */
  localAt: 56,
  /** f64 CLOCK_BOOTTIME microseconds: the peer proved that it is there (challenge and response). */
  provenUsAt: 72,
  /** f64 CLOCK_BOOTTIME microseconds: the row was given to this path; it tells two paths apart that had the row one after another. */
  bornUsAt: 80,
  // sealer
  /** f64: bytes handed to the link. */
  sealedBytesAt: 128,
  /** i32 each: state and reason of `bonding/path-life-states.ts`. */
  lifeAt: 136,
  reasonAt: 140,
  /** f64 each, what feedback and probes say; 0 = unknown. Times in microseconds, loss 0 to 1, rates in bits a second. */
  smoothedRttUsAt: 144,
  minRttUsAt: 152,
  jitterUsAt: 160,
  lossAt: 168,
  rateBpsAt: 176,
  inFlightBytesAt: 184,
  queueDelayUsAt: 192,
  /** f64 CLOCK_BOOTTIME microseconds of the last change of `lifeAt`. */
  changedUsAt: 200,
  lostPacketsAt: 208,
  resentPacketsAt: 216,
  scheduledPacketsAt: 224,
  /** f64 CLOCK_BOOTTIME microseconds: the peer last acknowledged something sent by it. */
  lastProgressUsAt: 232,
  paceBpsAt: 240,
  /** i32: bytes of the longest outer IP packet that this path is known to pass, in our direction; 0 = not yet known. */
  mtuAt: 248,
  /** i32: 1 = what leaves by it may be fragmented on its way (to a peer that cannot be told how long its packets may be). */
  mayFragmentAt: 252,
  // wan-link
  /** f64: bytes given to the kernel, dropped late, and refused by it. */
  sentBytesAt: 256,
  lateBytesAt: 264,
  refusedBytesAt: 272,
  sentPacketsAt: 280,
  /** f64, i32: datagrams that the kernel refused as too long (EMSGSIZE), and bytes of UDP payload of the last. */
  tooLongPacketsAt: 288,
  tooLongBytesAt: 296,
  // sealer
  /** f64 CLOCK_BOOTTIME microseconds: when `rateBpsAt` was last measured, and not merely kept. 0 = never. */
  rateUsAt: 320,
  /** f64 each, 0 to 1: probes that never arrived, and probes whose answer arrived by another path only. */
  probeLossAt: 328,
  answerLossAt: 336,
  /** f64 CLOCK_BOOTTIME microseconds: since when the path loses much, in either sense; 0 = it does not. */
  lossyUsAt: 344,
  /** f64 each, as the peer says: packets that came by it with an ECN field, and those marked congestion-experienced on the way. */
  ecnPacketsAt: 352,
  markedPacketsAt: 360,
  /** f64 CLOCK_BOOTTIME microseconds of the last change of `mtuAt`. */
  mtuUsAt: 368,
  // opener
  receivedBytesAt: 384,
  receivedPacketsAt: 392,
  lastReceivedAt: 400,
  /** Largest counter that came by it: its key slot (i32), the counter (u64), when the kernel received it (f64, CLOCK_REALTIME us). */
  largestSlotAt: 408,
  largestAt: 416,
  largestTimeUsAt: 424,
  /** f64 CLOCK_BOOTTIME microseconds: something that was not a control frame came by it. */
  lastDataReceivedAt: 432,
  /** f64 each: packets that came with an ECN field that is not 0, and those marked congestion-experienced on the way. */
  receivedEcnAt: 440,
  receivedMarkedAt: 448,
} as const;

/**
 * `up`: may carry data. `down`: withdrawn (interface down, address gone, disabled). `unproven`: control frames only. `standby`: proven,
 * but another path over the same link carries the data; control frames only.
 */
export const pathState = { free: 0, up: 1, down: 2, unproven: 3, standby: 4 } as const;
export const transport = { udp: 0, faketcp: 1, relay: 2 } as const;

/** Link table: one row a link. Writer: the wan-link of that row, but for the columns named. */
export const link = {
  magic: 0x484c4e4b,
  magicAt: 0,
  rowsAt: 4,
  dataAt: 512,
  rowBytes: 512,
  /** i32: bytes that wait in the socket and the device below it (SIOCOUTQ). */
  outqBytesAt: 0,
  gsoAt: 4,
  groAt: 8,
  sentBytesAt: 16,
  sentPacketsAt: 24,
  receivedBytesAt: 32,
  receivedPacketsAt: 40,
  errorsAt: 48,
  droppedAt: 56,
  /** i32: errno of the last refused send. */
  lastErrorAt: 64,
  // supervisor, of the link's interface
  /** i32: 1 = what leaves must carry an address of the link, and nothing leaves without one. */
  needsSourceAt: 72,
  /** 4 bytes and 16: where packets of a path come from that names no address of ours; zeros = there is none. */
  source4At: 76,
  source6At: 80,
  // health-checker (read by `rings/link-health.ts`)
  /** i32: `linkHealth`, `linkHealthReason`, and the method in use (`probeMethod`). */
  healthStateAt: 128,
  healthReasonAt: 132,
  healthMethodAt: 136,
  /** i32: successes (positive) or failures (negative) in a row. */
  healthInRowAt: 140,
  /** f64 CLOCK_BOOTTIME microseconds: last judgement; an old one says nothing. */
  healthJudgedUsAt: 144,
  healthChangedUsAt: 152,
  /** f64 each: microseconds; loss and uptime from 0 to 1. */
  healthRttUsAt: 160,
  healthMinRttUsAt: 168,
  healthMaxRttUsAt: 176,
  healthJitterUsAt: 184,
  healthLossAt: 192,
  healthUptimeAt: 200,
  healthProbesAt: 208,
  healthAnswersAt: 216,
  // supervisor, for operators
  /** i32: 1 = carries nothing until it is enabled again (`hawser link disable`). */
  disabledAt: 224,
  /** i32: 1 = all data takes this link while it lives (`hawser failover LINK`). */
  forcedAt: 228,
  /** i32: MTU of its interface; 0 = not known. */
  interfaceMtuAt: 232,
  // health-checker
  /** i32 each, in the order of `probeMethod` less one: reliability of the method, 0 to 1000; -1 = not in use. */
  healthScoresAt: 256,
  /** i32: changes of state ever; the last `historyRows` stand from `historyAt` on, the nth in row n modulo `historyRows`. */
  historyCountAt: 276,
  historyAt: 288,
  historyRows: 12,
  /** f64 CLOCK_BOOTTIME microseconds, i32 state, i32 reason. */
  historyRowBytes: 16,
  /** f64 each: microseconds that the link was judged, and of those the ones it was not down. */
  healthKnownUsAt: 480,
  healthUpUsAt: 488,
} as const;

/**
 * Table of health checks: `rowsPerLink` rows for each row of the link table, in the order of the configuration; of a link without
 * `checks` the first row holds its last outcome. Writer: the health-checker.
 */
export const check = {
  rowsPerLink: 8,
  magic: 0x4843484b,
  magicAt: 0,
  rowsAt: 4,
  dataAt: 512,
  rowBytes: 512,
  /** i32 seqlock: odd while the row is being written. */
  sequenceAt: 0,
  /** i32: of `linkHealth`; successes (positive) or failures (negative) in a row. */
  stateAt: 4,
  inRowAt: 8,
  /** i32: bytes of the text. */
  textBytesAt: 12,
  /** f64 CLOCK_BOOTTIME microseconds: last outcome, 0 = none yet; last change of state. */
  askedUsAt: 16,
  changedUsAt: 24,
  /** f64 each: smoothed round trip in microseconds, questions, right answers. */
  rttUsAt: 32,
  probesAt: 40,
  answersAt: 48,
  /** UTF-8: what was answered last, or why that was no answer. */
  textAt: 64,
  mostTextBytes: 440,
} as const;

export const linkHealth = { unknown: 0, up: 1, degraded: 2, down: 3 } as const;
export const linkHealthReason = {
  none: 0,
  failures: 1,
  loss: 2,
  latency: 3,
  jitter: 4,
  answers: 5,
  /** Too few of its checks pass. */
  checks: 6,
} as const;
export const probeMethod = { none: 0, icmp: 1, http: 2, https: 3, dns: 4, tcp: 5 } as const;

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

/** Traffic classes, most urgent first. */
export const trafficClass = { control: 0, latency: 1, bulk: 2 } as const;

/**
 * Allowed-IPs trie: which peer an inner address belongs to. Two areas of `capacity` nodes; `version & 1` is the one in use, the
 * other is written by the next reload. A reader that finds the same version after its walk as before has a whole answer.
 * A node is three i32: child for bit 0, child for bit 1 (0 = none), peer row (-1 = none). Writer: the supervisor.
 */
export const allowedIps = {
  magic: 0x48414950,
  magicAt: 0,
  /** i32: nodes of one area. */
  capacityAt: 4,
  versionAt: 64,
  dataAt: 512,
  nodeBytes: 12,
  rootV4: 0,
  rootV6: 1,
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
