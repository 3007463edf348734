/**
 * Keeps address translation and isolation in the kernel as the configuration and the clients want them, for the main thread: puts back
 * what a firewall that was loaded anew has flushed, tells who met a limit, and who drops what clients send.
 */
import { HawserError, messageOf } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
import type { PeerConfig } from '../config/config.ts';
import type { InstanceEvent } from '../control/events.ts';
import type { NatInfo } from '../control/nat-rows.ts';
import { adoptKeys, assignBlocks, blockAt, blockCount, holderOf, needsBlock } from '../io/nat/blocks.ts';
import { readNatCounters } from '../io/nat/connections.ts';
import { type Elements, elementsOf, noElements } from '../io/nat/elements.ts';
import { changeNat, checkNat, prepareHost, removeNat, replaceNat } from '../io/nat/nat.ts';
import { isIdle, limitOf, type NatLease, type NatPlan } from '../io/nat/plan.ts';
import { natTable } from '../io/nat/ruleset.ts';
import { soundLease } from '../io/nat/sound-lease.ts';
import type { NetlinkSockets } from '../io/netlink.ts';
import type { Trouble } from '../io/network/conflicts.ts';
import { hasNatNote } from '../io/network/host-rules.ts';
import { nftTableOf } from '../io/network/nft.ts';
import { contains } from '../io/network/plan.ts';
import { divisionOf, NatBlocks } from './nat-blocks.ts';
import { NatRange } from './nat-range.ts';
import { NatWatch } from './nat-watch.ts';

export interface NatKeeperParts {
  readonly addon: NetlinkSockets;
  readonly note: (event: InstanceEvent, level?: 'warn' | 'error') => void;
  /** All peers, from whatever source. */
  readonly peers: () => Iterable<PeerConfig>;
}

/** Where an instance has what it has, with NAT or without. */
export type NatPlace = Pick<NatPlan, 'name' | 'interface' | 'runDirectory'>;

/** Clients come in bursts: a file of them, a mass enrolment. */
const gatherMs = 100;
const lookMs = 3_000;
/** What was flushed is put back ever later, so that nobody is fought. */
const againMs = { first: 1_000, last: 300_000 } as const;

export class NatKeeper {
  readonly #parts: NatKeeperParts;
  readonly #watch: NatWatch;
  readonly #range: NatRange;
  #plan: NatPlan | undefined;
  /** What the kernel has. */
  #table = '';
  #elements: Elements = noElements;
  #leases: readonly NatLease[] = [];
  #blocks: NatBlocks | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #gathering: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #againMs: number = againMs.first;
  #restoreAtMs = 0;
  #failure: Trouble | undefined;
  #isClosed = false;
  #blockless = new Set<string>();
  /** Leases under the present plan. */
  #known = new WeakMap<PeerConfig, NatLease | undefined>();

  constructor(parts: NatKeeperParts) {
    this.#parts = parts;
    this.#range = new NatRange(parts.addon, parts.note);
    this.#watch = new NatWatch(parts.note, (client) => this.#blockless.has(client));
  }

  /** Throws when this host lacks what the plan needs; nothing has changed then. */
  check(plan: NatPlan | undefined): void {
    if (plan !== undefined) checkNat(plan);
  }

  /** Throws what the kernel refuses. Without a plan it takes back what a run that was killed left. */
  async start(plan: NatPlan | undefined, place: NatPlace): Promise<void> {
    if (plan === undefined && hasNatNote(place.name, place.runDirectory)) {
      for (const warning of removeNat(place.name, place.runDirectory, place.interface)) this.#warn(warning);
    }
    await this.follow(plan);
    if (this.#failure !== undefined) throw new HawserError('NFT', this.#failure.text, this.#failure.remedy);
  }

  /** Brings the kernel in step; what it refuses is told, and stands among the troubles. */
  follow(plan: NatPlan | undefined): Promise<void> {
    return this.#exclusively(() => this.#follow(plan === undefined || isIdle(plan) ? undefined : plan));
  }

  /** Peers came, changed or went. */
  handlePeers(): void {
    if (this.#plan === undefined) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      void this.#exclusively(() => this.#update());
    }, gatherMs).unref();
  }

