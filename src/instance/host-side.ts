/**
 * What an instance sets up on its host and follows there: addresses and routes, NAT, name servers, the names of endpoints, the links'
 * interfaces. Each is a keeper of its own; this says in which order they follow a configuration, and who hears of what the kernel tells.
 */
import type { Command } from '../actors/kit/contract.ts';
import type { NetworkChangedCommand, OutsideChange } from '../actors/session/settings.ts';
import { parseCidr } from '../config/address.ts';
import type { Config, EndpointText } from '../config/config.ts';
import { link } from '../contract/link-tables.ts';
import type { InstanceEvent } from '../control/events.ts';
import type { NatInfo } from '../control/nat-rows.ts';
import { dnsRecordFile } from '../io/dns-record.ts';
import type { Trouble } from '../io/network/conflicts.ts';
import { refuseForeignTun } from '../io/network/network.ts';
import { fwmarkOf, planNetwork } from '../io/network/plan.ts';
import { Resolver } from '../io/resolver.ts';
import { SourceFinder } from '../io/source-finder.ts';
import { scopeOf } from '../io/zones.ts';
import type { Addon } from '../native/addon.ts';
import { linkTable } from '../rings/table.ts';
import type { InstanceState } from '../supervisor/api.ts';
import type { PeerDirectory } from '../supervisor/peer-directory.ts';
import type { SharedResources } from '../supervisor/shared-resources.ts';
import { DnsKeeper } from './dns-keeper.ts';
import { EndpointNames } from './endpoint-names.ts';
import { LinkKeeper } from './link-keeper.ts';
import { NatKeeper } from './nat-keeper.ts';
import { natPlaceOf, planNat } from './nat-plan.ts';
import { Nat64Finder } from './nat64-finder.ts';
import { NetworkKeeper } from './network-keeper.ts';
import { dnsWayOf } from './plan.ts';

export interface HostSideParts {
  readonly addon: Addon;
  readonly resources: Pick<SharedResources, 'tables' | 'setSources' | 'hasSockets'>;
  readonly peers: Pick<PeerDirectory, 'all'>;
  /** What runs now. */
  readonly state: () => InstanceState;
  /** Tells an actor of the topology something. */
  readonly command: (actorId: string, command: Command) => void;
  readonly note: (source: string, event: InstanceEvent, level?: 'warn' | 'error') => void;
  /** Opens a link's sockets anew and starts who uses them again. */
  readonly reopen: (link: string) => Promise<void>;
  /** The stop has begun: nobody is told of anything any more. */
  readonly isStopped: () => boolean;
  /** The tunnel's interface is not in this network namespace any more. */
  readonly onOwnLinkGone: () => void;
}

/** A name that could not be resolved at start (the link was not up yet) is asked for again soon. */
const nameWatchMs = { least: 5_000, most: 3600_000 };

export class HostSide {
  readonly #parts: HostSideParts;
  readonly #names: EndpointNames;
  readonly #network: NetworkKeeper;
  readonly #nat: NatKeeper;
  readonly #dns: DnsKeeper;
  readonly #links: LinkKeeper;
  readonly #nat64: Nat64Finder;
  /** Public key → endpoints behind names, as addresses. */
  readonly #resolved = new Map<string, readonly EndpointText[]>();

