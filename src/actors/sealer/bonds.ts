/** The bonds of all peers: makes them, has them follow the path table and the sessions, and writes what they find out into the tables. */
import { Bond } from '../../bonding/bond.ts';
import type { BondSettings, PeerWord } from '../../bonding/bond-settings.ts';
import type { PeerReport } from '../../bonding/flight-record.ts';
import { SendingPath } from '../../bonding/sending-path.ts';
import { outerFragments } from '../../contract/columns.ts';
import { capability } from '../../contract/frames.ts';
import { path, pathState, peer, session } from '../../contract/peer-tables.ts';
import type { Sealer } from '../../native/data-api.ts';
import { linkOf } from '../../rings/carriers.ts';
import { isLinkForced } from '../../rings/link-health.ts';
import { SessionTable } from '../../rings/session-table.ts';
import { carrierTable, linkTable, pathTable, peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';
import { type FlightMemory, NativeFlight } from './native-flight.ts';
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
  /** Share of the traffic in mode `weighted`; 0 = by rate. */
  readonly weight: number;
  readonly role: 'always' | 'backup' | 'metered';
}

interface BondsSettings {
  readonly carriers: readonly SealerCarrier[];
  readonly bonding: BondSettings;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
}

/** A path of the table and what a bond makes of it. */
interface KnownPath {
  readonly cells: PathCells;
  readonly path: SendingPath;
}

export class Bonds {
  readonly #native: Sealer;
  readonly #memory: FlightMemory;
  readonly #settings: BondSettings;
  readonly #mayFragment: boolean;
  /** By row; `port`: index of its descriptor ring. */
  readonly #carriers: ReadonlyMap<number, { readonly port: number; readonly carrier: SealerCarrier }>;
  readonly #paths: RowTable;
  readonly #tables: PathTables;
  readonly #peers: RowTable;
  readonly #sessions: SessionTable;
  readonly #bonds: (Bond | undefined)[] = [];
  /** By row of the path table. */
  readonly #known: (KnownPath | undefined)[] = [];
  readonly #versions: number[] = [];
  /** A path of the peer in this row lives, or does not, as it did not before: another may have to carry its data. */
  onJudged: ((peerRow: number) => void) | undefined;
  #forcedLink: string | undefined;

  constructor(context: ActorContext, native: Sealer, memory: FlightMemory, settings: BondsSettings) {
    const { spec } = context;
    this.#native = native;
    this.#memory = memory;
    const { carriers } = settings;
    this.#settings = settings.bonding;
    this.#mayFragment = settings.outerFragments !== outerFragments.never;
    this.#carriers = new Map(carriers.map((carrier, port) => [carrier.row, { port, carrier }]));
    this.#paths = pathTable(memoryOf(spec, 'paths'));
    const links = linkTable(memoryOf(spec, 'links'));
    this.#tables = { paths: this.#paths, links, carriers: carrierTable(memoryOf(spec, 'carriers')) };
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    // The operator's word outlives a sealer.
    this.#forcedLink = carriers.find(({ row }) => isLinkForced(links, linkOf(row)))?.link;
  }

  /** All bonds that are in use. */
  all(): readonly (Bond | undefined)[] {
    return this.#bonds;
  }

  /** The bond of a peer, up to date with the tables. */
  of(peerRow: number, nowUs: number): Bond {
    let bond = this.#bonds[peerRow];
    if (bond === undefined) {
      const flight = new NativeFlight(peerRow, this.#native, this.#memory, {
        portOf: (row) => this.portOf(row),
        slotOf: () => this.#peers.int(peerRow, peer.sendSlotAt),
      });
      bond = new Bond(peerRow, this.#settings, flight, this.#peers.int(peerRow, peer.innerMtuAt));
      this.#bonds[peerRow] = bond;
    }
    const version = this.#versionOf(peerRow);
    if (this.#versions[peerRow] !== version) {
      this.#versions[peerRow] = version;
      this.#follow(bond, nowUs);
    }
    return bond;
  }

