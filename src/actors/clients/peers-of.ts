/** Which peers a client is: one for each of its devices while it may connect. Pure. */
import { parseCidr } from '../../config/address.ts';
import type { PeerConfig, PeerLimits } from '../../config/config.ts';
import type { ObfuscationConfig } from '../../config/obfuscation.ts';
import type { QuotaConfig } from '../../config/quota-schema.ts';
import type { ClientPeers } from '../../control/client-source.ts';
import { forwardsOf } from './client-outside.ts';
import { atQuota, hasQuota } from './client-quota.ts';
import { ratesOf } from './client-rates.ts';
import { type ClientRecord, type DeviceRecord, peerNameOf } from './client-record.ts';
import { secretOf } from './secret.ts';

/** What all clients have in common. */
export interface ClientDefaults {
  readonly obfuscation: ObfuscationConfig | undefined;
  readonly limits: PeerLimits;
  readonly quota: QuotaConfig;
}

export function isExpired({ expiresMs }: ClientRecord, nowMs: number): boolean {
  return expiresMs !== undefined && expiresMs <= nowMs;
}

/** None of one that is disabled or has expired. `isOver`: it has used up its quota. */
export function peersOf(
  record: ClientRecord | undefined,
  defaults: ClientDefaults,
  nowMs: number,
  isOver: boolean,
): PeerConfig[] {
  if (record === undefined || !record.isEnabled || isExpired(record, nowMs)) return [];
  return record.devices
    .filter(({ addresses }) => addresses.length > 0)
    .map((device, at) => ({ ...peerOf(record, device, defaults), ...(at === 0 ? outsideOf(record) : {}) }))
    .map((peer) => (isOver ? atQuota(peer, defaults.quota) : peer));
}

function peerOf(
  record: ClientRecord,
  device: DeviceRecord,
  { obfuscation, limits, quota }: ClientDefaults,
): PeerConfig {
  return {
    name: peerNameOf(record, device),
    publicKey: device.publicKey,
    presharedKeyFile: undefined,
    ...(device.presharedKey === '' ? {} : { presharedKey: secretOf(device.presharedKey) }),
    isClient: true,
    client: record.id,
    ...(hasQuota(record, quota) ? { isMetered: true } : {}),
    allowedIPs: device.addresses.flatMap((address) => parseCidr(address) ?? []),
    endpoints: [],
    keepaliveMs: 0,
    cipher: 'auto',
    obfuscation,
    limits: ratesOf(record, limits),
  };
}

function outsideOf(record: ClientRecord): Pick<PeerConfig, 'nat'> {
  const { nat } = record;
  if (nat === undefined) return {};
  return { nat: { publicAddress: nat.publicAddress, forwards: forwardsOf(record) } };
}

/** What leads from the peers before to those after. */
export function changeBetween(before: readonly PeerConfig[], after: readonly PeerConfig[]): ClientPeers {
  const known = new Map(before.map((peer) => [peer.publicKey, textOf(peer)]));
  const kept = new Set(after.map(({ publicKey }) => publicKey));
  return {
    put: after.filter((peer) => known.get(peer.publicKey) !== textOf(peer)),
    remove: [...known.keys()].filter((key) => !kept.has(key)),
  };
}

/** With the key, of which no JSON tells. Compared, never kept or shown. */
function textOf(peer: PeerConfig): string {
  const secret = peer.presharedKey === undefined ? '' : Buffer.from(peer.presharedKey).toString('base64');
  return `${secret} ${JSON.stringify(peer)}`;
}
