/**
 * One running instance, as a sequence: configuration → host checks → lock → topology → descriptors → network and threads →
 * ready; a reload by diff; an orderly stop that leaves nothing. What each step does is in the folders it calls.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { serveRpc } from './actors/kit/rpc.ts';
import type { Topology, TopologyDiff } from './actors/kit/topology.ts';
import type { NetworkChangedCommand } from './actors/session/settings.ts';
import { HawserError, messageOf } from './base/errors.ts';
import { packageVersion } from './base/package-info.ts';
import type { Config } from './config/config.ts';
import { describeDiff, diffConfigs } from './config/diff.ts';
import { forgetConfig, rememberConfig, type StartConfig } from './config/recall.ts';
import { socketPathOf } from './control/protocol.ts';
import type { ReloadResult } from './control/supervisor-api.ts';
import type { DnsWay } from './io/dns-exchange.ts';
import { fwmarkOf, planNetwork } from './io/network/plan.ts';
import { checkHost } from './io/preflight.ts';
import { Resolver } from './io/resolver.ts';
import type { Addon } from './native/addon.ts';
import { createApi, type InstanceState } from './supervisor/api.ts';
import { EndpointNames } from './supervisor/endpoint-names.ts';
import { type InstanceLock, lockInstance } from './supervisor/instance-lock.ts';
import { LinkKeeper, reopenDiff } from './supervisor/link-keeper.ts';
import { Logger } from './supervisor/logger.ts';
import { NetworkKeeper } from './supervisor/network-keeper.ts';
import { type SupervisorHooks, supervisorDefaults } from './supervisor/options.ts';
import { AddonOpener } from './supervisor/resource-opener.ts';
import { ServiceManager } from './supervisor/service-manager.ts';
import { SharedResources } from './supervisor/shared-resources.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import type { WorkerPool } from './supervisor/worker-pool.ts';
import { diffTopologies } from './topology/diff.ts';
import { planTopology } from './topology/plan.ts';

/** Loaded when asked for: it brings the configuration's parser with it. */
type LinkEdits = typeof import('./config/edit-links.ts');

/** Benches measure what encryption costs against two ends that do not encrypt. It is said in the log at every start. */
const isPlaintextTwin = process.env.HAWSER_BENCH_PLAINTEXT === '1';

/** A name that could not be resolved at start (the link was not up yet) is asked for again soon. */
const nameWatchMs = { least: 5_000, most: 3600_000 };

export class Instance {
  /** Resolves to the exit code after everything was taken back. */
  readonly ended: Promise<number>;
  readonly #logger: Logger;
  readonly #addon: Addon;
  readonly #opener: AddonOpener;
  readonly #resources: SharedResources;
  readonly #supervisor: Supervisor;
  readonly #service: ServiceManager;
  readonly #lock: InstanceLock;
  readonly #isRecalled: boolean;
  readonly #names: EndpointNames;
  readonly #network: NetworkKeeper;
  readonly #links: LinkKeeper;
  #state: InstanceState;
  #stopped: Promise<void> | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #finish: (code: number) => void = () => undefined;