  get troubles(): readonly Trouble[] {
    return [this.#failure, this.#watch.trouble].filter((trouble) => trouble !== undefined);
  }

  /** For `hawser nat`; undefined = nothing is translated nor isolated. */
  get info(): NatInfo | undefined {
    const plan = this.#plan;
    if (plan === undefined) return undefined;
    const numbers = this.#blocks?.numbers ?? new Map<string, number>();
    return {
      masquerade: plan.masquerade,
      isolation: plan.isolation,
      pools: plan.pools,
      addresses: plan.addresses.map(({ address }) => address),
      ports: plan.ports,
      perClient: plan.perClient,
      limit: limitOf(plan),
      timeoutSeconds: plan.timeoutSeconds,
      refused: this.#watch.refusedCount,
      leases: this.#leases.map((lease) => {
        const number = needsBlock(lease) ? numbers.get(holderOf(lease)) : undefined;
        const block = number === undefined ? undefined : blockAt(plan, number);
        return { ...lease, ...(block === undefined ? {} : { block }) };
      }),
    };
  }

  /** Before `remove`, where there is time: no change is begun any more, and what is under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#gathering);
    await this.#last;
  }

  /** Waits; returns warnings and never throws, since more has to be taken back after it. */
  remove(): readonly string[] {
    const plan = this.#plan;
    this.#stop();
    if (plan === undefined) return [];
    try {
      return removeNat(plan.name, plan.runDirectory, plan.interface);
    } catch (error) {
      return [`Cannot take back NAT: ${messageOf(error)}`];
    }
  }

  #stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#gathering);
    this.#timer = undefined;
    this.#gathering = undefined;
    this.#plan = undefined;
    this.#blocks = undefined;
    this.#table = '';
    this.#elements = noElements;
    this.#leases = [];
    this.#failure = undefined;
    this.#watch.end();
  }

  #exclusively(change: () => Promise<void>): Promise<void> {
    const next = this.#last
      .then(() => (this.#isClosed ? undefined : change()))
      .catch((error: unknown) => {
        this.#parts.note({ kind: 'warning', message: `Cannot set up NAT: ${messageOf(error)}` }, 'error');
      });
    this.#last = next;
    return next;
  }

  async #follow(plan: NatPlan | undefined): Promise<void> {
    const before = this.#plan;
    if (plan === undefined) {
      for (const warning of this.remove()) this.#warn(warning);
      return;
    }
    if (this.#blocks === undefined || before === undefined || divisionOf(plan) !== divisionOf(before))
      this.#blocks = new NatBlocks(plan, (text) => this.#warn(text));
    this.#plan = plan;
    this.#known = new WeakMap();
    await this.#update();
    if (this.#plan !== plan) return;
    for (const warning of prepareHost(plan)) this.#warn(warning);
    this.#timer ??= setInterval(() => this.#look(), lookMs).unref();
  }

  /** The whole table where rules differ, or after a failure; else the elements of clients. */
  async #update(): Promise<void> {
    const plan = this.#plan;
    if (plan === undefined) return;
    this.#leases = [...this.#parts.peers()].flatMap((peer) => this.#leaseOf(plan, peer) ?? []);
    this.#assignBlocks(plan);
    const wanted = elementsOf(plan, this.#leases, this.#blocks?.numbers ?? new Map());
    const table = natTable(plan);
    let failure: string | undefined;
    if (table === this.#table) failure = await changeNat(plan.name, this.#elements, wanted);
    if (this.#plan !== plan) return;
    if (table !== this.#table || failure !== undefined) failure = await replaceNat(plan, wanted);
    // It was taken back meanwhile.
    if (this.#plan !== plan) return;
    if (failure === undefined) {
      if (table !== this.#table) this.#watch.begin();
      this.#table = table;
      this.#elements = wanted;
    } else this.#table = '';
    this.#fail(failure);
  }

  /** Of ten thousand peers one is another than before. */
  #leaseOf(plan: NatPlan, peer: PeerConfig): NatLease | undefined {
    if (!this.#known.has(peer)) {
      const lease = leaseOf(plan, peer);
      const sound = lease && soundLease(lease, (reason) => this.#warn(`Left out of NAT: ${reason}`));
      this.#known.set(peer, sound);
    }
    return this.#known.get(peer);
  }

  #assignBlocks(plan: NatPlan): void {
    const count = blockCount(plan);
    if (count === 0 || this.#blocks === undefined) return;
    const clients = this.#leases.filter(needsBlock);
    const before = adoptKeys(this.#blocks.numbers, clients);
    this.#blocks.set(assignBlocks(clients.map(holderOf), before, count));
    const { numbers } = this.#blocks;
    const without = clients.filter((client) => !numbers.has(holderOf(client))).map(({ name }) => name);
    for (const name of without) {
      if (this.#blockless.has(name)) continue;
      const reason = `no block of ports is left: all ${count} are given`;
      this.#parts.note({ kind: 'nat-exhausted', peer: name, reason });
    }
    this.#blockless = new Set(without);
  }

  #fail(failure: string | undefined): void {
    const text = `Cannot set up NAT: ${failure}`;
    const remedy = 'see that the kernel has nf_tables with NAT (`hawser doctor`)';
    const isNews = failure !== undefined && this.#failure?.text !== text;
    this.#failure = failure === undefined ? undefined : { text, remedy };
    if (isNews) this.#parts.note({ kind: 'warning', message: `${text} (${remedy})` }, 'error');
  }

  #look(): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    try {
      const counters = readNatCounters(this.#parts.addon, plan.name);
      if (counters === undefined) this.#restore(plan);
      else this.#watch.compare(plan, counters, this.#leases);
      this.#range.look(plan, performance.now());
    } catch (error) {
      this.#parts.note({ kind: 'warning', message: `Cannot look after NAT: ${messageOf(error)}` });
    }
  }

  /** `nft flush ruleset`, which stands at the head of many a firewall's file, takes everybody's tables. */
  #restore(plan: NatPlan): void {
    const nowMs = performance.now();
    if (nowMs < this.#restoreAtMs) return;
    if (nowMs > this.#restoreAtMs + againMs.last) this.#againMs = againMs.first;
    this.#restoreAtMs = nowMs + this.#againMs;
    this.#againMs = Math.min(2 * this.#againMs, againMs.last);
    this.#warn(`Somebody removed the nft table inet ${nftTableOf(plan.name)} (\`nft flush ruleset\`?): it is put back`);
    this.#table = '';
    this.#watch.begin();
    void this.#exclusively(() => this.#update());
  }

  #warn(message: string): void {
    this.#parts.note({ kind: 'warning', message });
  }
}

/** undefined = no address of the peer lies in the pools. */
function leaseOf(plan: NatPlan, peer: PeerConfig): NatLease | undefined {
  const own = peer.allowedIPs.filter(
    (cidr) => cidr.prefix === cidr.addressHex.length * 4 && plan.pools.some((pool) => contains(pool, cidr)),
  );
  const ipv4 = own.find(({ family }) => family === 4)?.address;
  const ipv6 = own.find(({ family }) => family === 6)?.address;
  if (ipv4 === undefined && ipv6 === undefined) return undefined;
  return {
    name: peer.name,
    publicKey: peer.publicKey,
    ...(peer.client === undefined ? {} : { client: peer.client }),
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6: parseCidr(ipv6)?.address ?? ipv6 }),
    ...peer.nat,
  };
}
