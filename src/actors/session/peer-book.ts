/** The peers of this daemon: who they are, their rows, where they are reached. The one writer of the peer table's first columns. */

import { HawserError } from '../../base/errors.ts';
import { parseCidr } from '../../config/address.ts';
import type { EndpointText } from '../../config/config.ts';
import { parseKey, readKeyFile } from '../../config/keys.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import { tai64nBytes } from '../../crypto/tai64n.ts';
import { CookieJar } from '../../protocols/session/cookies.ts';
import { type Initiation, type LocalIdentity, RemoteIdentity } from '../../protocols/session/handshake.ts';
import { PeerSession } from '../../protocols/session/peer-session.ts';
import { peer as layout } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';
import { sockaddrAddress, sockaddrEmit, sockaddrMaxBytes, sockaddrPort } from '../../wire/sockaddr.ts';
import type { PathBook, Route } from './path-book.ts';
import type { LinkSettings, PeerSettings } from './settings.ts';
import type { StateFiles } from './state-files.ts';

/** Copies of one initiation that go out at once, to different endpoints and by different links. */
const mostCandidates = 8;
const none = -1;

export interface Peer {
  readonly row: number;
  readonly settings: PeerSettings;
  readonly identity: RemoteIdentity;
  readonly jar: CookieJar;
  readonly session: PeerSession;
  /** Handshake of ours under way. */
  initiation: Initiation | undefined;
  /** Index of our last response; 0 = none. */
  answeredIndex: number;
  /** Configured and resolved addresses, raw. */
  sockaddrs: readonly Uint8Array[];
  /** It said HELLO in some session. */
  isHawser: boolean;
}

export interface PeerBookParts {
  readonly primitives: Primitives;
  readonly local: LocalIdentity;
  readonly peers: RowTable;
  readonly paths: PathBook;
  readonly files: StateFiles;
  readonly links: readonly LinkSettings[];
}

export class PeerBook {
  readonly #parts: PeerBookParts;
  readonly #links: readonly LinkSettings[];
  readonly #byKey = new Map<string, Peer>();
  readonly #byRow = new Map<number, Peer>();

  constructor(parts: PeerBookParts) {
    this.#parts = parts;
    this.#links = [...parts.links].sort((a, b) => a.priority - b.priority);
    // Zeros would be key slot 0 and path 0 to the sealer.
    for (let row = 0; row < parts.peers.rows; row += 1) {
      if (parts.peers.int(row, layout.inUseAt) === 0) this.#reset(row);
    }
  }

  all(): Iterable<Peer> {
    return this.#byRow.values();
  }

  get(row: number): Peer | undefined {
    return this.#byRow.get(row);
  }

  /** By base64 key or by name. */
  find(keyOrName: string): Peer | undefined {
    return this.#byKey.get(keyOrName) ?? [...this.all()].find((one) => one.settings.name === keyOrName);
  }

  /** Takes a peer in; its row may hold what a predecessor of this actor left. */
  add(settings: PeerSettings): Peer {
    const { primitives, local, peers } = this.#parts;
    const publicKey = parseKey(settings.publicKey);
    if (publicKey === undefined) {
      throw new HawserError('KEY_FORM', `Peer "${settings.name}" has no public key: "${settings.publicKey}"`);
    }
    const { presharedKeyFile } = settings;
    const presharedKey = presharedKeyFile === undefined ? new Uint8Array(32) : readKeyFile(presharedKeyFile);
    const peer: Peer = {
      row: settings.row,
      settings,
      identity: new RemoteIdentity(local, publicKey, presharedKey),
      jar: new CookieJar(primitives, publicKey),
      session: new PeerSession(settings.keepaliveMs * 1000),
      initiation: undefined,
      answeredIndex: 0,
      sockaddrs: sockaddrsOf(settings.endpoints),
      isHawser: false,
    };
    this.#byKey.set(settings.publicKey, peer);
    this.#byRow.set(peer.row, peer);
    peers.setInt(peer.row, layout.inUseAt, 1);
    this.#recall(peer);
    return peer;
  }

  remove(peer: Peer): void {
    this.#byKey.delete(peer.settings.publicKey);
    this.#byRow.delete(peer.row);
    this.#parts.files.forget(peer.settings.publicKey);
    this.clearRow(peer.row);
  }

  /** Frees a row and its paths. */
  clearRow(row: number): void {
    this.#reset(row);
    this.#parts.paths.clear(row);
  }

  /** True when the addresses are others than before. */
  setEndpoints(peer: Peer, endpoints: readonly EndpointText[]): boolean {
    const before = peer.sockaddrs;
    peer.sockaddrs = sockaddrsOf(endpoints);
    if (this.pathOf(peer) === undefined) this.#aimAtFirst(peer);
    const isKnown = (sockaddr: Uint8Array): boolean => before.some((one) => sameBytes(one, sockaddr));
    return !peer.sockaddrs.every(isKnown);
  }

  pathOf(peer: Peer): Route | undefined {
    return this.#parts.paths.get(this.#parts.peers.int(peer.row, layout.pathAt));
  }

