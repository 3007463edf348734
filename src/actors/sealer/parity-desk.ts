/** Seals the parity of what was sealed, by another path than its data where there is one, and ends groups that take too long. */

import type { Bond } from '../../bonding/bond.ts';
import { fit } from '../../bonding/size/path-size.ts';
import { path } from '../../contract/peer-tables.ts';
import { trafficClass } from '../../contract/records.ts';
import type { Sealer } from '../../native/data-api.ts';
import { sealerCounters } from '../../rings/counter-names.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { Throughput } from '../kit/ports.ts';
import type { SealDesk } from './seal-desk.ts';

/** Runs of parity after one run of data; there are no more than groups that wait. */
const mostRuns = 64;

export class ParityDesk {
  readonly #context: ActorContext;
  readonly #native: Sealer;
  readonly #desk: SealDesk;
  readonly #throughput: Throughput;

  constructor(context: ActorContext, native: Sealer, desk: SealDesk, throughput: Throughput) {
    this.#context = context;
    this.#native = native;
    this.#desk = desk;
    this.#throughput = throughput;
  }

  /** Data of the peer was sealed: what it filled goes out, what it began is ended in time. */
  follow(bond: Bond, nowUs: number): void {
    if (!bond.parity.isOn) return;
    bond.parity.mayBeOpen = true;
    this.#send(bond, nowUs);
    this.#context.wakeAt(nowUs + bond.parity.groupUs);
  }

  /** Ends the groups that are old; returns when the next will be. */
  turn(bond: Bond, nowUs: number): number {
    const { parity } = bond;
    if (!parity.mayBeOpen) return Number.POSITIVE_INFINITY;
    const oldestUs = this.#native.closeParity(bond.row, nowUs - parity.groupUs);
    parity.mayBeOpen = oldestUs > 0;
    this.#send(bond, nowUs);
    return oldestUs > 0 ? oldestUs + parity.groupUs + 1 : Number.POSITIVE_INFINITY;
  }

  #send(bond: Bond, nowUs: number): void {
    for (let runs = 0; runs < mostRuns; runs += 1) {
      const waiting = this.#native.waitingParity(bond.row);
      if (waiting < 0) return;
      const dataPath = waiting % path.mostPerPeer;
      const slot = (waiting - dataPath) / path.mostPerPeer;
      const from = bond.numbered(dataPath);
      const sealedBytes = bond.mtu.sealedBytes(this.#native.parityBytes(bond.row));
      const way = bond.routes.other(from, sealedBytes, nowUs) ?? from;
      // Without a way out it waits; the addon drops what waits too long.
      if (way === undefined) return;
      if (way.fit.passes(sealedBytes) === fit.no) {
        this.#native.dropParity(bond.row);
        continue;
      }
      if (!this.#desk.begin(bond, slot, way.row, way.port, trafficClass.control, nowUs)) return;
      const sealed = this.#native.sealParity(dataPath);
      this.#desk.finish(bond, way, Math.max(0, sealed), false, nowUs);
      if (sealed < 0) return;
      this.#throughput.count(sealerCounters.parity, sealed);
    }
  }
}