  /** Index of the descriptor ring of a path's carrier, -1 = none. */
  portOf(pathRow: number): number {
    if (pathRow < 0 || this.#paths.int(pathRow, path.stateAt) === pathState.free) return -1;
    return this.#carriers.get(this.#paths.int(pathRow, path.carrierAt))?.port ?? -1;
  }

  /** Sends by this link alone as long as it lives; undefined = all. */
  force(link: string | undefined): void {
    this.#forcedLink = link;
    for (const bond of this.#bonds) for (const path of bond?.paths ?? []) this.#exclude(path);
  }

  /** Every turn: lets the bond judge when that is due. */
  tick(bond: Bond, nowUs: number): void {
    if (nowUs < bond.nextTickUs) return;
    this.#noteHeld(bond, nowUs);
    bond.tick(nowUs);
    this.#publish(bond, nowUs);
  }

  /** A report of the peer, read `lagUs` after the turn's time. */
  handleReport(bond: Bond, report: PeerReport, nowUs: number, lagUs: number): void {
    this.#noteHeld(bond, nowUs);
    bond.handleReport(report, nowUs, lagUs);
    this.#publish(bond, nowUs);
  }

  #noteHeld(bond: Bond, nowUs: number): void {
    if (bond.isBonded && this.#peers.int(bond.row, peer.heldPacketsAt) > 0) bond.handleHeld(nowUs);
  }

  #publish(bond: Bond, nowUs: number): void {
    let isNews = false;
    if (bond.isBonded)
      for (const path of bond.paths) isNews = this.#known[path.row]?.cells.publish(path, nowUs) === true || isNews;
    if (isNews) this.onJudged?.(bond.row);
    const { limitBytes } = bond.mtu;
    if (this.#peers.int(bond.row, peer.innerMtuAt) !== limitBytes)
      this.#peers.setInt(bond.row, peer.innerMtuAt, limitBytes);
  }

  /** Moves with every change of what a bond is made of. */
  #versionOf(peerRow: number): number {
    const home = this.#peers.int(peerRow, peer.pathAt);
    const hears = (what: number, bit: number): number => (this.#hears(peerRow, what) ? bit : 0);
    const said = hears(capability.repairs, 2) + hears(capability.pathSizes, 4) + hears(capability.paths, 1);
    return this.#paths.version() * 65_536 + (home % path.rowsPerPeer) * 16 + (home >= 0 ? 8 : 0) + said;
  }

  #hears(peerRow: number, what: number): boolean {
    const slot = this.#peers.int(peerRow, peer.sendSlotAt);
    return slot >= 0 && (this.#sessions.int(slot, session.capabilitiesAt) & what) !== 0;
  }

  #follow(bond: Bond, nowUs: number): void {
    const { row } = bond;
    const word: PeerWord = {
      reports: this.#hears(row, capability.paths),
      repairs: this.#hears(row, capability.repairs),
      parity: this.#hears(row, capability.fec),
      pieces: this.#hears(row, capability.pathSizes),
    };
    bond.follow(word, word.reports ? this.#pathsOf(row, nowUs) : this.#homeOf(row, nowUs), nowUs);
    if (bond.isBonded) this.#publish(bond, nowUs);
  }

  /** The one path of a stock WireGuard peer. */
  #homeOf(peerRow: number, nowUs: number): SendingPath[] {
    const home = this.#pathAt(this.#peers.int(peerRow, peer.pathAt), nowUs);
    return home === undefined ? [] : [home];
  }

  #pathsOf(peerRow: number, nowUs: number): SendingPath[] {
    const found: SendingPath[] = [];
    const from = peerRow * path.rowsPerPeer;
    for (let row = from; row < from + path.rowsPerPeer; row += 1) {
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
    return made;
  }

  /** As the kernel's WireGuard does: who cannot tell us what arrives gets what is too long in fragments, made where it must be. */
  #letFragment(row: number): void {
    const may = this.#mayFragment && !this.#hears(Math.floor(row / path.rowsPerPeer), capability.pathSizes);
    this.#paths.setInt(row, path.mayFragmentAt, may ? 1 : 0);
  }

  #exclude(path: SendingPath): void {
    const isForced = this.#forcedLink !== undefined;
    const carrierRow = this.#known[path.row]?.cells.carrierRow ?? -1;
    const isPreferred = isForced && this.#carriers.get(carrierRow)?.carrier.link === this.#forcedLink;
    path.isExcluded = isForced && !isPreferred;
    // Also out of its hold-down: the operator knows better.
    path.life.handlePreferred(isPreferred);
  }
}