  /** An authentic packet of the peer came by `route`: what we send goes there from now on. True when that is news. */
  moveTo(peer: Peer, route: Route): boolean {
    const { peers, paths } = this.#parts;
    const before = this.pathOf(peer);
    const row = paths.set(peer.row, route);
    peers.setInt(peer.row, layout.pathAt, row);
    const isSame = before?.link === route.link && sameBytes(before.sockaddr, route.sockaddr);
    if (!isSame) this.remember(peer);
    return !isSame;
  }

  /** Everywhere a handshake may reach the peer: where it was last, then what the configuration says by every link. */
  candidates(peer: Peer): Route[] {
    const known = this.pathOf(peer);
    const configured = this.#links.flatMap((link) => peer.sockaddrs.map((sockaddr) => routeTo(link.row, sockaddr)));
    const routes = known === undefined ? configured : [known, ...configured];
    const isFirst = (route: Route, index: number): boolean =>
      routes.findIndex((one) => one.link === route.link && sameBytes(one.sockaddr, route.sockaddr)) === index;
    return routes.filter(isFirst).slice(0, mostCandidates);
  }

  /** A handshake that goes unanswered: our own address in it may be gone. */
  forgetLocal(peer: Peer): void {
    this.#parts.paths.forgetLocal(this.#parts.peers.int(peer.row, layout.pathAt));
  }

  /** Lets the kernel choose our own address on the peer's paths that are bound to `address`, or to any; true if one was. */
  leaveLocal(peer: Peer, address: string | undefined): boolean {
    const gone = address === undefined ? undefined : Buffer.from(parseCidr(address)?.addressHex ?? '', 'hex');
    return this.#parts.paths.leaveLocal(peer.row, gone);
  }

  /** 0 = never. */
  lastReceivedUs(peer: Peer): number {
    return this.#parts.peers.number(peer.row, layout.lastReceivedAt);
  }

  setSendSlot(peer: Peer, slot: number): void {
    this.#parts.peers.setInt(peer.row, layout.sendSlotAt, slot);
  }

  /** Writes down for a later process where the peer is. */
  remember(peer: Peer): void {
    const route = this.pathOf(peer);
    const link = this.#links.find((one) => one.row === route?.link);
    if (route === undefined || link === undefined) return;
    this.#parts.files.setEndpoint(peer.settings.publicKey, {
      link: link.name,
      host: hostOf(route.sockaddr),
      port: sockaddrPort(route.sockaddr, 0),
      isHawser: peer.isHawser,
      timestamp: Buffer.from(this.timestampOf(peer)).toString('hex'),
    });
  }

  /** TAI64N of the last initiation of the peer that was answered; shared memory, 12 bytes. */
  timestampOf(peer: Peer): Uint8Array {
    return this.#parts.peers.slice(peer.row, layout.timestampAt, tai64nBytes);
  }

  /** What shared memory still knows wins over what the files say, and that over the configuration. */
  #recall(peer: Peer): void {
    const known = this.#parts.files.endpointOf(peer.settings.publicKey);
    if (known !== undefined) {
      peer.isHawser = known.isHawser;
      const timestamp = Buffer.from(known.timestamp, 'hex');
      const isFresh = this.timestampOf(peer).every((byte) => byte === 0);
      if (isFresh && timestamp.length === tai64nBytes) this.timestampOf(peer).set(timestamp);
    }
    if (this.pathOf(peer) !== undefined) return;
    const link = this.#links.find((one) => one.name === known?.link);
    const [sockaddr] = known === undefined ? [] : sockaddrsOf([known]);
    if (link !== undefined && sockaddr !== undefined) this.#aim(peer, routeTo(link.row, sockaddr));
    else this.#aimAtFirst(peer);
  }

  #aimAtFirst(peer: Peer): void {
    const [first] = this.candidates(peer);
    if (first !== undefined) this.#aim(peer, first);
  }

  #aim(peer: Peer, route: Route): void {
    this.#parts.peers.setInt(peer.row, layout.pathAt, this.#parts.paths.set(peer.row, route));
  }

  #reset(row: number): void {
    const { peers } = this.#parts;
    peers.setInt(row, layout.sendSlotAt, none);
    peers.setInt(row, layout.pathAt, none);
    peers.setInt(row, layout.inUseAt, 0);
    peers.setNumber(row, layout.lastHandshakeAt, 0);
    peers.slice(row, layout.timestampAt, tai64nBytes).fill(0);
  }
}

function routeTo(link: number, sockaddr: Uint8Array): Route {
  return { link, sockaddr, local: new Uint8Array(16), interfaceIndex: 0 };
}

/** The addresses among the endpoints; host names are left out. */
function sockaddrsOf(endpoints: readonly EndpointText[]): Uint8Array[] {
  return endpoints.flatMap(({ host, port }) => {
    const cidr = parseCidr(host);
    if (cidr === undefined) return [];
    const sockaddr = new Uint8Array(sockaddrMaxBytes);
    sockaddrEmit(sockaddr, 0, { address: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), port, scopeId: 0 });
    return [sockaddr];
  });
}

/** Text of a raw address, as the configuration would write it. */
export function hostOf(sockaddr: Uint8Array): string {
  const address = Buffer.from(sockaddrAddress(sockaddr, 0));
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16));
  return parseCidr(groups.join(':'))?.address ?? groups.join(':');
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
