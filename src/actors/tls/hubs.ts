/** Who the peers are to TLS: whom to expect behind an endpoint that is called, and whose proofs are taken. */
import type { Dialled } from '../../io/tls/dial.ts';
import { placesOf } from '../session/routes.ts';
import type { PeerSettings, PeersCommand } from '../session/settings.ts';
import { keyOf } from './tunnel.ts';

export interface Hub extends Dialled {
  readonly peer: string;
  readonly publicKey: Uint8Array;
}

export class Hubs {
  readonly #peers = new Map<number, PeerSettings>();
  #byEndpoint = new Map<string, Hub>();
  #keys = new Set<string>();

  constructor(peers: readonly PeerSettings[]) {
    for (const peer of peers) this.#peers.set(peer.row, peer);
    this.#look();
  }

  change({ put, remove, isAll }: PeersCommand): void {
    if (isAll) this.#peers.clear();
    for (const row of remove) this.#peers.delete(row);
    for (const peer of put) this.#peers.set(peer.row, peer);
    this.#look();
  }

  /** Of a configured endpoint; nobody else's can be called. */
  at(endpoint: Uint8Array): Hub | undefined {
    return this.#byEndpoint.get(keyOf(endpoint));
  }

  /** Whether `hub` still is who is expected there. */
  isAt(endpoint: Uint8Array, hub: Hub): boolean {
    const now = this.at(endpoint);
    return now !== undefined && Buffer.from(now.publicKey).equals(hub.publicKey);
  }

  /** `publicKey`: base64. */
  isPeer(publicKey: string): boolean {
    return this.#keys.has(publicKey);
  }

  #look(): void {
    this.#byEndpoint = new Map();
    this.#keys = new Set();
    for (const { name, publicKey, endpoints } of this.#peers.values()) {
      this.#keys.add(publicKey);
      for (const endpoint of endpoints) {
        if (endpoint.transport !== 'tls') continue;
        const { host, port } = endpoint;
        const hub = { host, port, peer: name, publicKey: Uint8Array.from(Buffer.from(publicKey, 'base64')) };
        for (const place of placesOf([endpoint])) this.#byEndpoint.set(keyOf(place.endpoint), hub);
      }
    }
  }
}
