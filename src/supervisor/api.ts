/** What operators may ask of a running instance, as `control/supervisor-api.ts` defines it. */
import path from 'node:path';
import type { CallSourceApi } from '../actors/kit/actor-calls.ts';
import type { Topology } from '../actors/kit/topology.ts';
import { formatCidr, formatEndpoint } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { formatTarget } from '../config/probe-target.ts';
import type { ClientSourceApi } from '../control/client-source.ts';
import type { ConfigApi, ConfigTrial } from '../control/config-calls.ts';
import type { LoginCalls, OpenedLogin } from '../control/login-calls.ts';
import type { NatInfo } from '../control/nat-rows.ts';
import type { PluginSourceApi } from '../control/plugins.ts';
import type { Role } from '../control/roles.ts';
import type {
  InstanceFacts,
  NewLink,
  PeerName,
  ReloadResult,
  SharedMemory,
  SupervisorApi,
} from '../control/supervisor-api.ts';
import { fwmarkOf } from '../io/network/plan.ts';
import { LinkOperator } from './link-operator.ts';
import type { PeerDirectory } from './peer-directory.ts';
import { PeerOperator } from './peer-operator.ts';
import type { SharedResources } from './shared-resources.ts';
import type { Supervisor } from './supervisor.ts';
import { TransportOperator } from './transport-operator.ts';

/** What an instance is now; a reload replaces it. */
export interface InstanceState {
  readonly config: Config;
  readonly topology: Topology;
  readonly topologyVersion: number;
  /** Of the first topology. */
  readonly firstActors: readonly string[];
  readonly configPath: string;
  readonly publicKey: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly listenPort: number;
}

export interface ApiParts {
  readonly supervisor: Supervisor;
  readonly resources: SharedResources;
  readonly peers: Pick<PeerDirectory, 'find' | 'all' | 'version'>;
  readonly state: () => InstanceState;
  /** What others have on this host that is in the way, and names that have no address. */
  readonly troubles: () => InstanceFacts['troubles'];
  readonly clients: SupervisorApi['clients'];
  readonly clientSource: Omit<ClientSourceApi, 'rekeyPeer' | 'hubFacts'>;
  readonly history: SupervisorApi['history'];
  readonly webhooks: SupervisorApi['webhooks'];
  readonly plugins: SupervisorApi['plugins'];
  readonly suggestLinks: PluginSourceApi['suggestLinks'];
  /** Who asked an actor is waiting. */
  readonly actorCalls: CallSourceApi;
  readonly hubFacts: SupervisorApi['hubFacts'];
  readonly nat: () => NatInfo | undefined;
  readonly reload: () => Promise<ReloadResult>;
  readonly config: ConfigApi;
  readonly trial: () => ConfigTrial | undefined;
  readonly addLink: (link: NewLink) => Promise<ReloadResult>;
  readonly removeLink: (name: string) => Promise<ReloadResult>;
  readonly logins: LoginCalls & { openLoginSoon(role: Role): Promise<OpenedLogin> };
  readonly stop: () => void;
}

