/**
 * The bonds of all peers: makes them, has them follow the tables, and writes what they find out into these. A turn costs what has happened
 * and what is due, however many bonds there are.
 */
import { DueQueue } from '../../base/due-queue.ts';
import { Bond } from '../../bonding/bond.ts';
import type { BondSettings, PeerWord } from '../../bonding/bond-settings.ts';
import type { PeerReport } from '../../bonding/flight-record.ts';
import { SendingPath } from '../../bonding/sending-path.ts';
import { outerFragments } from '../../contract/columns.ts';
import { capability } from '../../contract/frames.ts';
import { path, pathState, peer, session } from '../../contract/peer-tables.ts';
import type { Sealer } from '../../native/data-api.ts';
import { linkOf } from '../../rings/carriers.ts';
import { type Journal, judgedPaths } from '../../rings/journal.ts';
import { isLinkForced } from '../../rings/link-health.ts';
import { PathChain } from '../../rings/path-chain.ts';
import { RowChanges } from '../../rings/row-changes.ts';
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
  /** Of its transport, in the order of preference: from 1 on. */
  readonly place: number;
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

interface KeptBond {
  readonly bond: Bond;
  /** What it is made of has changed. */
  isStale: boolean;
  /** Something has happened to it since its last turn. */
  isTouched: boolean;
}

/** A bond's turn: says when it is due again, though nothing happens. */
export type TurnBond = (bond: Bond) => number;

/** A turn that nothing but time brings comes no sooner after the one before. */
const leastPauseUs = 200;

export class Bonds {
  readonly #context: Pick<ActorContext, 'wakeAt'>;
  readonly #native: Sealer;
  readonly #memory: FlightMemory;
  readonly #settings: BondSettings;
  readonly #mayFragment: boolean;
  /** By row; `port`: index of its descriptor ring. */
  readonly #carriers: ReadonlyMap<number, { readonly port: number; readonly carrier: SealerCarrier }>;
  readonly #paths: RowTable;
  readonly #tables: PathTables;
  readonly #peers: RowTable;
  readonly #chain: PathChain;
  readonly #sessions: SessionTable;
  /** By row of the peer table. */
  readonly #bonds: (KeptBond | undefined)[] = [];
  readonly #due = new DueQueue();
  readonly #judged: Journal;
  readonly #peerChanges: RowChanges;
  readonly #pathChanges: RowChanges;
  readonly #noteChange = (peerRow: number): void => {
    if (this.#peers.int(peerRow, peer.inUseAt) === 0) this.#forget(peerRow);
    else this.#markStale(this.#bonds[peerRow]);
  };
  readonly #notePath = (row: number): void => this.#noteChange(this.#paths.int(row, path.peerAt));
  readonly #noteAll = (): void => {
    for (let row = 0; row < this.#bonds.length; row += 1) this.#noteChange(row);
  };
  /** By row of the path table. */
  readonly #known: (KnownPath | undefined)[] = [];
  /** A path of the peer in this row lives or carries, or does not, as it did not before: the peer may have to be told. */
  onJudged: ((peerRow: number) => void) | undefined;
  #forcedLink: string | undefined;
  /** Those that get the next turn, and an empty one to change places with. */
  #touched: KeptBond[] = [];
  #turning: KeptBond[] = [];

  constructor(context: ActorContext, native: Sealer, memory: FlightMemory, settings: BondsSettings) {
    const { spec } = context;
    this.#context = context;
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
    this.#chain = new PathChain(this.#peers, this.#paths);
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    this.#judged = judgedPaths(memoryOf(spec, 'paths'));
    this.#peerChanges = new RowChanges(this.#peers);
    this.#pathChanges = new RowChanges(this.#paths);
    // The operator's word outlives a sealer.
    this.#forcedLink = carriers.find(({ row }) => isLinkForced(links, linkOf(row)))?.link;
  }

  /** The bond of a peer to which something happens now: it gets a turn soon. */
  of(peerRow: number, nowUs: number): Bond {
    const bond = this.look(peerRow, nowUs);
    this.#touch(this.#bonds[peerRow] as KeptBond);
    return bond;
  }

  /** The bond of a peer, up to date with the tables. */
  look(peerRow: number, nowUs: number): Bond {
    this.#followTables();
    const kept = this.#bonds[peerRow] ?? this.#make(peerRow);
    this.#refresh(kept, nowUs);
    // A stock peer's judges when it is used, and not by itself.
    if (!kept.bond.isBonded) this.#tick(kept.bond, nowUs);
    return kept.bond;
  }

