/** Holds acknowledgements of young flows until a later one takes their place or they are due (`bonding/queue/ack-thinner.ts`). */

import type { Bond as PeerBond } from '../../bonding/bond.ts';
import { AckThinner, places } from '../../bonding/queue/ack-thinner.ts';
import { facts } from '../../contract/columns.ts';
import { trafficClass } from '../../contract/records.ts';
import type { Sealer } from '../../native/data-api.ts';
import { sealerCounters } from '../../rings/counter-names.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { Throughput } from '../kit/ports.ts';
import type { WaitingRoom } from './waiting-room.ts';

type Context = Pick<ActorContext, 'wakeAt'>;
type Native = Pick<Sealer, 'isSameConnection' | 'stash'>;
type Waiting = Pick<WaitingRoom, 'stash' | 'enqueue'>;
type Bond = Pick<PeerBond, 'row' | 'roundTrips'>;

export class AckDesk {
  readonly #context: Context;
  readonly #native: Native;
  readonly #waiting: Waiting;
  readonly #throughput: Pick<Throughput, 'count'>;
  readonly #thinner = new AckThinner();
  /** By place of the flow: slot of the stash, -1 = none is held. */
  readonly #slots = new Int32Array(places).fill(-1);
  readonly #acks = new Int32Array(places);
  readonly #dueUs = new Float64Array(places);
  /** No later than the first of `#dueUs`. */
  #nextUs = Number.POSITIVE_INFINITY;

  constructor(context: Context, native: Native, waiting: Waiting, throughput: Pick<Throughput, 'count'>) {
    this.#context = context;
    this.#native = native;
    this.#waiting = waiting;
    this.#throughput = throughput;
  }

  /** Whether train `at` of the facts must be offered to `hold` by itself. */
  isConcerned(row: Int32Array, at: number, nowUs: number): boolean {
    const flow = row[at + facts.flow] as number;
    if ((this.#slots[flow % places] as number) >= 0) return true;
    return row[at + facts.pureAck] === 1 && this.#thinner.isYoung(flow, nowUs);
  }

  /** Takes train `index` of the last look if it may be held. What was held of its flow is dropped, or goes ahead of it. */
  hold(bond: Bond, rows: Int32Array, index: number, nowUs: number): boolean {
    const at = index * facts.columns;
    const flow = rows[at + facts.flow] as number;
    const place = flow % places;
    const ack = rows[at + facts.ack] as number;
    const isPure = rows[at + facts.pureAck] === 1;
    this.#replace(place, index, isPure, ack, nowUs);
    if (!isPure) return false;
    const untilUs = this.#thinner.holdUntilUs(flow, ack >>> 0, bond.roundTrips(nowUs), nowUs);
    if (untilUs > nowUs && this.#keep(bond, rows, index, place, nowUs)) {
      this.#acks[place] = ack;
      this.#dueUs[place] = untilUs;
      this.#wake(untilUs);
      return true;
    }
    this.#thinner.handleSent(flow, ack >>> 0, nowUs);
    return false;
  }

  /** Lets go what is due. */
  tick(nowUs: number): void {
    if (nowUs < this.#nextUs) return;
    this.#nextUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < places; place += 1) {
      if ((this.#slots[place] as number) < 0) continue;
      const dueUs = this.#dueUs[place] as number;
      if (dueUs <= nowUs) this.#letGo(place, nowUs);
      else this.#wake(dueUs);
    }
  }

  #replace(place: number, index: number, isPure: boolean, ack: number, nowUs: number): void {
    const slot = this.#slots[place] as number;
    if (slot < 0) return;
    // Two alike mean that something is missing (RFC 5681): both are for the sender to see.
    const isNewer = isPure && ((ack - (this.#acks[place] as number)) | 0) > 0;
    if (!isNewer || !this.#native.isSameConnection(index, this.#waiting.stash.offset(slot))) {
      this.#letGo(place, nowUs);
      return;
    }
    this.#waiting.stash.release(slot);
    this.#slots[place] = -1;
    this.#throughput.count(sealerCounters.thinned, 1);
  }

  #keep(bond: Bond, rows: Int32Array, index: number, place: number, nowUs: number): boolean {
    const { stash } = this.#waiting;
    const at = index * facts.columns;
    const bytes = rows[at + facts.bytes] as number;
    const slot = stash.take(bytes);
    if (slot < 0) return false;
    this.#native.stash(index, stash.offset(slot));
    stash.keep(slot, bond.row, trafficClass.latency, rows[at + facts.flow] as number, bytes, nowUs);
    this.#slots[place] = slot;
    return true;
  }

  #letGo(place: number, nowUs: number): void {
    const slot = this.#slots[place] as number;
    this.#slots[place] = -1;
    this.#thinner.handleSent(this.#waiting.stash.flow(slot), (this.#acks[place] as number) >>> 0, nowUs);
    this.#waiting.enqueue(slot);
  }

  #wake(atUs: number): void {
    this.#nextUs = Math.min(this.#nextUs, atUs);
    this.#context.wakeAt(this.#nextUs);
  }
}
