/**
 * Config → topology: which actors, in which threads, joined by which rings, over which memory. Pure: the same config and the
 * same predecessor give the same plan.
 */

import type { ApiServerSettings } from '../actors/api-server.ts';
import type { ClientStoreSettings } from '../actors/client-store.ts';
import type { HealthCheckerSettings } from '../actors/health-checker.ts';
import type { HistoryKeeperSettings } from '../actors/history-keeper.ts';
import type { ActorPlan, CarrierRow, LinkRow, MemoryPlan, Topology } from '../actors/kit/topology.ts';
import type { PluginHostSettings } from '../actors/plugin-host.ts';
import type { CrowdLimits } from '../actors/session/crowds.ts';
import type { SessionManagerSettings } from '../actors/session/settings.ts';
import type { WebhookSenderSettings } from '../actors/webhook-sender.ts';
import { parseCidr } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { poolsOf, type ServerConfig } from '../config/server.ts';
import { dnsRecordFile } from '../io/dns-record.ts';
import { allowedIpsCapacity } from '../rings/allowed-ips.ts';
import { actor } from './actor.ts';
import { type Carrier, planCarriers } from './carriers.ts';
import { planDataPath, repairsAlone } from './data-path.ts';
import { choosePlacement, groupThreads } from './placement.ts';
import { planRings } from './rings.ts';
import { assignLinks } from './rows.ts';
import { chooseShards, shardsSetting } from './shards.ts';
import { hasFreePort } from './udp-carrier.ts';

/** Tables are made once for the life of the process; what is not used of them costs address space and no memory (docs/adr/0024). */
const reservedPeerRows = 65_536;
const leastPeerRows = 64;
const linkRows = 32;
/** RFC 6479 section 3: the word being refilled is not part of the window. */
const windowSlackBits = 64;

export interface PlanInput {
  readonly config: Config;
  /** Number of the mark on the daemon's own packets (`fwmarkOf`). */
  readonly fwmark: number;
  readonly socketPath: string;
  /** Processors that this process may use. */
  readonly cores: number;
  readonly previous?: Topology | undefined;
  /** Address space costs nothing on this host. */
  readonly mayReserve: boolean;
  /** Benches only: nothing is encrypted between two such ends. */
  readonly isPlaintextTwin?: boolean;
}

export function planTopology(input: PlanInput): Topology {
  const { config, fwmark, previous } = input;
  const links = assignLinks(config, previous);
  // A running instance keeps its memory, whatever happened to its processors since.
  const memory = previous?.memory ?? planMemory(input);
  const { shards } = memory;
  const carriers = planCarriers(config, fwmark, links, shards);
  const actors = planActors(input, links, carriers, shards);
  // Its threads, too.
  const placement = previous?.placement ?? choosePlacement(config.runtime.placement, input.cores);
  return {
    placement,
    threads: groupThreads(placement.kind, actors),
    actors,
    rings: planRings(
      carriers.map(({ row }) => row),
      shards,
    ),
    resources: [
      { name: 'tun', kind: 'tun', interface: config.tunnel.interface },
      ...carriers.flatMap(({ resources }) => resources),
    ],
    memory,
    links,
  };
}

function planActors(
  input: PlanInput,
  links: readonly LinkRow[],
  carriers: readonly Carrier[],
  shards: number,
): ActorPlan[] {
  const { config } = input;
  const rows = carriers.map(({ row }) => row);
  return [
    ...planDataPath({ config, carriers, shards, isPlaintextTwin: input.isPlaintextTwin === true }),
    planSessionManager(input, links, rows, shards),
    ...planHealthChecker(input, links),
    ...planClientStore(config),
    ...planHistoryKeeper(config),
    ...planWebhookSender(input),
    ...planPluginHost(config, links),
    actor({
      id: 'control-server',
      role: 'control-server',
      tables: ['sealedLog', 'sessions', 'peers', 'paths', 'links', 'carriers'],
      settings: { socketPath: input.socketPath, name: config.name },
    }),
    ...planApiServer(config),
  ];
}

function planSessionManager(
  input: PlanInput,
  links: readonly LinkRow[],
  carriers: readonly CarrierRow[],
  shards: number,
): ActorPlan {
  const { config } = input;
  const configured = new Map(config.links.map((link) => [link.name, link]));
  return actor({
    id: 'session-manager',
    role: 'session-manager',
    tables: ['sessions', 'peers', 'paths', 'links'],
    settings: {
      name: config.name,
      privateKeyFile: config.identity.privateKeyFile,
      plaintext: input.isPlaintextTwin === true,
      stateDirectory: config.runtime.stateDirectory,
      failbackMs: config.bonding.failbackMs,
      repairsAlone: repairsAlone(config),
      hasClientStore: config.server !== undefined,
      ...(config.server === undefined ? {} : { crowds: crowdsOf(config.server) }),
      ...(config.server?.authorise === undefined ? {} : { authorise: config.server.authorise }),
      links: links.map((link) => ({
        ...link,
        priority: configured.get(link.name)?.priority ?? 0,
        interface: configured.get(link.name)?.interface,
      })),
      carriers: carriers.map(({ row, name, transport }) => ({
        row,
        name,
        hasFreePort: hasFreePort(config, transport),
      })),
      ...shardsSetting(shards),
    } satisfies Omit<SessionManagerSettings, 'peers'>,
    hearsOfPeers: true,
  });
}