  /** `config`: what the instance starts with. Nothing of the host is touched yet. */
  constructor(parts: HostSideParts, config: Config) {
    this.#parts = parts;
    const { addon, note, resources } = parts;
    const { name, runtime } = config;
    const resolver = new Resolver(addon, new SourceFinder(addon), {
      ...dnsWayOf(config),
      watchEveryMs: nameWatchMs,
      dnsRecord: dnsRecordFile(runtime.runDirectory, name),
    });
    this.#names = new EndpointNames({
      resolver,
      tell: (peer, endpoints) => {
        this.#resolved.set(peer, endpoints);
        this.#tellDestinations();
        const command = { kind: 'endpoints', peer, endpoints };
        parts.command('session-manager', command);
      },
      warn: (message) => note('resolver', { kind: 'warning', message }),
      scopeOf,
    });
    this.#dns = new DnsKeeper({
      name,
      runDirectory: runtime.runDirectory,
      note: (event, level) => note('network', event, level),
    });
    this.#nat = new NatKeeper({
      addon,
      note: (event, level) => note('nat', event, level),
      peers: () => [...parts.peers.all()].map(({ peer }) => peer),
    });
    this.#nat64 = new Nat64Finder({
      ask: (host, interfaceName) => resolver.askEach(host, interfaceName),
      onFound: () => this.#links.tellAgain(),
    });
    this.#links = new LinkKeeper({
      nat64: this.#nat64,
      addon,
      tell: (command) => parts.command('session-manager', command),
      note: (event, level) => note('network', event, level),
      setMtu: (link, mtu) => this.#setMtu(link, mtu),
      setSources: (link, sources) => resources.setSources(link, sources),
      hasSockets: (link) => resources.hasSockets(link),
      reopen: parts.reopen,
    });
    this.#network = new NetworkKeeper({
      addon,
      note: (event, level) => note('network', event, level),
      onOutside: (change) => this.#onOutside(change),
      onChange: (watch) => {
        this.#links.handleChange(watch);
        this.#names.handleInterfaces();
        this.#hurryProbes();
      },
      onOwnLinkGone: parts.onOwnLinkGone,
    });
  }

  /** What is in the way of the tunnel on this host. */
  get troubles(): readonly Trouble[] {
    return [...this.#network.troubles, ...this.#nat.troubles, ...this.#names.troubles];
  }

  /** For `hawser nat`; undefined = nothing is translated nor isolated. */
  get nat(): NatInfo | undefined {
    return this.#nat.info;
  }

  /** Before anything is opened. Throws when this host lacks what `config` needs, or its interface is somebody else's. */
  check(config: Config): void {
    this.#nat.check(planNat(config));
    refuseForeignTun(this.#parts.addon, planNetwork(config));
  }

  /** The interface is there: gives it addresses and routes, as far as the kernel lets it. Resolves when NAT is set up too; throws what it refuses of that. */
  setUp(config: Config): Promise<void> {
    this.#network.start(planNetwork(config));
    return this.#nat.start(planNat(config), natPlaceOf(config));
  }

  /** The threads run: from here on they hear of what the kernel tells. */
  watch(config: Config): void {
    this.#links.follow(config.links);
    this.#network.watch();
    this.#tellDestinations();
    this.#names.follow(config.peers);
  }

  /** Brings the host's name servers to what `config` says. */
  setNameServers(config: Config): void {
    void this.#dns.follow(config);
  }

  /** Before threads change: brings addresses and routes to `config`. Throws what the kernel refuses, and then nothing has changed. */
  change(config: Config): void {
    this.#nat.check(planNat(config));
    this.#network.change(planNetwork(config));
  }

  /** After threads have changed: brings the rest to `config`. */
  follow(config: Config): void {
    this.setNameServers(config);
    void this.#nat.follow(planNat(config));
    this.#names.setWay(dnsWayOf(config));
    this.#names.follow(config.peers);
    this.#links.follow(config.links);
    this.#tellDestinations();
  }

  /** Peers came, changed or went. */
  handlePeers(): void {
    this.#nat.handlePeers();
  }

  /** A session-manager that was started anew knows nothing of the links. */
  tellAgain(): void {
    this.#links.tellAgain();
  }

  /** The stop begins: nothing is followed any more. */
  close(): void {
    this.#names.close();
    this.#links.close();
    this.#nat64.close();
  }

  /** Takes back what needs time to be taken back. Never rejects. */
  async release(): Promise<void> {
    await Promise.all([this.#dns.takeBack(), this.#nat.close()]);
  }

  /** The same without waiting, for an end that cannot. */
  releaseNow(): void {
    this.#dns.takeBackNow();
  }

  /**
   * Takes back the rest, at once; returns what could not be. `hasInterface` false: nothing was set up on it, and an interface of that
   * name is somebody else's.
   */
  remove(config: Config, hasInterface: boolean): string[] {
    const warnings = hasInterface ? this.#network.remove(planNetwork(config)) : [];
    return [...this.#nat.remove(), ...warnings];
  }

  #setMtu(name: string, mtu: number): void {
    const { topology } = this.#parts.state();
    const row = topology.links.find((one) => one.name === name)?.row;
    if (row !== undefined) linkTable(this.#parts.resources.tables.links).setInt(row, link.interfaceMtuAt, mtu);
  }

  /** Sources and routes are chosen and followed for the endpoints that are known. */
  #tellDestinations(): void {
    const { config } = this.#parts.state();
    const literal = config.peers.flatMap(({ endpoints }) => endpoints);
    const all = [...literal, ...[...this.#resolved.values()].flat()];
    // What is link-local is reached without a route, and from a source that goes nowhere else.
    const hosts = all.flatMap(({ host, zone }) => (zone === undefined ? parseCidr(host)?.addressHex : undefined) ?? []);
    const addresses = [...new Set(hosts)];
    this.#network.setTraffic({ links: config.links, destinations: addresses });
    this.#links.setDestinations({ fwmark: fwmarkOf(config), addresses });
  }

  /** This host is elsewhere: sessions learn it at once, and names may lead elsewhere too. */
  #onOutside(change: OutsideChange): void {
    if (this.#parts.isStopped()) return;
    const command: NetworkChangedCommand = { kind: 'network-changed', change };
    this.#parts.command('session-manager', command);
    if (change.kind !== 'address-came') this.#names.refresh();
  }

  #hurryProbes(): void {
    const { actors } = this.#parts.state().topology;
    const isPlanned = actors.some((actor) => actor.role === 'health-checker');
    if (isPlanned && !this.#parts.isStopped()) this.#parts.command('health-checker', { kind: 'network-changed' });
  }
}
