/**
 * The paths of the path table as bonds know them: one `SendingPath` for each row as long as the row stands for the same place, and what the
 * operator's word makes of it.
 */
import type { BondSettings } from '../../bonding/bond-settings.ts';
import { SendingPath } from '../../bonding/sending-path.ts';
import { outerFragments } from '../../contract/columns.ts';
import { capability } from '../../contract/frames.ts';
import { path, pathState, peer, session } from '../../contract/peer-tables.ts';
import { linkOf } from '../../rings/carriers.ts';
import { isLinkForced, suggestionFor } from '../../rings/link-health.ts';
import { PathChain } from '../../rings/path-chain.ts';
import { SessionTable } from '../../rings/session-table.ts';
import { carrierTable, linkTable, pathTable, peerTable, type RowTable } from '../../rings/table.ts';
import { pathRoles } from '../../wire/control-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';
import { PathCells, type PathTables } from './path-cells.ts';

/** A carrier, and what the configuration says of its link. */
export interface SealerCarrier {
  /** Of the carrier table. */
  readonly row: number;
  /** Its port is `descriptors.<name>`. */
  readonly name: string;
  /** Name of the link. */
  readonly link: string;
  /** Configured upper bound, 0 = none. */
  readonly rateBps: number;
  /** The lowest is preferred. */
  readonly priority: number;
  /** Of its transport, in the order of preference: from 1 on. */
  readonly place: number;
  /** Share of the traffic in mode `weighted`; 0 = by rate. */
  readonly weight: number;
  readonly role: 'always' | 'backup' | 'metered';
}

export interface SendingPathsSettings {
  readonly carriers: readonly SealerCarrier[];
  readonly bonding: BondSettings;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
  /** Of this sealer. */
  readonly shard: number;
}

/** A path of the table and what a bond makes of it. */
interface KnownPath {
  readonly cells: PathCells;
  readonly path: SendingPath;
}

export class SendingPaths {
  readonly #settings: BondSettings;
  readonly #mayFragment: boolean;
  /** By row; `port`: index of its descriptor ring. */
  readonly #carriers: ReadonlyMap<number, { readonly port: number; readonly carrier: SealerCarrier }>;
  readonly #paths: RowTable;
  readonly #tables: PathTables;
  readonly #peers: RowTable;
  readonly #chain: PathChain;
  readonly #sessions: SessionTable;
  /** By row of the path table. */
  readonly #known: (KnownPath | undefined)[] = [];
  #forcedLink: string | undefined;

  constructor({ spec }: Pick<ActorContext, 'spec'>, settings: SendingPathsSettings) {
    const { carriers } = settings;
    this.#settings = settings.bonding;
    this.#mayFragment = settings.outerFragments !== outerFragments.never;
    this.#carriers = new Map(carriers.map((carrier, port) => [carrier.row, { port, carrier }]));
    this.#paths = pathTable(memoryOf(spec, 'paths'));
    const links = linkTable(memoryOf(spec, 'links'));
    this.#tables = { paths: this.#paths, links, carriers: carrierTable(memoryOf(spec, 'carriers')) };
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#chain = new PathChain(this.#peers, this.#paths);
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    // The operator's word outlives a sealer.
    this.#forcedLink = carriers.find(({ row }) => isLinkForced(links, linkOf(row)))?.link;
  }

  /** Row of the peer that a path leads to. */
  peerOf(row: number): number {
    return this.#paths.int(row, path.peerAt);
  }

  /** Index of the descriptor ring of a path's carrier, -1 = none. */
  portOf(pathRow: number): number {
    if (pathRow < 0 || this.#paths.int(pathRow, path.stateAt) === pathState.free) return -1;
    return this.#carriers.get(this.#paths.int(pathRow, path.carrierAt))?.port ?? -1;
  }

  /** Sends by this link alone as long as it lives; undefined = all. */
  force(link: string | undefined): void {
    this.#forcedLink = link;
    this.followForced();
  }

  /** What is said of carriers, or of links, has changed. */
  followForced(): void {
    for (const known of this.#known) {
      if (known === undefined) continue;
      this.#exclude(known.path);
      this.#suggest(known.path);
    }
  }

  /** Writes down what the bond found out about a path; true when others must know. */
  publish(path: SendingPath, nowUs: number): boolean {
    return this.#known[path.row]?.cells.publish(path, nowUs) === true;
  }

  /** Whether the peer's session has this capability. */
  hears(peerRow: number, what: number): boolean {
    const slot = this.#peers.int(peerRow, peer.sendSlotAt);
    return slot >= 0 && (this.#sessions.int(slot, session.capabilitiesAt) & what) !== 0;
  }

  /** The one path of a stock WireGuard peer. */
  homeOf(peerRow: number, nowUs: number): SendingPath[] {
    const home = this.#pathAt(this.#peers.int(peerRow, peer.pathAt), nowUs);
    return home === undefined ? [] : [home];
  }

  /** Those of a peer that reports. */
  of(peerRow: number, nowUs: number): SendingPath[] {
    const found: SendingPath[] = [];
    const chain = this.#chain;
    for (let row = chain.first(peerRow); row >= 0; row = chain.next(row, peerRow)) {
      const isFree = this.#paths.int(row, path.stateAt) === pathState.free;
      if (isFree) this.#known[row] = undefined;
      const one = isFree ? undefined : this.#pathAt(row, nowUs);
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  #pathAt(row: number, nowUs: number): SendingPath | undefined {
    if (row < 0) return undefined;
    this.#letFragment(row);
    const carrierRow = this.#paths.int(row, path.carrierAt);
    const known = this.#known[row];
    if (known !== undefined && known.cells.carrierRow === carrierRow && known.cells.isSame) return known.path;
    const found = this.#carriers.get(carrierRow);
    // A path of a link that is being removed has no ring.
    if (found === undefined) return undefined;
    const cells = new PathCells(row, found.port, this.#tables);
    const { failbackMs, sealedBytes } = this.#settings;
    const made = new SendingPath(cells, { ...found.carrier, failbackUs: failbackMs * 1000, sealedBytes }, nowUs);
    this.#known[row] = { cells, path: made };
    this.#exclude(made);
    this.#suggest(made);
    return made;
  }

  /** As the kernel's WireGuard does: who cannot tell us what arrives gets what is too long in fragments, made where it must be. */
  #letFragment(row: number): void {
    const may = this.#mayFragment && !this.hears(this.#paths.int(row, path.peerAt), capability.pathSizes);
    this.#paths.setInt(row, path.mayFragmentAt, may ? 1 : 0);
  }

  #suggest(path: SendingPath): void {
    const carrierRow = this.#known[path.row]?.cells.carrierRow ?? -1;
    const configured = this.#carriers.get(carrierRow)?.carrier;
    if (configured === undefined) return;
    const { weight, role } = suggestionFor(this.#tables.links, linkOf(carrierRow));
    path.handleSuggestion(weight > 0 ? weight : configured.weight, pathRoles[role] ?? configured.role);
  }

  #exclude(path: SendingPath): void {
    const isForced = this.#forcedLink !== undefined;
    const carrierRow = this.#known[path.row]?.cells.carrierRow ?? -1;
    const isPreferred = isForced && this.#carriers.get(carrierRow)?.carrier.link === this.#forcedLink;
    path.isExcluded = isForced && !isPreferred;
    // Also out of its hold-down: the operator knows better.
    path.life.handlePreferred(isPreferred || path.isForced);
  }
}
