/** What lies in the rings: types of records, and where in each of them its fields begin. */

/** Types of ring records. */
export const recordType = {
  /** tun-reader → sealer and opener → tun-writer: a train (see `train`). */
  train: 1,
  /** a carrier → opener: what one recvmmsg message held (see `received`). */
  received: 2,
  /** sealer → a carrier: a run of sealed packets in the log (see `descriptor`). */
  descriptor: 3,
  /** a carrier → session-manager: one handshake-type datagram, a `received` header before it. */
  handshakeIn: 4,
  /** session-manager → a carrier: one datagram, an `outgoing` header before it. */
  handshakeOut: 5,
  /** session-manager → sealer, opener → sealer: an inner packet to seal (see `frame`); empty = keepalive. */
  frameOut: 6,
  /** opener → session-manager: an inner control frame that was opened (see `frame`). */
  frameIn: 7,
  /** opener → session-manager: an authenticated packet came from elsewhere than its path says (a `received` header). */
  roamed: 8,
  /** sealer → session-manager: i32 peer row; data waits and no key slot serves (wakes it; `peer.handshakeWantedAt` says the same). */
  handshakeWanted: 9,
  /** sealer → session-manager: i32 peer row; a path of the peer lives, or is in doubt, or is dead, that was not (`path.lifeAt`). */
  pathJudged: 10,
  /** sealer → session-manager: i32 peer row; the first data was sealed under the key slot that the peer has now. */
  dataBegan: 11,
  /** opener → session-manager: i32 key slot; the first packet under its keys has come. */
  keysUsed: 12,
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
  /** `endpoint.bytes`: where it came from. */
  endpointAt: 0,
  /** i32: row of the carrier table it came by. */
  carrierAt: 64,
  /** i32: interface index the datagram came in by. */
  interfaceAt: 68,
  /** 16 bytes: local address of the datagram (IPv4 in the first 4), from IP_PKTINFO. */
  localAt: 72,
  /** i32: bytes of each datagram but the last. */
  segmentBytesAt: 88,
  /** i32: bytes of all datagrams. */
  lengthAt: 92,
  /** i32: key slot the run was opened under; only in `roamed` records. */
  slotAt: 96,
  /** i32: datagrams the opener has dealt with; kept here so that it can stop in the middle when its output is full. */
  progressAt: 100,
  /** f64: CLOCK_REALTIME microseconds the kernel received it. */
  timeAt: 104,
  /** i32: the outer header's DSCP and ECN byte, of all of them (IP_TOS, IPV6_TCLASS). */
  trafficClassAt: 112,
  /** i32: what it wore (`obfuscation`, `wear`); only of handshakes. */
  obfuscationAt: 116,
  payloadAt: 120,
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
  /** `endpoint.bytes`. */
  endpointAt: 0,
  localAt: 64,
  interfaceAt: 80,
  lengthAt: 84,
  /** i32: the outer header's DSCP and ECN byte (IP_TOS, IPV6_TCLASS). */
  trafficClassAt: 88,
  /** i32: id or `wear` of the obfuscation it shall have, 0 = none; the type field is written already. */
  obfuscationAt: 92,
  payloadAt: 96,
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

/** Traffic classes, most urgent first. */
export const trafficClass = { control: 0, latency: 1, bulk: 2 } as const;
