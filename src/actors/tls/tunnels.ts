/** The connections of one link that stand: where they lead, and how long who has one may keep it. */
import { parseCidr } from '../../config/address.ts';
import { endpoint } from '../../contract/peer-tables.ts';
import type { PacketSocket } from '../../io/tls/call-hub.ts';
import { scopeOf } from '../../io/zones.ts';
import { sockaddrEmit } from '../../wire/sockaddr.ts';
import type { Hub, Hubs } from './hubs.ts';
import { keyOf, Tunnel, type TunnelParts, type TunnelSocket } from './tunnel.ts';

export type TunnelsParts = Pick<TunnelParts, 'onMessage' | 'onRoom' | 'onEnd'>;

/** A device that calls anew has forgotten its last call; two links of it may look alike. */
const mostTunnelsOfPeer = 16;

export class Tunnels {
  readonly #parts: TunnelsParts;
  readonly #byPlace = new Map<string, Tunnel>();
  /** To hubs that were called. */
  readonly #called = new Map<Tunnel, Hub>();
  /** Public key (base64) → who has called with it, oldest first. */
  readonly #callers = new Map<string, Set<Tunnel>>();
  #backlogBytes = 0;

  constructor(parts: TunnelsParts) {
    this.#parts = parts;
  }

  /** Bytes that we hold because the kernel took no more. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  at(place: Uint8Array): Tunnel | undefined {
    return this.#byPlace.get(keyOf(place));
  }

  openTo(place: Uint8Array, hub: Hub, socket: TunnelSocket): Tunnel {
    const tunnel = this.#open(place, socket);
    this.#called.set(tunnel, hub);
    return tunnel;
  }

  /** `publicKey`: base64. */
  openFrom(place: Uint8Array, publicKey: string, socket: TunnelSocket): void {
    const tunnel = this.#open(place, socket, publicKey);
    const tunnels = this.#callers.get(publicKey) ?? new Set();
    const [oldest] = tunnels;
    if (tunnels.size === mostTunnelsOfPeer) oldest?.close();
    this.#callers.set(publicKey, tunnels.add(tunnel));
  }

  /** Ends those whose caller is no peer any more, and those to places that are no hub's, or another's. */
  keepOnly(hubs: Hubs): void {
    for (const [publicKey, tunnels] of this.#callers) {
      if (!hubs.isPeer(publicKey)) for (const tunnel of tunnels) tunnel.close();
    }
    for (const [tunnel, hub] of this.#called) {
      if (!hubs.isAt(tunnel.endpoint, hub)) tunnel.close();
    }
  }

  close(): void {
    for (const tunnel of this.#byPlace.values()) tunnel.close();
  }

  #open(place: Uint8Array, socket: TunnelSocket, publicKey = ''): Tunnel {
    const key = keyOf(place);
    this.#byPlace.get(key)?.close();
    const tunnel = new Tunnel({
      ...this.#parts,
      endpoint: place,
      socket,
      onBacklog: (bytes) => {
        this.#backlogBytes += bytes;
      },
      onEnd: (ended) => {
        this.#byPlace.delete(key);
        this.#called.delete(ended);
        const others = this.#callers.get(publicKey);
        others?.delete(ended);
        if (others?.size === 0) this.#callers.delete(publicKey);
        this.#parts.onEnd(ended);
      },
    });
    this.#byPlace.set(key, tunnel);
    return tunnel;
  }
}

/** Where a caller's connection comes from, as an endpoint; `isBound`: to the interface that it names. */
export function placeOf({ stream }: PacketSocket, isBound: boolean): Uint8Array | undefined {
  const { remoteAddress, remotePort } = stream;
  const [address, zone] = (remoteAddress ?? '').split('%');
  const cidr = parseCidr(address ?? '');
  if (cidr === undefined || remotePort === undefined) return undefined;
  const place = new Uint8Array(endpoint.bytes);
  const scopeId = zone === undefined || isBound ? 0 : scopeOf(zone);
  sockaddrEmit(place, 0, { address: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), port: remotePort, scopeId });
  return place;
}
