/** The one writer of the path table: each row is somewhere a peer may be reached. What to do with them is `PathDesk`'s. */
import { endpoint as endpointLayout, path, pathState } from '../../contract/peer-tables.ts';
import { canWear, carrierOf, linkOf, transportOf } from '../../rings/carriers.ts';
import { readPeerLink, writePeerLink } from '../../rings/peer-link.ts';
import type { RowTable } from '../../rings/table.ts';
import { endpointEquals } from '../../wire/sockaddr.ts';
import { PathPool } from './path-pool.ts';
import type { PeerObfuscation } from './settings.ts';

const localBytes = 16;
const bare = { dataId: 0, dataPaddingBytes: 0 } as const;

/** Somewhere a datagram came from, or goes to. */
export interface Route {
  /** Row of the link table. */
  readonly link: number;
  /** One of `transport`. */
  readonly transport: number;
  /** `endpoint.bytes` of the contract. */
  readonly endpoint: Uint8Array;
  /** Our own address in the exchange, 16 bytes, IPv4 in the first four; zeros = the kernel chooses. */
  readonly local: Uint8Array;
  /** Interface of a link-local `local`, else 0. */
  readonly interfaceIndex: number;
  /** Of a handshake that came: the DSCP it arrived with, in its place in the header. */
  readonly dscp?: number;
  /** Of a handshake that came: `wear` of its obfuscation; absent = none. */
  readonly wear?: number;
}

export class PathBook {
  readonly #paths: RowTable;
  readonly #pool: PathPool;
  /** Of those peers whose data wears something. */
  readonly #worn = new Map<number, PeerObfuscation>();

  constructor(paths: RowTable, peers: RowTable) {
    this.#paths = paths;
    this.#pool = new PathPool(paths, peers);
  }

  get table(): RowTable {
    return this.#paths;
  }