  /** Every turn: one for each bond that something has happened to since its last, or whose time has come. */
  turn(nowUs: number, turnBond: TurnBond): void {
    this.#followTables();
    for (let row = this.#due.take(nowUs); row >= 0; row = this.#due.take(nowUs)) {
      const kept = this.#bonds[row];
      if (kept !== undefined) this.#touch(kept);
    }
    const turning = this.#touched;
    this.#touched = this.#turning;
    this.#turning = turning;
    for (const kept of turning) {
      const { bond } = kept;
      kept.isTouched = false;
      this.#refresh(kept, nowUs);
      this.#tick(bond, nowUs);
      this.#due.set(bond.row, turnBond(bond));
      // What could not leave now is tried again when anything has changed.
      if (bond.hasRepairs) this.#touch(kept);
    }
    turning.length = 0;
    this.#context.wakeAt(Math.max(this.#due.nextUs, nowUs + leastPauseUs));
  }

  /** Index of the descriptor ring of a path's carrier, -1 = none. */
  portOf(pathRow: number): number {
    if (pathRow < 0 || this.#paths.int(pathRow, path.stateAt) === pathState.free) return -1;
    return this.#carriers.get(this.#paths.int(pathRow, path.carrierAt))?.port ?? -1;
  }

  /** Sends by this link alone as long as it lives; undefined = all. */
  force(link: string | undefined): void {
    this.#forcedLink = link;
    for (const kept of this.#bonds) {
      if (kept === undefined) continue;
      for (const path of kept.bond.paths) this.#exclude(path);
      this.#touch(kept);
    }
  }

  /** What is said of carriers has changed: all are looked at again. */
  followAll(): void {
    for (const known of this.#known) if (known !== undefined) this.#exclude(known.path);
    this.#noteAll();
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
    if (bond.isBonded) {
      for (const path of bond.paths) {
        if (this.#known[path.row]?.cells.publish(path, nowUs) !== true) continue;
        this.#judged.tell(path.row);
        isNews = true;
      }
    }
    if (isNews) this.onJudged?.(bond.row);
    const { limitBytes } = bond.mtu;
    if (this.#peers.int(bond.row, peer.innerMtuAt) !== limitBytes)
      this.#peers.setInt(bond.row, peer.innerMtuAt, limitBytes);
  }

  #make(peerRow: number): KeptBond {
    const flight = new NativeFlight(peerRow, this.#native, this.#memory, {
      portOf: (row) => this.portOf(row),
      slotOf: () => this.#peers.int(peerRow, peer.sendSlotAt),
    });
    const bond = new Bond(peerRow, this.#settings, flight, this.#peers.int(peerRow, peer.innerMtuAt));
    const kept = { bond, isStale: true, isTouched: false };
    this.#bonds[peerRow] = kept;
    return kept;
  }

  /** The next peer in the row is somebody else, whom nothing of this one concerns. */
  #forget(peerRow: number): void {
    if (this.#bonds[peerRow] === undefined) return;
    this.#bonds[peerRow] = undefined;
    this.#due.delete(peerRow);
    this.#native.forgetPeer(peerRow);
  }

  #touch(kept: KeptBond): void {
    if (kept.isTouched) return;
    kept.isTouched = true;
    this.#touched.push(kept);
  }

  #markStale(kept: KeptBond | undefined): void {
    if (kept === undefined) return;
    kept.isStale = true;
    this.#touch(kept);
  }

  #followTables(): void {
    if (!this.#peerChanges.areNone) this.#peerChanges.read(this.#noteChange, this.#noteAll);
    if (!this.#pathChanges.areNone) this.#pathChanges.read(this.#notePath, this.#noteAll);
  }

  #refresh(kept: KeptBond, nowUs: number): void {
    if (!kept.isStale) return;
    kept.isStale = false;
    this.#follow(kept.bond, nowUs);
  }

  #tick(bond: Bond, nowUs: number): void {
    if (nowUs < bond.nextTickUs) return;
    this.#noteHeld(bond, nowUs);
    bond.tick(nowUs);
    this.#publish(bond, nowUs);
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
    return made;
  }

  /** As the kernel's WireGuard does: who cannot tell us what arrives gets what is too long in fragments, made where it must be. */
  #letFragment(row: number): void {
    const may = this.#mayFragment && !this.#hears(this.#paths.int(row, path.peerAt), capability.pathSizes);
    this.#paths.setInt(row, path.mayFragmentAt, may ? 1 : 0);
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
