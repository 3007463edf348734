/** What the control-server and the api-server know of the instance: readers over the shared tables, rates, and what changes between two looks. */
import { messageOf } from '../../base/errors.ts';
import { lifeReasonTexts, lifeStateNames } from '../../bonding/life/path-life-states.ts';
import { pathHoldNames } from '../../bonding/path-hold.ts';
import { type Choice, choose, leavesOut, type PathGlance, type PeerGlance, sumsOf } from '../../control/crowd.ts';
import { judgeCutOff, Unanswered } from '../../control/cut-off.ts';
import { LastChanges } from '../../control/last-changes.ts';
import type { NatView } from '../../control/nat-rows.ts';
import type { PathStatus } from '../../control/network-rows.ts';
import { PathEvents } from '../../control/path-events.ts';
import { PathWatch } from '../../control/path-watch.ts';
import { RateEvents } from '../../control/rate-events.ts';
import { type Counts, Rates } from '../../control/rates.ts';
import { ActorReader } from '../../control/read-actors.ts';
import { type FindInterface, LinkReader } from '../../control/read-links.ts';
import { PathReader, type PathWords } from '../../control/read-paths.ts';
import { PeerReader } from '../../control/read-peers.ts';
import type { PeerStatus } from '../../control/rows.ts';
import { narrow, pathsByPeer, type Snapshot, widest } from '../../control/snapshot.ts';
import type {
  ActorRow,
  InstanceFacts,
  InstanceInfo,
  PeerName,
  SharedMemory,
  SupervisorApi,
} from '../../control/supervisor-api.ts';
import { readConnections } from '../../io/connections.ts';
import { readAddressErrors, readForwarding } from '../../io/forwarding.ts';
import { readInterfaces } from '../../io/interfaces.ts';
import { listConnections } from '../../io/nat/connections.ts';
import { readThreadTimes } from '../../io/thread-times.ts';
import { zoneOf } from '../../io/zones.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { RpcClient } from '../kit/rpc.ts';
import { glanceSize, inParts } from './in-parts.ts';
import { InTurns } from './in-turns.ts';

/** Readers over the memory of one topology. */
interface Readers {
  readonly topologyVersion: number;
  readonly peers: PeerReader;
  readonly paths: PathReader;
  readonly links: LinkReader;
  readonly actors: ActorReader;
  readonly watch: PathWatch;
}

/** One moment at which something is read. */
interface Look {
  readonly instance: InstanceInfo;
  readonly readers: Readers;
  readonly nowUs: number;
}

const words: PathWords = { conditions: lifeStateNames, reasons: lifeReasonTexts, holds: pathHoldNames, zoneOf };

/** After a reload the names of rows may be old for so long. */
const learnEveryUs = 2_000_000;
/** Probes and pings are no traffic. */
const quietBytesPerUs = 0.02;

export class InstanceView {
  readonly #context: ActorContext;
  readonly #supervisor: RpcClient<SupervisorApi>;
  readonly #rates = new Rates();
  readonly #changes = new LastChanges();
  readonly #unanswered = new Unanswered();
  readonly #pathEvents = new PathEvents();
  readonly #rateEvents = new RateEvents();
  readonly #tells: boolean;
  /** A look at thousands of peers is a third of a second: a page, a scrape and a terminal share it. */
  readonly #looks = new InTurns((choices: readonly (Choice | undefined)[]) => this.#look(inOne(choices)));
  readonly #nats = new InTurns(() => this.#readNat());
  #readers: Readers | undefined;
  #instance: InstanceInfo | undefined;
  #actorRows: readonly ActorRow[] = [];
  #learntUs = Number.NEGATIVE_INFINITY;
  #sampledUs = 0;
  #bytes = 0;

  /** `tells`: what changes between two looks is an event; one of all views does so. */
  constructor(context: ActorContext, supervisor: RpcClient<SupervisorApi>, tells: boolean) {
    this.#context = context;
    this.#tells = tells;
    this.#supervisor = supervisor;
  }

