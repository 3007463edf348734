/** A client as the store keeps it: one document, which a fleet could keep as well. Pure. */
import { parseCidr } from '../../config/address.ts';
import { parseKey } from '../../config/keys.ts';
import { parseForward } from '../../config/nat-schema.ts';
import { mayHoldKey } from '../../config/show.ts';
import type { QuotaLevel, ToldQuota, ToldQuotas } from '../../protocols/quota/quota.ts';
import { isMap, mapFromText } from './stored-text.ts';

/** One key and its addresses: a phone, a laptop. A client has at least one. */
export interface DeviceRecord {
  /** '' of the first, which is called like the client. */
  readonly name: string;
  /** base64. */
  readonly publicKey: string;
  /** base64; '' = none. */
  readonly presharedKey: string;
  /** Leases, one of each pool that there was; empty = given back. */
  readonly addresses: readonly string[];
  /** They were asked for by name, and are kept when the client expires. */
  readonly isReserved: boolean;
}

export interface ClientRecord {
  /** For ever, whatever the client is called. */
  readonly id: string;
  readonly name: string;
  readonly isEnabled: boolean;
  readonly createdMs: number;
  /** undefined = never. */
  readonly expiresMs: number | undefined;
  readonly devices: readonly DeviceRecord[];
  /** What it has of the hub's outside; undefined = a share of it, as all have. */
  readonly nat?: ClientNatRecord | undefined;
  /** It was kicked, and is not let in before; a time that is over means nothing. */
  readonly barredUntilMs?: number | undefined;
  /** Otherwise than `server.client` has it. */
  readonly limits?: ClientLimitsRecord | undefined;
  readonly quota?: ClientQuotaRecord | undefined;
  /** What was said of its quotas last, so that nothing is said twice. */
  readonly told?: ToldQuotas | undefined;
}

/** Otherwise than `server.client` has it; 0 bytes = no quota. */
export interface ClientQuotaRecord {
  readonly dailyBytes?: number;
  readonly monthlyBytes?: number;
  readonly resetDay?: number;
}

/** Bits of inner packets a second, as the client sees them, 0 = no limit; what is left out is as `server.client` has it. */
export interface ClientLimitsRecord {
  readonly upBps?: number;
  readonly downBps?: number;
  /** 0 to 100. */
  readonly priority?: number;
}

export interface ClientNatRecord {
  /** Of its first device. */
  readonly publicAddress?: string | undefined;
  /** `443:8443/tcp` */
  readonly forwards: readonly string[];
}

/** A record, and how often it was written: who puts says which one it has seen. */
export interface StoredClient {
  readonly record: ClientRecord;
  readonly revision: number;
}

/** Written as it stands, but for what is undefined. */
export function clientToText(record: ClientRecord): string {
  return JSON.stringify(record);
}

/** undefined = not a record of ours: the file was written by something else, or is damaged. */
export function clientFromText(text: string): ClientRecord | undefined {
  return clientFromObject(mapFromText(text));
}

export function clientFromObject(value: unknown): ClientRecord | undefined {
  if (!isMap(value)) return undefined;
  const { id, name, isEnabled, createdMs, expiresMs, devices, nat, limits, quota, told, barredUntilMs } = value;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof isEnabled !== 'boolean') return undefined;
  if (typeof createdMs !== 'number' || (expiresMs !== undefined && typeof expiresMs !== 'number')) return undefined;
  if (barredUntilMs !== undefined && typeof barredUntilMs !== 'number') return undefined;
  if (!Array.isArray(devices)) return undefined;
  const known = devices.map(deviceFrom).filter((device) => device !== undefined);
  if (known.length === 0 || known.length !== devices.length) return undefined;
  const outside = nat === undefined ? undefined : natFrom(nat);
  if (nat !== undefined && outside === undefined) return undefined;
  const rates = limits === undefined ? undefined : limitsFrom(limits);
  if (limits !== undefined && rates === undefined) return undefined;
  const amounts = quota === undefined ? undefined : quotaFrom(quota);
  if (quota !== undefined && amounts === undefined) return undefined;
  const said = toldFrom(told);
  return {
    id,
    name,
    isEnabled,
    createdMs,
    expiresMs,
    devices: known,
    ...(barredUntilMs === undefined ? {} : { barredUntilMs }),
    ...(outside === undefined ? {} : { nat: outside }),
    ...(rates === undefined ? {} : { limits: rates }),
    ...(amounts === undefined ? {} : { quota: amounts }),
    ...(said === undefined ? {} : { told: said }),
  };
}

