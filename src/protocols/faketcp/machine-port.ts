/** What the state machine of FakeTCP is told and asks: its settings, and the world around it. */
import type { TcpFields } from '../../wire/tcp.ts';
import type { Style } from './styles.ts';

/** Why a connection ended. */
export type FlowEnd = 'no answer' | 'refused' | 'reset' | 'closed' | 'silent' | 'replaced';

export interface MachinePort {
  /** Sends a segment without payload; `row` -1 = of no connection. `isRouted`: nobody was heard from there yet. Returns whether it has left. */
  emit(connection: Uint8Array, fields: TcpFields, row: number, isRouted: boolean): boolean;
  /** The row has a connection from now on, or has none any more. */
  insert(row: number): void;
  remove(row: number): void;
  /** Row of exactly that connection, -1 = none. */
  find(connection: Uint8Array): number;
  /** Writes the address to send from into the connection; false = there is none. */
  askSource(connection: Uint8Array): boolean;
  /** Whether our address in it is one of this host's. */
  isOwnAddress(connection: Uint8Array): boolean;
  /** 32 random bits. */
  random(): number;
  hash(bytes: Uint8Array): number;
  opened(row: number): void;
  ended(row: number, why: FlowEnd): void;
}

export interface CallPorts {
  readonly first: number;
  readonly count: number;
}

export interface MachineSettings {
  readonly style: Style;
  /** A connection that we called for is replaced by another after so long; 0 = never. */
  readonly rotateUs: number;
  /** 0 = nobody calls us. */
  readonly listenPort: number;
  /** Ports to call from, by address family of Linux. */
  readonly callPorts: Readonly<Record<number, CallPorts | undefined>>;
}
