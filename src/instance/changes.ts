/**
 * Changes of a running instance, one at a time: a reload by diff, a link more or less, a link's sockets opened anew. When the kernel
 * refuses an address, a route or a new descriptor, what ran before runs on, and the change fails.
 */
import type { TopologyDiff } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';
import { describeDiff, diffConfigs } from '../config/diff.ts';
import { rememberConfig } from '../config/recall.ts';
import type { ConfigApi, ConfigApplied, ConfigPlan } from '../control/config-calls.ts';
import type { NewLink, ReloadResult } from '../control/supervisor-api.ts';
import type { InstanceState } from '../supervisor/api.ts';
import { filePeers, type PeerChange, type PeerDirectory } from '../supervisor/peer-directory.ts';
import type { SharedResources } from '../supervisor/shared-resources.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { diffTopologies } from '../topology/diff.ts';
import { checkShards } from '../topology/shards.ts';
import { ConfigTrial } from './config-trial.ts';
import { reopenDiff } from './link-keeper.ts';
import type { Logger } from './logger.ts';
import { checkRoom, keepFixed, planFor } from './plan.ts';
import type { ServiceManager } from './service-manager.ts';

/** Loaded when asked for: it brings the configuration's parser with it. */
type LinkEdits = typeof import('../config/edit-links.ts');

export interface ChangeParts {
  readonly supervisor: Supervisor;
  readonly resources: SharedResources;
  readonly service: ServiceManager;
  readonly logger: Logger;
  readonly peers: Pick<PeerDirectory, 'check' | 'change'>;
  /** UDP port of the sockets that are open now. */
  readonly listenPort: () => number;
  /** Brings addresses and routes in step with a configuration; throws what the kernel refuses, and has then changed nothing. */
  readonly changeNetwork: (config: Config) => void;
  /** Brings names and links in step with a configuration whose threads run. */
  readonly follow: (config: Config) => void;
  readonly isStopped: () => boolean;
  /** What the service manager is told of a running instance. */
  readonly describeUp: () => string;
}

