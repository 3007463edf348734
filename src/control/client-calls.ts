/** What an operator may ask about the clients of a hub, and what is answered. No answer but those of `add`, `addDevice` and `export` holds a preshared key. */
import * as z from 'zod';

/** In Mbit/s of inner packets, as the client sees them; null = as `server.client` has it, again. */
const rate = z.union([z.literal('off'), z.number().min(0.1).max(400_000)]).nullable();
const rates = z.strictObject({
  up: rate.exactOptional(),
  down: rate.exactOptional(),
  priority: z.int().min(0).max(100).nullable().exactOptional(),
});
export type ClientRates = z.output<typeof rates>;

/** Bytes of both directions together, 0 = no quota; null = as `server.client` has it, again. */
const amount = z.union([z.literal(0), z.int().min(1e6).max(1e15)]).nullable();
const quota = z.strictObject({
  dailyBytes: amount.exactOptional(),
  monthlyBytes: amount.exactOptional(),
  resetDay: z.int().min(1).max(31).nullable().exactOptional(),
});
export type ClientQuotaChange = z.output<typeof quota>;

/** A client as lists show it. */
export interface ClientRow {
  readonly name: string;
  /** Another one with each change of what is kept of it; 0 = it is gone. */
  readonly revision: number;
  /** `kicked`: it is not let in before `kickedUntilMs`. `quota`: it has used up its quota. */
  readonly state: 'enabled' | 'disabled' | 'expired' | 'kicked' | 'quota';
  readonly kickedUntilMs?: number;
  readonly createdMs: number;
  /** undefined = never. */
  readonly expiresMs: number | undefined;
  readonly devices: readonly ClientDevice[];
  /** What it has of the hub's outside beside a share of it. */
  readonly nat?: { readonly publicAddress?: string | undefined; readonly forwards: readonly string[] };
  /** Of all its devices together, what is said of all clients included. Bits of inner packets a second, 0 = no limit. */
  readonly limits: { readonly upBps: number; readonly downBps: number; readonly priority: number };
  readonly quota: ClientQuota;
}

/** What a client may use, what is said of all clients included. Bytes of inner packets, both directions together, 0 = no quota. */
export interface ClientQuota {
  readonly dailyBytes: number;
  readonly monthlyBytes: number;
  /** Day of the month on which a month begins, in `timezone`. */
  readonly resetDay: number;
  readonly timezone: string;
  /** What is left of its rates when a quota is used up, bits a second; 0 = it is kept out. */
  readonly throttleBps: number;
  /** By day or by month. */
  readonly isExceeded: boolean;
}

/** Where a client stands in its day, or in its month. */
export interface ClientQuotaStand {
  readonly period: 'day' | 'month';
  readonly usedBytes: number;
  /** 0 = no quota. */
  readonly quotaBytes: number;
  /** undefined = there is no quota. */
  readonly leftBytes: number | undefined;
  /** When the period ends. */
  readonly resetsMs: number;
}

/** A page of a list of clients. */
export interface FoundClients {
  /** How many there are, and how many of them are meant. */
  readonly total: number;
  readonly found: number;
  readonly clients: readonly ClientRow[];
}

export interface ClientDevice {
  /** As `peers` shows it. */
  readonly peer: string;
  readonly publicKey: string;
  readonly hasPresharedKey: boolean;
  readonly addresses: readonly string[];
  readonly isReserved: boolean;
  /** Why its last handshakes failed: a key of `peerRefusal` (`contract/peer-tables.ts`). undefined = the last one did not. */
  readonly refusal?: { readonly reason: string; readonly ageMs: number; readonly count: number };
}

/** What a client has to know of its hub. */
export interface HubFacts {
  readonly name: string;
  readonly publicKey: string;
  /** As they are reached, the most preferred first; empty = nobody has said where this hub is. */
  readonly endpoints: readonly string[];
  /** Ports by transport, for an endpoint that is said by hand. */
  readonly ports: Readonly<Record<string, number>>;
  readonly dns: readonly string[];
  readonly mtu: number;
  /** Networks behind the hub that a client may reach through it. */
  readonly networks: readonly string[];
  /** As the configuration has it (`obfuscation`); undefined = none. */
  readonly obfuscation: object | string | undefined;
}

export interface NewClientAnswer {
  readonly client: ClientRow;
  /** base64; '' = none. */
  readonly presharedKey: string;
  readonly hub: HubFacts;
}