  constructor(configPath: string, start: StartConfig, addon: Addon, pool: WorkerPool) {
    const { config, publicKey } = start;
    checkHost();
    this.#addon = addon;
    this.#lock = lockInstance(config.runtime.runDirectory, config.name);
    mkdirSync(config.runtime.stateDirectory, { recursive: true, mode: 0o700 });
    const topology = plan(config);
    this.#logger = new Logger(config.runtime.logLevel);
    this.#service = new ServiceManager(this.#addon, process.env);
    this.#opener = new AddonOpener(this.#addon);
    this.#resources = new SharedResources(topology, this.#opener);
    const hooks: SupervisorHooks = {
      log: (level, fields, message) => this.#logger.log(level, fields, message),
      onFatal: (reason, orderly) => this.#onFatal(reason, orderly),
      serve: (port) => serveRpc(port, this.#api()),
      servedRoles: ['control-server'],
    };
    const intensity = { ...supervisorDefaults.intensity, count: config.runtime.restartLimit };
    this.#supervisor = new Supervisor(addon, hooks, { intensity }, pool);
    this.#names = new EndpointNames({
      resolver: new Resolver(addon, { ...dnsWayOf(config), watchEveryMs: nameWatchMs }),
      tell: (peer, endpoints) => {
        const command = { kind: 'endpoints', peer, endpoints };
        this.#supervisor.command('session-manager', command);
      },
      warn: (message) => this.#supervisor.note('resolver', 'warning', message, 'warn'),
    });
    this.#links = new LinkKeeper({
      addon,
      tell: (command) => this.#supervisor.command('session-manager', command),
      note: (kind, message, level) => this.#supervisor.note('network', kind, message, level),
      hasSockets: (link) => this.#resources.hasSockets(link),
      reopen: (link) => this.#exclusively(() => this.#reopen(link)),
    });
    this.#network = new NetworkKeeper({
      addon,
      note: (kind, message, level) => this.#supervisor.note('network', kind, message, level),
      onOutside: (goneAddress) => this.#onOutside(goneAddress),
      onChange: (watch) => {
        this.#links.handleChange(watch);
        this.#hurryProbes();
      },
      onOwnLinkGone: () => this.#onOwnLinkGone(),
    });
    this.#isRecalled = start.isRecalled;
    this.#state = {
      config,
      topology,
      topologyVersion: 1,
      configPath,
      publicKey,
      version: packageVersion(),
      startedAtMs: Date.now(),
      listenPort: 0,
    };
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Starts, or takes back what was done and throws. */
  async run(): Promise<void> {
    try {
      const started = this.#start();
      this.#reloading = started.catch(() => undefined);
      // A stop in the middle of the start ends the wait for threads that will never be there.
      await Promise.race([started, this.ended]);
    } catch (error) {
      await this.stop('failed to start', 1);
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#handleSignals();
    this.#resources.open();
    this.#state = { ...this.#state, listenPort: this.#opener.listenPort };
    // The threads load their modules while this thread talks to the kernel about addresses and routes.
    const threads = this.#supervisor.start(this.#resources.children());
    const warnings = this.#network.apply(planNetwork(this.#state.config));
    await threads;
    if (this.#stopped !== undefined) return;
    this.#links.follow(this.#state.config.links);
    this.#network.watch();
    this.#warnOfNetwork(warnings);
    for (const warning of this.#opener.warnings) this.#supervisor.note('supervisor', 'warning', warning, 'warn');
    this.#names.follow(this.#state.config.peers);
    if (isPlaintextTwin)
      this.#supervisor.note('supervisor', 'plaintext', 'NOTHING IS ENCRYPTED (HAWSER_BENCH_PLAINTEXT)', 'warn');
    const readyMs = Math.round(performance.now());
    this.#service.ready(`${this.#state.config.name} is up`);
    this.#supervisor.note(
      'supervisor',
      'ready',
      `${describe(this.#state)} after ${readyMs} ms${this.#isRecalled ? ', by the configuration of the run before' : ''}`,
    );
    rememberConfig(this.#state.configPath, this.#state.config);
    await this.#logger.open();
  }

  /** Orderly end, once. */
  stop(reason: string, code: number): Promise<void> {
    this.#stopped ??= this.#stop(reason, code);
    return this.#stopped;
  }

  async #stop(reason: string, code: number): Promise<void> {
    this.#service.stopping(reason);
    this.#names.close();
    this.#links.close();
    this.#supervisor.note('supervisor', 'stopping', reason, code === 0 ? 'info' : 'error');
    await this.#supervisor.stop();
    this.#takeBack();
    this.#logger.flush();
    this.#finish(code);
  }

  /** Gives the kernel and the file system back what is ours; nothing here waits. */
  #takeBack(): void {
    // Without the device nothing was set up, and an interface of that name is somebody else's.
    const warnings = this.#opener.hasTun ? this.#network.remove(planNetwork(this.#state.config)) : [];
    for (const warning of warnings) this.#logger.log('warn', {}, warning);
    this.#opener.releaseTun();
    this.#resources.close();
    // A control-server that was cut has left its socket.
    rmSync(socketPathFor(this.#state.config), { force: true });
    forgetConfig(this.#state.configPath);
    this.#lock.release();
  }

  #warnOfNetwork(warnings: readonly string[]): void {
    for (const warning of warnings) this.#supervisor.note('network', 'warning', warning, 'warn');
  }

  /** This host is elsewhere: sessions learn it at once, and names may lead elsewhere too. */
  #onOutside(goneAddress: string | undefined): void {
    if (this.#stopped !== undefined) return;
    const command: NetworkChangedCommand = { kind: 'network-changed', goneAddress };
    this.#supervisor.command('session-manager', command);
    this.#names.refresh();
  }

  #hurryProbes(): void {
    const { actors } = this.#state.topology;
    const isPlanned = actors.some((actor) => actor.role === 'health-checker');
    if (isPlanned && this.#stopped === undefined)
      this.#supervisor.command('health-checker', { kind: 'network-changed' });
  }

  /**
   * Somebody deleted our device. With it went addresses and routes that others may have added to it, so a silent new one would be
   * a tunnel that is up and carries only half: the process ends with the reason, and systemd starts it afresh.
   */
  #onOwnLinkGone(): void {
    if (this.#stopped !== undefined || !this.#opener.isTunGone) return;
    const name = this.#state.config.tunnel.interface;
    void this.stop(`The TUN device "${name}" was deleted (restart the instance, which makes it again)`, 1);
  }

  #api(): ReturnType<typeof createApi> {
    return createApi({
      supervisor: this.#supervisor,
      resources: this.#resources,
      state: () => this.#state,
      reload: () => this.reload(),
      addLink: (link) => this.#changeLinks((links, { withLink }) => withLink(links, link)),
      removeLink: (name) => this.#changeLinks((links, { withoutLink }) => withoutLink(links, name)),
      stop: () => void this.stop('asked by an operator', 0),
    });
  }

  /** Reads the file again and applies what changed; one at a time. */
  reload(): Promise<ReloadResult> {
    return this.#exclusively(() => this.#reload());
  }

  /** One change of threads and descriptors at a time. */
  #exclusively<T>(change: () => Promise<T>): Promise<T> {
    const next = this.#reloading.then(change);
    this.#reloading = next.catch(() => undefined);
    return next;
  }

  /** The interface of a link has come, or is another one by the same name. */
  async #reopen(link: string): Promise<void> {
    if (this.#stopped !== undefined) return;
    const { topology } = this.#state;
    const diff = reopenDiff(topology, link);
    await Promise.all(diff.renew.map((id) => this.#supervisor.hold(id)));
    try {
      this.#resources.change(topology, diff);
    } finally {
      this.#state = { ...this.#state, listenPort: this.#opener.listenPort };
      await this.#startChanged(diff);
    }
  }

  /** Applies a change of the links as a reload would, the file left as it is. */
  #changeLinks(change: (links: Config['links'], edit: LinkEdits) => Config['links']): Promise<ReloadResult> {
    return this.#exclusively(async () => {
      const edit = await import('./config/edit-links.ts');
      const before = this.#state;
      const config = { ...before.config, links: change(before.config.links, edit) };
      await this.#change(config, plan(config, before.topology));
      const changes = describeDiff(diffConfigs(before.config, config));
      for (const told of changes) this.#supervisor.note('supervisor', 'links', told);
      return { changes };
    });
  }

  async #reload(): Promise<ReloadResult> {
    this.#service.reloading();
    try {
      const { loadConfigWithKeys } = await import('./config/load-keys.ts');
      const { config: wanted, privateKey } = loadConfigWithKeys(this.#state.configPath);
      privateKey.fill(0);
      const before = this.#state;
      const changes = describeDiff(diffConfigs(before.config, wanted));
      const config = keepFixed(before.config, wanted);
      await this.#change(config, plan(config, before.topology));
      rememberConfig(before.configPath, wanted);
      for (const change of changes) this.#supervisor.note('supervisor', 'reload', change);
      return { changes };
    } finally {
      this.#service.ready(`${this.#state.config.name} is up`);
    }
  }

  async #change(config: Config, topology: Topology): Promise<void> {
    checkRoom(topology);
    const before = this.#state;
    const diff = diffTopologies(before.topology, topology);
    for (const id of diff.stop) await this.#supervisor.remove(id);
    await Promise.all(diff.renew.map((id) => this.#supervisor.hold(id)));
    try {
      this.#resources.change(topology, diff);
    } catch (error) {
      const back = diffTopologies(topology, before.topology);
      this.#resources.change(before.topology, back);
      await this.#startChanged(back);
      throw error;
    }
    const listenPort = this.#opener.listenPort;
    this.#state = { ...before, config, topology, listenPort, topologyVersion: before.topologyVersion + 1 };
    this.#logger.setLevel(config.runtime.logLevel);
    await this.#startChanged(diff);
    this.#warnOfNetwork(this.#network.apply(planNetwork(config)));
    this.#names.setWay(dnsWayOf(config));
    this.#names.follow(config.peers);
    this.#links.follow(config.links);
  }

  async #startChanged({ renew, start }: TopologyDiff): Promise<void> {
    const children = this.#resources.children();
    await Promise.all(children.filter(({ id }) => renew.includes(id)).map((child) => this.#supervisor.release(child)));
    await this.#supervisor.start(children.filter(({ id }) => start.includes(id)));
  }

  #onFatal(reason: string, orderly: boolean): void {
    if (orderly) void this.stop(reason, 1);
    else this.#endNow(reason);
  }

  /** Without waiting for threads: process.exit() would wait for one that never ends, a signal does not. */
  #endNow(reason: string): void {
    this.#logger.log('error', {}, reason);
    this.#logger.flush();
    this.#takeBack();
    process.kill(process.pid, 'SIGKILL');
  }

  #handleSignals(): void {
    const onEnd = (signal: NodeJS.Signals): void => {
      if (this.#stopped === undefined) void this.stop(signal, 0);
      else this.#endNow(`second signal (${signal})`);
    };
    process.on('SIGTERM', onEnd);
    process.on('SIGINT', onEnd);
    process.on('SIGHUP', () => {
      this.reload().catch((error: unknown) => {
        this.#supervisor.note('supervisor', 'reload-failed', messageOf(error), 'error');
      });
    });
  }
}