  /** What a peer's data wears from now on, by all of its paths; undefined = nothing. */
  wear(peerRow: number, worn: PeerObfuscation | undefined): void {
    if (worn === undefined || worn.dataId === 0) this.#worn.delete(peerRow);
    else this.#worn.set(peerRow, worn);
    for (const row of this.rowsOf(peerRow)) {
      if (this.#isDressed(row)) continue;
      this.#write(row, () => this.#dress(row));
    }
  }

  /** Rows of a peer that are in use. */
  rowsOf(peerRow: number): number[] {
    return this.#pool.rowsOf(peerRow).filter((row) => this.state(row) !== pathState.free);
  }

  /** Row of the path to the same place by the same carrier, from the same address of ours or one the kernel chooses; -1 = none. */
  find(peerRow: number, route: Route): number {
    const { local } = route;
    const rows = this.#rowsTo(peerRow, route);
    const localOf = (row: number): Uint8Array => this.#paths.slice(row, path.localAt, localBytes);
    const isBound = (row: number): boolean => localOf(row).some((byte) => byte !== 0);
    const exact = rows.find((row) => localOf(row).every((byte, index) => byte === local[index]));
    return exact ?? rows.find((row) => !isBound(row)) ?? -1;
  }

  /** The same, whatever our own address. */
  findAny(peerRow: number, route: Route): number {
    return this.#rowsTo(peerRow, route)[0] ?? -1;
  }

  /** Gives a free row to a new path, unproven; -1 when the peer has as many as it may have, or there is none for anybody. */
  claim(peerRow: number, route: Route, nowUs: number): number {
    const row = this.#pool.take(peerRow, nowUs);
    if (row < 0) return -1;
    this.#write(row, () => {
      // Statistics of whoever had the row before; the sequence goes on, for readers.
      this.#paths.slice(row, path.stateAt, path.rowBytes - path.stateAt).fill(0);
      this.#paths.setInt(row, path.stateAt, pathState.unproven);
      this.#paths.setInt(row, path.peerAt, peerRow);
      this.#paths.setNumber(row, path.bornUsAt, nowUs);
      this.#place(row, route);
      this.#pool.link(row);
    });
    return row;
  }

  /** The path leads elsewhere from now on: a stock peer roamed, or our own address in it is another. */
  move(row: number, route: Route): void {
    if (!this.#isSame(row, route)) this.#write(row, () => this.#place(row, route));
  }

  state(row: number): number {
    return this.#paths.int(row, path.stateAt);
  }

  setState(row: number, state: number): void {
    if (this.state(row) === state) return;
    this.#paths.setInt(row, path.stateAt, state);
    this.#paths.tell(row);
  }

  /** Of `pathOrigin`. */
  setOrigin(row: number, origin: number): void {
    if (this.#paths.int(row, path.originAt) === origin) return;
    this.#paths.setInt(row, path.originAt, origin);
    this.#paths.tell(row);
  }

  /** The peer says what it wants of the path. */
  setWish(row: number, wish: number, nowUs: number): void {
    this.#paths.setInt(row, path.wishAt, wish);
    this.#paths.setNumber(row, path.wishUsAt, nowUs);
    this.#paths.tell(row);
  }

  /** Row of the carrier table. */
  carrier(row: number): number {
    return this.#paths.int(row, path.carrierAt);
  }

  /** CLOCK_BOOTTIME microseconds of the last authenticated packet by it; 0 = never. */
  lastReceivedUs(row: number): number {
    return this.#paths.number(row, path.lastReceivedAt);
  }

  bornUs(row: number): number {
    return this.#paths.number(row, path.bornUsAt);
  }

  /** Empty = the peer has not said what it calls its link at the other end. */
  peerLink(row: number): string {
    return readPeerLink(this.#paths, row);
  }

  /** `name`: one of our own form, checked. */
  setPeerLink(row: number, name: string): void {
    writePeerLink(this.#paths, row, name);
  }

  setProven(row: number, nowUs: number): void {
    this.#paths.setNumber(row, path.provenUsAt, nowUs);
  }

  /** 0 = never. */
  provenUs(row: number): number {
    return this.#paths.number(row, path.provenUsAt);
  }

  /** Where a path leads; undefined for a row that is not in use. */
  get(row: number): Route | undefined {
    const paths = this.#paths;
    if (row < 0 || this.state(row) === pathState.free) return undefined;
    return {
      link: linkOf(this.carrier(row)),
      transport: transportOf(this.carrier(row)),
      endpoint: Uint8Array.from(paths.slice(row, path.endpointAt, endpointLayout.bytes)),
      local: Uint8Array.from(paths.slice(row, path.localAt, localBytes)),
      interfaceIndex: paths.int(row, path.interfaceAt),
    };
  }

  /** Lets the kernel choose our own address again: the old one may be what keeps packets from arriving. */
  forgetLocal(row: number): void {
    const route = this.get(row);
    if (route !== undefined) this.move(row, { ...route, local: new Uint8Array(localBytes), interfaceIndex: 0 });
  }

  /** The same on all paths of a peer that are bound to `address` (4 or 16 bytes), or to any; the rows of those that were. */
  leaveLocal(peerRow: number, address: Uint8Array | undefined): number[] {
    const left = this.rowsOf(peerRow).filter((row) => {
      const local = this.#paths.slice(row, path.localAt, localBytes);
      if (!local.some((byte) => byte !== 0)) return false;
      return address === undefined || local.every((byte, index) => byte === (address[index] ?? 0));
    });
    for (const row of left) this.forgetLocal(row);
    return left;
  }

  free(row: number, nowUs: number): void {
    this.#write(row, () => {
      this.#paths.setInt(row, path.stateAt, pathState.free);
      this.#paths.slice(row, path.endpointAt, endpointLayout.bytes).fill(0);
      this.#paths.setNumber(row, path.bornUsAt, nowUs);
    });
    this.#pool.give(row);
  }

  /** Frees all paths of a peer that is gone. */
  clear(peerRow: number, nowUs: number): void {
    for (const row of this.rowsOf(peerRow)) this.free(row, nowUs);
  }

  /** Mends what a predecessor left half written, and forgets what led over carriers that are no more. */
  repair(carrierRows: readonly number[], nowUs: number): void {
    const carriers = new Set(carrierRows);
    const linked = this.#pool.linked();
    for (let row = 0; row < this.#paths.used(); row += 1) {
      const isTorn = (this.#paths.int(row, path.sequenceAt) & 1) !== 0;
      if (isTorn) this.#paths.addInt(row, path.sequenceAt, 1);
      const isStray = this.state(row) !== pathState.free && !(carriers.has(this.carrier(row)) && linked.has(row));
      if (isTorn || isStray) this.free(row, nowUs);
    }
  }

  #rowsTo(peerRow: number, { link, transport, endpoint }: Route): number[] {
    const carrier = carrierOf(link, transport);
    const isThere = (row: number): boolean =>
      this.carrier(row) === carrier &&
      endpointEquals(this.#paths.slice(row, path.endpointAt, endpointLayout.bytes), endpoint);
    return this.rowsOf(peerRow).filter(isThere);
  }

  /** Readers see all of what `change` does or nothing (seqlock of `contract/`). */
  #write(row: number, change: () => void): void {
    this.#paths.addInt(row, path.sequenceAt, 1);
    change();
    this.#paths.addInt(row, path.sequenceAt, 1);
    this.#paths.tell(row);
  }

  #place(row: number, route: Route): void {
    const paths = this.#paths;
    paths.setInt(row, path.carrierAt, carrierOf(route.link, route.transport));
    paths.slice(row, path.endpointAt, endpointLayout.bytes).set(route.endpoint);
    paths.setInt(row, path.interfaceAt, route.interfaceIndex);
    paths.slice(row, path.localAt, localBytes).set(route.local);
    this.#dress(row);
  }

  #wornOn(row: number): { readonly dataId: number; readonly dataPaddingBytes: number } {
    const isWearable = canWear(transportOf(this.carrier(row)));
    return (isWearable ? this.#worn.get(this.#paths.int(row, path.peerAt)) : undefined) ?? bare;
  }

  #dress(row: number): void {
    const { dataId, dataPaddingBytes } = this.#wornOn(row);
    this.#paths.setInt(row, path.obfuscationAt, dataId);
    this.#paths.setInt(row, path.paddingBytesAt, dataPaddingBytes);
  }

  #isDressed(row: number): boolean {
    const { dataId, dataPaddingBytes } = this.#wornOn(row);
    const paths = this.#paths;
    return paths.int(row, path.obfuscationAt) === dataId && paths.int(row, path.paddingBytesAt) === dataPaddingBytes;
  }

  #isSame(row: number, route: Route): boolean {
    const known = this.get(row);
    return (
      known !== undefined &&
      known.link === route.link &&
      known.transport === route.transport &&
      known.interfaceIndex === route.interfaceIndex &&
      known.local.every((byte, index) => byte === route.local[index]) &&
      endpointEquals(known.endpoint, route.endpoint)
    );
  }
}
