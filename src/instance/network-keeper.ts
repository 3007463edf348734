/**
 * Keeps the host's network as the configuration wants it, for the main thread: applies, takes back, and listens to the kernel
 * meanwhile. What others need to know of changes outside the tunnel (an address that went, another default route) it tells.
 */

import type { OutsideChange } from '../actors/session/settings.ts';
import { messageOf } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
import type { InstanceEvent } from '../control/events.ts';
import { type LinkAddress, type LinkEvent, LinkWatch } from '../io/link-watch.ts';
import type { NetlinkEventSockets } from '../io/netlink-events.ts';
import { sentenceOf, type Trouble } from '../io/network/conflicts.ts';
import type { OwnTraffic } from '../io/network/foreign-rules.ts';
import {
  applyNetwork,
  describeConflicts,
  describeMisled,
  describeSilentSettings,
  removeNetwork,
} from '../io/network/network.ts';
import type { NetworkPlan } from '../io/network/plan.ts';

export interface NetworkKeeperParts {
  readonly addon: NetlinkEventSockets;
  /** For the log and `hawser events`. */
  readonly note: (event: InstanceEvent, level?: 'warn' | 'error') => void;
  /** An address of this host went or came, or a default route changed. */
  readonly onOutside: (change: OutsideChange) => void;
  /** Interfaces, addresses or routes are not what they were; also once at the start. */
  readonly onChange: (watch: LinkWatch) => void;
  /** The tunnel's interface is not in this network namespace any more: deleted, or moved to another. */
  readonly onOwnLinkGone: () => void;
}

/** Loopback's come and go with containers; nothing of ours leaves by it. */
const ignoredInterface = 'lo';
/** After it the kernel is asked again for what it refused, and what others took away is put back; ever later, so that nobody is fought. */
const againMs = { first: 1_000, last: 300_000 } as const;
/** Sysctls change without a word: a modem that comes later, `sysctl --system` at any time. */
const settingsMs = 10_000;
/** Routes and rules come and go in bursts: others' are looked at this often. */
const othersMs = 1_000;

export class NetworkKeeper {
  readonly #parts: NetworkKeeperParts;
  #plan: NetworkPlan | undefined;
  #watch: LinkWatch | undefined;
  #again: NodeJS.Timeout | undefined;
  #againMs: number = againMs.first;
  #looking: NodeJS.Timeout | undefined;
  #settingsTimer: NodeJS.Timeout | undefined;
  /** As they were when the plan was applied. */
  #settings = '';
  /** Routes are many, and looked through only after they have changed. */
  #hasNewRoutes = false;
  #traffic: OwnTraffic = { links: [], destinations: [] };
  /** What is known to be in the way, so that each is told once: routes of others, their rules, and what the kernel refused. */
  #conflicts: readonly Trouble[] = [];
  #misled: readonly Trouble[] = [];
  #warnings: readonly string[] = [];

  constructor(parts: NetworkKeeperParts) {
    this.#parts = parts;
  }

  /** Brings the network to what `plan` wants, as far as the kernel lets it; asks again later for what it refused. */
  start(plan: NetworkPlan): void {
    this.#plan = plan;
    this.#apply();
  }