/** One that may still be used. */
export interface InvitationRow {
  /** Of the client that will be. */
  readonly name: string;
  /** `joining`: a machine has said its key, and has not connected yet. */
  readonly state: 'open' | 'joining';
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** From the first data after silence until silence, age, or an operator. */
export interface ClientSession {
  /** Counts up from 1 with each start of the store's thread. */
  readonly id: number;
  readonly client: string;
  /** Of the device, as `peers` shows it. */
  readonly peer: string;
  readonly sinceMs: number;
  readonly idleMs: number;
  /** From the client and to it. */
  readonly upBytes: number;
  readonly downBytes: number;
}

export interface ClientUsage {
  readonly client: string;
  /** Where its days begin and end. */
  readonly timezone: string;
  /** Today, and the month. */
  readonly periods: readonly ClientQuotaStand[];
  /** The latest first; days without any are left out. */
  readonly days: readonly { readonly day: string; readonly upBytes: number; readonly downBytes: number }[];
}

const name = z.string();
const named = z.strictObject({ name });
export const clientOrders = ['name', 'used', 'active', 'created'] as const;
/** The one that was seen; with another one nothing is done. */
const revision = z.int().nonnegative().exactOptional();

/** Parameters by verb. */
export const clientParams = {
  add: z.strictObject({
    name,
    /** base64; the private one stays where it was made. */
    publicKey: z.string(),
    /** Asked for by name: IPv4, IPv6, or both. */
    addresses: z.array(z.string()).max(2).default([]),
    expiresMs: z.number().int().positive().exactOptional(),
    presharedKey: z.boolean().default(true),
    rates: rates.exactOptional(),
    quota: quota.exactOptional(),
  }),
  list: z.strictObject({}),
  /** Names, devices and addresses with `match` in them. By name; or first who used most this month, has sent last, was made last. */
  find: z.strictObject({
    match: z.string().max(200).default(''),
    order: z.enum(clientOrders).default('name'),
    from: z.int().nonnegative().default(0),
    most: z.int().min(1).max(500).default(50),
  }),
  sessions: z.strictObject({}),
  usage: named,
  show: named,
  set: z.strictObject({
    name,
    revision,
    addresses: z.array(z.string()).max(2).exactOptional(),
    /** null = never. */
    expiresMs: z.number().int().positive().nullable().exactOptional(),
    /** Its own outside; null = shared with others. */
    publicAddress: z.string().nullable().exactOptional(),
    rates: rates.exactOptional(),
    quota: quota.exactOptional(),
  }),
  enable: named,
  disable: named,
  remove: z.strictObject({ name, revision }),
  rename: z.strictObject({ name, revision, to: z.string() }),
  /** `443:8443/tcp`: a port of the hub that leads to it, or no longer. */
  forward: z.strictObject({ name, forward: z.string(), isOff: z.boolean().default(false) }),
  /** `forMs`: so long it is not let in again. */
  kick: z.strictObject({ name, forMs: z.number().int().min(0).max(86_400_000).default(0) }),
  /** Another key of the same client, with a lease of its own. */
  addDevice: z.strictObject({
    name,
    device: z.string(),
    publicKey: z.string(),
    addresses: z.array(z.string()).max(2).default([]),
    presharedKey: z.boolean().default(true),
  }),
  removeDevice: z.strictObject({ name, device: z.string() }),
  /** One for each key; of several each has a name of its own. The secret, of which the keys are made, stays with who asks. */
  invite: z.strictObject({
    name,
    keys: z
      .array(z.strictObject({ publicKey: z.string(), presharedKey: z.string() }))
      .min(1)
      .max(100),
    expiresMs: z.number().int().positive(),
    /** What the client is to send through the tunnel; without it the hub's networks. */
    allowed: z.array(z.string()).min(1).max(32).exactOptional(),
    rates: rates.exactOptional(),
    quota: quota.exactOptional(),
  }),
  invitations: z.strictObject({}),
  revoke: named,
  export: z.strictObject({}),
  /** As `export` gave them; all or none. One that is there is replaced. */
  import: z.strictObject({ clients: z.array(z.unknown()).min(1) }),
} as const;

export type ClientVerb = keyof typeof clientParams;
export type ClientParams<V extends ClientVerb> = z.output<(typeof clientParams)[V]>;

/** What the store answers; the hub's own facts are added on the way (`add`). */
export interface ClientAnswers {
  add: Omit<NewClientAnswer, 'hub'>;
  list: readonly ClientRow[];
  find: FoundClients;
  sessions: readonly ClientSession[];
  usage: ClientUsage;
  show: ClientRow;
  set: ClientRow;
  enable: ClientRow;
  disable: ClientRow;
  remove: ClientRow;
  rename: ClientRow;
  kick: ClientRow;
  forward: ClientRow;
  addDevice: Omit<NewClientAnswer, 'hub'>;
  invite: readonly InvitationRow[];
  invitations: readonly InvitationRow[];
  revoke: InvitationRow;
  removeDevice: ClientRow;
  export: { readonly clients: readonly object[] };
  import: { readonly count: number };
}
