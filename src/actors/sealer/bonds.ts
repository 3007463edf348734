/** The bonds of all peers: follows the path table and the sessions, and gives every path row its track. */

import { PathCredit } from '../../bonding/rate/path-credit.ts';
import type { FecMode } from '../../bonding/repair/fec-policy.ts';
import type { SchedulerMode } from '../../bonding/schedule/scheduler.ts';
import { feedback, outerFragments } from '../../contract/columns.ts';
import { capability } from '../../contract/frames.ts';
import type { Sealer } from '../../native/data-api.ts';
import { path, pathState, peer, session } from '../../rings/layout.ts';
import { isLinkForced } from '../../rings/link-health.ts';
import { SessionTable } from '../../rings/session-table.ts';
import { linkTable, pathTable, peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';
import { PathTrack } from './path-track.ts';
import { PeerBond } from './peer-bond.ts';

export interface SealerLink {
  /** Of the link table. */
  readonly row: number;
  /** Its port is `descriptors.<name>`. */
  readonly name: string;
  /** Configured upper bound, 0 = none. */
  readonly rateBps: number;
  /** The lowest is preferred. */
  readonly priority: number;
  /** Share of the traffic in mode `weighted`; 0 = by rate. */
  readonly weight: number;
  readonly role: 'always' | 'backup' | 'metered';
}

export interface BondSettings {
  /** By class (`trafficClass`). */
  readonly modes: readonly SchedulerMode[];
  /** By class: lost packets go out again even when there is only one path. */
  readonly protects: readonly boolean[];
  /** What the only path has lost goes out again by it. */
  readonly repairsAlone: boolean;
  readonly failbackMs: number;
  readonly fec: FecMode;
  /** Of the longest sealed packet that the tunnel makes, parity included. */
  readonly sealedBytes: number;
  /** The tunnel's MTU. */
  readonly mtu: number;
}

interface BondsSettings {
  readonly links: readonly SealerLink[];
  readonly bonding: BondSettings;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
}

export class Bonds {
  /** What the native sealer writes and reads; see `SealerParts`. */
  static createShared(): { readonly feedback: Float64Array; readonly limits: Float64Array } {
    return {
      feedback: new Float64Array(path.rowsPerPeer * feedback.columns),
      limits: new Float64Array(2 * path.rowsPerPeer),
    };
  }

  readonly #native: Sealer;
  readonly #shared: ReturnType<typeof Bonds.createShared>;
  readonly #settings: BondSettings;
  readonly #mayFragment: boolean;
  readonly #links: ReadonlyMap<number, { readonly port: number; readonly link: SealerLink }>;
  readonly #paths: RowTable;
  readonly #linkRows: RowTable;
  readonly #peers: RowTable;
  readonly #sessions: SessionTable;
  readonly #bonds: (PeerBond | undefined)[] = [];
  readonly #tracks: (PathTrack | undefined)[] = [];
  readonly #versions: number[] = [];
  #forcedLink: string | undefined;

  constructor(
    context: ActorContext,
    native: Sealer,
    shared: ReturnType<typeof Bonds.createShared>,
    settings: BondsSettings,
  ) {
    const { spec } = context;
    this.#native = native;
    this.#shared = shared;
    const { links } = settings;
    this.#settings = settings.bonding;
    this.#mayFragment = settings.outerFragments !== outerFragments.never;
    this.#links = new Map(links.map((link, port) => [link.row, { port, link }]));
    this.#paths = pathTable(memoryOf(spec, 'paths'));
    this.#linkRows = linkTable(memoryOf(spec, 'links'));
    this.#peers = peerTable(memoryOf(spec, 'peers'));
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    // The operator's word outlives a sealer.
    this.#forcedLink = links.find(({ row }) => isLinkForced(this.#linkRows, row))?.name;
  }

  /** All bonds that are in use. */
  all(): readonly (PeerBond | undefined)[] {
    return this.#bonds;
  }

  /** The bond of a peer, up to date with the tables. */
  of(peerRow: number, nowUs: number): PeerBond {
    let bond = this.#bonds[peerRow];
    if (bond === undefined) {
      bond = new PeerBond(peerRow, this.#native, this.#shared, this.#settings, this.#peers);
      this.#bonds[peerRow] = bond;
    }
    const version = this.#versionOf(peerRow);
    if (this.#versions[peerRow] !== version) this.#follow(bond, version, nowUs);
    return bond;
  }

  /** Index of the descriptor ring of a path's link, -1 = none. */
  portOf(pathRow: number): number {
    if (pathRow < 0 || this.#paths.int(pathRow, path.stateAt) === pathState.free) return -1;
    return this.#links.get(this.#paths.int(pathRow, path.linkAt))?.port ?? -1;
  }

  /** Sends by this link alone as long as it lives; undefined = all. */
  force(link: string | undefined): void {
    this.#forcedLink = link;
    for (const bond of this.#bonds) for (const track of bond?.tracks ?? []) this.#exclude(track);
  }

  /** Moves with every change of what a bond is made of. */
  #versionOf(peerRow: number): number {
    const speaks = this.#hears(peerRow, capability.paths);
    const home = this.#peers.int(peerRow, peer.pathAt);
    const hears = (what: number, bit: number): number => (this.#hears(peerRow, what) ? bit : 0);
    const said = hears(capability.repairs, 2) + hears(capability.pathSizes, 4) + (speaks ? 1 : 0);
    return this.#paths.version() * 65_536 + (home % path.rowsPerPeer) * 16 + (home >= 0 ? 8 : 0) + said;
  }

  #hears(peerRow: number, what: number): boolean {
    const slot = this.#peers.int(peerRow, peer.sendSlotAt);
    return slot >= 0 && (this.#sessions.int(slot, session.capabilitiesAt) & what) !== 0;
  }

  #follow(bond: PeerBond, version: number, nowUs: number): void {
    this.#versions[bond.row] = version;
    bond.isBonded = (version & 1) === 1;
    bond.isRepairedAlone = this.#settings.repairsAlone && (version & 2) !== 0;
    bond.parity.isHeard = bond.isBonded && this.#hears(bond.row, capability.fec);
    bond.tracks.length = 0;
    if (!bond.isBonded) {
      const home = this.#track(this.#peers.int(bond.row, peer.pathAt), nowUs);
      if (home !== undefined) bond.tracks.push(home);
      return;
    }
    const from = bond.row * path.rowsPerPeer;
    for (let row = from; row < from + path.rowsPerPeer; row += 1) {
      const state = this.#paths.int(row, path.stateAt);
      if (state === pathState.free) this.#tracks[row] = undefined;
      const track = state === pathState.free ? undefined : this.#track(row, nowUs);
      if (track === undefined) continue;
      track.followState(nowUs);
      bond.tracks.push(track);
    }
    bond.tick(nowUs);
  }

  #track(row: number, nowUs: number): PathTrack | undefined {
    if (row < 0) return undefined;
    this.#letFragment(row);
    const linkRow = this.#paths.int(row, path.linkAt);
    const known = this.#tracks[row];
    if (known !== undefined && known.linkRow === linkRow) return known;
    const found = this.#links.get(linkRow);
    // A path of a link that is being removed has no ring.
    if (found === undefined) return undefined;
    const { port, link } = found;
    const tables = { paths: this.#paths, links: this.#linkRows };
    const settings = {
      ...link,
      linkRow,
      port,
      failbackUs: this.#settings.failbackMs * 1000,
      sealedBytes: this.#settings.sealedBytes,
    };
    const track = new PathTrack(row, settings, new PathCredit(link.rateBps), tables, nowUs);
    this.#tracks[row] = track;
    this.#exclude(track);
    return track;
  }

  /** As the kernel's WireGuard does: who cannot tell us what arrives gets what is too long in fragments, made where it must be. */
  #letFragment(row: number): void {
    const may = this.#mayFragment && !this.#hears(Math.floor(row / path.rowsPerPeer), capability.pathSizes);
    this.#paths.setInt(row, path.mayFragmentAt, may ? 1 : 0);
  }

  #exclude(track: PathTrack): void {
    const isForced = this.#forcedLink !== undefined;
    const isPreferred = isForced && this.#links.get(track.linkRow)?.link.name === this.#forcedLink;
    track.isExcluded = isForced && !isPreferred;
    // Also out of its hold-down: the operator knows better.
    track.life.handlePreferred(isPreferred);
  }
}
