/** A client as lists show it. Pure. */
import type { PeerLimits } from '../../config/config.ts';
import type { ClientRow } from '../../control/client-calls.ts';
import { type ClientRecord, peerNameOf } from './client-record.ts';
import { isExpired } from './peers-of.ts';

/** What the record does not say. */
export interface ClientNow {
  readonly nowMs: number;
  /** It was kicked, and is not let in before. */
  readonly kickedUntilMs: number | undefined;
  readonly limits: PeerLimits;
}

export function rowOf(record: ClientRecord, { nowMs, kickedUntilMs, limits }: ClientNow): ClientRow {
  const { name, isEnabled, createdMs, expiresMs, devices, nat } = record;
  const mayCome = kickedUntilMs === undefined ? 'enabled' : 'kicked';
  return {
    name,
    state: isExpired(record, nowMs) ? 'expired' : isEnabled ? mayCome : 'disabled',
    ...(kickedUntilMs === undefined ? {} : { kickedUntilMs }),
    createdMs,
    expiresMs,
    devices: devices.map((device) => ({
      peer: peerNameOf(record, device),
      publicKey: device.publicKey,
      hasPresharedKey: device.presharedKey !== '',
      addresses: device.addresses,
      isReserved: device.isReserved,
    })),
    ...(nat === undefined ? {} : { nat }),
    limits,
  };
}
