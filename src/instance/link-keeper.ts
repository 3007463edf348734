/**
 * Keeps the links' sockets and the session-manager's knowledge of the links in step with the kernel: what it says of an interface is
 * told at once, and again to a session-manager that was restarted, and sockets are opened when an interface
 * appears that was not there, or came back as another (a modem that was unplugged has another index afterwards).
 */

import type { Topology, TopologyDiff } from '../actors/kit/topology.ts';
import type { LinkStateCommand } from '../actors/session/settings.ts';
import { messageOf } from '../base/errors.ts';
import type { InstanceEvent } from '../control/events.ts';
import { type Destinations, type LinkReport, LinkReporter, type WantedLink } from '../io/link-report.ts';
import type { LinkWatch } from '../io/link-watch.ts';
import type { NetlinkSockets } from '../io/netlink.ts';
import type { Nat64Finder } from './nat64-finder.ts';

export interface LinkKeeperParts {
  readonly addon: NetlinkSockets;
  readonly tell: (command: LinkStateCommand) => void;
  readonly note: (event: InstanceEvent, level?: 'warn' | 'error') => void;
  /** The MTU of its interface; 0 = it has none, or there is none. */
  readonly setMtu: (link: string, mtu: number) => void;
  /** Says, for those who send, what packets of a link carry as their source. */
  readonly setSources: (link: string, sources: LinkReport['sources']) => void;
  /** Whether the link has a socket. */
  readonly hasSockets: (link: string) => boolean;
  /** The prefix of the translator by which a link that has IPv6 alone reaches IPv4. */
  readonly nat64: Pick<Nat64Finder, 'prefixOf' | 'forget'>;
  /** Opens the link's sockets anew and starts who uses them again. */
  readonly reopen: (link: string) => Promise<void>;
}

/** Sockets that could not be opened are tried again. */
const retryMs = 1000;

export class LinkKeeper {
  readonly #parts: LinkKeeperParts;
  readonly #reporter: LinkReporter;
  #destinations: Destinations = { fwmark: 0, addresses: [] };
  #later: NodeJS.Timeout | undefined;
  #links: readonly WantedLink[] = [];
  #watch: LinkWatch | undefined;
  #reports: readonly LinkReport[] = [];
  #looking: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Link → index of the interface that its sockets are bound to. */
  readonly #bound = new Map<string, number>();
  readonly #opening = new Set<string>();

  constructor(parts: LinkKeeperParts) {
    this.#parts = parts;
    this.#reporter = new LinkReporter(parts.addon);
  }

  /** Where what leaves by the links goes to: sources are chosen for it. */
  setDestinations(destinations: Destinations): void {
    this.#destinations = destinations;
    this.#look();
  }

  /** The links of the configuration, whose sockets have just been opened. */
  follow(links: readonly WantedLink[]): void {
    this.#links = links;
    this.#look();
  }

  /** Something has changed; what happens at once together is looked at once. */
  handleChange(watch: LinkWatch): void {
    this.#watch = watch;
    this.#reporter.expire();
    this.#looking ??= setImmediate(() => {
      this.#looking = undefined;
      this.#look();
    });
  }

  /** For a session-manager that knows nothing yet. */
  tellAgain(): void {
    this.#tell();
  }

  close(): void {
    clearImmediate(this.#looking);
    clearTimeout(this.#later);
    clearTimeout(this.#retry);
    this.#watch = undefined;
  }

  #lookAgain(): void {
    this.#later = undefined;
    this.#look();
  }

  #look(): void {
    if (this.#watch === undefined) return;
    try {
      this.#reports = this.#reporter.report(this.#watch, this.#links, this.#destinations);
    } catch (error) {
      this.#parts.note({ kind: 'warning', message: `Cannot ask for the state of the links: ${messageOf(error)}` });
      return;
    }
    this.#tell();
    // Links and addresses were looked at now, routes are when they may be; a timer may come a little too early for that.
    const waitMs = this.#links.some((link) => link.interface !== undefined) ? this.#reporter.rereadMs : undefined;
    if (waitMs !== undefined) this.#later ??= setTimeout(() => this.#lookAgain(), waitMs).unref();
  }

  #tell(): void {
    for (const report of this.#reports) {
      const { link, isUp, reason, addresses, routes, sources, mtu } = report;
      this.#parts.setMtu(link, mtu);
      // First: who hears of the change sends at once.
      this.#parts.setSources(link, sources);
      this.#parts.tell({ kind: 'link-state', link, isUp, reason, addresses, routes, ...this.#translation(report) });
      this.#bind(report);
    }
  }

  #translation({ link, addresses, routes, isUp, isIp6Only }: LinkReport): { readonly nat64?: string } {
    const { nat64 } = this.#parts;
    if (isIp6Only) return { nat64: nat64.prefixOf(link, this.#interfaceOf(link) ?? '', addresses) };
    // One that is down, or waits for its routers, may be where it was.
    if (isUp && (routes === undefined || routes.includes('0.0.0.0/0'))) nat64.forget(link);
    return {};
  }

  #interfaceOf(link: string): string | undefined {
    return this.#links.find((one) => one.name === link)?.interface;
  }

  #tryAgainLater(): void {
    if (this.#watch === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#tell(), retryMs).unref();
  }

  /** Sockets are bound to the interface that had the link's name when they were opened. */
  #bind({ link, index }: LinkReport): void {
    if (index === 0 || this.#opening.has(link)) return;
    const hasSockets = this.#parts.hasSockets(link);
    if (hasSockets && (this.#bound.get(link) ?? index) === index) {
      this.#bound.set(link, index);
      return;
    }
    this.#opening.add(link);
    const name = this.#interfaceOf(link) ?? link;
    this.#parts.note({ kind: 'interface', interface: name, state: 'came', link });
    this.#parts
      .reopen(link)
      .then(() => this.#bound.set(link, index))
      .catch((error: unknown) => {
        this.#parts.note({ kind: 'warning', message: `${link}: ${messageOf(error)}` });
        this.#tryAgainLater();
      })
      .finally(() => this.#opening.delete(link));
  }
}

/** What a reload would do that changed nothing but the sockets of one link. */
export function reopenDiff(topology: Topology, link: string): TopologyDiff {
  const names = topology.resources.flatMap((one) => ('link' in one && one.link === link ? [one.name] : []));
  const users = topology.actors.filter((actor) => Object.values(actor.fds).some((fd) => names.includes(fd)));
  const threads = topology.threads.filter((thread) => users.some(({ id }) => thread.actors.includes(id)));
  return {
    stop: [],
    renew: threads.map(({ id }) => id),
    start: [],
    closeResources: names,
    openResources: names,
    removeRings: [],
    addRings: [],
  };
}
