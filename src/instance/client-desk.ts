/**
 * Between operators and the client-store, and between it and the peers: carries questions to the store and its answers back, and makes the
 * clients a source of the peer directory.
 */
import { HawserError } from '../base/errors.ts';
import type { PeerConfig } from '../config/config.ts';
import type { ClientVerb } from '../control/client-calls.ts';
import type {
  ClientCall,
  ClientOutcome,
  ClientPeers,
  ClientRows,
  ClientSourceApi,
  ReplacedPeers,
} from '../control/client-source.ts';
import type { PeerDirectory } from '../supervisor/peer-directory.ts';

export const clientPeers = 'clients';

export interface ClientDeskParts {
  readonly peers: Pick<PeerDirectory, 'all' | 'ofKey' | 'check' | 'change'>;
  /** To the client-store. */
  readonly command: (call: ClientCall) => void;
  /** The configuration has a section `server`. */
  readonly hasStore: () => boolean;
  /** The store has said who there is; or one that has not is in its place. */
  readonly onKnown: (isKnown: boolean) => void;
}

/** Longer than any disk should take, shorter than the control-server's patience. */
const deadlineMs = 9_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ClientDesk implements Omit<ClientSourceApi, 'rekeyPeer' | 'hubFacts'> {
  readonly #parts: ClientDeskParts;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(parts: ClientDeskParts) {
    this.#parts = parts;
  }

  /** Rejects with what the store says, NO_SERVER when there is none, CLIENT_STORE when it does not answer. */
  call(verb: ClientVerb, params: unknown): Promise<unknown> {
    if (!this.#parts.hasStore()) {
      const message = 'This instance keeps no clients';
      throw new HawserError('NO_SERVER', message, 'add `server: { pool: 10.100.0.0/16 }` to its file, and reload');
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, (one) => one.reject(silent())), deadlineMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#parts.command({ kind: 'client-call', id, verb, params });
    });
  }

  /** Another thread has taken the store's place: it knows nothing of what its predecessor was asked. */
  handleNewStore(): void {
    this.#parts.onKnown(false);
    for (const id of [...this.#waiting.keys()]) this.#settle(id, (one) => one.reject(silent()));
  }

  answerClientCall(id: number, outcome: ClientOutcome): void {
    this.#settle(id, ({ resolve, reject }) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(new HawserError(outcome.code, outcome.message, outcome.remedy));
    });
  }

  checkClientPeers(change: ClientPeers): void {
    this.#parts.peers.check(clientPeers, change);
  }

  changeClientPeers(change: ClientPeers): ClientRows {
    this.#parts.peers.change(clientPeers, change);
    return this.#rowsOf(change.put);
  }

  #rowsOf(peers: readonly PeerConfig[]): ClientRows {
    return peers.flatMap(({ publicKey }) => {
      const entry = this.#parts.peers.ofKey(publicKey);
      return entry?.source === clientPeers ? [[publicKey, entry.row] as const] : [];
    });
  }

  /** Whoever is as before is not touched. A client that a peer of the file stands in the way of is left out, with the reason. */
  replaceClientPeers(all: readonly PeerConfig[]): ReplacedPeers {
    const { peers } = this.#parts;
    const known = new Map<string, PeerConfig>();
    for (const { source, peer } of peers.all()) if (source === clientPeers) known.set(peer.publicKey, peer);
    const kept = new Set(all.map(({ publicKey }) => publicKey));
    const remove = [...known.keys()].filter((key) => !kept.has(key));
    const put = all.filter((peer) => !isSame(known.get(peer.publicKey), peer));
    peers.change(clientPeers, { put: [], remove });
    const refused: string[] = [];
    const possible = put.filter((peer) => {
      try {
        peers.check(clientPeers, { put: [peer], remove: [] });
        return true;
      } catch (error) {
        if (!(error instanceof HawserError)) throw error;
        refused.push(`Client "${peer.name}" is left out: ${error.message}`);
        return false;
      }
    });
    peers.change(clientPeers, { put: possible, remove: [] });
    this.#parts.onKnown(true);
    return { rows: this.#rowsOf(all), refused };
  }

  #settle(id: number, act: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    act(waiting);
  }
}

function silent(): HawserError {
  const message = 'The store of clients did not answer';
  return new HawserError('CLIENT_STORE', message, 'it may have been done all the same: look at `hawser client list`');
}

function isSame(before: PeerConfig | undefined, after: PeerConfig): boolean {
  if (before === undefined || JSON.stringify(before) !== JSON.stringify(after)) return false;
  const bytesOf = ({ presharedKey }: PeerConfig): Buffer => Buffer.from(presharedKey ?? new ArrayBuffer(0));
  return bytesOf(before).equals(bytesOf(after));
}
