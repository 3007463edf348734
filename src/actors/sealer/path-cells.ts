/** A path's row of the shared table: what a bond reads of it, and where what the bond finds out is written for status and a successor. */
import type { PathRow } from '../../bonding/path-row.ts';
import type { SendingPath } from '../../bonding/sending-path.ts';
import { carrier, link } from '../../contract/link-tables.ts';
import { path, pathVote } from '../../contract/peer-tables.ts';
import { isStream, linkOf, pathHeaderBytes, transportOf } from '../../rings/carriers.ts';
import type { RowTable } from '../../rings/table.ts';

export interface PathTables {
  readonly paths: RowTable;
  readonly links: RowTable;
  readonly carriers: RowTable;
}

export class PathCells implements PathRow {
  readonly row: number;
  readonly number: number;
  readonly port: number;
  readonly carrierRow: number;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #carriers: RowTable;
  readonly #bornUs: number;
  // What predecessors have counted.
  readonly #lostPackets: number;
  readonly #resentPackets: number;
  readonly #ecnPackets: number;
  readonly #markedPackets: number;

  /** `port`: index of the descriptor ring of its carrier. */
  constructor(row: number, port: number, { paths, links, carriers }: PathTables) {
    this.row = row;
    this.number = row % path.mostPerPeer;
    this.port = port;
    this.carrierRow = paths.int(row, path.carrierAt);
    this.#paths = paths;
    this.#links = links;
    this.#carriers = carriers;
    this.#bornUs = paths.number(row, path.bornUsAt);
    this.#lostPackets = paths.number(row, path.lostPacketsAt);
    this.#resentPackets = paths.number(row, path.resentPacketsAt);
    this.#ecnPackets = paths.number(row, path.ecnPacketsAt);
    this.#markedPackets = paths.number(row, path.markedPacketsAt);
  }

  /** The row has not been given to another path since. */
  get isSame(): boolean {
    return this.#paths.number(this.row, path.bornUsAt) === this.#bornUs;
  }

  get state(): number {
    return this.#paths.int(this.row, path.stateAt);
  }

  get link(): number {
    return linkOf(this.carrierRow);
  }

  get transport(): number {
    return transportOf(this.carrierRow);
  }

  get place(): number {
    return this.#carriers.int(this.carrierRow, carrier.placeAt);
  }

  get isForced(): boolean {
    return this.#carriers.int(this.carrierRow, carrier.forcedAt) === 1;
  }

  get origin(): number {
    return this.#paths.int(this.row, path.originAt);
  }

  get wish(): number {
    return this.#paths.int(this.row, path.wishAt);
  }

  get wishUs(): number {
    return this.#paths.number(this.row, path.wishUsAt);
  }

  get vote(): number {
    return this.#paths.int(this.row, path.voteAt);
  }

  get isAddressProven(): boolean {
    return this.#paths.number(this.row, path.provenUsAt) > 0;
  }

  get dataReceivedUs(): number {
    return this.#paths.number(this.row, path.lastDataReceivedAt);
  }

  get sealedBytes(): number {
    return this.#paths.number(this.row, path.sealedBytesAt);
  }

  get drainedBytes(): number {
    const { row } = this;
    const paths = this.#paths;
    return (
      paths.number(row, path.sentBytesAt) + paths.number(row, path.lateBytesAt) + paths.number(row, path.refusedBytesAt)
    );
  }

  get outqBytes(): number {
    return this.#carriers.int(this.carrierRow, carrier.outqBytesAt);
  }

  get headerBytes(): number {
    return pathHeaderBytes(this.#paths, this.row);
  }

  get interfaceMtu(): number {
    if (isStream(transportOf(this.carrierRow))) return Number.POSITIVE_INFINITY;
    return this.#links.int(linkOf(this.carrierRow), link.interfaceMtuAt) || this.#paths.int(this.row, path.outMtuAt);
  }

  get knownMtu(): number {
    return this.#paths.int(this.row, path.mtuAt);
  }

  get refusedPackets(): number {
    return this.#paths.number(this.row, path.tooLongPacketsAt);
  }

  get refusedBytes(): number {
    return this.#paths.int(this.row, path.tooLongBytesAt);
  }

  get hints(): number {
    return this.#paths.number(this.row, path.hintsAt);
  }

  get hintBytes(): number {
    return this.#paths.int(this.row, path.hintBytesAt);
  }

  /** True when its life, or what an election made of it, is another than before. */
  publish(from: SendingPath, nowUs: number): boolean {
    const { controller, life, prober, samples } = from;
    const { row } = this;
    const rows = this.#paths;
    const vote = (from.carries ? pathVote.carries : 0) | (from.isChosen ? pathVote.chosen : 0);
    const isChanged = rows.int(row, path.lifeAt) !== life.state;
    const isNews = isChanged || rows.int(row, path.voteAt) !== vote;
    if (isChanged) rows.setNumber(row, path.changedUsAt, nowUs);
    rows.setInt(row, path.voteAt, vote);
    rows.setInt(row, path.lifeAt, life.state);
    rows.setInt(row, path.reasonAt, life.reason);
    rows.setInt(row, path.holdAt, from.hold);
    rows.setNumber(row, path.smoothedRttUsAt, from.lateRttUs(nowUs));
    rows.setNumber(row, path.minRttUsAt, controller.minRttUs);
    rows.setNumber(row, path.jitterUsAt, from.lateJitterUs(nowUs));
    rows.setNumber(row, path.lossAt, controller.loss);
    // A rate that is still being found says nothing about what the path could carry, nor does that of a trickle: reports are spaced by it.
    rows.setNumber(row, path.rateBpsAt, controller.isStarting ? 0 : controller.bottleneckBytesPerUs * 8e6);
    rows.setNumber(row, path.rateUsAt, controller.rateUs);
    rows.setNumber(row, path.probeLossAt, prober.loss.forward);
    rows.setNumber(row, path.answerLossAt, prober.loss.backward);
    rows.setNumber(row, path.lossyUsAt, prober.loss.lossyUs);
    rows.setNumber(row, path.paceBpsAt, controller.paceBytesPerUs * 8e6);
    rows.setNumber(row, path.inFlightBytesAt, from.inFlightBytes);
    rows.setNumber(row, path.queueDelayUsAt, controller.queueDelayUs);
    if (samples.progressUs > 0) rows.setNumber(row, path.lastProgressUsAt, samples.progressUs);
    rows.setNumber(row, path.lostPacketsAt, this.#lostPackets + samples.lostPackets);
    rows.setNumber(row, path.resentPacketsAt, this.#resentPackets + from.resentPackets);
    rows.setNumber(row, path.ecnPacketsAt, this.#ecnPackets + samples.ecnPackets);
    rows.setNumber(row, path.markedPacketsAt, this.#markedPackets + samples.markedPackets);
    const { bytes } = from.fit.size;
    if (rows.int(row, path.mtuAt) !== bytes) {
      rows.setInt(row, path.mtuAt, bytes);
      rows.setNumber(row, path.mtuUsAt, nowUs);
    }
    return isNews;
  }
}
