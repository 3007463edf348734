/**
 * One inner TCP flow over a bond, in steps of virtual time: a sender with CUBIC (RFC 9438) and HyStart as Linux has them, the
 * sealer's queue with CoDel, a scheduler, paths whose controllers know their rate, and a receiver that restores the order. Coarse on
 * purpose: it judges schedulers against each other, not links. Deterministic for a seed.
 */
import { Codel, targetUs as codelTargetUs } from '../../../src/bonding/queue/codel.ts';
import type { Demand, PathView, Scheduler } from '../../../src/bonding/schedule/scheduler.ts';
import { trafficClass } from '../../../src/rings/layout.ts';

export interface SimulatedLink {
  readonly mbps: number;
  readonly rttMs: number;
  readonly loss?: number;
  readonly jitterMs?: number;
  /** The rate is halved in every other period of so many milliseconds. */
  readonly halvesEveryMs?: number;
}

export interface FlowOptions {
  readonly seconds: number;
  /** Left out of the goodput. */
  readonly rampSeconds?: number;
  readonly seed?: number;
  /** Largest window of the inner receiver; Linux grows to about 3 MB by default. */
  readonly windowBytes?: number;
  /** Stops after so many bytes; `doneMs` says when they had arrived. */
  readonly transferBytes?: number;
  /** The link's losses are sent again by the nearest path, a round trip and a report later. */
  readonly repairs?: boolean;
  readonly controller?: 'cubic' | 'bbr';
  /** Called every simulated second. */
  readonly trace?: (line: string) => void;
}

export interface FlowResult {
  readonly mbps: number;
  readonly doneMs: number;
  /** Share of the bytes each link carried. */
  readonly shares: readonly number[];
  readonly p99DelayMs: number;
}

const packetBytes = 1_400;
const stepUs = 250;
const holdUs = 250_000;

/** mulberry32: small, seeded, good enough for losses. */
function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** First in, first out, without shifting. */
class Fifo<Item> {
  #items: Item[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 4_096) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

interface Packet {
  readonly sequence: number;
  /** When the inner sender sent it. */
  readonly sentUs: number;
  /** When it reaches the next place. */
  atUs: number;
  counter: number;
  deliveredAtSend: number;
}

class Link {
  readonly view: PathView;
  readonly #link: SimulatedLink;
  readonly #random: () => number;
  readonly wire = new Fifo<Packet>();
  #tokens = 0;
  #freeUs = 0;
  #lastAtUs = 0;
  bytes = 0;

  constructor(link: SimulatedLink, row: number, next: () => number) {
    this.#link = link;
    this.#random = next;
    this.view = {
      row,
      isUsable: true,
      priority: 0,
      weight: 0,
      role: 'always',
      allowedBytes: 0,
      rttUs: link.rttMs * 1_000,
      minRttUs: link.rttMs * 1_000,
      jitterUs: (link.jitterMs ?? 0) * 800,
      loss: link.loss ?? 0,
      rateBytesPerUs: link.mbps / 8,
      inFlightBytes: 0,
      sentBytes: 0,
      readyInUs: 0,
      isStarting: false,
    };
  }

  rate(nowUs: number): number {
    const every = this.#link.halvesEveryMs;
    const isHalved = every !== undefined && Math.floor(nowUs / (every * 1_000)) % 2 === 1;
    return this.#link.mbps / 8 / (isHalved ? 2 : 1);
  }

  refill(nowUs: number): void {
    const rate = this.rate(nowUs);
    this.#tokens = Math.min(Math.max(2 * packetBytes, rate * 2_000), this.#tokens + rate * stepUs);
    this.view.rateBytesPerUs = rate;
    this.touch();
  }

  touch(): void {
    this.view.allowedBytes = this.#tokens;
    this.view.readyInUs = this.#tokens > 0 ? 0 : -this.#tokens / this.view.rateBytesPerUs;
  }

