/** What no single value of `server` shows: no pool at all, a pool that a peer of the file has, an endpoint within a pool. */
import { formatCidr, maskCidr, maskHex, parseCidr } from './address.ts';
import type { Cidr } from './config.ts';
import { natFindings } from './nat-checks.ts';
import type { Finding, KeyPath } from './problems.ts';
import { parseServerEndpoint } from './server-schema.ts';

type RawMap = Readonly<Record<string, unknown>>;

export function serverFindings(root: RawMap): Finding[] {
  if (root.server === undefined) return [];
  const server = asMap(root.server);
  if (server.pool === undefined && server.pool6 === undefined)
    return [finding(['server'], 'has no addresses for clients: name a network in pool, or pool6')];
  const pools = (['pool', 'pool6'] as const).flatMap((key) => {
    const cidr = cidrOf(server[key]);
    return cidr === undefined ? [] : [{ key, cidr: maskCidr(cidr) }];
  });
  const ofPools = pools.flatMap(({ key, cidr }) => [
    ...claimed(root, key, cidr),
    ...aroundEndpoint(server, key, cidr),
    ...ownNetwork(root, key, cidr),
  ]);
  return [...ofPools, ...natFindings(server), ...totalOfShards(root, server)];
}

/** One token bucket each way holds all peers to it. */
function totalOfShards(root: RawMap, server: RawMap): Finding[] {
  const { shards } = asMap(root.runtime);
  const isShared = Object.values(asMap(server.total)).some((rate) => typeof rate === 'number');
  if (!isShared || typeof shards !== 'number' || shards === 1) return [];
  return [finding(['runtime', 'shards'], 'must be 1 (or auto) with server.total: one sealer and one opener keep it')];
}

/** A longer prefix is a hole in the pool, and a shorter one is around it; the same would lead to two. */
function claimed(root: RawMap, key: string, pool: Cidr): Finding[] {
  const text = formatCidr(pool);
  return asList(root.peers).flatMap((peer, index) => {
    const isSame = asList(asMap(peer).allowedIPs).some((one) => {
      const cidr = cidrOf(one);
      return cidr !== undefined && formatCidr(maskCidr(cidr)) === text;
    });
    return isSame
      ? [finding(['server', key], `${text} is what peers[${index}].allowedIPs has: one network leads to one`)]
      : [];
  });
}

/** Clients would look for the hub behind itself. */
function aroundEndpoint(server: RawMap, key: string, pool: Cidr): Finding[] {
  const endpoint = typeof server.endpoint === 'string' ? parseServerEndpoint(server.endpoint) : undefined;
  const cidr = endpoint === undefined ? undefined : parseCidr(endpoint.host);
  if (cidr === undefined || !holds(pool, cidr)) return [];
  return [finding(['server', 'endpoint'], `${cidr.address} lies in ${key}: it is the address outside the tunnel`)];
}

/** The first address of a network is the network's own name (RFC 1122 section 3.2.1.3, RFC 4291 section 2.6.1). */
function ownNetwork(root: RawMap, key: string, pool: Cidr): Finding[] {
  const addresses = asList(asMap(root.tunnel).addresses).flatMap((one) => cidrOf(one) ?? []);
  if (!addresses.some((one) => one.family === pool.family && one.addressHex === pool.addressHex)) return [];
  return [
    finding(['tunnel', 'addresses'], `${pool.address} is the network of server.${key} itself: take the next address`),
  ];
}

function holds(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && maskHex(inner.addressHex, outer.prefix) === outer.addressHex;
}

function cidrOf(value: unknown): Cidr | undefined {
  return typeof value === 'string' ? parseCidr(value) : undefined;
}

function finding(path: KeyPath, message: string): Finding {
  return { path, at: 'value', message, allowed: [] };
}

function asMap(value: unknown): RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawMap) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
