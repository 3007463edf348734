/** The peers of this daemon: who they are, their rows, where they are reached. The one writer of the peer table's first columns. */

import { HawserError } from '../../base/errors.ts';
import type { EndpointText } from '../../config/config.ts';
import { parseKey, readKeyFile } from '../../config/keys.ts';
import { peer as layout, pathState } from '../../contract/peer-tables.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import { tai64nBytes } from '../../crypto/tai64n.ts';
import { CookieJar } from '../../protocols/session/cookies.ts';
import { type Initiation, type LocalIdentity, RemoteIdentity } from '../../protocols/session/handshake.ts';
import { PeerSession, sessionTimes } from '../../protocols/session/peer-session.ts';
import { type StampMarks, stampAccept } from '../../protocols/session/stamp-marks.ts';
import { clearPeerRow } from '../../rings/peer-row.ts';
import type { RowTable } from '../../rings/table.ts';
import { endpointEquals } from '../../wire/sockaddr.ts';
import type { LinkBook } from './link-book.ts';
import type { PathBook, Route } from './path-book.ts';
import { endpointOf, isSamePlace, type Place, placesOf, routesBy, translatedPlace } from './routes.ts';
import type { PeerObfuscation, PeerSettings } from './settings.ts';
import type { KnownEndpoint, KnownPlace, StateFiles } from './state-files.ts';

/** Copies of one initiation that go out at once, to different endpoints and by different links. */
const mostCandidates = 8;

export interface Peer {
  readonly row: number;
  /** Its limits may become others while it lives. */
  settings: PeerSettings;
  readonly identity: RemoteIdentity;
  readonly jar: CookieJar;
  readonly session: PeerSession;
  /** Handshake of ours under way, and where the last one's initiation went. */
  initiation: Initiation | undefined;
  called: readonly Route[];
  /** Initiations that went everywhere, so that of many places each has its turn. */
  callsEverywhere: number;
  /** Calls go out without a DSCP. */
  callsPlain: boolean;
  /** Index of our last response; 0 = none. */
  answeredIndex: number;
  /** Keys that we answered with and the peer has not used yet, and where the answer went. */
  answered: { readonly slot: number; readonly route: Route } | undefined;
  /** Answers to it in a row that it did not use. */
  unusedAnswers: number;
  /** Stamp of its last initiation that came too early. */
  refusedStamp: Uint8Array | undefined;
  /** Configured and resolved addresses. */
  places: readonly Place[];
  /** It said HELLO in some session. */
  isHawser: boolean;
  /** It said in its last HELLO that it may be reached by many paths. */
  hasPaths: boolean;
}

export interface PeerBookParts {
  readonly primitives: Primitives;
  readonly local: LocalIdentity;
  readonly peers: RowTable;
  readonly paths: PathBook;
  readonly files: StateFiles;
  readonly links: LinkBook;
  readonly nowUs: () => number;
  /** CLOCK_REALTIME in microseconds. */
  readonly unixUs: () => number;
}

export class PeerBook {
  readonly #parts: PeerBookParts;
  readonly #byKey = new Map<string, Peer>();
  readonly #byRow = new Map<number, Peer>();
  /** Places that an earlier process wrote down; good for the first handshakes. */
  readonly #recalled = new Map<number, readonly Route[]>();
  /** What the peers wear, made when it is asked for. */
  #wears: ReadonlyMap<number, PeerObfuscation | undefined> | undefined;

  constructor(parts: PeerBookParts) {
    this.#parts = parts;
  }

  all(): Iterable<Peer> {
    return this.#byRow.values();
  }

  get(row: number): Peer | undefined {
    return this.#byRow.get(row);
  }

  /** By base64 key: strangers call with theirs, and must not cost more. */
  ofKey(publicKey: string): Peer | undefined {
    return this.#byKey.get(publicKey);
  }

