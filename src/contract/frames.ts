/** Control frames between two Hawser ends (docs/wire-format.md): their kinds, who may be sent which, and what both C++ and TypeScript read. */

export const controlKind = {
  hello: 1,
  /** Acknowledgement of counters (`report` below). */
  report: 2,
  /** Proof that an address is the peer's: 8 random bytes, padded to full size, come back by the path they arrived by. */
  challenge: 3,
  response: 4,
  /** Is this path alive, and how long is it? */
  probe: 5,
  probeReply: 6,
  parity: 7,
  /** These counters bear nothing that others need wait for: they went by a path that is far behind. */
  skip: 8,
  /** One piece of an inner packet that is longer than its path takes (`fragment` below); data, not control. */
  fragment: 9,
  /** What the sender calls the link that this frame left by. */
  names: 10,
  /** How fast its reader may send at most; the same frame back says that it has been read. */
  limits: 11,
  /** A machine that was invited asks to be a client, and is told what it needs for that. */
  enrol: 12,
} as const;

/** Bits of HELLO's capabilities: a frame goes to a peer only after its HELLO in this session said that it reads it. */
export const capability = {
  /** Reads control frames: always set, so that what was said is never 0. */
  controlFrames: 1 << 0,
  /** Opens AES-256-GCM under the receiver index it announces. */
  aes256gcm: 1 << 1,
  /** Reads and writes REPORT, CHALLENGE, RESPONSE, PROBE and PROBE REPLY: may be reached by many paths at once. */
  paths: 1 << 2,
  /** Rebuilds packets from PARITY. */
  fec: 1 << 3,
  /** Joins FRAG, and answers probes of any size: the size of each path is searched. */
  pathSizes: 1 << 4,
  /** Reads the ECN field of outer headers (RFC 6040), and what a REPORT says of them. */
  ecn: 1 << 5,
  /** Reads NAMES: shows people what the other end calls the links that its paths leave by. */
  names: 1 << 6,
  /** Sends again what its only path has lost, and waits for what the other end sends again. */
  repairs: 1 << 7,
  /** Reads LIMITS, and sends no faster. */
  limits: 1 << 8,
  /** Answers ENROL: it keeps clients. */
  enrol: 1 << 9,
  /** Reads in a FRAG frame under which counter its packet left before, and takes it once. */
  again: 1 << 10,
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
 *
 * @public Only C++ reads it.
 */
export const fragment = {
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
  /** Of `flags`: it left before under a counter of the same session, u64, which stands in front of the packet and is one of its bytes here. */
  flagAgain: 2,
  againBytes: 8,
  maxPieces: 64,
} as const;

/** SKIP, a control frame: nobody need wait for so many counters (u32) from the first (u64) on. Integers little-endian. */
export const skip = {
  countAt: 4,
  firstAt: 8,
  bytes: 16,
} as const;
