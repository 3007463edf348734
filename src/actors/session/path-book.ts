/** The one writer of the path table: one row for each peer and link, which says where that peer is reached by that link. */
import { path, pathState, transport } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';
import { sockaddrEquals, sockaddrLength, sockaddrMaxBytes } from '../../wire/sockaddr.ts';

const localBytes = 16;

/** Somewhere a datagram came from, or goes to. */
export interface Route {
  /** Row of the link table. */
  readonly link: number;
  /** 28 bytes, raw. */
  readonly sockaddr: Uint8Array;
  /** Our own address in the exchange, 16 bytes, IPv4 in the first four; zeros = the kernel chooses. */
  readonly local: Uint8Array;
  /** Interface of a link-local `local`, else 0. */
  readonly interfaceIndex: number;
}

export class PathBook {
  readonly #paths: RowTable;
  readonly #links: number;

  /** `links`: rows of the link table; with them the path table's rows are counted. */
  constructor(paths: RowTable, links: number) {
    this.#paths = paths;
    this.#links = links;
  }

  rowOf(peerRow: number, link: number): number {
    return peerRow * this.#links + link;
  }

  /** Says that the peer is at `route`; returns the row. Readers see all of it or nothing (seqlock of `layout.ts`). */
  set(peerRow: number, route: Route): number {
    const row = this.rowOf(peerRow, route.link);
    if (this.#isSame(row, route)) return row;
    const paths = this.#paths;
    paths.addInt(row, path.sequenceAt, 1);
    paths.setInt(row, path.stateAt, pathState.up);
    paths.setInt(row, path.peerAt, peerRow);
    paths.setInt(row, path.linkAt, route.link);
    paths.setInt(row, path.transportAt, transport.udp);
    paths.setInt(row, path.sockaddrBytesAt, sockaddrLength(route.sockaddr, 0));
    paths.slice(row, path.sockaddrAt, sockaddrMaxBytes).set(route.sockaddr);
    paths.setInt(row, path.interfaceAt, route.interfaceIndex);
    paths.slice(row, path.localAt, localBytes).set(route.local);
    paths.addInt(row, path.sequenceAt, 1);
    return row;
  }

  /** Where a path leads; undefined for a row that is not in use. */
  get(row: number): Route | undefined {
    const paths = this.#paths;
    if (row < 0 || paths.int(row, path.stateAt) === pathState.free) return undefined;
    return {
      link: paths.int(row, path.linkAt),
      sockaddr: Uint8Array.from(paths.slice(row, path.sockaddrAt, sockaddrMaxBytes)),
      local: Uint8Array.from(paths.slice(row, path.localAt, localBytes)),
      interfaceIndex: paths.int(row, path.interfaceAt),
    };
  }

  /** Lets the kernel choose our own address again: the old one may be what keeps a handshake from arriving. */
  forgetLocal(row: number): void {
    const route = this.get(row);
    if (route === undefined) return;
    const peerRow = this.#paths.int(row, path.peerAt);
    this.set(peerRow, { ...route, local: new Uint8Array(localBytes), interfaceIndex: 0 });
  }

  /** The same on all paths of a peer that are bound to `address` (4 or 16 bytes), or to any; true if one was. */
  leaveLocal(peerRow: number, address: Uint8Array | undefined): boolean {
    let hasLeft = false;
    for (let link = 0; link < this.#links; link += 1) {
      const row = this.rowOf(peerRow, link);
      const local = this.get(row)?.local;
      if (local === undefined || !local.some((byte) => byte !== 0)) continue;
      if (address !== undefined && !local.every((byte, index) => byte === (address[index] ?? 0))) continue;
      this.forgetLocal(row);
      hasLeft = true;
    }
    return hasLeft;
  }

  /** Mends what a predecessor left half written. */
  repair(): void {
    for (let row = 0; row < this.#paths.rows; row += 1) {
      if ((this.#paths.int(row, path.sequenceAt) & 1) === 0) continue;
      this.#paths.setInt(row, path.stateAt, pathState.free);
      this.#paths.slice(row, path.sockaddrAt, sockaddrMaxBytes).fill(0);
      this.#paths.addInt(row, path.sequenceAt, 1);
    }
  }

  /** Frees all paths of a peer that is gone. */
  clear(peerRow: number): void {
    for (let link = 0; link < this.#links; link += 1) {
      const row = this.rowOf(peerRow, link);
      if (this.#paths.int(row, path.stateAt) === pathState.free) continue;
      this.#paths.addInt(row, path.sequenceAt, 1);
      this.#paths.setInt(row, path.stateAt, pathState.free);
      this.#paths.slice(row, path.sockaddrAt, sockaddrMaxBytes).fill(0);
      this.#paths.addInt(row, path.sequenceAt, 1);
    }
  }

  #isSame(row: number, route: Route): boolean {
    const paths = this.#paths;
    if (paths.int(row, path.stateAt) !== pathState.up || paths.int(row, path.linkAt) !== route.link) return false;
    if (paths.int(row, path.interfaceAt) !== route.interfaceIndex) return false;
    const local = paths.slice(row, path.localAt, localBytes);
    if (!local.every((byte, index) => byte === route.local[index])) return false;
    return sockaddrEquals(paths.slice(row, path.sockaddrAt, sockaddrMaxBytes), 0, route.sockaddr, 0);
  }
}
