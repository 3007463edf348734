/**
 * Everything that outlives an actor: the memory of tables, rings, counters and doorbells, and the file descriptors. Made from
 * the topology, owned by the supervisor's thread, lent to actors by reference and by number.
 */
import type { ActorSpec, PortSpec } from '../actors/kit/contract.ts';
import type {
  ActorPlan,
  ChildSpec,
  OwnTableName,
  ResourcePlan,
  ThreadPlan,
  Topology,
  TopologyDiff,
} from '../actors/kit/topology.ts';
import type { PeerSettings } from '../actors/session/settings.ts';
import { assert } from '../base/assert.ts';
import { flow } from '../contract/flows.ts';
import { carrier, check, link } from '../contract/link-tables.ts';
import { counters } from '../contract/rings.ts';
import { besideActors } from '../control/beside.ts';
import { createDoorbellMemory } from '../rings/doorbell.ts';
import { lendBeside } from '../rings/send-turn.ts';
import { createRingMemory } from '../rings/spsc-ring.ts';
import { carrierTable, checkTable, createRowTable, linkTable } from '../rings/table.ts';
import { createTables, type SharedTables } from './shared-tables.ts';

/** What opening found out: actors learn it as settings (`ActorPlan.learns`). */
export interface Opened {
  /** -1 = this host cannot have it (an IPv6 socket without IPv6). */
  readonly fd: number;
  readonly facts: Readonly<Record<string, number | boolean>>;
}

/** Opens and closes file descriptors: the real one uses the addon, tests hand in a fake. */
export interface ResourceOpener {
  open(resource: ResourcePlan): Opened;
  openDoorbell(): number;
  /** A socket like that of the plan, by another port, of the kernel's choice. */
  openOther(resource: UdpPlan): Opened;
  /** Puts `fresh` in the place of `before`, whose number it takes over; its own is closed. */
  replace(resource: UdpPlan, before: Opened, fresh: Opened): void;
  close(fd: number): void;
}

export type UdpPlan = Extract<ResourcePlan, { kind: 'udp' }>;

/** Silence after which an actor counts as hung: a duty cycle beats in microseconds, an event loop may have a long moment. */
const hangLimitMs: Readonly<Partial<Record<ActorSpec['role'], number>>> = {
  'session-manager': 1000,
  'health-checker': 2000,
  // TLS handshakes with a large RSA key, some at a time.
  'tls-link': 2000,
  'control-server': 5000,
  'api-server': 10_000,
  // Its end waits for its children's.
  'plugin-host': 10_000,
  // A commit waits for the disk, and one that is worn out or far away takes its time; a thread that waits there cannot be ended anyway.
  'client-store': 120_000,
  'history-keeper': 120_000,
  'webhook-sender': 120_000,
};
/** It starts when packets can pass. */
const lateActor = 'control-server';
const dutyHangLimitMs = 500;
const shutdownMs = 1000;

const ownTables = { flows: flow } as const;

interface Bell {
  readonly memory: SharedArrayBuffer;
  readonly fd: number;
}

export class SharedResources {
  readonly tables: SharedTables;
  readonly rings = new Map<string, SharedArrayBuffer>();
  /** Actor id → its block; kept when the actor goes, for a return with the same id. */
  readonly counters = new Map<string, SharedArrayBuffer>();
  readonly opened = new Map<string, Opened>();
  /** Actor id and table → its memory; kept like the counters. */
  readonly #ownTables = new Map<string, SharedArrayBuffer>();
  readonly #opener: ResourceOpener;
  readonly #bells = new Map<string, Bell>();
  readonly #peers: (actorId: string) => readonly PeerSettings[];
  #topology: Topology;

  /** Makes the memory; nothing is opened yet. `peers`: those of now, for an actor that begins. */
  constructor(topology: Topology, opener: ResourceOpener, peers: (actorId: string) => readonly PeerSettings[]) {
    this.#topology = topology;
    this.#opener = opener;
    this.#peers = peers;
    this.tables = createTables(topology.memory);
    for (const ring of topology.rings) this.rings.set(ring.name, createRingMemory(ring.bytes));
  }