/** Only when some link asks for it: a thread costs memory. */
function planHealthChecker(input: PlanInput, links: readonly LinkRow[]): ActorPlan[] {
  const watched = input.config.links.filter((link) => link.health.method !== 'off');
  if (watched.length === 0) return [];
  const rowOf = new Map(links.map((link) => [link.name, link.row]));
  const settings: HealthCheckerSettings = {
    fwmark: input.fwmark,
    dnsRecord: dnsRecordFile(input.config.runtime.runDirectory, input.config.name),
    links: watched.map((link) => ({
      row: rowOf.get(link.name) ?? -1,
      name: link.name,
      interface: link.interface,
      health: link.health,
    })),
  };
  return [
    actor({ id: 'health-checker', role: 'health-checker', tables: ['links', 'checks'], settings: { ...settings } }),
  ];
}

/** Only of a host that keeps clients. */
function planClientStore(config: Config): ActorPlan[] {
  const { server } = config;
  if (server === undefined) return [];
  const hosts = [...config.tunnel.addresses.map(({ address }) => address), ...server.dns];
  const settings: ClientStoreSettings = {
    name: config.name,
    stateDirectory: config.runtime.stateDirectory,
    pools: poolsOf(server),
    taken: [
      ...hosts.flatMap((address) => parseCidr(address) ?? []),
      ...config.peers.flatMap((peer) => peer.allowedIPs),
    ],
    mostClients: server.limits.clients,
    nat: {
      isOn: server.nat.mode !== 'off',
      shared: [
        ...server.nat.addresses.map(({ address }) => address),
        ...(server.endpoint === undefined ? [] : [server.endpoint.host]),
        ...config.tunnel.addresses.map(({ address }) => address),
      ],
    },
    mostDevices: server.limits.perClient,
    idleMs: server.limits.idleMs,
    lifetimeMs: server.limits.sessionMs,
    obfuscation: config.obfuscation,
    limits: server.client,
    quota: server.quota,
  };
  return [actor({ id: 'client-store', role: 'client-store', tables: ['peers'], settings: { ...settings } })];
}

function planHistoryKeeper({ history, name, runtime }: Config): ActorPlan[] {
  if (history === undefined) return [];
  const { stateDirectory, runDirectory } = runtime;
  const settings: HistoryKeeperSettings = { name, stateDirectory, runDirectory, history };
  return [actor({ id: 'history-keeper', role: 'history-keeper', settings: { ...settings } })];
}

function planWebhookSender({ config, fwmark }: PlanInput): ActorPlan[] {
  const { webhooks, name, runtime, links } = config;
  if (webhooks.length === 0) return [];
  const settings: WebhookSenderSettings = {
    name,
    stateDirectory: runtime.stateDirectory,
    fwmark,
    interfaces: links.map((link) => link.interface ?? ''),
    dnsRecord: dnsRecordFile(runtime.runDirectory, name),
    webhooks,
  };
  return [actor({ id: 'webhook-sender', role: 'webhook-sender', settings: { ...settings } })];
}

function planPluginHost(
  { plugins, name, runtime, bonding, links: configured }: Config,
  rows: readonly LinkRow[],
): ActorPlan[] {
  if (plugins.length === 0) return [];
  const links = rows.map(({ row, name: link }) => {
    const { role, weight, priority } = configured.find((one) => one.name === link) ?? {};
    return { row, link, role, weight, priority };
  });
  const suggestions = bonding.suggestions === undefined ? undefined : { plugin: bonding.suggestions, links };
  const settings: PluginHostSettings = { name, runDirectory: runtime.runDirectory, plugins, suggestions };
  return [actor({ id: 'plugin-host', role: 'plugin-host', tables: ['links'], settings: { ...settings } })];
}

/** Only where somebody may ask by HTTP. */
function planApiServer({ api, name }: Config): ActorPlan[] {
  if (api === undefined) return [];
  const settings: ApiServerSettings = { ...api, name };
  return [actor({ id: 'api-server', role: 'api-server', settings: { ...settings } })];
}

function crowdsOf({ limits: { perAddress, perClient } }: ServerConfig): CrowdLimits {
  return { perAddress, perClient };
}

function planMemory({ config, mayReserve, cores }: PlanInput): MemoryPlan {
  const least = Math.max(leastPeerRows, 2 * (config.peers.length + (config.server?.limits.clients ?? 0)));
  return {
    shards: chooseShards(config, cores),
    sealedLogBytes: config.runtime.sealedLogBytes,
    windowBits: Math.ceil(config.runtime.replayWindow / 64) * 64 + windowSlackBits,
    peerRows: mayReserve ? Math.max(reservedPeerRows, least) : least,
    leastPeerRows: least,
    linkRows,
    allowedIpsNodes: allowedIpsCapacity(config.peers.flatMap((peer) => peer.allowedIPs)),
  };
}
