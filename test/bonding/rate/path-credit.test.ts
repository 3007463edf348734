/** PathCredit against a simulated device: what waits below the sealer stays near 2 ms, and the device is never left idle. */
import t from 'tap';
import { PathCredit } from '../../../src/bonding/rate/path-credit.ts';

const packetBytes = 1_420;
/** The sealer turns this often; the link looks at its queue (SIOCOUTQ) every 500 us (`actors/wan-link.ts`). */
const turnUs = 100;
const lookUs = 500;

interface Seen {
  /** Milliseconds that a byte sealed now would wait in the device, sorted. */
  readonly waitsMs: readonly number[];
  readonly deliveredBytes: number;
}

/** A device that sends `rateBps`, fed by a sealer that always has more. */
class Device {
  readonly credit: PathCredit;
  #rateBps: number;
  #nowUs = 1_000_000;
  #sealed = 0;
  #queued = 0;
  #outq = 0;
  #delivered = 0;

  constructor(rateBps: number, configuredBps = 0) {
    this.#rateBps = rateBps;
    this.credit = new PathCredit(configuredBps);
  }

  set rateBps(value: number) {
    this.#rateBps = value;
  }

  run(forUs: number): Seen {
    const waits: number[] = [];
    const before = this.#delivered;
    for (const endUs = this.#nowUs + forUs; this.#nowUs < endUs; this.#nowUs += turnUs) {
      const sent = Math.min(this.#queued, (this.#rateBps / 8e6) * turnUs);
      this.#queued -= sent;
      this.#delivered += sent;
      if (this.#nowUs % lookUs === 0) this.#outq = Math.floor(this.#queued);
      const allowed = this.credit.allowed(this.#nowUs, this.#sealed, this.#sealed, this.#outq);
      // As the sealer does: a credit too small for a packet still sends one.
      const packets = allowed > 0 ? Math.max(1, Math.floor(allowed / packetBytes)) : 0;
      const bytes = Math.min(64 * 1024, packets * packetBytes);
      if (bytes > 0) {
        this.#sealed += bytes;
        this.#queued += bytes;
        this.credit.spend(bytes);
        // The link looks after every send.
        this.#outq = Math.floor(this.#queued);
      }
      waits.push((this.#queued * 8e3) / this.#rateBps);
    }
    return { waitsMs: waits.sort((a, b) => a - b), deliveredBytes: this.#delivered - before };
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

for (const rateMbps of [10, 50, 200, 1_000]) {
  t.test(`at ${rateMbps} Mbit/s about 2 ms wait in the device, and it is busy`, async (t) => {
    const rateBps = rateMbps * 1e6;
    const device = new Device(rateBps);
    device.run(500_000);
    const { waitsMs, deliveredBytes } = device.run(2_000_000);
    const p99 = percentile(waitsMs, 0.99);
    // Two packets are the least that keeps a device busy, however slow it is, and the last bytes of a credit send one more.
    const leastMs = (3.2 * packetBytes * 8e3) / rateBps;
    t.ok(p99 <= Math.max(2.5, leastMs), `p99 of the wait: ${p99.toFixed(2)} ms`);
    const usedShare = (deliveredBytes * 8) / (rateBps * 2);
    t.ok(usedShare > 0.95, `${(usedShare * 100).toFixed(1)} % used`);
  });
}

t.test('a device that grows slower is found out within half a second, and one that grows faster too', async (t) => {
  const device = new Device(200e6);
  device.run(1_000_000);
  device.rateBps = 20e6;
  device.run(500_000);
  const slow = device.run(500_000);
  t.ok(percentile(slow.waitsMs, 0.99) < 4, `${percentile(slow.waitsMs, 0.99).toFixed(2)} ms at a tenth of the rate`);
  device.rateBps = 200e6;
  device.run(500_000);
  const fast = device.run(500_000);
  t.ok((fast.deliveredBytes * 8) / (200e6 * 0.5) > 0.9, `${fast.deliveredBytes} bytes in 0.5 s`);
});

t.test('a configured rate is kept, though the device would take more', async (t) => {
  const device = new Device(1e9, 30e6);
  device.run(100_000);
  const { deliveredBytes } = device.run(1_000_000);
  const bps = deliveredBytes * 8;
  t.ok(bps > 28e6 && bps < 31e6, `${(bps / 1e6).toFixed(1)} Mbit/s`);
});

t.test('isPathLimited says whether the device or only this machine is behind', async (t) => {
  const credit = new PathCredit(0);
  // Sealed and not yet taken by the link's thread: more of it is allowed, and it is nobody's fault but ours.
  let allowed = credit.allowed(1_000, 10_000_000, 0, 0);
  t.ok(allowed <= 0);
  t.equal(credit.isPathLimited, false);
  allowed = credit.allowed(2_000, 1_000_000, 1_000_000, 5_000_000);
  t.ok(allowed <= 0);
  t.equal(credit.isPathLimited, true);
  t.ok(credit.retryUs() >= 100 && credit.retryUs() <= 2_000, 'and when to ask again');
});
