/** Tables about peers, one writer for each column: key slots, peers, paths, and whose an inner address is. */

/**
 * Journal of a table that says what has changed (session, peer, path): rows i32, the one of change n at `n % rows`; the table's version
 * is how many there were, and goes up last (`rings/row-changes.ts`). Writer: session-manager.
 */
export const journal = { at: 256, rows: 64 } as const;

/**
 * Peers are spread over so many pairs of sealer and opener at most (`runtime.shards`, docs/adr/0043). A peer belongs to the shard that its row
 * names, modulo their number, and so do the receiver indices that are chosen for it: whoever sorts packets needs no table (`rings/shards.ts`).
 */
export const shards = { most: 4 } as const;

/**
 * The same of paths that live, or do not, as they did not before: one for each shard, its version 4 bytes behind the last one's, its rows
 * `bytes`. Writer: the sealer of that shard.
 */
export const judgedJournal = { versionAt: 192, at: 512, bytes: 256 } as const;

/**
 * Session table: `slots` key slots of `slotBytes`, then one replay window for each, which is used when the slot's own is full.
 * Writers: session-manager all but the counter (sealer, atomic add) and the replay columns (opener).
 */
export const session = {
  magic: 0x48534553,
  magicAt: 0,
  slotsAt: 4,
  windowBitsAt: 8,
  /** i32: goes up whenever a slot changes state, which the journal names. */
  versionAt: 64,
  /** i32 for each shard: version that its sealer and its opener have seen; a retired slot may be zeroed once all have passed it. */
  sealerSeenAt: 128,
  openerSeenAt: 192,
  /** i32: slots from here on were never used. */
  usedAt: 72,
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
  /**
   * The first `earlyWindowBytes` of the replay bitmap while nothing came beyond its counters but the last 64; then it lies in the window behind
   * the table. Most sessions of a hub never hear more than keepalives, and a window takes a page of memory. Written by the opener.
   */
  earlyWindowAt: 384,
  earlyWindowBytes: 128,
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
  /** Its handshakes wear another obfuscation than is configured for it. */
  obfuscation: 6,
  /** It is a client that has used up its quota. */
  quota: 7,
  /** As many clients as `server.limits.perAddress` allows have sessions from its address; or devices of its client, as perClient allows. */
  perAddress: 8,
  perClient: 9,
  /** The plugin of `server.authorise` does not let it in; or does not say. */
  unauthorised: 10,
  authoriserSilent: 11,
} as const;

