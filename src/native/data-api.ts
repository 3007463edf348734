/**
 * The packet path of the addon. Hot calls return a count or a negative errno; only `open…` and constructors throw (code,
 * syscall, errno). Objects belong to the thread that made them and hold the memory they were given.
 */
import type { Family } from '../base/family.ts';
import type { Opener, OpenerParts } from './opener-api.ts';
import type { NativePort } from './port.ts';

export interface OpenedTun {
  readonly fd: number;
  /** The kernel's name of it. */
  readonly name: string;
  /** The device takes and gives UDP super-packets (USO, Linux 6.2). */
  readonly udpOffload: boolean;
}

export interface OpenedUdp {
  readonly fd: number;
  readonly port: number;
  readonly gso: boolean;
  readonly gro: boolean;
  /** What the kernel granted; less than 14 MiB (it doubles) means that a sysctl clamped it. */
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

export interface TunReader {
  /**
   * Reads up to `maxTrains`; returns how many, or -11 (EAGAIN, the device is empty), -28 (ENOSPC, the ring is full), -77 (EBADFD,
   * the device was deleted) or another negative errno of read(2).
   */
  read(maxTrains: number, nowUs: number): number;
}

export interface TunSorter {
  /**
   * As `TunReader.read`. -28: a ring is full, and has not been for long; trains for one that has been for longer are dropped and counted,
   * so that the shards of the others go on.
   */
  read(maxTrains: number, nowUs: number): number;
}

export interface TunWriter {
  /** Writes up to `maxTrains`; returns how many; trains the kernel refuses are dropped and counted. */
  write(maxTrains: number): number;
}

export interface LinkSender {
  /** Returns how many descriptors left the shard's ring; 0 with work waiting: the socket is full, or a sealer sends and wakes this thread. */
  sendDescriptors(max: number, shard: number): number;
  sendDatagrams(max: number): number;
  /**
   * Empties the sockets' error queues (ip(7), IP_RECVERR), which keep them readable: after a receive that failed. What a router said of
   * packets that are too long goes to the row of the path that they had left by.
   */
  readErrors(): void;
  /** Bytes that wait in the sockets and the devices below them (SIOCOUTQ); also stored in the carrier's row. */
  measureQueue(): number;
}

export interface LinkReceiver {
  /** Returns how many messages; -11 nothing waits, -28 the opener's ring is full, else what an ICMP message said of earlier packets. */
  receive(fd: number, maxMessages: number): number;
}

export interface Sealer {
  /**
   * Facts about up to `max` (64 at most) trains waiting in the ring; returns how many. TCP is cut to what its peer takes, and a SYN
   * offers no more.
   */
  look(max: number): number;
  /**
   * Starts a run of sealing. 0, -126 (ENOKEY, slot not ready) or -127 (EKEYEXPIRED). `port`: index of its carrier's ring. `record`: flags of
   * `flight`, with which the run is remembered until the peer acknowledges it; -1 = not remembered.
   */
  begin(
    slot: number,
    path: number,
    trafficClass: number,
    maxPaddedBytes: number,
    nowUs: number,
    port: number,
    peer: number,
    record: number,
  ): number;
  /** Between `begin` and sealing: what is sealed in this run goes into groups of `data` packets with `parity` parities. */
  protect(data: number, parity: number): void;
  /** Of the peer's group whose parity has waited longest: key slot × `path.mostPerPeer` + path of its data; -1 = none waits. */
  waitingParity(peer: number): number;
  /**
   * In a run of that slot: seals that parity, and what follows it of the same slot and path. Frames, or -28 (link ring full). Of a
   * slot that seals under another index by now it is dropped.
   */
  sealParity(dataPath: number): number;
  /** Ends the peer's groups that began before `beforeUs`; returns when the oldest one left did, 0 = none is open. */
  closeParity(peer: number, beforeUs: number): number;
  /** Inner bytes of each frame of the parity of `waitingParity`; 0 = none waits. */
  parityBytes(peer: number): number;
  /** That parity is not sent. */
  dropParity(peer: number): void;
  /** Between sealing and `end`: sends what was sealed by another path too, but packets of more than `longest` sealed bytes; returns bytes. */
  copy(port: number, path: number, longest: number): number;
  /** Takes a REPORT of the peer about `slot` in; fills `feedback`; returns packets that wait to be sent again, -1 = malformed. */
  report(peer: number, slot: number, frame: Uint8Array, length: number, nowUs: number): number;
  /** Declares lost what `limits` says is overdue; fills `feedback`; returns packets that wait to be sent again. */
  tick(peer: number, nowUs: number): number;
  /**
   * What left by path row `path` with more sealed bytes than `longest`, and was not acknowledged, will not arrive: it may go out again.
   * No sums of `feedback` count it, for it is no loss of the path's.
   */
  loseLonger(peer: number, path: number, longest: number): void;
  /**
   * The first counter of `slot` that bore a control frame and was found lost by `report`, or what `resendCut` sent, and was not told of
   * yet; -1 = there is none. They are not sent again.
   */
  nextHollow(peer: number, slot: number): number;
  /** Sealed bytes of the longest packet in the oldest run that waits to be sent again; 0 = none waits. */
  lostBytes(peer: number): number;
  /** Gives up those that wait to be sent again and have more sealed bytes than `longest`. */
  giveUpLonger(peer: number, longest: number): void;
  /**
   * Sends lost packets of the peer of at most `longest` sealed bytes by path row `path`, oldest first, at most `maxBytes` (at least one
   * packet); returns bytes.
   */
  resend(peer: number, port: number, path: number, maxBytes: number, longest: number, nowUs: number): number;
  /**
   * The same for what those bore that have more sealed bytes than `longest`: it goes in FRAG frames of at most that, under key slot `slot`
   * and counters of its own; theirs are `nextHollow`'s. `record`: flags of `flight`.
   */
  resendCut(
    peer: number,
    slot: number,
    port: number,
    path: number,
    maxBytes: number,
    longest: number,
    nowUs: number,
    record: number,
  ): number;
  /** Seals trains `from`… of the last look in order, at most `maxSegments` segments; returns segments, or -28 (link ring full). */
  sealTrains(from: number, count: number, maxSegments: number): number;
  /** The same for the train at `offset` of the stash. */
  sealStashed(offset: number, maxSegments: number): number;
  /** Seals one inner packet; `bytes` has 16 spare bytes behind `length`. 1 or a negative errno. */
  sealPacket(bytes: Uint8Array, length: number): number;
  /** Segments of the stashed train that are not sealed yet; 0 also for one that makes no sense. */
  segmentsLeft(offset: number): number;
  /** Gives up the first segment that is left of the stashed train, unless it is the last; whether it did. */
  skipSegment(offset: number): boolean;
  /** Sets congestion-experienced in the stashed train's IP header, if its sender takes that (RFC 3168); 1 if so. */
  markCongestion(offset: number): number;
  /** Ends the run, wakes the link; returns the bytes sealed in it. */
  end(): number;
  /** Moves train `index` of the last look to `offset` of the stash. */
  stash(index: number, offset: number): number;
  /** Whether train `index` of the last look and the one at `offset` of the stash, both of TCP, are of one connection. */
  isSameConnection(index: number, offset: number): boolean;
  /** The first `count` trains of the last look are dealt with; the others will be looked at again. */
  release(count: number): void;
  /** Forgets what is under way to a peer, and its parity: its row will be another's. */
  forgetPeer(peer: number): void;
  /** Forgets what is kept of the keys in `slot` if it is not ready any more; -1 = in any slot. */
  sweep(slot: number): void;
}

/** How long inner packets may be; sealer and opener are told alike. */
export interface InnerLimitParts {
  readonly peers: Uint8Array;
  /** The tunnel's MTU. */
  readonly mtu: number;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
}

export interface SealerParts extends InnerLimitParts {
  readonly plain: NativePort;
  readonly carriers: readonly NativePort[];
  readonly log: Uint8Array;
  readonly sessions: Uint8Array;
  readonly allowedIps: Uint8Array;
  readonly stash: Uint8Array;
  /** 64 rows of `facts.columns`, as bytes. */
  readonly facts: Uint8Array;
  readonly paths: Uint8Array;
  /** 32 rows of `feedback.columns` f64. */
  readonly feedback: Uint8Array;
  /**
   * 64 f64. First 32: a packet of the path is lost when another that left by it this many microseconds later has arrived. Then
   * 32: what left by the path before this time is lost (0 = no limit).
   */
  readonly limits: Uint8Array;
  /** Longest sealed packet that may have parity. */
  readonly maxFecBytes: number;
  /** One row of `tooLong.columns`. */
  readonly tooLong: Uint8Array;
  /** The TUN device, where senders of packets that are too long are told so; -1 = nobody is told. */
  readonly answersFd: number;
  /** undefined = all that is sealed is sent by the carriers' threads. */
  readonly beside?: BesideParts;
}

/** What a sealer needs to send a single packet itself while the carrier's thread sleeps (docs/adr/0047). */
export interface BesideParts {
  readonly links: Uint8Array;
  readonly carriers: Uint8Array;
  /** Of the carrier table, in the order of the ports. */
  readonly rows: readonly number[];
}

export interface LinkSenderParts {
  /** -1 = the family is not there. */
  readonly fd4: number;
  readonly fd6: number;
  readonly gso: boolean;
  /** One for each shard, and its sealed log. */
  readonly descriptors: readonly NativePort[];
  readonly logs: readonly Uint8Array[];
  readonly out: NativePort;
  readonly paths: Uint8Array;
  readonly links: Uint8Array;
  readonly carriers: Uint8Array;
  /** Row of the carrier table. */
  readonly carrier: number;
  /** What may be worn, as `contract/obfuscation.ts` has it; undefined = nothing. */
  readonly obfuscations: Uint8Array | undefined;
}

export interface LinkReceiverParts {
  /** One for each shard: what comes is sorted by receiver index (`rings/shards.ts`). */
  readonly received: readonly NativePort[];
  readonly handshakes: NativePort;
  readonly carriers: Uint8Array;
  readonly carrier: number;
  /** What datagrams may wear; undefined = WireGuard is taken as it is, at no cost. */
  readonly obfuscations: Uint8Array | undefined;
  /** WireGuard as it is passes beside them. */
  readonly takesPlain: boolean;
}

export interface DataApi {
  /** CLOCK_BOOTTIME in microseconds. */
  nowUs(): number;
  /** CLOCK_REALTIME in microseconds. */
  unixUs(): number;
  /** Makes an eventfd (non-blocking, close-on-exec) to wake one thread. */
  openDoorbell(): number;
  /** Rings unconditionally: adds 1 to the eventfd. */
  ring(fd: number): number;
  closeFd(fd: number): number;
  /**
   * Gives the number `fd` to what is open as `fresh` (dup3(2)), and `fresh` back: threads that were lent `fd` go on with the other file,
   * one that sleeps on it from its next look on. 0 or a negative errno; `fresh` is closed either way.
   */
  replaceFd(fresh: number, fd: number): number;
  /**
   * Waits for the doorbell or for one of `fds` to be readable, until `deadlineUs` (CLOCK_BOOTTIME) at the latest, and never
   * longer than an hour; drains the doorbell. `armed` is the thread's doorbell memory: it must be armed, and all inputs
   * re-checked, before the call.
   * Returns 0 at the deadline, a negative errno, or what is ready: bit 0 = the doorbell (or a signal came), bit 1 = the first of `fds`, bit 2 =
   * the second …
   */
  wait(doorbellFd: number, armed: Uint8Array, fds: Int32Array, deadlineUs: number): number;
  /**
   * How long a thread of this process (as the kernel numbers it; 0 = the calling one) wants a processor at a stretch; 0 = as the kernel has it.
   * Its share stays, but one that wakes and wants less takes the processor from it. 1 = done, 0 = the kernel does not heed it (before Linux
   * 6.12), or a negative errno.
   */
  setThreadSlice(threadId: number, sliceUs: number): number;
  /** Sleeps for so long, 1 s at most; nothing settles meanwhile. */
  pause(forUs: number): void;
  /** `persistent`: the device outlives the process, until `setTunPersistent(fd, false)` and a close. */
  openTun(name: string, options: { readonly persistent: boolean; readonly multiQueue: boolean }): OpenedTun;
  setTunPersistent(fd: number, persistent: boolean): number;
  /** `mark` 0 = none; `interface` '' = not bound to one. */
  openUdp(options: {
    readonly family: Family;
    readonly port: number;
    readonly mark: number;
    readonly interface: string;
  }): OpenedUdp;
  /** `totals`: [bytes] as f64. */
  readonly TunReader: new (
    fd: number,
    out: NativePort,
    totals: Uint8Array,
  ) => TunReader;
  /** Each train goes to the ring of its peer's shard. `totals`: [bytes, dropped trains] as f64. */
  readonly TunSorter: new (
    fd: number,
    out: readonly NativePort[],
    allowedIps: Uint8Array,
    totals: Uint8Array,
  ) => TunSorter;
  /** `totals`: [bytes, packets, refused trains] as f64. */
  readonly TunWriter: new (
    fd: number,
    input: NativePort,
    totals: Uint8Array,
  ) => TunWriter;
  readonly LinkSender: new (parts: LinkSenderParts) => LinkSender;
  readonly LinkReceiver: new (parts: LinkReceiverParts) => LinkReceiver;
  readonly Sealer: new (parts: SealerParts) => Sealer;
  readonly Opener: new (parts: OpenerParts) => Opener;
}
