/** What the client-store says to the instance, and is asked by it: between threads, never for packets. */
import type { PeerConfig } from '../config/config.ts';
import type { ClientVerb } from './client-calls.ts';

/** What has changed among the peers that the store knows. */
export interface ClientPeers {
  readonly put: readonly PeerConfig[];
  /** Public keys. */
  readonly remove: readonly string[];
}

/** Asked of the client-store; it answers by `answerClientCall`. */
export interface ClientCall {
  readonly kind: 'client-call';
  readonly id: number;
  readonly verb: ClientVerb;
  readonly params: unknown;
}

export type ClientOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly remedy: string };

/** Served by the instance. */
export interface ClientSourceApi {
  /** Throws what would keep the change from being done. */
  checkClientPeers(change: ClientPeers): void | Promise<void>;
  changeClientPeers(change: ClientPeers): void | Promise<void>;
  /** All that there are; resolves to the reasons why some cannot be had. */
  replaceClientPeers(all: readonly PeerConfig[]): readonly string[] | Promise<readonly string[]>;
  answerClientCall(id: number, outcome: ClientOutcome): void | Promise<void>;
}