  /** Opens all file descriptors of the plan. Throws at the first that cannot be had; `close` gives back the others. */
  open(): void {
    for (const resource of this.#topology.resources) this.#open(resource);
  }

  /** False for a link whose interface is not there. */
  hasSockets(link: string): boolean {
    const isOpen = (one: ResourcePlan): boolean => (this.opened.get(one.name)?.fd ?? -1) >= 0;
    return this.#topology.resources.some((one) => 'link' in one && one.link === link && isOpen(one));
  }

  /** What packets of a link carry as their source (hexadecimal, empty = nothing leaves); undefined = the kernel chooses. */
  setSources(name: string, sources: { readonly v4: string; readonly v6: string } | undefined): void {
    const row = this.#topology.links.find((one) => one.name === name)?.row;
    if (row === undefined) return;
    const links = linkTable(this.tables.links);
    const write = (at: number, bytes: number, hex: string): void =>
      links.slice(row, at, bytes).set(Buffer.from(hex.padEnd(2 * bytes, '0'), 'hex'));
    write(link.source4At, 4, sources?.v4 ?? '');
    write(link.source6At, 16, sources?.v6 ?? '');
    links.setInt(row, link.needsSourceAt, sources === undefined ? 0 : 1);
  }

  /** The carrier sends by another port from now on, which is returned; undefined = its port was named by the configuration, or nothing is open. */
  movePort(row: number): number | undefined {
    let port: number | undefined;
    for (const resource of this.#topology.resources) {
      const before = this.opened.get(resource.name);
      if (resource.kind !== 'udp' || resource.carrier !== row || resource.port !== 0) continue;
      if (before === undefined || before.fd < 0) continue;
      const fresh = this.#opener.openOther(resource);
      // Nobody sends meanwhile.
      const isReplaced = this.#lendBeside(resource, before.fd, () => this.#opener.replace(resource, before, fresh));
      if (isReplaced) {
        this.opened.set(resource.name, { ...fresh, fd: before.fd });
        port = Number(fresh.facts.port);
      } else this.#opener.close(fresh.fd);
    }
    return port;
  }

  /** Closes every file descriptor. All actors have ended. Idempotent. */
  close(): void {
    for (const name of [...this.opened.keys()]) this.#close(name);
    for (const bell of this.#bells.values()) this.#opener.close(bell.fd);
    this.#bells.clear();
  }

  /**
   * Applies a reload between the end of the threads that change and their new start. After a throw (a port is taken) the
   * reverse change leads back.
   */
  change(after: Topology, diff: TopologyDiff): void {
    for (const name of diff.closeResources) this.#close(name);
    for (const name of diff.removeRings) this.rings.delete(name);
    for (const ring of after.rings) {
      if (diff.addRings.includes(ring.name)) this.rings.set(ring.name, createRingMemory(ring.bytes));
    }
    this.#forgetLinks(after);
    this.#topology = after;
    for (const resource of after.resources) if (diff.openResources.includes(resource.name)) this.#open(resource);
  }

  /** A row that another link had says nothing of the one that has it now. */
  #forgetLinks(after: Topology): void {
    const before = this.#topology.links;
    for (const { row, name } of after.links) {
      if (before.some((one) => one.row === row && one.name === name)) continue;
      linkTable(this.tables.links).clear(row);
      // What an operator said of transports holds for links that come later.
      for (let index = 0; index < carrier.rowsPerLink; index += 1)
        carrierTable(this.tables.carriers)
          .slice(row * carrier.rowsPerLink + index, 0, carrier.placeAt)
          .fill(0);
      for (let index = 0; index < check.rowsPerLink; index += 1)
        checkTable(this.tables.checks).clear(row * check.rowsPerLink + index);
    }
  }

  /** The children of the topology, left to right, with all that they are lent. */
  children(): ChildSpec[] {
    const { threads } = this.#topology;
    const isBeside = (thread: ThreadPlan): boolean => thread.actors.every((id) => besideActors.includes(id));
    const needed = threads.filter((thread) => !isBeside(thread)).map((thread) => thread.id);
    return threads.map((thread) => {
      const isLate = thread.actors.includes(lateActor);
      const actors = thread.actors.map((id) => this.#actorSpec(id));
      return {
        id: thread.id,
        restart: 'permanent',
        shutdownMs,
        // Packets shall not wait for what no packet needs.
        dependsOn: isLate || isBeside(thread) ? needed.filter((id) => id !== thread.id) : [],
        isBeside: isBeside(thread),
        hangLimitMs: Math.max(...actors.map((actor) => hangLimitMs[actor.role] ?? dutyHangLimitMs)),
        actors,
        doorbell: this.#bell(thread.id),
      };
    });
  }

  #actorSpec(id: string): ActorSpec {
    const plan = this.#topology.actors.find((one) => one.id === id);
    assert(plan !== undefined, `the topology has a thread with the actor "${id}" and no such actor`);
    const fds = this.#lend(plan);
    const memory: Record<string, SharedArrayBuffer> = { counters: this.#countersOf(id) };
    for (const table of plan.tables) {
      const lent = this.tables[table];
      assert(lent !== undefined, `there is no table "${table}"`);
      memory[table] = lent;
    }
    for (const table of plan.ownTables) memory[table] = this.#ownTable(id, table);
    return {
      id,
      role: plan.role,
      settings: this.#settingsOf(plan),
      ports: this.#portsOf(id),
      fds,
      wakeOn: plan.wakeOn.filter((name) => name in fds),
      memory,
    };
  }

  /** A getter: a thread that takes another's place months later is started with the peers of then. */
  #settingsOf(plan: ActorPlan): Readonly<Record<string, unknown>> {
    const settings = { ...plan.settings, ...this.#learnt(plan) };
    if (!plan.hearsOfPeers) return settings;
    return Object.defineProperty(settings, 'peers', { get: () => this.#peers(plan.id), enumerable: true });
  }

  #lend(plan: ActorPlan): Record<string, number> {
    const fds: Record<string, number> = {};
    for (const [name, resource] of Object.entries(plan.fds)) {
      const fd = this.opened.get(resource)?.fd ?? -1;
      if (fd >= 0) fds[name] = fd;
    }
    return fds;
  }

  #learnt(plan: ActorPlan): Record<string, number | boolean> {
    const settings: Record<string, number | boolean> = {};
    for (const [setting, [resource, fact]] of Object.entries(plan.learns)) {
      settings[setting] = this.opened.get(resource)?.facts[fact] ?? false;
    }
    return settings;
  }

  #portsOf(id: string): Record<string, PortSpec> {
    const ports: Record<string, PortSpec> = {};
    for (const ring of this.#topology.rings) {
      const memory = this.rings.get(ring.name);
      assert(memory !== undefined, `no memory for the ring "${ring.name}"`);
      const bell = this.#bell(this.#threadOf(ring.to.actor));
      const rest = { name: ring.name, ring: memory, doorbell: bell.memory, doorbellFd: bell.fd };
      if (ring.from.actor === id) ports[ring.from.port] = { ...rest, side: 'producer' };
      if (ring.to.actor === id) ports[ring.to.port] = { ...rest, side: 'consumer' };
    }
    return ports;
  }

  #threadOf(actorId: string): string {
    const thread = this.#topology.threads.find((one) => one.actors.includes(actorId));
    assert(thread !== undefined, `the topology has no thread for the actor "${actorId}"`);
    return thread.id;
  }

