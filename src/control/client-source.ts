/** What the client-store says to the instance, and is asked by it: between threads, never for packets. */
import type { PeerConfig } from '../config/config.ts';
import type { HubFacts } from './client-calls.ts';

/** What has changed among the peers that the store knows. */
export interface ClientPeers {
  readonly put: readonly PeerConfig[];
  /** Public keys. */
  readonly remove: readonly string[];
}

/** Public key → row of the peer table. */
export type ClientRows = readonly (readonly [string, number])[];

export interface ReplacedPeers {
  readonly rows: ClientRows;
  /** Why some cannot be had. */
  readonly refused: readonly string[];
}

/** Served by the instance. */
export interface ClientSourceApi {
  /** Throws what would keep the change from being done. */
  checkClientPeers(change: ClientPeers): void | Promise<void>;
  /** Resolves to the rows of `put`. */
  changeClientPeers(change: ClientPeers): ClientRows | Promise<ClientRows>;
  /** Begins a handshake with a peer. */
  rekeyPeer(name: string): void | Promise<void>;
  /** All that there are. */
  replaceClientPeers(all: readonly PeerConfig[]): ReplacedPeers | Promise<ReplacedPeers>;
  /** What clients are told of this hub. */
  hubFacts(): HubFacts | Promise<HubFacts>;
}