/** undefined = they are none. */
export function limitsFrom(value: unknown): ClientLimitsRecord | undefined {
  return numbersFrom(value, { upBps: [0, Number.MAX_VALUE], downBps: [0, Number.MAX_VALUE], priority: [0, 100] });
}

/** undefined = they are none. */
export function quotaFrom(value: unknown): ClientQuotaRecord | undefined {
  const bytes = [0, Number.MAX_SAFE_INTEGER] as const;
  return numbersFrom(value, { dailyBytes: bytes, monthlyBytes: bytes, resetDay: [1, 31] });
}

/** Those that are there, each within its range. */
function numbersFrom<Name extends string>(
  value: unknown,
  ranges: Readonly<Record<Name, readonly [least: number, most: number]>>,
): Partial<Record<Name, number>> | undefined {
  if (!isMap(value)) return undefined;
  const known: Partial<Record<Name, number>> = {};
  for (const [name, [least, most]] of Object.entries(ranges) as [Name, readonly [number, number]][]) {
    const one = value[name];
    if (one === undefined) continue;
    if (typeof one !== 'number' || !(one >= least && one <= most)) return undefined;
    known[name] = one;
  }
  return known;
}

/** What cannot be read is said once more: nothing else hangs on it. */
function toldFrom(value: unknown): ToldQuotas | undefined {
  if (!isMap(value)) return undefined;
  const day = toldOnce(value.day);
  const month = toldOnce(value.month);
  return day === undefined || month === undefined ? undefined : { day, month };
}

function toldOnce(value: unknown): ToldQuota | undefined {
  if (!isMap(value) || typeof value.begin !== 'number') return undefined;
  const level = quotaLevels.find((one) => one === value.level);
  return level === undefined ? undefined : { begin: value.begin, level };
}

const quotaLevels: readonly QuotaLevel[] = ['free', 'warned', 'exceeded'];

function natFrom(value: unknown): ClientNatRecord | undefined {
  if (!isMap(value) || !Array.isArray(value.forwards)) return undefined;
  const { publicAddress } = value;
  const forwards = value.forwards.filter(
    (one): one is string => typeof one === 'string' && parseForward(one) !== undefined,
  );
  if (forwards.length !== value.forwards.length) return undefined;
  if (publicAddress === undefined) return { forwards };
  // Both go into the rules of the kernel.
  if (typeof publicAddress !== 'string' || parseCidr(publicAddress)?.address !== publicAddress) return undefined;
  return { forwards, publicAddress };
}

function deviceFrom(value: unknown): DeviceRecord | undefined {
  if (!isMap(value)) return undefined;
  const { name, publicKey, presharedKey, addresses, isReserved } = value;
  if (typeof name !== 'string' || typeof publicKey !== 'string' || parseKey(publicKey) === undefined) return undefined;
  if (typeof presharedKey !== 'string' || (presharedKey !== '' && parseKey(presharedKey) === undefined))
    return undefined;
  if (!Array.isArray(addresses) || typeof isReserved !== 'boolean') return undefined;
  const texts = addresses.filter((one) => typeof one === 'string');
  return texts.length === addresses.length
    ? { name, publicKey, presharedKey, addresses: texts, isReserved }
    : undefined;
}

/** What the device's peer is called: `phone`, `phone/tablet`. */
export function peerNameOf(record: ClientRecord, device: DeviceRecord): string {
  return device.name === '' ? record.name : `${record.name}/${device.name}`;
}

/**
 * Letters of any script, digits, marks, symbols (pictures too), and a few signs between them; no control characters, no invisible ones but
 * the joiner of pictures, no "/" (which stands before a device). 64 bytes at most, as it will be kept (NFC).
 */
export function clientNameOf(input: string): string | undefined {
  const name = input.normalize('NFC');
  if (Buffer.byteLength(name) > 64 || !/^[\p{L}\p{N}\p{S}]/u.test(name) || / {2}| $/.test(name)) return undefined;
  if (mayHoldKey(name)) return undefined;
  return /^(?:[\p{L}\p{M}\p{N}\p{S} ._@'’-]|\u200d)+$/u.test(name) ? name : undefined;
}

export const clientNameWords = 'a name of letters, digits and ". _ @ \' -" between them, 64 bytes at most';