  #bell(threadId: string): Bell {
    const known = this.#bells.get(threadId);
    if (known !== undefined) return known;
    const bell = { memory: createDoorbellMemory(), fd: this.#opener.openDoorbell() };
    this.#bells.set(threadId, bell);
    return bell;
  }

  #countersOf(actorId: string): SharedArrayBuffer {
    const known = this.counters.get(actorId) ?? new SharedArrayBuffer(counters.bytes);
    this.counters.set(actorId, known);
    return known;
  }

  #ownTable(actorId: string, table: OwnTableName): SharedArrayBuffer {
    const name = `${actorId} ${table}`;
    const known = this.#ownTables.get(name) ?? createRowTable(ownTables[table], ownTables[table].most);
    this.#ownTables.set(name, known);
    return known;
  }

  #open(resource: ResourcePlan): void {
    this.#close(resource.name);
    const opened = this.#opener.open(resource);
    this.opened.set(resource.name, opened);
    if (!('carrier' in resource) || opened.fd < 0) return;
    const carriers = carrierTable(this.tables.carriers);
    carriers.setInt(resource.carrier, carrier.gsoAt, opened.facts.gso === true ? 1 : 0);
    carriers.setInt(resource.carrier, carrier.groAt, opened.facts.gro === true ? 1 : 0);
    this.#lendBeside(resource, opened.fd);
  }

  /** A sealer sends by sockets of UDP while their carrier sleeps. Nobody has a number that is closed. */
  #lendBeside(resource: ResourcePlan, fd: number, change?: () => void): boolean {
    if (resource.kind !== 'udp') return true;
    return lendBeside(carrierTable(this.tables.carriers), resource.carrier, resource.family, fd, change);
  }

  #close(name: string): void {
    const fd = this.opened.get(name)?.fd ?? -1;
    if (fd >= 0) {
      const resource = this.#topology.resources.find((one) => one.name === name);
      // Else the end of the process closes it.
      if (resource === undefined || this.#lendBeside(resource, -1)) this.#opener.close(fd);
    }
    this.opened.delete(name);
  }
}
