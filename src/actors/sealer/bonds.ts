/**
 * The bonds of all peers: makes them, has them follow the tables, and writes what they find out into these. A turn costs what has happened
 * and what is due, however many bonds there are.
 */
import { DueQueue } from '../../base/due-queue.ts';
import { RowList } from '../../base/row-list.ts';
import { Bond } from '../../bonding/bond.ts';
import type { BondSettings, PeerWord } from '../../bonding/bond-settings.ts';
import type { PeerReport } from '../../bonding/flight-record.ts';
import { capability } from '../../contract/frames.ts';
import { peer } from '../../contract/peer-tables.ts';
import type { Sealer } from '../../native/data-api.ts';
import { type Journal, judgedPaths } from '../../rings/journal.ts';
import { RowChanges } from '../../rings/row-changes.ts';
import { pathTable, peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';
import { type FlightMemory, NativeFlight } from './native-flight.ts';
import { SendingPaths, type SendingPathsSettings } from './sending-paths.ts';

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
  readonly #paths: SendingPaths;
  readonly #peers: RowTable;
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
  readonly #notePath = (row: number): void => this.#noteChange(this.#paths.peerOf(row));
  readonly #noteAll = (): void => {
    for (let row = 0; row < this.#bonds.length; row += 1) this.#noteChange(row);
  };
  /** A path of the peer in this row lives or carries, or does not, as it did not before: the peer may have to be told. */
  onJudged: ((peerRow: number) => void) | undefined;
  /** Rows of those that get the next turn, and an empty list to change places with. */
  #touched = new RowList();
  #turning = new RowList();

  constructor(context: ActorContext, native: Sealer, memory: FlightMemory, settings: SendingPathsSettings) {
    const { spec } = context;
    this.#context = context;
    this.#native = native;
    this.#memory = memory;
    this.#settings = settings.bonding;
    this.#paths = new SendingPaths(context, settings);
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#judged = judgedPaths(memoryOf(spec, 'paths'), settings.shard);
    this.#peerChanges = new RowChanges(this.#peers);
    this.#pathChanges = new RowChanges(pathTable(memoryOf(spec, 'paths')));
  }

  /** The bond of a peer to which something happens now: it gets a turn soon. */
  of(peerRow: number, nowUs: number): Bond {
    const bond = this.look(peerRow, nowUs);
    this.#touch(this.#bonds[peerRow]);
    return bond;
  }

  /**
   * Whether nothing is kept of the peer: no data has left for it, and it tells nothing of its one path. A frame of a few bytes for it, which
   * is a keepalive mostly, needs no bond: a hub has thousands of such peers, and a bond has twenty objects.
   */
  isPlain(peerRow: number): boolean {
    this.#followTables();
    return this.#bonds[peerRow] === undefined && !this.#paths.hears(peerRow, capability.paths);
  }

  /** Row of the path that a plain peer is reached by, -1 = none. */
  homeOf(peerRow: number): number {
    return this.#peers.int(peerRow, peer.pathAt);
  }

  /** Longest inner packet of the tunnel. */
  get mtu(): number {
    return this.#settings.mtu;
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
      this.#touch(this.#bonds[row]);
    }
    const turning = this.#touched;
    this.#touched = this.#turning;
    this.#turning = turning;
    for (let place = 0; place < turning.count; place += 1) this.#turnOne(turning.at(place), nowUs, turnBond);
    turning.clear();
    this.#context.wakeAt(Math.max(this.#due.nextUs, nowUs + leastPauseUs));
  }

  /** Of whoever is in the row now: the one that was touched may have been forgotten since. */
  #turnOne(row: number, nowUs: number, turnBond: TurnBond): void {
    const kept = this.#bonds[row];
    if (kept === undefined || !kept.isTouched) return;
    kept.isTouched = false;
    this.#refresh(kept, nowUs);
    this.#tick(kept.bond, nowUs);
    this.#due.set(row, turnBond(kept.bond));
    // What could not leave now is tried again when anything has changed.
    if (kept.bond.hasRepairs) this.#touch(kept);
  }

  /** Index of the descriptor ring of a path's carrier, -1 = none. */
  portOf(pathRow: number): number {
    return this.#paths.portOf(pathRow);
  }

  /** Sends by this link alone as long as it lives; undefined = all. */
  force(link: string | undefined): void {
    this.#paths.force(link);
    for (const kept of this.#bonds) this.#touch(kept);
  }

  /** What is said of carriers has changed: all are looked at again. */
  followAll(): void {
    this.#paths.followForced();
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
        if (!this.#paths.publish(path, nowUs)) continue;
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

  #touch(kept: KeptBond | undefined): void {
    if (kept === undefined || kept.isTouched) return;
    kept.isTouched = true;
    this.#touched.add(kept.bond.row);
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

  #follow(bond: Bond, nowUs: number): void {
    const { row } = bond;
    const word: PeerWord = {
      reports: this.#paths.hears(row, capability.paths),
      repairs: this.#paths.hears(row, capability.repairs),
      parity: this.#paths.hears(row, capability.fec),
      pieces: this.#paths.hears(row, capability.pathSizes),
    };
    bond.follow(word, word.reports ? this.#paths.of(row, nowUs) : this.#paths.homeOf(row, nowUs), nowUs);
    if (bond.isBonded) this.#publish(bond, nowUs);
  }
}
