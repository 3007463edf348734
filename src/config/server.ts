/** The section `server` as the program sees it: a hub whose clients stand in a store, with addresses from pools. */
import { bracketed, formatCidr, maskCidr } from './address.ts';
import type { Cidr, PeerLimits } from './config.ts';
import { buildLimits, buildTotal, limitsToInput, type TotalRates, totalToInput } from './limits-schema.ts';
import { buildNat, type NatConfig, natToInput } from './nat-schema.ts';
import { buildQuota, clientQuotaToInput, type QuotaConfig, quotaToInput } from './quota-schema.ts';
import type { ConfigInput, ConfigOutput } from './schema.ts';
import { formatDurationMs } from './units.ts';

export interface ServerConfig {
  /** Networks that leases come from; at least one of the two. The host part is cleared. */
  readonly pool: Cidr | undefined;
  readonly pool6: Cidr | undefined;
  /** Where clients reach this hub; undefined = whoever adds a client says it. */
  readonly endpoint: ServerEndpoint | undefined;
  /** Name servers that clients are told. */
  readonly dns: readonly string[];
  readonly limits: ServerLimits;
  /** Of each client. */
  readonly client: PeerLimits;
  readonly quota: QuotaConfig;
  readonly total: TotalRates;
  readonly nat: NatConfig;
  /** Clients do not reach each other. */
  readonly isolation: boolean;
  /** The plugin that is asked before a client gets a session; undefined = nobody is. */
  readonly authorise: string | undefined;
}

export interface ServerEndpoint {
  /** IPv4 or IPv6 literal without brackets, or a host name. */
  readonly host: string;
  /** Of UDP, where a router leads another port here; undefined = `listen.udp`. */
  readonly port: number | undefined;
}

export interface ServerLimits {
  /** Most that may stand in the store. */
  readonly clients: number;
  /** Most devices of one client. */
  readonly perClient: number;
  /** Most sessions of clients from one address; 0 = off. */
  readonly perAddress: number;
  /** Silence that ends a session, and the age that does; 0 = off. */
  readonly idleMs: number;
  readonly sessionMs: number;
}

type ServerOutput = NonNullable<ConfigOutput['server']>;

export function buildServer(input: ServerOutput): ServerConfig {
  const { pool, pool6, endpoint, dns, limits, client, quota, total, nat, isolation, authorise } = input;
  return {
    pool: pool === undefined ? undefined : maskCidr(pool),
    pool6: pool6 === undefined ? undefined : maskCidr(pool6),
    endpoint,
    dns,
    limits: {
      clients: limits.clients,
      perClient: limits.perClient,
      perAddress: limits.perAddress === 'off' ? 0 : limits.perAddress,
      idleMs: limits.idle,
      sessionMs: limits.session,
    },
    client: buildLimits(client),
    quota: buildQuota(client, quota),
    total: buildTotal(total),
    nat: buildNat(nat),
    isolation,
    authorise,
  };
}

export function serverToInput({
  pool,
  pool6,
  endpoint,
  dns,
  limits,
  client,
  quota,
  total,
  nat,
  isolation,
  authorise,
}: ServerConfig): NonNullable<ConfigInput['server']> {
  return {
    ...(pool === undefined ? {} : { pool: formatCidr(pool) }),
    ...(pool6 === undefined ? {} : { pool6: formatCidr(pool6) }),
    ...(endpoint === undefined ? {} : { endpoint: formatServerEndpoint(endpoint) }),
    dns: [...dns],
    limits: {
      clients: limits.clients,
      perClient: limits.perClient,
      perAddress: limits.perAddress === 0 ? 'off' : limits.perAddress,
      idle: limitToText(limits.idleMs),
      session: limitToText(limits.sessionMs),
    },
    client: { ...limitsToInput(client), ...clientQuotaToInput(quota) },
    quota: quotaToInput(quota),
    total: totalToInput(total),
    nat: natToInput(nat),
    isolation,
    ...(authorise === undefined ? {} : { authorise }),
  };
}

function limitToText(valueMs: number): string {
  return valueMs === 0 ? 'off' : formatDurationMs(valueMs);
}

export function formatServerEndpoint({ host, port }: ServerEndpoint): string {
  return port === undefined ? host : `${bracketed(host)}:${port}`;
}

export function poolsOf({ pool, pool6 }: Pick<ServerConfig, 'pool' | 'pool6'>): readonly Cidr[] {
  return [pool ?? [], pool6 ?? []].flat();
}
