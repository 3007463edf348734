/** Paths as rows, read from the shared table; names come from the supervisor, words for conditions from whoever judges paths. */

import { endianness } from 'node:os';
import { viewOf } from '../base/bytes.ts';
import { formatAddress, formatEndpoint, isLinkLocal } from '../config/address.ts';
import type { EndpointText } from '../config/config.ts';
import { carrier } from '../contract/link-tables.ts';
import { path, pathState, peer } from '../contract/peer-tables.ts';
import { linkOf, placeOf, transportName, transportOf } from '../rings/carriers.ts';
import { readPeerLink } from '../rings/peer-link.ts';
import { carrierTable, pathTable, peerTable, type RowTable } from '../rings/table.ts';
import { namedEndpointHost, namedEndpointIs } from '../wire/named-endpoint.ts';
import { ageMs, known, knownMs, nameOf, percent } from './cells.ts';
import type { PathGlance } from './crowd.ts';
import type { RowCounters } from './last-changes.ts';
import type { PathStatus } from './network-rows.ts';
import type { PathMoment } from './path-events.ts';
import { RowRates } from './row-rates.ts';
import type { InstanceInfo, SharedMemory } from './supervisor-api.ts';

/** By the numbers in the path table (`bonding/life/path-life-states.ts`). */
export interface PathWords {
  readonly conditions: readonly string[];
  readonly reasons: readonly string[];
  /** By number (`bonding/path-hold.ts`); the first means nothing. */
  readonly holds: readonly string[];
  /** Name of the interface of an index. */
  readonly zoneOf: (index: number) => string;
}

/** What changes seldom about a path. */
type Place = Pick<PathStatus, 'id' | 'peer' | 'link' | 'transport' | 'endpoint' | 'local' | 'state'>;

/** What of a path is told as a rate. */
const counted = [
  path.sentBytesAt,
  path.receivedBytesAt,
  path.sentPacketsAt,
  path.ecnPacketsAt,
  path.markedPacketsAt,
] as const;

/** A reader gives up on a row that is always being written and takes what it has: it only shows it. */
const seqlockTries = 100;
/** AF_INET and AF_INET6 of Linux. */
const inet4 = 2;
const inet6 = 10;
const isLittle = endianness() === 'LE';

export class PathReader {
  readonly #paths: RowTable;
  readonly #carriers: RowTable;
  readonly #peers: RowTable;
  readonly #words: PathWords;
  readonly #rates: RowRates;
  /** Of peers, by row. */
  #names: ReadonlyMap<number, string> = new Map();
  #namesOf: InstanceInfo['peers'] | undefined;
  #inUse: readonly number[] = [];
  #peersInUse: readonly number[] = [];
  #rowsVersion = -1;

  constructor(memory: SharedMemory, words: PathWords) {
    this.#paths = pathTable(memory.paths);
    this.#carriers = carrierTable(memory.carriers);
    this.#peers = peerTable(memory.peers);
    this.#words = words;
    // A row may be given to another path: its birth tells the two apart.
    this.#rates = new RowRates(this.#paths, [...counted, path.bornUsAt]);
  }

  /** Called often, so that rates are known when somebody asks. */
  sample(nowUs: number): void {
    this.#rates.sample(nowUs, this.rows());
  }

  /** What `LastChanges` watches: `path ID COLUMN`. */
  counters(): RowCounters {
    return {
      table: this.#paths,
      rows: this.rows(),
      columns: { lateBytes: path.lateBytesAt, refusedBytes: path.refusedBytesAt },
      keyOf: (row, column) => `path ${row} ${column}`,
    };
  }

  /** How much of what is sent to a peer each of `paths`, which are all, carries. */
  withShares(paths: readonly PathStatus[]): PathStatus[] {
    const sent = new Map<string, number>();
    for (const one of paths) sent.set(one.peer, (sent.get(one.peer) ?? 0) + one.sentBps);
    return paths.map((one) => {
      const totalBps = sent.get(one.peer) ?? 0;
      return totalBps === 0 ? one : { ...one, sharePercent: percent(one.sentBps / totalBps) };
    });
  }