  /** Called often; whether there is traffic, or something has changed. */
  sample(nowUs: number): boolean {
    const readers = this.#readers;
    const instance = this.#instance;
    if (nowUs - this.#learntUs > learnEveryUs) this.#learn(nowUs);
    if (readers === undefined || instance === undefined) return true;
    readers.peers.sample(nowUs);
    readers.paths.sample(nowUs);
    this.#rates.sample(nowUs, () => this.#count(readers, instance, nowUs));
    if (!this.#tells) return false;
    const events = this.#pathEvents.look(readers.watch.look(instance, nowUs));
    for (const event of events) this.#context.emit(event);
    return events.length > 0 || this.#isCarrying(readers.actors.bytes(), nowUs);
  }

  #isCarrying(bytes: number, nowUs: number): boolean {
    const elapsedUs = nowUs - this.#sampledUs;
    const carried = bytes - this.#bytes;
    this.#sampledUs = nowUs;
    this.#bytes = bytes;
    return carried > quietBytesPerUs * elapsedUs;
  }

  /** About once a second. */
  #count({ peers, paths, links, actors }: Readers, instance: InstanceInfo, nowUs: number): Counts {
    const events: [string, number][] = [
      ...links.events(instance),
      ...actors.events(this.#actorRows),
      ...readAddressErrors().map(([name, value]): [string, number] => [`host ${name}`, value]),
    ];
    this.#changes.look(new Map(events), nowUs);
    this.#changes.lookRows(peers.counters(instance), nowUs);
    this.#changes.lookRows(paths.counters(), nowUs);
    peers.eachActivity(instance, (name, sentUs, receivedUs) => this.#unanswered.look(name, sentUs, receivedUs, nowUs));
    if (this.#tells) for (const event of this.#rateEvents.look(peers.rates(instance), nowUs)) this.#context.emit(event);
    return new Map([...links.counts(instance), ...actors.counts(this.#actorRows)]);
  }

  /** `choice`: of more peers those alone have rows, and their paths; without one all have. */
  async snapshot(choice?: Choice): Promise<Snapshot> {
    const found = await this.#looks.get(choice);
    return choice === undefined ? found : narrow(found, choice);
  }

  async #look(choice: Choice | undefined): Promise<Snapshot> {
    const { instance, readers } = await this.#refresh();
    const rows = this.#actorRows;
    const nowUs = this.#context.addon.nowUs();
    const isCrowd = choice !== undefined && leavesOut(choice, instance.peers.length);
    const look: Look = { instance, readers, nowUs };
    return {
      nowMs: Date.now(),
      instance,
      ...(isCrowd ? await this.#some(look, choice) : await this.#all(look)),
      links: readers.links.links(instance, nowUs, this.#rates, this.#interfaces(instance)),
      health: readers.links.health(instance, nowUs),
      actors: readers.actors.actors(rows, nowUs, this.#rates),
      rings: readers.actors.rings(),
      host: { ...readForwarding(), connections: readConnections() },
      changedAgesMs: this.#changes.agesMs(nowUs),
    };
  }

  async #all(look: Look): Promise<Pick<Snapshot, 'sums' | 'peers' | 'paths'>> {
    const { instance, readers } = look;
    const paths = await this.#paths(readers.paths.rows(), look);
    const peers = await this.#peers(instance.peers, paths, look);
    return { sums: sumsOf(peers, paths), peers, paths };
  }

  /** A glance at each, and rows of those that are worth it. */
  async #some(look: Look, choice: Choice): Promise<Pick<Snapshot, 'sums' | 'peers' | 'paths'>> {
    const { instance, readers, nowUs } = look;
    const rows = readers.paths.rows();
    const seenPaths = await this.#inParts(rows, (row) => readers.paths.glance(row, instance, nowUs), glanceSize);
    const byPeer = pathsByPeer<PathGlance>(seenPaths);
    const pathsOf = (peer: string): readonly PathGlance[] => byPeer.get(peer) ?? [];
    const seen = await this.#inParts(
      instance.peers,
      (named): PeerGlance =>
        judgeCutOff(readers.peers.glance(named, nowUs), pathsOf(named.name), this.#unanswered.ageMs(named.name, nowUs)),
      glanceSize,
    );
    const found = choose(seen, pathsOf, choice);
    const chosen = found.places.map((place) => instance.peers[place] as PeerName);
    const names = new Set(chosen.map(({ name }) => name));
    const own = rows.filter((_row, at) => names.has(seenPaths[at]?.peer ?? ''));
    const paths = await this.#paths(own, look);
    const peers = await this.#peers(chosen, paths, look);
    return { sums: sumsOf(seen, seenPaths, found), peers, paths };
  }

  /** All paths of the peers that they lead to. */
  async #paths(rows: readonly number[], { instance, readers, nowUs }: Look): Promise<PathStatus[]> {
    const { paths } = readers;
    return paths.withShares(await this.#inParts(rows, (row) => paths.path(row, instance, nowUs)));
  }

  async #peers(
    peers: readonly PeerName[],
    paths: readonly PathStatus[],
    { instance, readers, nowUs }: Look,
  ): Promise<PeerStatus[]> {
    const pathsOf = pathsByPeer(paths);
    return await this.#inParts(peers, (named) => {
      const peer = readers.peers.peer(named, instance, nowUs);
      return judgeCutOff(peer, pathsOf.get(peer.name) ?? [], this.#unanswered.ageMs(peer.name, nowUs));
    });
  }

  #inParts<Item, Result>(items: readonly Item[], read: (item: Item) => Result, size?: number): Promise<Result[]> {
    return inParts(items, read, () => this.#context.letPacketsIn(), size);
  }

  nat(): Promise<NatView | undefined> {
    return this.#nats.get(undefined);
  }

  async #readNat(): Promise<NatView | undefined> {
    const info = await this.#supervisor.request('nat');
    if (info === undefined) return undefined;
    return {
      info,
      connections: await listConnections(this.#context.addon, info.pools),
      host: readConnections(),
    };
  }

  /** Rates need a first sample before anybody asks, and events need the names of today. */
  #learn(nowUs: number): void {
    this.#learntUs = nowUs;
    this.#refresh().catch((error: unknown) => {
      this.#context.emit({ kind: 'log', level: 'warn', message: messageOf(error) });
    });
  }

  /** What thousands of peers are called is fetched anew only when it may have changed. */
  async #refresh(): Promise<{ instance: InstanceInfo; readers: Readers }> {
    const facts = await this.#supervisor.request('instance');
    const known = this.#instance?.peersVersion === facts.peersVersion ? this.#instance.peers : undefined;
    const instance = { ...facts, peers: known ?? (await this.#supervisor.request('peerNames')) };
    let readers = this.#readers;
    if (readers === undefined || readers.topologyVersion !== instance.topologyVersion) {
      readers = makeReaders(instance.topologyVersion, await this.#supervisor.request('memory'));
    }
    this.#readers = readers;
    this.#actorRows = await this.#supervisor.request('actors');
    if (!isOf(this.#instance, instance)) this.#instance = instance;
    return { instance, readers };
  }

  #interfaces(instance: InstanceInfo): FindInterface {
    const names = instance.links.map((link) => link.interface).filter((name) => name !== undefined);
    const found = names.length === 0 ? new Map() : readInterfaces(this.#context.addon, names);
    return (name) => found.get(name);
  }
}

/** Whether the names of rows are those of then. */
function isOf(instance: InstanceInfo | undefined, { topologyVersion, peersVersion }: InstanceFacts): boolean {
  return instance?.topologyVersion === topologyVersion && instance.peersVersion === peersVersion;
}

/** What all of them want to see; undefined = all rows. */
function inOne(choices: readonly (Choice | undefined)[]): Choice | undefined {
  const some = choices.filter((choice) => choice !== undefined);
  return some.length < choices.length ? undefined : widest(some);
}

function makeReaders(topologyVersion: number, memory: SharedMemory): Readers {
  const paths = new PathReader(memory, words);
  return {
    topologyVersion,
    paths,
    peers: new PeerReader(memory, paths),
    links: new LinkReader(memory),
    actors: new ActorReader(memory, readThreadTimes),
    watch: new PathWatch(paths, memory),
  };
}
