/** Tables about links and their carriers, one writer for each column: what they carried, whether they are healthy, which checks pass. */

/**
 * How datagrams travel; the lowest number is preferred while it works (docs/adding-a-transport.md). `test` is UDP on a port of its own, for
 * the tests of what several transports need. Numbers stay below `carrier.rowsPerLink`.
 */
export const transport = { udp: 0, faketcp: 1, tls: 2, test: 7 } as const;

export type TransportName = keyof typeof transport;

/**
 * Most bytes that each transport puts between the IP header and a sealed packet. FakeTCP: a TCP header with timestamps. A stream (TLS) is cut
 * into segments without regard to packets, so that no header is any packet's own.
 */
export const transportHeaderBytes = { udp: 8, faketcp: 32, tls: 0, test: 8 } as const;

/**
 * Carrier table: `rowsPerLink` rows for each row of the link table. A carrier sends and receives for one link by one transport; its row is
 * link × `rowsPerLink` + transport, and stands for both wherever they are named together. Writer: the carrier's actor.
 */
export const carrier = {
  rowsPerLink: 8,
  magic: 0x48434152,
  magicAt: 0,
  rowsAt: 4,
  dataAt: 512,
  rowBytes: 128,
  /** i32: bytes that wait in its sockets and the device below them (SIOCOUTQ). */
  outqBytesAt: 0,
  /** i32 each, first written by the supervisor: 1 = the sockets cut, and join, trains. */
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
  // supervisor, for operators
  /** i32: place of its transport in the order that they prefer, from 1 on, 0 = as configured; 1 = it comes before all others while it lives. */
  placeAt: 72,
  forcedAt: 76,
  // whoever sends (`native/sys/send_turn.h`)
  /** i32: 0 = nobody sends by its sockets, 1 = somebody does, 2 = and another would like to. */
  turnAt: 80,
  /** i32 each, written by the carrier in its turn: 1 = the socket, of IPv4 and of IPv6, leaves the don't-fragment bit clear. */
  fragmenting4At: 84,
  fragmenting6At: 88,
  // supervisor, while nobody sends
  /** i32 each: 1 more than the number of the socket that a sealer may send by while the carrier's thread sleeps; 0 = there is none. */
  beside4At: 92,
  beside6At: 96,
} as const;

/** Link table: one row a link. */
export const link = {
  magic: 0x484c4e4b,
  magicAt: 0,
  rowsAt: 4,
  dataAt: 512,
  rowBytes: 512,
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
  /** i32 each, what a plugin suggests in place of the configuration: weight, 0 = nothing; and 1 more than the number of `pathRoles`, 0 = nothing. */
  suggestedWeightAt: 236,
  suggestedRoleAt: 240,
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
