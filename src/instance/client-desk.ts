/** Between the client-store and the peers: makes the clients a source of the peer directory. */
import { HawserError } from '../base/errors.ts';
import type { PeerConfig } from '../config/config.ts';
import type { ClientPeers, ClientRows, ClientSourceApi, ReplacedPeers } from '../control/client-source.ts';
import type { PeerDirectory } from '../supervisor/peer-directory.ts';

export const clientPeers = 'clients';

export interface ClientDeskParts {
  readonly peers: Pick<PeerDirectory, 'all' | 'ofKey' | 'check' | 'change'>;
  /** The store has said who there is; or one that has not is in its place. */
  readonly onKnown: (isKnown: boolean) => void;
}

export class ClientDesk implements Omit<ClientSourceApi, 'rekeyPeer' | 'hubFacts'> {
  readonly #parts: ClientDeskParts;

  constructor(parts: ClientDeskParts) {
    this.#parts = parts;
  }

  /** Another thread has taken the store's place: it has not said who there is. */
  handleNewStore(): void {
    this.#parts.onKnown(false);
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
}

function isSame(before: PeerConfig | undefined, after: PeerConfig): boolean {
  if (before === undefined || JSON.stringify(before) !== JSON.stringify(after)) return false;
  const bytesOf = ({ presharedKey }: PeerConfig): Buffer => Buffer.from(presharedKey ?? new ArrayBuffer(0));
  return bytesOf(before).equals(bytesOf(after));
}