function socketPathFor(config: Config): string {
  return socketPathOf(config.runtime.runDirectory, config.name);
}

/** How questions about host names leave this host: as the packets of the tunnel do. */
function dnsWayOf(config: Config): DnsWay {
  return { fwmark: fwmarkOf(config), interfaces: config.links.map((link) => link.interface ?? '') };
}

function plan(config: Config, previous?: Topology): Topology {
  const socketPath = socketPathFor(config);
  return planTopology({ config, fwmark: fwmarkOf(config), socketPath, previous, isPlaintextTwin });
}

/** Tables are made once, with spare rows. */
function checkRoom({ memory, peers, links }: Topology): void {
  const isFull = peers.some(({ row }) => row >= memory.peerRows) || links.some(({ row }) => row >= memory.linkRows);
  if (!isFull) return;
  const message = `The running instance has room for ${memory.peerRows} peers and ${memory.linkRows} links`;
  throw new HawserError('CONFIG', message, 'restart the instance to make room');
}

/** What a running instance cannot change stays as it is (`diffConfigs` names it). */
function keepFixed(before: Config, wanted: Config): Config {
  return {
    ...wanted,
    name: before.name,
    identity: before.identity,
    tunnel: { ...wanted.tunnel, interface: before.tunnel.interface },
    runtime: { ...before.runtime, logLevel: wanted.runtime.logLevel },
  };
}

function describe(state: InstanceState): string {
  const { tunnel, runtime } = state.config;
  return `${tunnel.interface}, UDP port ${state.listenPort}, ${runtime.placement}`;
}