  /** What is worn by anybody, by `wear`: 0 = somebody speaks WireGuard as it is. */
  get wears(): ReadonlyMap<number, PeerObfuscation | undefined> {
    this.#wears ??= new Map(
      [...this.all()].map(({ settings: { obfuscation } }) => [obfuscation?.wear ?? 0, obfuscation]),
    );
    return this.#wears;
  }

  /** By base64 key or by name. */
  find(keyOrName: string): Peer | undefined {
    return this.ofKey(keyOrName) ?? [...this.all()].find((one) => one.settings.name === keyOrName);
  }

  /**
   * Takes a peer in, in the place of the one that had its row, if any: what is known of it beside `settings` is in the tables, where a
   * predecessor of this actor may have left it.
   */
  add(settings: PeerSettings): Peer {
    const { primitives, local, peers } = this.#parts;
    const publicKey = parseKey(settings.publicKey);
    if (publicKey === undefined) {
      throw new HawserError('KEY_FORM', `Peer "${settings.name}" has no public key: "${settings.publicKey}"`);
    }
    const peer: Peer = {
      row: settings.row,
      settings,
      identity: new RemoteIdentity(local, publicKey, presharedKeyOf(settings)),
      jar: new CookieJar(primitives, publicKey),
      session: new PeerSession(settings.keepaliveMs * 1000),
      initiation: undefined,
      called: [],
      callsEverywhere: 0,
      callsPlain: false,
      answeredIndex: 0,
      answered: undefined,
      unusedAnswers: 0,
      refusedStamp: undefined,
      places: placesOf(settings.endpoints),
      isHawser: false,
      hasPaths: false,
    };
    this.#byKey.set(settings.publicKey, peer);
    this.#byRow.set(peer.row, peer);
    this.#wears = undefined;
    if (peers.int(peer.row, layout.inUseAt) === 0) clearPeerRow(peers, peer.row);
    this.#parts.paths.wear(peer.row, settings.obfuscation);
    peers.setInt(peer.row, layout.inUseAt, 1);
    this.#recall(peer);
    return peer;
  }

  /** The peer has gone, and is not expected back. */
  remove(peer: Peer): void {
    this.#byKey.delete(peer.settings.publicKey);
    this.#byRow.delete(peer.row);
    this.#recalled.delete(peer.row);
    this.#wears = undefined;
    this.#parts.paths.wear(peer.row, undefined);
    this.#parts.files.forget(peer.settings.publicKey);
    this.clearRow(peer.row);
  }

  get count(): number {
    return this.#byRow.size;
  }

  /** Frees a row and its paths. */
  clearRow(row: number): void {
    this.#parts.paths.clear(row, this.#parts.nowUs());
    clearPeerRow(this.#parts.peers, row);
    this.#parts.peers.tell(row);
  }

  /** True when the addresses are others than before. */
  setEndpoints(peer: Peer, endpoints: readonly EndpointText[]): boolean {
    const before = peer.places;
    peer.places = placesOf(endpoints);
    if (this.pathOf(peer) === undefined) this.#aimAtFirst(peer);
    const isKnown = (place: Place): boolean => before.some((one) => isSame(one, place));
    return !peer.places.every(isKnown);
  }

  /** Row of the path that handshakes leave by, -1 = none. */
  homeOf(peer: Peer): number {
    return this.#parts.peers.int(peer.row, layout.pathAt);
  }

  setHome(peer: Peer, row: number): void {
    if (this.homeOf(peer) === row) return;
    this.#parts.peers.setInt(peer.row, layout.pathAt, row);
    this.#parts.peers.tell(peer.row);
  }

  pathOf(peer: Peer): Route | undefined {
    return this.#parts.paths.get(this.homeOf(peer));
  }

  /** Whether it leads to one of the configured and resolved addresses. */
  isConfigured(peer: Peer, route: Route): boolean {
    return this.configuredRoutes(peer, route.link).some((one) => isSamePlace(one, route));
  }

  configuredRoutes(peer: Peer, linkRow: number): Route[] {
    const link = this.#parts.links.get(linkRow);
    if (link === undefined) return [];
    return peer.places.flatMap((place) => routesBy(link, this.#asSeenBy(linkRow, place)));
  }

  #asSeenBy(linkRow: number, place: Place): Place {
    const address = this.#parts.links.translate(linkRow, place.endpoint);
    return address === undefined ? place : translatedPlace(place, address);
  }

  /**
   * Everywhere a handshake may reach the peer: where it was last, other proven paths, then what the configuration says by every link. When
   * that is more than one initiation goes to, the first place stays and the others take turns.
   */
  candidates(peer: Peer): Route[] {
    const { paths, links } = this.#parts;
    const rows = paths.rowsOf(peer.row).filter((row) => paths.provenUs(row) > 0 || paths.state(row) === pathState.up);
    const proven = rows.flatMap((row) => paths.get(row) ?? []);
    const configured = links.all.flatMap((link) => this.configuredRoutes(peer, link.row));
    const routes = [this.pathOf(peer) ?? [], proven, this.#recalled.get(peer.row) ?? [], configured].flat();
    const isFirst = (route: Route, index: number): boolean =>
      routes.findIndex((one) => isSamePlace(one, route)) === index;
    const canLeave = (route: Route): boolean => links.refusal(route.link, route.endpoint) === undefined;
    const [first, ...others] = routes.filter((route, index) => isFirst(route, index) && canLeave(route));
    if (first === undefined) return [];
    if (others.length < mostCandidates) return [first, ...others];
    const turn = (peer.callsEverywhere * (mostCandidates - 1)) % others.length;
    return [first, ...others.slice(turn), ...others.slice(0, turn)].slice(0, mostCandidates);
  }

  /** A handshake that goes unanswered: our own address in it may be gone. */
  forgetLocal(peer: Peer): void {
    this.#parts.paths.forgetLocal(this.homeOf(peer));
  }

  /** 0 = never. */
  lastReceivedUs(peer: Peer): number {
    return this.#parts.peers.number(peer.row, layout.lastReceivedAt);
  }

  setSendSlot(peer: Peer, slot: number): void {
    this.#parts.peers.setInt(peer.row, layout.sendSlotAt, slot);
    this.#parts.peers.tell(peer.row);
  }

  /** Writes down for a later process where the peer is: the home path, and the others that it has proven. */
  remember(peer: Peer): void {
    // Whoever was invited calls by itself, from wherever it is then.
    if (peer.settings.mayEnrol === true) return;
    const { paths, files, nowUs, unixUs } = this.#parts;
    const home = this.homeOf(peer);
    const [first] = this.#placesOf([home]);
    if (first === undefined) return;
    const others = paths.rowsOf(peer.row).filter((row) => row !== home && paths.provenUs(row) > 0);
    const isThere = nowUs() - this.lastReceivedUs(peer) < sessionTimes.rejectAfterUs;
    const heardMs = isThere ? unixUs() / 1000 : files.endpointOf(peer.settings.publicKey)?.heardMs;
    files.setEndpoint(peer.settings.publicKey, {
      ...first,
      ...(heardMs === undefined ? {} : { heardMs }),
      isHawser: peer.isHawser,
      timestamp: Buffer.from(this.marksOf(peer).last).toString('hex'),
      farTimestamp: Buffer.from(this.marksOf(peer).far).toString('hex'),
      others: this.#placesOf(others),
    });
  }

  #placesOf(rows: readonly number[]): KnownPlace[] {
    return rows.flatMap((row) => {
      const route = this.#parts.paths.get(row);
      const link = this.#parts.links.get(route?.link ?? -1);
      if (route === undefined || link === undefined) return [];
      return [{ link: link.name, ...endpointOf(route, link.interface) }];
    });
  }

  /** Of the initiations of the peer that were answered; shared memory. */
  marksOf(peer: Peer): StampMarks {
    const { peers } = this.#parts;
    return {
      last: peers.slice(peer.row, layout.timestampAt, tai64nBytes),
      far: peers.slice(peer.row, layout.farTimestampAt, tai64nBytes),
    };
  }

  /** Whatever clock the peer has now, its next initiation is taken. */
  forgetClock(peer: Peer): void {
    const { last, far } = this.marksOf(peer);
    last.fill(0);
    far.fill(0);
    peer.refusedStamp = undefined;
    this.#parts.files.setStamps(peer.settings.publicKey, '', '');
  }

  /** What shared memory still knows wins over what the files say, and that over the configuration. */
  #recall(peer: Peer): void {
    const known = this.#parts.files.endpointOf(peer.settings.publicKey);
    if (known !== undefined) {
      peer.isHawser = known.isHawser;
      peer.hasPaths = known.isHawser;
      this.#recallMarks(peer, known);
    }
    const places = known === undefined ? [] : [known, ...(known.others ?? [])];
    const routes = places.flatMap((place) => this.#routeOf(place));
    this.#recalled.set(peer.row, routes);
    if (this.pathOf(peer) !== undefined) return;
    const [first] = routes;
    if (first !== undefined) this.#aim(peer, first);
    else this.#aimAtFirst(peer);
  }

  /** A stamp from the far future is no last one: an older version wrote it down as such. */
  #recallMarks(peer: Peer, known: KnownEndpoint): void {
    const marks = this.marksOf(peer);
    if ([...marks.last, ...marks.far].some((byte) => byte !== 0)) return;
    for (const text of [known.farTimestamp ?? '', known.timestamp]) {
      const stamp = Buffer.from(text, 'hex');
      const isStamp = stamp.length === tai64nBytes && stamp.some((byte) => byte !== 0);
      if (!isStamp) continue;
      if (text === known.farTimestamp) marks.far.set(stamp);
      else stampAccept(marks, stamp, this.#parts.unixUs());
    }
  }

  #routeOf(place: KnownPlace): Route[] {
    const link = this.#parts.links.find(place.link);
    return link === undefined ? [] : placesOf([place]).flatMap((one) => routesBy(link, one));
  }

  #aimAtFirst(peer: Peer): void {
    const [first] = this.candidates(peer);
    if (first !== undefined) this.#aim(peer, first);
  }

  #aim(peer: Peer, route: Route): void {
    const { paths, nowUs } = this.#parts;
    const known = paths.findAny(peer.row, route);
    this.setHome(peer, known >= 0 ? known : paths.claim(peer.row, route, nowUs()));
  }
}

/** Zeros where there is none (whitepaper 5.4). */
function presharedKeyOf({ presharedKey, presharedKeyFile }: PeerSettings): Uint8Array {
  if (presharedKey !== undefined) return new Uint8Array(presharedKey.slice(0));
  return presharedKeyFile === undefined ? new Uint8Array(32) : readKeyFile(presharedKeyFile);
}

function isSame(one: Place, other: Place): boolean {
  return one.transport === other.transport && one.zone === other.zone && endpointEquals(one.endpoint, other.endpoint);
}
