/** What handshake messages wear: an obfuscation is agreed with each peer, for the transports that take one (docs/adr/0021). */
import { randomInt } from 'node:crypto';
import { canWear } from '../../rings/carriers.ts';
import { wireguardSetType } from '../../wire/wireguard.ts';
import type { Route } from './path-book.ts';
import type { Peer } from './peer-book.ts';
import type { PeerObfuscation } from './settings.ts';

/** What handshakes with the peer wear by this transport. */
export function wornBy(peer: Peer, { transport }: Route): PeerObfuscation | undefined {
  return canWear(transport) ? peer.settings.obfuscation : undefined;
}

export function isWornAsAgreed(peer: Peer, route: Route): boolean {
  return !canWear(route.transport) || (route.wear ?? 0) === (wornBy(peer, route)?.wear ?? 0);
}

/** One of the values that a message of this type may show in its first field. */
export function chooseType(message: Uint8Array, { headers }: PeerObfuscation, type: number): void {
  const range = headers[type - 1];
  if (range !== undefined) wireguardSetType(message, 0, range.first + randomInt(range.last - range.first + 1));
}