export function createApi(parts: ApiParts): SupervisorApi & ClientSourceApi & CallSourceApi & PluginSourceApi {
  const { supervisor, clientSource } = parts;
  const operator = new LinkOperator(supervisor, parts.resources, () => parts.state().topology);
  const transports = new TransportOperator(
    supervisor,
    parts.resources,
    () => parts.state().config,
    () => parts.state().topology,
  );
  const peers = new PeerOperator(supervisor, parts.peers);
  return {
    instance: () => ({
      ...describeInstance(parts.state(), parts.peers),
      trial: parts.trial(),
      troubles: [...parts.troubles(), ...supervisor.troubles.all()],
    }),
    peerNames: () => namePeers(parts.peers),
    memory: () => shareMemory(parts.resources),
    nat: parts.nat,
    actors: () => supervisor.rows(),
    events: (sinceId) => supervisor.events.since(sinceId),
    errors: () => supervisor.errors.all(),
    killActor: (id) => supervisor.kill(id),
    restartActor: (id) => supervisor.restart(id),
    hangActor: (id) => supervisor.hang(id),
    nextEvents: (sinceId, waitMs) => supervisor.events.next(sinceId, waitMs),
    forceLink: (name) => operator.force(name),
    orderTransports: (order) => transports.order(order),
    forceTransport: (name) => (name === undefined ? transports.release() : transports.force(name)),
    enableLink: (name, enabled) => operator.enable(name, enabled),
    forgetPeerClock: (name) => peers.forgetClock(name),
    rekeyPeer: (name) => peers.rekey(name),
    clients: parts.clients,
    history: parts.history,
    webhooks: parts.webhooks,
    plugins: parts.plugins,
    suggestLinks: parts.suggestLinks,
    answerActorCall: (id, outcome) => parts.actorCalls.answerActorCall(id, outcome),
    hubFacts: parts.hubFacts,
    checkClientPeers: (change) => clientSource.checkClientPeers(change),
    changeClientPeers: (change) => clientSource.changeClientPeers(change),
    replaceClientPeers: (all) => clientSource.replaceClientPeers(all),
    addLink: parts.addLink,
    removeLink: parts.removeLink,
    openLogin: (role) => parts.logins.openLoginSoon(role),
    redeemLogin: (code) => parts.logins.redeemLogin(code),
    logins: () => parts.logins.logins(),
    endLogin: (hash) => parts.logins.endLogin(hash),
    reload: parts.reload,
    planConfig: (config) => parts.config.planConfig(config),
    applyConfig: (text, revision, seconds) => parts.config.applyConfig(text, revision, seconds),
    confirmConfig: (revision) => parts.config.confirmConfig(revision),
    revertConfig: (revision) => parts.config.revertConfig(revision),
    stop: parts.stop,
  };
}

function shareMemory(resources: SharedResources): SharedMemory {
  const { peers, paths, links, carriers, checks, sessions, sealedLog } = resources.tables;
  const rings = Object.fromEntries(resources.rings);
  const counters = Object.fromEntries(resources.counters);
  return { peers, paths, links, carriers, checks, sessions, sealedLog, rings, counters };
}

function describeInstance(state: InstanceState, peers: ApiParts['peers']): Omit<InstanceFacts, 'troubles' | 'trial'> {
  const { config, topology } = state;
  const { fec } = config.bonding;
  return {
    name: config.name,
    version: state.version,
    pid: process.pid,
    startedAtMs: state.startedAtMs,
    configPath: path.resolve(state.configPath),
    placement: topology.placement.kind,
    placementCores: topology.placement.cores,
    shards: topology.memory.shards,
    tunnel: {
      interface: config.tunnel.interface,
      addresses: config.tunnel.addresses.map(formatCidr),
      mtu: config.tunnel.mtu,
    },
    publicKey: state.publicKey,
    fwmark: fwmarkOf(config),
    listenPort: state.listenPort,
    repair: config.bonding.repair,
    total: config.server?.total ?? { upBps: 0, downBps: 0 },
    transports: config.transports,
    fec: typeof fec === 'string' ? fec : `${fec.data}+${fec.parity}`,
    links: config.links.map((link) => ({
      row: topology.links.find((one) => one.name === link.name)?.row ?? -1,
      name: link.name,
      interface: link.interface,
      role: link.role,
      priority: link.priority,
      limitBps: link.rateBps,
      health: {
        method: link.health.method,
        targets: link.health.targets.map(formatTarget),
        checks: link.health.checks.map((check) => check.name),
        need: link.health.need,
      },
    })),
    topologyVersion: state.topologyVersion,
    firstActors: state.firstActors,
    peersVersion: peers.version,
  };
}

function namePeers(peers: ApiParts['peers']): PeerName[] {
  // An invitation is a peer for the time of one question.
  const known = [...peers.all()].filter(({ peer }) => peer.mayEnrol !== true);
  return known.map(({ row, peer }) => ({
    row,
    name: peer.name,
    publicKey: peer.publicKey,
    allowedIPs: peer.allowedIPs.map(formatCidr),
    endpoints: peer.endpoints.map(formatEndpoint),
    keepaliveMs: peer.keepaliveMs,
  }));
}
