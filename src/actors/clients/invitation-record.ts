/** An invitation as the store keeps it: what the temporary peer is made of, and what the client will have. The secret is not in it. Pure. */
import { parseCidr } from '../../config/address.ts';
import type { PeerConfig } from '../../config/config.ts';
import { parseKey } from '../../config/keys.ts';
import { type ClientLimitsRecord, type ClientQuotaRecord, limitsFrom, quotaFrom } from './client-record.ts';
import type { ClientDefaults } from './peers-of.ts';
import { secretOf } from './secret.ts';
import { isMap, mapFromText } from './stored-text.ts';

export interface InvitationRecord {
  readonly id: string;
  /** Of the client that will be. */
  readonly name: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** base64, both: of the temporary peer. */
  readonly publicKey: string;
  readonly presharedKey: string;
  /** What the client is to send through the tunnel; undefined = the hub's networks. */
  readonly allowed?: readonly string[] | undefined;
  readonly limits?: ClientLimitsRecord | undefined;
  readonly quota?: ClientQuotaRecord | undefined;
  /** A machine has said its key, and is a client that has not connected yet. */
  readonly joining?: { readonly clientId: string; readonly atMs: number } | undefined;
}

export function invitationToText(record: InvitationRecord): string {
  return JSON.stringify(record);
}

/** undefined = not a record of ours. */
export function invitationFromText(text: string): InvitationRecord | undefined {
  const stored = mapFromText(text);
  if (stored === undefined) return undefined;
  const { id, name, createdMs, expiresMs, publicKey, presharedKey, allowed, limits, quota, joining } = stored;
  if (typeof id !== 'string' || typeof name !== 'string') return undefined;
  if (typeof createdMs !== 'number' || typeof expiresMs !== 'number') return undefined;
  if (typeof publicKey !== 'string' || parseKey(publicKey) === undefined) return undefined;
  if (typeof presharedKey !== 'string' || parseKey(presharedKey) === undefined) return undefined;
  const networks = allowed === undefined ? [] : networksFrom(allowed);
  const rates = limits === undefined ? {} : limitsFrom(limits);
  const place = joining === undefined ? undefined : joiningFrom(joining);
  const amounts = quota === undefined ? {} : quotaFrom(quota);
  if (networks === undefined || rates === undefined || amounts === undefined) return undefined;
  if (joining !== undefined && place === undefined) return undefined;
  return {
    id,
    name,
    createdMs,
    expiresMs,
    publicKey,
    presharedKey,
    ...(allowed === undefined ? {} : { allowed: networks }),
    ...(limits === undefined ? {} : { limits: rates }),
    ...(quota === undefined ? {} : { quota: amounts }),
    ...(place === undefined ? {} : { joining: place }),
  };
}

function networksFrom(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((one): one is string => typeof one === 'string' && parseCidr(one) !== undefined);
  return texts.length === value.length ? texts : undefined;
}

function joiningFrom(value: unknown): InvitationRecord['joining'] {
  if (!isMap(value)) return undefined;
  const { clientId, atMs } = value;
  return typeof clientId === 'string' && typeof atMs === 'number' ? { clientId, atMs } : undefined;
}

/** Its name is none that a client or a peer of the file may have. */
export function invitationPeerName({ name }: Pick<InvitationRecord, 'name'>): string {
  return `invite:${name}`;
}

/** Whoever has the secret: it may ask to be a client, and send and be sent nothing else. */
export function peerOfInvitation(record: InvitationRecord, { obfuscation, limits }: ClientDefaults): PeerConfig {
  return {
    name: invitationPeerName(record),
    publicKey: record.publicKey,
    presharedKeyFile: undefined,
    presharedKey: secretOf(record.presharedKey),
    mayEnrol: true,
    allowedIPs: [],
    endpoints: [],
    keepaliveMs: 0,
    cipher: 'chacha20-poly1305',
    obfuscation,
    limits,
  };
}
