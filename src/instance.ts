/**
 * One running instance, as a sequence: configuration → host checks → lock → topology → descriptors → network and threads →
 * ready; an orderly stop that leaves nothing. What each step does is in the folders it calls, what changes a running one in
 * `instance/changes.ts`.
 */
import { rmSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { MovePortRequest } from './actors/kit/contract.ts';
import { serveRpc } from './actors/kit/rpc.ts';
import type { PeersCommand } from './actors/session/settings.ts';
import type { RenewFilesCommand } from './actors/tls-link.ts';
import { messageOf } from './base/errors.ts';
import { collectGarbage } from './base/garbage.ts';
import { makeFolder } from './base/lasting-files.ts';
import { packageVersion } from './base/package-info.ts';
import type { Config } from './config/config.ts';
import { forgetConfig, rememberConfig, type StartConfig } from './config/recall.ts';
import { peer } from './contract/peer-tables.ts';
import type { HubFacts } from './control/client-calls.ts';
import { ActorQuestions } from './instance/actor-questions.ts';
import { CallDesk } from './instance/call-desk.ts';
import { InstanceChanges } from './instance/changes.ts';
import { ClientDesk } from './instance/client-desk.ts';
import { HostSide } from './instance/host-side.ts';
import { hubFactsOf } from './instance/hub-facts.ts';
import { type InstanceLock, lockInstance } from './instance/instance-lock.ts';
import { Logger } from './instance/logger.ts';
import { LoginDesk } from './instance/login-desk.ts';
import { isPlaintextTwin, planFor, socketPathFor } from './instance/plan.ts';
import { describeUp, ServiceManager } from './instance/service-manager.ts';
import { SuggestionDesk } from './instance/suggestion-desk.ts';
import { checkHost } from './io/preflight.ts';
import type { Addon } from './native/addon.ts';
import { AllowedIps } from './rings/allowed-ips.ts';
import { linkTable, peerTable } from './rings/table.ts';
import { createApi } from './supervisor/api.ts';
import { type SupervisorHooks, supervisorDefaults } from './supervisor/options.ts';
import { filePeers, PeerDirectory } from './supervisor/peer-directory.ts';
import { AddonOpener } from './supervisor/resource-opener.ts';
import { SharedResources } from './supervisor/shared-resources.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import { tellSealers } from './supervisor/tell-sealers.ts';
import type { WorkerPool } from './supervisor/worker-pool.ts';
import { formatPlacement } from './topology/placement.ts';

/** The file of so many peers leaves tens of megabytes of what its parser made. */
const manyPeers = 1000;

export class Instance {
  /** Resolves to the exit code after everything was taken back. */
  readonly ended: Promise<number>;
  readonly #logger: Logger;
  readonly #opener: AddonOpener;
  readonly #resources: SharedResources;
  readonly #supervisor: Supervisor;
  readonly #service: ServiceManager;
  readonly #lock: InstanceLock;
  readonly #isRecalled: boolean;
  readonly #host: HostSide;
  readonly #peers: PeerDirectory;
  readonly #clients: ClientDesk;
  readonly #calls: CallDesk;
  readonly #questions: ActorQuestions;
  readonly #suggestions: SuggestionDesk;
  readonly #changes: InstanceChanges;
  readonly #logins = new LoginDesk({
    nowMs: () => performance.now(),
    api: () => this.#changes.state.config.api,
    trouble: () => this.#supervisor.troubles.of('api-server'),
    hasSaid: () => this.#supervisor.troubles.hasSaid('api-server'),
    hasFailed: () => this.#supervisor.stateOf('api-server') === 'failed',
  });
  #isStarted = false;
  #isReady = false;
  #stopped: Promise<void> | undefined;
  #finish: (code: number) => void = () => undefined;

  constructor(configPath: string, start: StartConfig, addon: Addon, pool: WorkerPool) {
    const { config, publicKey } = start;
    checkHost();
    this.#lock = lockInstance(config.runtime.runDirectory, config.name);
    makeFolder('runtime.stateDirectory', config.runtime.stateDirectory, 0o700);
    const topology = planFor(config);
    this.#logger = new Logger(config.runtime);
    this.#service = new ServiceManager(addon, process.env);
    this.#opener = new AddonOpener(addon);
    this.#resources = new SharedResources(topology, this.#opener, (actorId) => this.#peers.settings(actorId));
    this.#peers = new PeerDirectory({
      table: peerTable(this.#resources.tables.peers),
      allowedIps: new AllowedIps(this.#resources.tables.allowedIps),
      tell: (command, actorId) => this.#tellOfPeers(command, actorId),
      nowMs: () => performance.now(),
      shards: topology.memory.shards,
    });
    this.#shareRates(config);
    this.#peers.change(filePeers, { put: config.peers, remove: [] });
    const hooks: SupervisorHooks = {
      log: (level, fields, message) => this.#logger.log(level, fields, message),
      onStarted: (actorId) => {
        this.#peers.tellAgain(actorId);
        if (actorId === 'session-manager') this.#host.tellAgain();
        if (actorId === 'client-store') this.#clients.handleNewStore();
        this.#calls.handleNew(actorId);
        this.#tellUp();
      },
      onEnded: () => this.#tellUp(),
      onGivenUp: (actorId) => this.#calls.handleGivenUp(actorId),
      onMovePort: (request) => this.#movePort(request),
      onFatal: (reason, orderly) => this.#onFatal(reason, orderly),
      serve: (port) => serveRpc(port, this.#api()),
      servedRoles: ['control-server', 'api-server', 'client-store', 'history-keeper', 'webhook-sender', 'plugin-host'],
    };
    this.#clients = new ClientDesk({
      peers: this.#peers,
      onKnown: (isKnown) => peerTable(this.#resources.tables.peers).setHeadNumber(peer.clientsKnownAt, isKnown ? 1 : 0),
    });
    this.#calls = new CallDesk({
      command: (actorId, call) => this.#supervisor.command(actorId, call),
      stateOf: (actorId) => this.#supervisor.stateOf(actorId),
    });
    this.#questions = new ActorQuestions({
      calls: this.#calls,
      config: () => this.#changes.state.config,
      hubFacts: () => this.#hubFacts(),
    });
    const intensity = { ...supervisorDefaults.intensity, count: config.runtime.restartLimit };
    this.#suggestions = new SuggestionDesk({
      table: linkTable(this.#resources.tables.links),
      state: () => this.#changes.state,
      tell: () => tellSealers(this.#supervisor, this.#changes.state.topology, { kind: 'follow-transports' }),
      note: (event) => this.#supervisor.note('plugin-host', event),
    });
    this.#supervisor = new Supervisor(addon, hooks, { intensity }, pool);
    this.#host = new HostSide(
      {
        addon,
        resources: this.#resources,
        peers: this.#peers,
        state: () => this.#changes.state,
        command: (actorId, command) => this.#supervisor.command(actorId, command),
        note: (source, event, level) => this.#supervisor.note(source, event, level),
        reopen: (link) => this.#changes.reopen(link),
        isStopped: () => this.#stopped !== undefined,
        onOwnLinkGone: () => this.#onOwnLinkGone(),
      },
      config,
    );
    this.#isRecalled = start.isRecalled;
    this.#changes = new InstanceChanges(
      {
        supervisor: this.#supervisor,
        resources: this.#resources,
        service: this.#service,
        logger: this.#logger,
        peers: this.#peers,
        listenPort: () => this.#opener.listenPort,
        changeNetwork: (wanted) => this.#host.change(wanted),
        follow: (wanted) => this.#follow(wanted),
        isStopped: () => this.#stopped !== undefined,
        describeUp: () => this.#describeUp(),
      },
      {
        config,
        topology,
        topologyVersion: 1,
        firstActors: topology.actors.map(({ id }) => id),
        configPath,
        publicKey,
        version: packageVersion(),
        startedAtMs: Date.now(),
      },
    );
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Before the start, and while its thread is renewed, an actor will be started with what is there then. */
  #tellOfPeers(command: PeersCommand, actorId: string | undefined): void {
    if (!this.#isStarted) return;
    this.#host.handlePeers();
    for (const { id, hearsOfPeers } of this.#changes.state.topology.actors)
      if (hearsOfPeers && (actorId ?? id) === id) this.#supervisor.command(id, command);
  }

  #movePort({ carrier, link, transport, silentMs }: MovePortRequest): void {
    if (this.#stopped !== undefined) return;
    try {
      const port = this.#resources.movePort(carrier);
      if (port !== undefined)
        this.#supervisor.note('supervisor', { kind: 'port-moved', link, transport, port, silentMs });
    } catch (error) {
      this.#supervisor.note('supervisor', { kind: 'warning', message: `${link}: ${messageOf(error)}` });
    }
  }

  /** What all peers may use together stands in the table that sealer and opener look at. */
  #shareRates({ server }: Config): void {
    const table = peerTable(this.#resources.tables.peers);
    table.setHeadNumber(peer.totalSendBpsAt, server?.total.downBps ?? 0);
    table.setHeadNumber(peer.totalTakeBpsAt, server?.total.upBps ?? 0);
  }

  /** Starts, or takes back what was done and throws. */
  async run(): Promise<void> {
    try {
      const started = this.#start();
      this.#changes.waitFor(started);
      // A stop in the middle of the start ends the wait for threads that will never be there.
      await Promise.race([started, this.ended]);
    } catch (error) {
      await this.stop('failed to start', 1);
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#handleSignals();
    const { config, configPath, topology } = this.#changes.state;
    this.#host.check(config);
    this.#resources.open();
    // The threads load their modules while this thread talks to the kernel about addresses and routes.
    const threads = this.#supervisor.start(this.#resources.children(), ({ isBeside }) => !isBeside);
    const host = this.#host.setUp(config);
    this.#isStarted = true;
    await Promise.all([threads, host]);
    if (this.#stopped !== undefined) return;
    this.#host.watch(config);
    for (const warning of this.#opener.warnings)
      this.#supervisor.note('supervisor', { kind: 'warning', message: warning });
    if (isPlaintextTwin)
      this.#supervisor.note('supervisor', {
        kind: 'plaintext',
        message: 'NOTHING IS ENCRYPTED (HAWSER_BENCH_PLAINTEXT)',
      });
    this.#isReady = true;
    this.#service.ready(this.#describeUp());
    this.#supervisor.note('supervisor', {
      kind: 'ready',
      interface: config.tunnel.interface,
      port: this.#changes.state.listenPort,
      placement: formatPlacement(topology.placement, topology.memory.shards),
      tookMs: Math.round(performance.now()),
      isRecalled: this.#isRecalled,
    });
    rememberConfig(configPath, config);
    this.#logger.open();
    this.#changes.trial.handleStart();
    this.#host.setNameServers(config);
    if (config.peers.length >= manyPeers) collectGarbage();
  }

  #describeUp(): string {
    return describeUp(this.#changes.state.config.name, this.#supervisor.rows());
  }

  /** The service manager knows what of a ready instance does not run. */
  #tellUp(): void {
    if (this.#isReady && this.#stopped === undefined) this.#service.status(this.#describeUp());
  }

  /** Orderly end, once. */
  stop(reason: string, code: number): Promise<void> {
    this.#stopped ??= this.#stop(reason, code);
    return this.#stopped;
  }

  async #stop(reason: string, code: number): Promise<void> {
    this.#service.stopping(reason);
    this.#changes.trial.close();
    this.#host.close();
    this.#suggestions.close();
    this.#supervisor.note('supervisor', { kind: 'stopping', reason }, code === 0 ? 'info' : 'error');
    await Promise.all([this.#supervisor.stop(), this.#host.release()]);
    this.#takeBack();
    this.#logger.open();
    this.#finish(code);
  }

  /** Gives the kernel and the file system back what is ours; nothing here waits. */
  #takeBack(): void {
    const { config, configPath } = this.#changes.state;
    for (const warning of this.#host.remove(config, this.#opener.hasTun)) this.#logger.log('warn', {}, warning);
    this.#opener.releaseTun();
    this.#resources.close();
    // A control-server that was cut has left its socket.
    rmSync(socketPathFor(config), { force: true });
    forgetConfig(configPath);
    this.#lock.release();
  }

  /** What outlives a change of threads. */
  #follow(config: Config): void {
    if (config.server === undefined) this.#clients.replaceClientPeers([]);
    this.#suggestions.follow();
    this.#shareRates(config);
    this.#host.follow(config);
    // The same names may lead to a certificate that was renewed.
    for (const { id, role } of this.#changes.state.topology.actors)
      if (role === 'tls-link') this.#supervisor.command(id, { kind: 'renew-files' } satisfies RenewFilesCommand);
  }

  /**
   * Somebody deleted our device. With it went addresses and routes that others may have added to it, so a silent new one would be
   * a tunnel that is up and carries only half: the process ends with the reason, and systemd starts it afresh.
   */
  #onOwnLinkGone(): void {
    if (this.#stopped !== undefined || !this.#opener.isTunGone) return;
    const name = this.#changes.state.config.tunnel.interface;
    void this.stop(`The TUN device "${name}" was deleted (restart the instance, which makes it again)`, 1);
  }

  #api(): ReturnType<typeof createApi> {
    return createApi({
      supervisor: this.#supervisor,
      resources: this.#resources,
      peers: this.#peers,
      state: () => this.#changes.state,
      clients: (verb, params) => this.#questions.clients(verb, params),
      clientSource: this.#clients,
      history: (verb, params) => this.#questions.history(verb, params),
      webhooks: (verb, params) => this.#questions.webhooks(verb, params),
      plugins: (verb, params) => this.#questions.plugins(verb, params),
      suggestLinks: (plugin, suggestions, holdMs) => this.#suggestions.take(plugin, suggestions, holdMs),
      actorCalls: this.#calls,
      hubFacts: () => this.#hubFacts(),
      troubles: () => this.#host.troubles,
      nat: () => this.#host.nat,
      reload: () => this.#changes.reload(),
      config: this.#changes,
      trial: () => this.#changes.trial.status,
      addLink: (link) => this.#changes.addLink(link),
      removeLink: (name) => this.#changes.removeLink(name),
      logins: this.#logins,
      stop: () => void this.stop('asked by an operator', 0),
    });
  }

  #hubFacts(): HubFacts {
    const { config, publicKey, listenPort } = this.#changes.state;
    return hubFactsOf(config, publicKey, listenPort);
  }

  #onFatal(reason: string, orderly: boolean): void {
    if (orderly) void this.stop(reason, 1);
    else this.#endNow(reason);
  }

  /** Without waiting for threads: process.exit() would wait for one that never ends, a signal does not. */
  #endNow(reason: string): void {
    this.#logger.log('error', {}, reason);
    this.#logger.open();
    this.#host.releaseNow();
    this.#takeBack();
    process.kill(process.pid, 'SIGKILL');
  }

  #handleSignals(): void {
    process.on('warning', (warning) =>
      this.#supervisor.note('supervisor', { kind: 'warning', message: warning.message }),
    );
    const onEnd = (signal: NodeJS.Signals): void => {
      if (this.#stopped === undefined) void this.stop(signal, 0);
      else this.#endNow(`second signal (${signal})`);
    };
    process.on('SIGTERM', onEnd);
    process.on('SIGINT', onEnd);
    process.on('SIGHUP', () => {
      this.#changes.reload().catch((error: unknown) => {
        this.#supervisor.note('supervisor', { kind: 'reload-failed', reason: messageOf(error) });
      });
    });
  }
}
