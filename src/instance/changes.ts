/**
 * Changes of a running instance, one at a time: a reload by diff, a link more or less, a link's sockets opened anew. When the kernel
 * refuses an address, a route or a new descriptor, what ran before runs on, and the change fails.
 */
import type { TopologyDiff } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';
import { describeDiff, diffConfigs } from '../config/diff.ts';
import { rememberConfig } from '../config/recall.ts';
import type { NewLink, ReloadResult } from '../control/supervisor-api.ts';
import type { InstanceState } from '../supervisor/api.ts';
import { filePeers, type PeerChange, type PeerDirectory } from '../supervisor/peer-directory.ts';
import type { SharedResources } from '../supervisor/shared-resources.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { diffTopologies } from '../topology/diff.ts';
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
}

export class InstanceChanges {
  readonly #parts: ChangeParts;
  #state: Omit<InstanceState, 'listenPort'>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ChangeParts, state: Omit<InstanceState, 'listenPort'>) {
    this.#parts = parts;
    this.#state = state;
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
    const edit = await import('../config/edit-links.ts');
    const before = this.#state;
    const config = { ...before.config, links: change(before.config.links, edit) };
    await this.#apply(config);
    return this.#tell('links', describeDiff(diffConfigs(before.config, config)));
  }

  async #reload(): Promise<ReloadResult> {
    const { service } = this.#parts;
    service.reloading();
    try {
      const { loadConfigWithKeys } = await import('../config/load-keys.ts');
      const before = this.#state;
      const { config: wanted, privateKey } = loadConfigWithKeys(before.configPath);
      privateKey.fill(0);
      await this.#apply(keepFixed(before.config, wanted));
      rememberConfig(before.configPath, wanted);
      return this.#tell('reload', describeDiff(diffConfigs(before.config, wanted)));
    } finally {
      service.ready(`${this.#state.config.name} is up`);
    }
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
      await this.#startChanged(back);
      changeNetwork(before.config);
      throw error;
    }
    this.#state = { ...before, config, topology, topologyVersion: before.topologyVersion + 1 };
    logger.setLevel(config.runtime.logLevel);
    await this.#startChanged(diff);
    follow(config);
  }

  async #startChanged({ renew, start }: TopologyDiff): Promise<void> {
    const { supervisor, resources } = this.#parts;
    const children = resources.children();
    await Promise.all(children.filter(({ id }) => renew.includes(id)).map((child) => supervisor.release(child)));
    await supervisor.start(children.filter(({ id }) => start.includes(id)));
  }
}

/** What the configuration file says as a source of peers. */
function peerChangeOf(before: Config, after: Config): PeerChange {
  const { added, changed, removed } = diffConfigs(before, after).peers;
  return { put: [...changed.map((one) => one.after), ...added], remove: removed.map((peer) => peer.publicKey) };
}