  send(packet: Packet, nowUs: number): boolean {
    this.#tokens -= packetBytes;
    this.view.sentBytes += packetBytes;
    this.bytes += packetBytes;
    this.touch();
    this.#freeUs = Math.max(nowUs, this.#freeUs) + packetBytes / this.view.rateBytesPerUs;
    if (this.#random() < (this.#link.loss ?? 0)) return false;
    // Box-Muller; a link does not reorder.
    const chance = Math.sqrt(-2 * Math.log(this.#random() + 1e-12)) * Math.cos(2 * Math.PI * this.#random());
    const jitterUs = Math.abs(chance) * (this.#link.jitterMs ?? 0) * 1_000;
    this.#lastAtUs = Math.max(this.#lastAtUs, this.#freeUs + this.#link.rttMs * 500 + jitterUs);
    packet.atUs = this.#lastAtUs;
    this.#measure(2 * (this.#lastAtUs - nowUs));
    this.wire.push(packet);
    return true;
  }

  /** RFC 6298; without the delay of a report, which is short against a link's. */
  #measure(rttUs: number): void {
    const view = this.view;
    view.jitterUs += (Math.abs(rttUs - view.rttUs) - view.jitterUs) / 64;
    view.rttUs += (rttUs - view.rttUs) / 32;
  }
}

/** The inner sender: window, losses, retransmissions. */
class Sender {
  window = 10;
  readonly #isBbr: boolean;
  #threshold = Number.POSITIVE_INFINITY;
  #delivered = 0;
  readonly #outstanding = new Map<number, Packet>();
  #highest = -1;
  #recoverUntil = -1;
  #ackedUs = 0;
  // CUBIC
  #epochUs = -1;
  #origin = 0;
  #waitS = 0;
  #lastMost = 0;
  #smoothedUs = 0;
  // HyStart
  #leastUs = Number.POSITIVE_INFINITY;
  #roundEnd = 0;
  #roundLeastUs = Number.POSITIVE_INFINITY;
  #roundSamples = 0;
  #roundStartUs = 0;
  #lastAckUs = 0;
  // BBR, version 1, much reduced
  #bandwidth: number[] = new Array<number>(10).fill(0);
  #bandwidthRound = 0;
  #leastAtUs = 0;
  #probeUntilUs = -1;
  #fullBandwidth = 0;
  #fullRounds = 0;
  #isFull = false;
  #cycle = 0;

  constructor(controller: 'cubic' | 'bbr') {
    this.#isBbr = controller === 'bbr';
  }

  get inFlight(): number {
    return this.#outstanding.size;
  }

  get delivered(): number {
    return this.#delivered;
  }

  note(packet: Packet): void {
    packet.deliveredAtSend = this.#delivered;
    this.#outstanding.set(packet.sequence, packet);
  }

  /** Sequences that count as lost now. */
  acknowledge(packet: Packet, nowUs: number): number[] {
    if (!this.#outstanding.delete(packet.sequence)) return [];
    this.#delivered += 1;
    this.#ackedUs = nowUs;
    this.#highest = Math.max(this.#highest, packet.sequence);
    const rttUs = nowUs - packet.sentUs;
    this.#smoothedUs = this.#smoothedUs === 0 ? rttUs : this.#smoothedUs + (rttUs - this.#smoothedUs) / 8;
    if (this.#isBbr) this.#bbr(packet, rttUs, nowUs);
    else if (this.window < this.#threshold) this.#slowStart(packet, rttUs, nowUs);
    else this.#cubic(nowUs);
    return this.#findLost(nowUs);
  }

  /** Everything outstanding, when nothing was acknowledged for long (RFC 6298). */
  expire(nowUs: number): number[] {
    if (this.inFlight === 0 || nowUs - this.#ackedUs < Math.max(400_000, 3 * this.#smoothedUs)) return [];
    this.#ackedUs = nowUs;
    const lost = [...this.#outstanding.keys()];
    this.#outstanding.clear();
    this.#recoverUntil = this.#highest;
    if (!this.#isBbr) {
      this.#reduce();
      this.window = 2;
    }
    return lost;
  }

  #findLost(nowUs: number): number[] {
    const lost: number[] = [];
    for (const [sequence, packet] of this.#outstanding) {
      if (sequence > this.#highest - 3) break;
      // A retransmission gets a round trip of its own.
      if (nowUs - packet.sentUs > this.#smoothedUs * 1.1) lost.push(sequence);
    }
    for (const sequence of lost) this.#outstanding.delete(sequence);
    if (lost.length > 0 && (lost[0] as number) > this.#recoverUntil) {
      this.#recoverUntil = this.#highest + this.inFlight;
      if (!this.#isBbr) this.#reduce();
    }
    return lost;
  }

  #reduce(): void {
    this.#epochUs = -1;
    this.#lastMost = this.window < this.#lastMost ? this.window * 0.85 : this.window;
    this.window = Math.max(2, this.window * 0.7);
    this.#threshold = this.window;
  }

  #slowStart(packet: Packet, rttUs: number, nowUs: number): void {
    this.window += 1;
    this.#leastUs = Math.min(this.#leastUs, rttUs);
    if (packet.sequence >= this.#roundEnd) {
      this.#roundEnd = packet.sequence + this.inFlight;
      this.#roundLeastUs = Number.POSITIVE_INFINITY;
      this.#roundSamples = 0;
      this.#roundStartUs = nowUs;
      this.#lastAckUs = nowUs;
    }
    if (this.window < 16) return;
    if (nowUs - this.#lastAckUs <= 2_000) {
      this.#lastAckUs = nowUs;
      if (nowUs - this.#roundStartUs > this.#leastUs / 2) this.#threshold = this.window;
    }
    this.#roundSamples += 1;
    if (this.#roundSamples <= 8) {
      this.#roundLeastUs = Math.min(this.#roundLeastUs, rttUs);
      return;
    }
    const slackUs = Math.max(4_000, Math.min(16_000, this.#leastUs / 8));
    if (this.#roundLeastUs > this.#leastUs + slackUs) this.#threshold = this.window;
  }

  #cubic(nowUs: number): void {
    if (this.#epochUs < 0) {
      this.#epochUs = nowUs;
      this.#origin = Math.max(this.window, this.#lastMost);
      this.#waitS = Math.cbrt((this.#origin - this.window) / 0.4);
    }
    const seconds = (nowUs - this.#epochUs + this.#smoothedUs) / 1e6;
    const target = this.#origin + 0.4 * (seconds - this.#waitS) ** 3;
    if (target > this.window) this.window += Math.min(0.5, (target - this.window) / this.window);
    else this.window += 0.01 / this.window;
  }

  #bbr(packet: Packet, rttUs: number, nowUs: number): void {
    const sample = (this.#delivered - packet.deliveredAtSend) / rttUs;
    if (rttUs <= this.#leastUs || nowUs - this.#leastAtUs > 10_000_000) {
      if (nowUs - this.#leastAtUs > 10_000_000 && this.#leastAtUs > 0) this.#probeUntilUs = nowUs + 200_000 + rttUs;
      this.#leastUs = rttUs;
      this.#leastAtUs = nowUs;
    }
    if (packet.deliveredAtSend >= this.#roundEnd) {
      this.#roundEnd = this.#delivered;
      this.#bandwidthRound += 1;
      this.#cycle = (this.#cycle + 1) % 8;
      this.#bandwidth[this.#bandwidthRound % 10] = 0;
      if (!this.#isFull) {
        const now = Math.max(...this.#bandwidth);
        if (now > this.#fullBandwidth * 1.25) {
          this.#fullBandwidth = now;
          this.#fullRounds = 0;
        } else if (++this.#fullRounds >= 3) this.#isFull = true;
      }
    }
    const at = this.#bandwidthRound % 10;
    this.#bandwidth[at] = Math.max(this.#bandwidth[at] ?? 0, sample);
    const most = Math.max(...this.#bandwidth);
    this.pace = most * (this.#isFull ? (this.#cycle === 0 ? 1.25 : this.#cycle === 1 ? 0.75 : 1) : 2.885);
    const bdp = most * this.#leastUs;
    const target = Math.max(4, (this.#isFull ? 2 : 2.885) * bdp + 3);
    if (nowUs < this.#probeUntilUs) this.window = 4;
    else this.window = this.#isFull ? target : Math.max(this.window + 1, Math.min(this.window + 1, target));
  }

  /** Packets a microsecond, 0 = not paced. */
  pace = 0;
}

export function runFlow(links: readonly SimulatedLink[], scheduler: Scheduler, options: FlowOptions): FlowResult {
  const next = random(options.seed ?? 1);
  const paths = links.map((link, row) => new Link(link, row, next));
  const views = paths.map((path) => path.view);
  const nearestUs = Math.min(...links.map((link) => link.rttMs)) * 500;
  const sender = new Sender(options.controller ?? 'cubic');
  const queue = new Fifo<Packet>();
  const again = new Fifo<Packet>();
  const acks = new Fifo<Packet>();
  const repairs: Packet[] = [];
  const held = new Map<number, Packet>();
  const codel = new Codel();
  const demand: Demand = { trafficClass: trafficClass.bulk, flow: 7, bytes: packetBytes, backlogBytes: 0 };
  const most = Math.min((options.windowBytes ?? 3e6) / packetBytes, Number.POSITIVE_INFINITY);
  const total = options.transferBytes === undefined ? Number.POSITIVE_INFINITY : options.transferBytes / packetBytes;
  const endUs = options.seconds * 1e6;
  const rampUs = (options.rampSeconds ?? 0) * 1e6;
  const delays: number[] = [];
  let sequence = 0;
  let counter = 0;
  let nextCounter = 0;
  let gapUs = -1;
  let received = 0;
  let counted = 0;
  let doneMs = -1;
  let paceTokens = 0;
  let nowUs = 0;
  let traced = 0;

  const deliver = (packet: Packet): void => {
    received += 1;
    if (nowUs >= rampUs) counted += 1;
    if (received % 50 === 0) delays.push(nowUs - packet.sentUs);
    packet.atUs = nowUs + nearestUs;
    acks.push(packet);
    if (received >= total && doneMs < 0) doneMs = nowUs / 1_000;
  };

  const arrive = (packet: Packet): void => {
    if (packet.counter < nextCounter) deliver(packet);
    else held.set(packet.counter, packet);
  };

  const release = (): void => {
    for (;;) {
      const packet = held.get(nextCounter);
      if (packet !== undefined) {
        held.delete(nextCounter);
        nextCounter += 1;
        gapUs = -1;
        deliver(packet);
      } else if (held.size === 0) {
        gapUs = -1;
        return;
      } else {
        if (gapUs < 0) gapUs = nowUs;
        if (nowUs - gapUs < holdUs) return;
        nextCounter = Math.min(...held.keys());
        gapUs = -1;
      }
    }
  };

  for (; nowUs < endUs && doneMs < 0; nowUs += stepUs) {
    for (;;) {
      const first = acks.first;
      if (first === undefined || first.atUs > nowUs) break;
      acks.shift();
      for (const lost of sender.acknowledge(first, nowUs))
        again.push({ sequence: lost, sentUs: nowUs, atUs: 0, counter: -1, deliveredAtSend: 0 });
    }
    for (const lost of sender.expire(nowUs))
      again.push({ sequence: lost, sentUs: nowUs, atUs: 0, counter: -1, deliveredAtSend: 0 });
    paceTokens = sender.pace > 0 ? Math.min(64, paceTokens + sender.pace * stepUs) : 64;
    while (sender.inFlight < Math.min(most, sender.window) && paceTokens > 0) {
      const packet = again.shift() ?? { sequence, sentUs: nowUs, atUs: 0, counter: -1, deliveredAtSend: 0 };
      if (packet.sequence === sequence) {
        if (sequence >= total) break;
        sequence += 1;
      }
      paceTokens -= 1;
      const sent = { ...packet, sentUs: nowUs, atUs: nowUs };
      sender.note(sent);
      queue.push(sent);
    }
    for (const path of paths) path.refill(nowUs);
    const slackUs = scheduler.queueTargetUs > codelTargetUs ? scheduler.queueTargetUs - codelTargetUs : 0;
    for (;;) {
      const first = queue.first;
      if (first === undefined) break;
      if (codel.shouldDrop(nowUs, nowUs - first.atUs - slackUs, queue.length < 3)) {
        queue.shift();
        continue;
      }
      demand.backlogBytes = queue.length * packetBytes;
      const chosen = scheduler.choose(views, views.length, demand, nowUs);
      if (chosen < 0) break;
      queue.shift();
      first.counter = counter;
      counter += 1;
      const path = paths[chosen] as Link;
      if (!path.send(first, nowUs) && options.repairs !== false) {
        first.atUs = nowUs + (links[chosen] as SimulatedLink).rttMs * 1_000 + 10_000 + nearestUs;
        repairs.push(first);
      }
    }
    for (const path of paths) {
      for (let first = path.wire.first; first !== undefined && first.atUs <= nowUs; first = path.wire.first) {
        path.wire.shift();
        arrive(first);
      }
    }
    for (let index = repairs.length - 1; index >= 0; index -= 1) {
      const packet = repairs[index] as Packet;
      if (packet.atUs > nowUs) continue;
      repairs.splice(index, 1);
      arrive(packet);
    }
    release();
    if (options.trace !== undefined && nowUs % 1e6 === 0) {
      const rate = ((received - traced) * packetBytes * 8) / 1e6;
      traced = received;
      options.trace(
        `${nowUs / 1e6}s ${rate.toFixed(1)} window=${sender.window.toFixed(0)} queue=${queue.length} held=${held.size} ` +
          `target=${(scheduler.queueTargetUs / 1e3).toFixed(0)} ${paths.map((path) => (path.bytes / 1e6).toFixed(1)).join(' ')}`,
      );
    }
  }
  delays.sort((a, b) => a - b);
  const sent = paths.reduce((sum, path) => sum + path.bytes, 0);
  return {
    mbps: (counted * packetBytes * 8) / (nowUs - rampUs),
    doneMs,
    shares: paths.map((path) => path.bytes / sent),
    p99DelayMs: (delays[Math.floor(delays.length * 0.99)] ?? 0) / 1_000,
  };
}