  /** Place of its transport in the order of preference, the operator's or else the configured one. */
  #preference(row: number, { transports }: InstanceInfo): number {
    const carrierRow = this.#paths.int(row, path.carrierAt);
    const by = transportName(transportOf(carrierRow));
    if (this.#carriers.int(carrierRow, carrier.forcedAt) === 1) return 0;
    return this.#carriers.int(carrierRow, carrier.placeAt) || (by === undefined ? 0 : placeOf(transports.order, by));
  }

  /** Nobody judges the path, and nothing has been found out of its size: all that may happen to it is told by a journal. */
  isStill(row: number): boolean {
    return this.#paths.number(row, path.changedUsAt) === 0 && this.#paths.int(row, path.mtuAt) === 0;
  }

  /** What `PathEvents` compares; undefined when the row is free. */
  moment(row: number, instance: InstanceInfo, nowUs: number): PathMoment | undefined {
    const place = this.place(row, instance);
    if (place === undefined) return undefined;
    const { peer: peerName, link, transport, endpoint } = place;
    const { condition, reason, rttMs, lossPercent } = this.#judgement(row, 0);
    return {
      key: `${row} ${this.#paths.number(row, path.bornUsAt)}`,
      peer: peerName,
      link,
      peerLink: this.#peerLink(row),
      transport,
      endpoint,
      condition,
      reason,
      rttMs,
      lossPercent,
      mtu: known(this.#paths.int(row, path.mtuAt)),
      mtuAgeMs: ageMs(this.#paths.number(row, path.mtuUsAt), nowUs),
      isStandby: place.state === 'standby',
      place: this.#preference(row, instance),
    };
  }

  #peerLink(row: number): string | undefined {
    const name = readPeerLink(this.#paths, row);
    return name === '' ? undefined : name;
  }

  #isCurrent(row: number): boolean {
    const peerRow = this.#paths.int(row, path.peerAt);
    return peerRow >= 0 && peerRow < this.#peers.rows && this.#peers.int(peerRow, peer.pathAt) === row;
  }

  /** Where the path leads; undefined when the row is free. */
  place(row: number, instance: InstanceInfo): Place | undefined {
    if (row < 0 || row >= this.#paths.rows || this.#paths.int(row, path.stateAt) === pathState.free) return undefined;
    const bytes = this.#consistentRow(row);
    const words = viewOf(bytes);
    const peerRow = words.getInt32(path.peerAt, isLittle);
    const carrierRow = words.getInt32(path.carrierAt, isLittle);
    const linkRow = linkOf(carrierRow);
    const by = transportName(transportOf(carrierRow));
    const family = words.getUint16(path.endpointAt, isLittle);
    const link = instance.links.find((named) => named.row === linkRow);
    return {
      id: row,
      peer: this.nameOf(peerRow, instance),
      link: link?.name ?? `row ${linkRow}`,
      transport: by ?? 'unknown',
      endpoint: formatEndpoint({
        ...this.#endpoint(bytes.subarray(path.endpointAt), family, link?.interface),
        transport: by,
      }),
      local: formatLocal(bytes.subarray(path.localAt, path.localAt + 16), family),
      state: nameOf(pathState, words.getInt32(path.stateAt, isLittle)) ?? 'unknown',
    };
  }

  /** What the peer of a row is called. */
  nameOf(peerRow: number, instance: InstanceInfo): string {
    if (this.#namesOf !== instance.peers) {
      this.#names = new Map(instance.peers.map(({ row, name }) => [row, name]));
      this.#namesOf = instance.peers;
    }
    return this.#names.get(peerRow) ?? `row ${peerRow}`;
  }

  /** sockaddr_in and sockaddr_in6 of netinet/in.h: port at 2, address at 4 and at 8, the interface's index at 24. */
  #endpoint(bytes: Uint8Array, family: number, interfaceName: string | undefined): EndpointText {
    const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
    if (namedEndpointIs(bytes)) return { host: namedEndpointHost(bytes), port };
    if (family !== inet6) return { host: formatAddress(Buffer.from(bytes.subarray(4, 8))), port };
    const host = formatAddress(Buffer.from(bytes.subarray(8, 24)));
    const scopeId = new DataView(bytes.buffer, bytes.byteOffset + 24, 4).getUint32(0, isLittle);
    return { host, port, zone: isLinkLocal(host) ? (interfaceName ?? this.#words.zoneOf(scopeId)) : undefined };
  }

  /** Those in use: they change with the table's version, and a table may have many thousand. */
  rows(): readonly number[] {
    const version = this.#paths.version();
    if (version === this.#rowsVersion) return this.#inUse;
    const inUse: number[] = [];
    for (let row = 0; row < this.#paths.used(); row += 1) {
      if (this.#paths.int(row, path.stateAt) !== pathState.free) inUse.push(row);
    }
    this.#inUse = inUse;
    this.#peersInUse = [...new Set(inUse.map((row) => this.#paths.int(row, path.peerAt)))];
    this.#rowsVersion = version;
    return this.#inUse;
  }

  /** Rows of the peers that have a path: with no other anything was ever exchanged. The same array until that changes. */
  peersInUse(): readonly number[] {
    this.rows();
    return this.#peersInUse;
  }

  /** The little of one of `rows()` that is read of thousands. As `path` has it. */
  glance(row: number, instance: InstanceInfo, nowUs: number): PathGlance {
    const table = this.#paths;
    const carrierRow = table.int(row, path.carrierAt);
    const linkRow = linkOf(carrierRow);
    const changedUs = table.number(row, path.changedUsAt);
    return {
      peer: this.nameOf(table.int(row, path.peerAt), instance),
      link: instance.links.find((named) => named.row === linkRow)?.name ?? `row ${linkRow}`,
      transport: transportName(transportOf(carrierRow)) ?? 'unknown',
      condition: changedUs === 0 ? undefined : this.#words.conditions[table.int(row, path.lifeAt)],
      changedAgeMs: ageMs(changedUs, nowUs),
      probeLossPercent: percent(table.number(row, path.probeLossAt)),
      answerLossPercent: percent(table.number(row, path.answerLossAt)),
    };
  }

  /** One of `rows()`. */
  path(row: number, instance: InstanceInfo, nowUs: number): PathStatus {
    const table = this.#paths;
    const number = (column: number): number => table.number(row, column);
    const perSecond = (column: (typeof counted)[number]): number =>
      this.#rates.perSecond(row, column, nowUs, path.bornUsAt);
    const place = this.place(row, instance) ?? goneWhileRead(row);
    const judged = this.#judgement(row, nowUs);
    // One literal: an object of so many columns that is spread together takes three times as long, of thousands of paths.
    return {
      id: place.id,
      peer: place.peer,
      link: place.link,
      transport: place.transport,
      endpoint: place.endpoint,
      local: place.local,
      state: place.state,
      peerLink: this.#peerLink(row),
      condition: judged.condition,
      reason: judged.reason,
      heldBy: judged.heldBy,
      rttMs: judged.rttMs,
      minRttMs: judged.minRttMs,
      jitterMs: judged.jitterMs,
      lossPercent: judged.lossPercent,
      deliveryBps: judged.deliveryBps,
      paceBps: judged.paceBps,
      rateAgeMs: judged.rateAgeMs,
      probeLossPercent: judged.probeLossPercent,
      answerLossPercent: judged.answerLossPercent,
      lossyAgeMs: judged.lossyAgeMs,
      queueDelayMs: judged.queueDelayMs,
      changedAgeMs: judged.changedAgeMs,
      isCurrent: this.#isCurrent(row),
      inFlightBytes: number(path.inFlightBytesAt),
      sharePercent: undefined,
      sentBps: perSecond(path.sentBytesAt) * 8,
      receivedBps: perSecond(path.receivedBytesAt) * 8,
      sentPacketsPerSecond: perSecond(path.sentPacketsAt),
      ecnPacketsPerSecond: perSecond(path.ecnPacketsAt),
      markedPacketsPerSecond: perSecond(path.markedPacketsAt),
      markedPackets: number(path.markedPacketsAt),
      receivedMarkedPackets: number(path.receivedMarkedAt),
      ageMs: ageMs(number(path.bornUsAt), nowUs),
      acknowledgedAgeMs: ageMs(number(path.lastProgressUsAt), nowUs),
      lastReceivedAgeMs: ageMs(number(path.lastReceivedAt), nowUs),
      mtu: known(this.#paths.int(row, path.mtuAt)),
      mtuAgeMs: ageMs(number(path.mtuUsAt), nowUs),
      lostPackets: number(path.lostPacketsAt),
      resentPackets: number(path.resentPacketsAt),
      sentBytes: number(path.sentBytesAt),
      sentPackets: number(path.sentPacketsAt),
      lateBytes: number(path.lateBytesAt),
      refusedBytes: number(path.refusedBytesAt),
      receivedBytes: number(path.receivedBytesAt),
      receivedPackets: number(path.receivedPacketsAt),
    };
  }

  #judgement(row: number, nowUs: number) {
    const number = (column: number): number => this.#paths.number(row, column);
    const changedUs = number(path.changedUsAt);
    const isJudged = changedUs !== 0;
    const words = this.#words;
    return {
      condition: isJudged ? words.conditions[this.#paths.int(row, path.lifeAt)] : undefined,
      reason: isJudged ? words.reasons[this.#paths.int(row, path.reasonAt)] : undefined,
      heldBy: isJudged ? words.holds[this.#paths.int(row, path.holdAt) || -1] : undefined,
      rttMs: knownMs(number(path.smoothedRttUsAt)),
      minRttMs: knownMs(number(path.minRttUsAt)),
      jitterMs: knownMs(number(path.jitterUsAt)),
      lossPercent: isJudged ? percent(number(path.lossAt)) : undefined,
      deliveryBps: known(number(path.rateBpsAt)),
      paceBps: known(number(path.paceBpsAt)),
      rateAgeMs: ageMs(number(path.rateUsAt), nowUs),
      probeLossPercent: percent(number(path.probeLossAt)),
      answerLossPercent: percent(number(path.answerLossAt)),
      lossyAgeMs: ageMs(number(path.lossyUsAt), nowUs),
      queueDelayMs: isJudged ? Math.round(number(path.queueDelayUsAt)) / 1000 : undefined,
      changedAgeMs: ageMs(changedUs, nowUs),
    };
  }

  /** A copy of the columns under the seqlock. */
  #consistentRow(row: number): Uint8Array {
    for (let tries = 0; ; tries++) {
      const before = this.#paths.int(row, path.sequenceAt);
      const copy = this.#paths.slice(row, 0, path.sealedBytesAt).slice();
      const isStable = (before & 1) === 0 && this.#paths.int(row, path.sequenceAt) === before;
      if (isStable || tries === seqlockTries) return copy;
    }
  }
}

/** The row was freed between two looks at it. */
function goneWhileRead(row: number): Place {
  const unknown = 'unknown';
  return {
    id: row,
    peer: unknown,
    link: unknown,
    transport: unknown,
    endpoint: unknown,
    local: undefined,
    state: 'free',
  };
}

function formatLocal(bytes: Uint8Array, family: number): string | undefined {
  const address = Buffer.from(family === inet4 ? bytes.subarray(0, 4) : bytes);
  return address.every((byte) => byte === 0) ? undefined : formatAddress(address);
}
