/** What an operator may ask about the clients of a hub, and what is answered. No answer but `add`'s holds a preshared key. */
import * as z from 'zod';

/** A client as lists show it. */
export interface ClientRow {
  readonly name: string;
  readonly state: 'enabled' | 'disabled' | 'expired';
  readonly createdMs: number;
  /** undefined = never. */
  readonly expiresMs: number | undefined;
  readonly devices: readonly ClientDevice[];
  /** What it has of the hub's outside beside a share of it. */
  readonly nat?: { readonly publicAddress?: string | undefined; readonly forwards: readonly string[] };
}

export interface ClientDevice {
  /** As `peers` shows it. */
  readonly peer: string;
  readonly publicKey: string;
  readonly hasPresharedKey: boolean;
  readonly addresses: readonly string[];
  readonly isReserved: boolean;
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

const name = z.string();
const named = z.strictObject({ name });

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
  }),
  list: z.strictObject({}),
  show: named,
  set: z.strictObject({
    name,
    addresses: z.array(z.string()).max(2).exactOptional(),
    /** null = never. */
    expiresMs: z.number().int().positive().nullable().exactOptional(),
    /** Its own outside; null = shared with others. */
    publicAddress: z.string().nullable().exactOptional(),
  }),
  enable: named,
  disable: named,
  remove: named,
  rename: z.strictObject({ name, to: z.string() }),
  kick: named,
  /** `443:8443/tcp`: a port of the hub that leads to it, or no longer. */
  forward: z.strictObject({ name, forward: z.string(), isOff: z.boolean().default(false) }),
} as const;

export type ClientVerb = keyof typeof clientParams;
export type ClientParams<V extends ClientVerb> = z.output<(typeof clientParams)[V]>;

/** What the store answers; the hub's own facts are added on the way (`add`). */
export interface ClientAnswers {
  add: Omit<NewClientAnswer, 'hub'>;
  list: readonly ClientRow[];
  show: ClientRow;
  set: ClientRow;
  enable: ClientRow;
  disable: ClientRow;
  remove: ClientRow;
  rename: ClientRow;
  kick: ClientRow;
  forward: ClientRow;
}
