/** What no single value of `server.nat` shows: blocks without an address, more clients than blocks, an outside address within a pool. */
import { maskHex, parseCidr } from './address.ts';
import type { Cidr } from './config.ts';
import { blocksOf, buildNat, natSchema } from './nat-schema.ts';
import type { Finding, KeyPath } from './problems.ts';

/** Of `server.limits`. */
const defaults = { clients: 1000 } as const;

type RawMap = Readonly<Record<string, unknown>>;

/** `server`: as it stands in the file; what is malformed there is passed over. */
export function natFindings(server: RawMap): Finding[] {
  const parsed = natSchema.safeParse(server.nat ?? {});
  if (!parsed.success) return [];
  const nat = buildNat(parsed.data);
  const pools = [server.pool, server.pool6].flatMap((text) =>
    typeof text === 'string' ? (parseCidr(text) ?? []) : [],
  );
  const within = nat.addresses.flatMap((address, index) => {
    if (!pools.some((pool) => holds(pool, address))) return [];
    return [
      finding(
        ['server', 'nat', 'addresses', index],
        `${address.address} lies in a pool: name addresses outside the tunnel`,
      ),
    ];
  });
  if (nat.mode === 'off' || nat.perClient === 0) return within;
  const path: KeyPath = ['server', 'nat', 'perClient'];
  if (!nat.addresses.some(({ family }) => family === 4))
    return [
      ...within,
      finding(path, 'needs the IPv4 address whose ports are given out: name it in server.nat.addresses'),
    ];
  const blocks = blocksOf(nat) ?? 0;
  const limits = asMap(server.limits);
  const clients = typeof limits.clients === 'number' ? limits.clients : defaults.clients;
  if (clients <= blocks) return within;
  const message =
    `${nat.perClient} makes ${blocks} blocks of ports, and server.limits allows ${clients} clients, each with a block of its own: ` +
    'give fewer ports to each, name more addresses, or lower limits.clients';
  return [...within, finding(path, message)];
}

function holds(pool: Cidr, { family, addressHex }: Cidr): boolean {
  return pool.family === family && maskHex(addressHex, pool.prefix) === maskHex(pool.addressHex, pool.prefix);
}

function finding(path: KeyPath, message: string): Finding {
  return { path, at: 'value', message, allowed: [] };
}

function asMap(value: unknown): RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawMap) : {};
}
