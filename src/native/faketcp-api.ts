/** The packet path of FakeTCP (`sys/faketcp.h`), and the socket that it needs. */
import type { Family } from '../base/family.ts';
import type { NativePort } from './port.ts';

export interface FakeTcpParts {
  /** Of `openPackets`; -1 = the family is not there. */
  readonly fd4: number;
  readonly fd6: number;
  /** As `openPackets` was told and answered, by family. */
  readonly listenPort: number;
  readonly firstCallPort4: number;
  readonly callPorts4: number;
  readonly firstCallPort6: number;
  readonly callPorts6: number;
  /** Our own device: nothing that comes out of it is for FakeTCP. */
  readonly tunnel: string;
  /** Of what the kernel routes. */
  readonly mark: number;
  /** '' = the kernel chooses. */
  readonly interface: string;
  /** Of each shard; `logs` too. */
  readonly descriptors: readonly NativePort[];
  readonly received: readonly NativePort[];
  readonly handshakes: NativePort;
  readonly logs: readonly Uint8Array[];
  readonly paths: Uint8Array;
  readonly links: Uint8Array;
  readonly carriers: Uint8Array;
  /** Row of the carrier table. */
  readonly carrier: number;
  readonly flows: Uint8Array;
  /** `segment.rows` × `segment.rowBytes`. */
  readonly segments: Uint8Array;
  /** `wanted.rows` × `wanted.rowBytes`. */
  readonly wanted: Uint8Array;
  /** `segment.rows` i32: rows of connections that owe an acknowledgement. */
  readonly touched: Uint8Array;
  /** SYNs to `listenPort` are answered by the addon: the key of its cookies, and what an answer says (`Style`). */
  readonly cookieKey: Uint8Array;
  readonly answerWindow: number;
  readonly windowShift: number;
}

/** Tuples are `tuple.bytes` long, headers of TCP 20 to 60. Calls that send return 0 or a negative errno. */
export interface FakeTcp {
  /** Before the receives of a turn: empties `segments` and `touched`. */
  begin(nowUs: number): void;
  /** As `LinkReceiver.receive`. */
  receive(fd: number, maxMessages: number): number;
  segmentCount(): number;
  touchedCount(): number;
  /** SYNs that were answered since the last call, and told to nobody. */
  takeAnsweredCount(): number;
  /** The same of those that were not, because their address had called too often. */
  takeIgnoredCount(): number;
  /** The payload kept of that row of `segments` goes to the opener or the session-manager. */
  deliver(segment: number): void;
  /** How many of the shard were finished. */
  sendDescriptors(max: number, nowUs: number, shard: number): number;
  /** Rows of `wanted` that the shard's last call has filled; before the next shard's. */
  takeWanted(shard: number): number;
  /** By an open connection. */
  sendDatagram(flow: number, bytes: Uint8Array, trafficClass: number, nowUs: number): number;
  /** Without payload, to whom the tuple names, by the interface that he was heard by; `flow` -1 = of no connection. */
  sendSegment(tuple: Uint8Array, tcp: Uint8Array, flow: number): number;
  /** The same to somebody who was not heard yet: the kernel finds the way. */
  sendRouted(tuple: Uint8Array, tcp: Uint8Array): number;
  /** Writes into the tuple, where it names none, the address to call from; what comes for that one passes from now on. */
  askSource(tuple: Uint8Array): number;
  /** Whether the address of ours in it is one of this host's, and it does not come out of the tunnel. */
  isOwnAddress(tuple: Uint8Array): boolean;
  /** A row was filled, or is about to be emptied. */
  insert(flow: number): void;
  remove(flow: number): void;
  /** -1 = none. */
  find(tuple: Uint8Array): number;
  /** The open connection to an endpoint from an address (zeros = any), else one that was dialled, else -1. */
  findTo(endpoint: Uint8Array, local: Uint8Array): number;
  measureQueue(): number;
}

export interface OpenedPackets {
  readonly fd: number;
  /** To be closed with it. */
  readonly keepers: readonly number[];
  /** The first of `callPorts` consecutive ones, as many as were asked for or fewer; 0 = there is none. */
  readonly firstCallPort: number;
  readonly callPorts: number;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

export interface FakeTcpApi {
  readonly FakeTcp: new (parts: FakeTcpParts) => FakeTcp;
  /** `listenPort` and `callPorts` 0 = none; `interface` '' = all. Throws with code and syscall. */
  openPackets(options: {
    readonly family: Family;
    readonly listenPort: number;
    readonly callPorts: number;
    readonly mark: number;
    readonly interface: string;
  }): OpenedPackets;
}