/** Peer table: one row a peer, columns grouped by their one writer. f64 times are CLOCK_BOOTTIME microseconds. */
export const peer = {
  magic: 0x48504552,
  magicAt: 0,
  rowsAt: 4,
  /** i32: goes up whenever the key slot to seal with, what its peer can, or the home path is another. */
  versionAt: 64,
  /** i32: rows from here on were never used. Writer: the supervisor. */
  usedAt: 128,
  /** f64 each, bits of inner packets a second for all peers together, 0 = no limit: sent to them, and taken from them. Writer: the supervisor. */
  totalSendBpsAt: 136,
  totalTakeBpsAt: 144,
  /** f64: 1 = the store of clients has said who there is. Writer: the supervisor. */
  clientsKnownAt: 152,
  /** f64: 1 = some rows share a rate (`leadAt`). Writer: the session-manager. */
  haveLeadsAt: 160,
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
  /** i32: one more than the row of the peer's first path, 0 = it has none; the others follow by `path.nextAt`. */
  firstPathAt: 96,
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
  /** i32: longest inner packet that is sent to the peer uncut now; 0 = the tunnel's MTU; negative = so long, until a search ends. */
  innerMtuAt: 192,
  /** f64: bytes of inner packets that were sealed for the peer, each once, as they left (a super-packet's segments, not the super-packet). */
  innerTxBytesAt: 200,
  /** f64 CLOCK_BOOTTIME microseconds: something last waited for nothing but the peer's rate limit, or its share of the server's; 0 = never. */
  limitedUsAt: 208,
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
  /** f64: bytes of inner packets of the peer that entered, each once. */
  innerRxBytesAt: 336,
  /** f64 each: packets that did not enter because the peer sends more than it may, and when the last of them came. */
  policedPacketsAt: 344,
  policedUsAt: 352,
  /** f64 each, the bucket of `policeBpsAt`: bytes that it lacks, as of when. */
  policeDebtAt: 360,
  policeUsAt: 368,
  /** f64: bits a second that are taken from the peer while all together send more than `totalTakeBpsAt`; 0 = no less than it may anyway. */
  shareBpsAt: 376,
  // session-manager
  /** f64 each, bits of inner packets a second, 0 = no limit: what is sent to the peer at most, and what is taken from it. */
  sendBpsAt: 384,
  policeBpsAt: 392,
  /** f64: bytes that the peer may send at once after a pause, of `policeBpsAt`. */
  policeBurstBytesAt: 400,
  /** f64: bits a second that the peer has told us to send at most (LIMITS), 0 = none. */
  toldBpsAt: 408,
  /** i32: share of the server's rate while that binds, 1 to 100; 0 = what the others leave. */
  priorityAt: 416,
  /** f64: bits a second that may be taken from the peer as configured; who is told and obeys is policed a little above it. */
  takeBpsAt: 424,
  /** i32: 1 = it is a client, whose quota `stopTxBytesAt` and `stopRxBytesAt` tell of. */
  isMeteredAt: 432,
  /**
   * i32: several devices of one client have its rates together, and this is one more than the row of the first of them, in which what they are
   * policed by in sum stands; 0 = it has its own.
   */
  leadAt: 436,
  /** f64: bits a second that are sent to the peer, or to all devices of its client together, as configured; 0 = no limit. */
  giveBpsAt: 440,
  /** f64: bits a second that the peer was told by us to send at most (LIMITS) and is taken to keep to; 0 = nothing. */
  saidBpsAt: 488,
  // opener
  /** f64: bytes of the packets of `policedPacketsAt`. */
  policedBytesAt: 448,
  /** f64 each, the bucket of all whose `leadAt` leads here: bytes that it lacks, as of when. */
  sumDebtAt: 472,
  sumUsAt: 480,
  // client-store
  /** f64 each, 0 = no end: what `innerTxBytesAt` and `innerRxBytesAt` may come to now. The packet that reaches it still passes. */
  stopTxBytesAt: 456,
  stopRxBytesAt: 464,
} as const;

/**
 * Where a path leads: `bytes` bytes, of which the first two say the kind and what follows. An address is a raw sockaddr_in or sockaddr_in6, so
 * its kind is the address family of Linux; a kind that is none begins at 256 (docs/adding-a-transport.md). Zeros behind what a kind uses.
 * `named`: port (big-endian), and from `nameAt` on a host in ASCII, as a name or a literal address, to which the carrier finds the way.
 */
export const endpoint = { bytes: 64, ip4: 2, ip6: 10, named: 256, nameAt: 4, mostNameBytes: 60 } as const;

/**
 * Path table: one row a path = link × transport × endpoint, from a pool for all peers. The rows of one peer are chained in the order in
 * which they were given (`rings/path-chain.ts`); a row that was set free stays in the chain for a while (docs/adr/0011). `versionAt` goes
 * up whenever a path appears, goes, or changes its state or place. Writer: session-manager, but for the columns named.
 */