  /** The same for a plan that takes the place of the one before: throws what the kernel refuses, and then nothing has changed. */
  change(plan: NetworkPlan): void {
    const report = applyNetwork(this.#parts.addon, plan, 'whole');
    this.#plan = plan;
    this.#settings = describeSilentSettings(plan);
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#setInterests();
    this.#tell(report);
    this.#lookLater();
  }

  /** What others have on this host that keeps the configuration from having its effect. */
  get troubles(): readonly Trouble[] {
    return [...this.#misled, ...this.#conflicts];
  }

  #setInterests(): void {
    const networks = (this.#plan?.routes ?? []).map(({ addressHex }) => addressHex);
    this.#watch?.setInterests([...new Set([...this.#traffic.destinations, ...networks])]);
  }

  /** Routes and rules are followed that this takes, beside the ones that the plan is about. */
  setTraffic(traffic: OwnTraffic): void {
    this.#traffic = traffic;
    this.#setInterests();
    this.#lookLater();
  }

  /** From now on, tells of changes and puts back what the tunnel's interface lost while it was down. */
  watch(): void {
    this.#watch ??= new LinkWatch(this.#parts.addon, (event) => this.#onEvent(event));
    this.#setInterests();
    this.#settingsTimer ??= setInterval(() => this.#lookAtSettings(), settingsMs).unref();
    this.#parts.onChange(this.#watch);
    this.#watch.start((error) =>
      this.#parts.note({ kind: 'warning', message: `Cannot follow the network: ${messageOf(error)}` }, 'error'),
    );
  }

  /** Returns warnings; never throws, since more has to be taken back after it. */
  remove(plan: NetworkPlan): readonly string[] {
    this.#watch?.close();
    this.#watch = undefined;
    this.#plan = undefined;
    clearTimeout(this.#again);
    clearTimeout(this.#looking);
    clearInterval(this.#settingsTimer);
    try {
      return removeNetwork(this.#parts.addon, plan).warnings;
    } catch (error) {
      return [`Cannot take back the network: ${messageOf(error)}`];
    }
  }

  #onEvent(event: LinkEvent): void {
    if (this.#watch !== undefined) this.#parts.onChange(this.#watch);
    this.#hasNewRoutes ||= event.kind === 'route';
    this.#lookLater();
    if (event.kind === 'route' || event.kind === 'rule') return;
    if (event.kind === 'own-gone' || (event.kind === 'address-removed' && this.#isOurs(event.address))) {
      this.#later();
      return;
    }
    if (event.kind === 'default-route') {
      this.#parts.note({ kind: 'default-route', family: event.family });
      this.#parts.onOutside({ kind: 'default-route' });
    } else if (event.kind === 'link' || event.kind === 'link-gone') {
      this.#onLink(event);
    } else if (event.address.interface !== this.#plan?.interface && event.address.interface !== ignoredInterface) {
      const { address, prefix, interface: name } = event.address;
      this.#parts.note({ kind: event.kind, address: `${address}/${prefix}`, interface: name });
      this.#parts.onOutside(
        event.kind === 'address-removed' ? { kind: 'address-gone', address } : { kind: 'address-came' },
      );
    }
  }

  /** Who manages interfaces may take the tunnel's for one of its own, and take away what it does not know. */
  #isOurs({ interface: name, address }: LinkAddress): boolean {
    if (this.#plan === undefined || name !== this.#plan.interface) return false;
    const hex = parseCidr(address)?.addressHex;
    return this.#plan.addresses.some(({ addressHex }) => addressHex === hex);
  }

  #onLink(event: Extract<LinkEvent, { kind: 'link' | 'link-gone' }>): void {
    const { name } = event.link;
    const isOurs = name === this.#plan?.interface;
    if (event.kind === 'link-gone') {
      this.#parts.note({ kind: 'interface-gone', interface: name }, isOurs ? 'error' : undefined);
      if (isOurs) this.#parts.onOwnLinkGone();
      return;
    }
    const { link, before } = event;
    if (before?.up === link.up && before.running === link.running) return;
    const state = link.up ? (link.running ? 'up' : 'up, without a carrier') : 'down';
    this.#parts.note({ kind: 'interface', interface: name, state }, isOurs && !link.up ? 'warn' : undefined);
    if (isOurs && link.up && before?.up === false) this.#apply();
  }

  /** With an interface that is taken down the kernel takes its routes and IPv6 addresses; up again, it brings none back. */
  #apply(): void {
    this.#again = undefined;
    if (this.#plan === undefined) return;
    // What an administrator took down stays down; when it comes up, all is put back.
    if (this.#watch?.findLink(this.#plan.interface)?.up === false) return;
    try {
      const report = applyNetwork(this.#parts.addon, this.#plan, 'most');
      this.#settings = describeSilentSettings(this.#plan);
      this.#tell(report);
      if (!report.isWhole) this.#later();
      else if (report.changes === 0) this.#againMs = againMs.first;
    } catch (error) {
      this.#tell({ warnings: [`Cannot put the network in order: ${messageOf(error)}`] });
      this.#later();
    }
  }

  #lookAtSettings(): void {
    if (this.#plan === undefined || describeSilentSettings(this.#plan) === this.#settings) return;
    this.#apply();
    this.#lookLater();
  }

  #later(): void {
    if (this.#plan === undefined || this.#again !== undefined) return;
    this.#again = setTimeout(() => this.#apply(), this.#againMs).unref();
    this.#againMs = Math.min(2 * this.#againMs, againMs.last);
  }

  #lookLater(): void {
    if (this.#watch !== undefined) this.#looking ??= setTimeout(() => this.#lookAtOthers(), othersMs).unref();
  }

  #lookAtOthers(): void {
    this.#looking = undefined;
    if (this.#plan === undefined) return;
    const { addon } = this.#parts;
    try {
      const misled = describeMisled(addon, this.#plan, this.#traffic);
      this.#tell(this.#hasNewRoutes ? { misled, conflicts: describeConflicts(addon, this.#plan) } : { misled });
      this.#hasNewRoutes = false;
    } catch (error) {
      this.#parts.note({ kind: 'warning', message: `Cannot look at the routes and rules: ${messageOf(error)}` });
    }
  }

  /** What is left out is as it was. */
  #tell({ conflicts = this.#conflicts, misled = this.#misled, warnings = this.#warnings }: Told): void {
    const before = this.troubles.map(sentenceOf);
    const now = [...misled, ...conflicts].map(sentenceOf);
    const known = [...before, ...this.#warnings];
    const news = [...now, ...warnings].filter((warning) => !known.includes(warning));
    for (const warning of news) this.#parts.note({ kind: 'warning', message: warning });
    for (const gone of before.filter((one) => !now.includes(one))) {
      this.#parts.note({ kind: 'route-free', trouble: gone });
    }
    this.#conflicts = conflicts;
    this.#misled = misled;
    this.#warnings = warnings;
  }
}

interface Told {
  readonly conflicts?: readonly Trouble[];
  readonly misled?: readonly Trouble[];
  readonly warnings?: readonly string[];
}
