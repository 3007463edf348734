/** A client as lists show it. Pure. */
import type { PeerLimits } from '../../config/config.ts';
import type { ClientDevice, ClientQuota, ClientRow } from '../../control/client-calls.ts';
import { type ClientRecord, peerNameOf } from './client-record.ts';
import { isExpired } from './peers-of.ts';

/** What the record does not say. */
export interface ClientNow {
  readonly revision: number;
  readonly nowMs: number;
  /** It was kicked, and is not let in before. */
  readonly kickedUntilMs: number | undefined;
  readonly limits: PeerLimits;
  readonly quota: ClientQuota;
  /** Of the device with that public key. */
  readonly refusalOf: (publicKey: string) => ClientDevice['refusal'];
}

export function rowOf(record: ClientRecord, now: ClientNow): ClientRow {
  const { revision, nowMs, kickedUntilMs, limits, quota, refusalOf } = now;
  const { name, isEnabled, createdMs, expiresMs, devices, nat } = record;
  const isOut = quota.isExceeded && quota.throttleBps === 0;
  const mayCome = kickedUntilMs !== undefined ? 'kicked' : isOut ? 'quota' : 'enabled';
  return {
    name,
    revision,
    state: isExpired(record, nowMs) ? 'expired' : isEnabled ? mayCome : 'disabled',
    ...(kickedUntilMs === undefined ? {} : { kickedUntilMs }),
    createdMs,
    expiresMs,
    devices: devices.map((device) => {
      const refusal = refusalOf(device.publicKey);
      return {
        peer: peerNameOf(record, device),
        publicKey: device.publicKey,
        hasPresharedKey: device.presharedKey !== '',
        addresses: device.addresses,
        isReserved: device.isReserved,
        ...(refusal === undefined ? {} : { refusal }),
      };
    }),
    ...(nat === undefined ? {} : { nat }),
    limits,
    quota,
  };
}