export const path = {
  /** A peer has at most so many. A path's number within its peer is its row modulo this: no two paths of a peer have the same. */
  mostPerPeer: 64,
  magic: 0x48504154,
  magicAt: 0,
  rowsAt: 4,
  versionAt: 64,
  /** i32: rows from here on were never used. */
  usedAt: 128,
  /** Behind `judgedJournal` of all shards. */
  dataAt: 1536,
  rowBytes: 640,
  /** i32 seqlock: odd while the row is being written. */
  sequenceAt: 0,
  stateAt: 4,
  peerAt: 8,
  /** i32: row of the carrier table, which says link and transport. */
  carrierAt: 12,
  /** i32: one more than the row of the peer's next path, 0 = it is the last. */
  nextAt: 16,
  interfaceAt: 20,
  /** `endpoint.bytes`, written as its transport has it (`endpoint`). */
  endpointAt: 24,
  /** 16 bytes: source address to send from (IPv4 in the first 4); zero = the kernel chooses. */
  localAt: 88,
  /** f64 CLOCK_BOOTTIME microseconds: the peer proved that it is there (challenge and response). */
  provenUsAt: 104,
  /** f64 CLOCK_BOOTTIME microseconds: the row was given to this path; it tells two paths apart that had the row one after another. */
  bornUsAt: 112,
  /** i32: id of the obfuscation that data messages wear (`obfuscation`), 0 = none; and the bytes that stand before each then. */
  obfuscationAt: 120,
  paddingBytesAt: 124,
  // sealer
  /** f64: bytes handed to the link. */
  sealedBytesAt: 128,
  /** i32 each: state and reason of `bonding/life/path-life-states.ts`. */
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
  /** i32: MTU of the interface by which it leaves, where the kernel's routing chose that and its carrier knows (FakeTCP); 0 = not known. */
  outMtuAt: 300,
  /** f64, i32: times that a router said how long packets may be that leave by this path (ICMP), and its last word: anybody can forge it. */
  hintsAt: 304,
  hintBytesAt: 312,
  /** i32: bytes that its headers are shorter than its transport's longest (FakeTCP without timestamps). */
  sparedBytesAt: 316,
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
  /** i32: of `pathVote`, the outcome of the last election (`bonding/life/election.ts`). */
  voteAt: 376,
  /** i32: of `bonding/path-hold.ts`, why it carries nothing though it lives. */
  holdAt: 380,
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
  /** f64: what `receivedBytesAt` was when the largest counter came. */
  largestBytesAt: 456,
  // session-manager
  /** ASCII, zeros behind: what the peer calls its link at the other end; all zeros = it has not said. Outside the seqlock. */
  peerLinkAt: 464,
  peerLinkBytes: 32,
  /** i32: of `pathOrigin`; of `pathWish` (`wire/control-frame.ts`), what the peer wants of the path, and f64 when it last said so. */
  originAt: 496,
  wishAt: 500,
  wishUsAt: 504,
  // sealer
  /** f64: bytes of inner packets that were sealed for it first, and not merely copied or sent again by it (`peer.innerTxBytesAt`). */
  innerTxBytesAt: 512,
  // opener
  /** f64: bytes of inner packets that came by it first (`peer.innerRxBytesAt`). */
  innerRxBytesAt: 576,
} as const;

/** Who made a path: it was learnt from the peer's packets, the configuration leads there, or it does and the link is about to be taken out. */
export const pathOrigin = { learnt: 0, configured: 1, leaving: 2 } as const;

/** Bits of an election: data leaves by the path; it would without what the peer wishes, so the peer is told that it does. */
export const pathVote = { carries: 1, chosen: 2 } as const;

/**
 * `up`: proven, and carries data as far as the sealer's last election is known (`path.voteAt`). `down`: withdrawn (interface down, address
 * gone, disabled). `unproven`: control frames only. `standby`: proven, but another path by the same way carries the data; control frames
 * only. The sealer itself asks for no more than proven or not: it elects.
 */
export const pathState = { free: 0, up: 1, down: 2, unproven: 3, standby: 4 } as const;

/**
 * Allowed-IPs trie: which peer an inner address belongs to. Two areas of `capacity` nodes; `version & 1` is the one in use. A few
 * prefixes more or less are written into it, each node before what leads to it, and the version goes up by two; many go into the other
 * area, and it goes up by one. A reader that finds the same version after its walk as before has a whole answer.
 * A node is three i32: child for bit 0, child for bit 1 (0 = none), peer row (-1 = none). Writer: the supervisor.
 */
export const allowedIps = {
  magic: 0x48414950,
  magicAt: 0,
  /** i32: nodes of one area. */
  capacityAt: 4,
  versionAt: 64,
  /** i32: nodes of the area in use that are written; its writer's. */
  usedAt: 128,
  dataAt: 512,
  nodeBytes: 12,
  rootV4: 0,
  rootV6: 1,
} as const;