export class InstanceChanges implements ConfigApi {
  readonly trial: ConfigTrial;
  readonly #parts: ChangeParts;
  #state: Omit<InstanceState, 'listenPort'>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ChangeParts, state: Omit<InstanceState, 'listenPort'>) {
    this.#parts = parts;
    this.#state = state;
    const { configPath } = state;
    this.trial = new ConfigTrial({
      configPath,
      exclusively: (change) => this.#exclusively(change),
      running: () => this.#state.config,
      apply: (wanted) => this.#announced(() => this.#applyFixed(wanted)),
      parse: async (text, file) => {
        const { parseConfigWithKeys } = await import('../config/load-keys.ts');
        const { config, privateKey } = parseConfigWithKeys(text, file);
        privateKey.fill(0);
        return config;
      },
      remember: (config) => rememberConfig(configPath, config),
      note: (event) => parts.supervisor.note('supervisor', event),
      isStopped: parts.isStopped,
    });
  }

  /** What the instance is now. */
  get state(): InstanceState {
    return { ...this.#state, listenPort: this.#parts.listenPort() };
  }

  /** Changes wait for the end of the start. */
  waitFor(started: Promise<unknown>): void {
    this.#last = started.catch(() => undefined);
  }

  /** Reads the file again and applies what changed. */
  reload(): Promise<ReloadResult> {
    return this.#exclusively(() => this.#reload());
  }

  /** What a reload with `wanted` would do. Throws what it would refuse before it begins. */
  planConfig(wanted: Config): ConfigPlan {
    const before = this.#state;
    const config = keepFixed(before.config, wanted);
    const topology = planFor(config, before.topology);
    checkRoom(topology);
    checkShards(topology.memory.shards, config);
    this.#parts.peers.check(filePeers, peerChangeOf(before.config, config));
    const { renew, start, stop } = diffTopologies(before.topology, topology);
    const changes = describeDiff(diffConfigs(before.config, wanted));
    return { changes, renewed: renew, started: start, ended: stop };
  }

  applyConfig(text: string, revision: string, seconds: number): Promise<ConfigApplied> {
    return this.trial.apply(text, revision, seconds);
  }

  confirmConfig(revision: string): Promise<void> {
    return this.trial.confirm(revision);
  }

  revertConfig(revision: string): Promise<void> {
    return this.trial.revert(revision);
  }

  /** Both apply a change of the links as a reload would, the file left as it is. */
  addLink(link: NewLink): Promise<ReloadResult> {
    return this.#exclusively(() => this.#changeLinks((links, { withLink }) => withLink(links, link)));
  }

  removeLink(name: string): Promise<ReloadResult> {
    return this.#exclusively(() => this.#changeLinks((links, { withoutLink }) => withoutLink(links, name)));
  }

  /** The interface of a link has come, or is another one by the same name. */
  reopen(link: string): Promise<void> {
    return this.#exclusively(() => this.#reopen(link));
  }

  #exclusively<T>(change: () => Promise<T>): Promise<T> {
    const next = this.#last.then(change);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #reopen(link: string): Promise<void> {
    const { supervisor, resources, isStopped } = this.#parts;
    if (isStopped()) return;
    const { topology } = this.#state;
    const diff = reopenDiff(topology, link);
    await Promise.all(diff.renew.map((id) => supervisor.hold(id)));
    try {
      resources.change(topology, diff);
    } finally {
      await this.#startChanged(diff);
    }
  }

  async #changeLinks(change: (links: Config['links'], edit: LinkEdits) => Config['links']): Promise<ReloadResult> {
    this.trial.refuseOthers();
    const edit = await import('../config/edit-links.ts');
    const before = this.#state;
    const config = { ...before.config, links: change(before.config.links, edit) };
    await this.#apply(config);
    return this.#tell('links', describeDiff(diffConfigs(before.config, config)));
  }

  async #reload(): Promise<ReloadResult> {
    this.trial.refuseOthers();
    return await this.#announced(async () => {
      const { loadConfigWithKeys } = await import('../config/load-keys.ts');
      const { configPath } = this.#state;
      const { config: wanted, privateKey } = loadConfigWithKeys(configPath);
      privateKey.fill(0);
      const changes = await this.#applyFixed(wanted);
      rememberConfig(configPath, wanted);
      return this.#tell('reload', changes);
    });
  }

  /** The service manager is told of a reload, and when it is over. */
  async #announced<T>(change: () => Promise<T>): Promise<T> {
    const { service } = this.#parts;
    service.reloading();
    try {
      return await change();
    } finally {
      service.ready(this.#parts.describeUp());
    }
  }

  /** What a running instance cannot change stays as it is. Resolves to what is another than before, in words. */
  async #applyFixed(wanted: Config): Promise<readonly string[]> {
    const before = this.#state.config;
    await this.#apply(keepFixed(before, wanted));
    return describeDiff(diffConfigs(before, wanted));
  }

  #tell(kind: 'links' | 'reload', changes: readonly string[]): ReloadResult {
    for (const change of changes) this.#parts.supervisor.note('supervisor', { kind, change });
    return { changes };
  }

  async #apply(config: Config): Promise<void> {
    const { supervisor, resources, logger, peers, changeNetwork, follow } = this.#parts;
    const before = this.#state;
    const topology = planFor(config, before.topology);
    const peerChange = peerChangeOf(before.config, config);
    checkRoom(topology);
    checkShards(topology.memory.shards, config);
    peers.check(filePeers, peerChange);
    // What can be refused comes first, while nothing else has changed.
    changeNetwork(config);
    const diff = diffTopologies(before.topology, topology);
    for (const id of diff.stop) await supervisor.remove(id);
    await Promise.all(diff.renew.map((id) => supervisor.hold(id)));
    try {
      resources.change(topology, diff);
      peers.change(filePeers, peerChange);
    } catch (error) {
      const back = diffTopologies(topology, before.topology);
      resources.change(before.topology, back);
      // What cannot be kept of it is told as an event; who asked hears why the change was refused.
      await this.#startChanged(back).catch(() => undefined);
      changeNetwork(before.config);
      throw error;
    }
    this.#state = { ...before, config, topology, topologyVersion: before.topologyVersion + 1 };
    logger.setLevel(config.runtime.logLevel);
    try {
      await this.#startChanged(diff);
    } finally {
      // What an actor beside fails by keeps nothing else half applied.
      follow(config);
    }
  }

  /** Begins all of them, whatever becomes of one; then rejects with the first failure. */
  async #startChanged({ renew, start }: TopologyDiff): Promise<void> {
    const { supervisor, resources } = this.#parts;
    const children = resources.children();
    const fresh = children.filter(({ id }) => start.includes(id));
    const begun = await Promise.allSettled([
      ...children.filter(({ id }) => renew.includes(id)).map((child) => supervisor.release(child)),
      supervisor.start(fresh.filter(({ isBeside }) => !isBeside)),
      supervisor.start(fresh.filter(({ isBeside }) => isBeside)),
    ]);
    for (const one of begun) if (one.status === 'rejected') throw one.reason;
  }
}

/** What the configuration file says as a source of peers. */
function peerChangeOf(before: Config, after: Config): PeerChange {
  const { added, changed, removed } = diffConfigs(before, after).peers;
  return { put: [...changed.map((one) => one.after), ...added], remove: removed.map((peer) => peer.publicKey) };
}
