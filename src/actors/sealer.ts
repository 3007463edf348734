/**
 * Routes, queues and seals: the only owner of counters. A train whose path has credit is sealed straight from the ring; any
 * other waits in the stash, per peer and class, and is dropped only there, before a counter is taken.
 */

import { doubleZero, never } from '../base/double.ts';
import type { Bond } from '../bonding/bond.ts';
import type { BondSettings } from '../bonding/bond-settings.ts';
import type { FairQueue } from '../bonding/queue/fair-queue.ts';
import type { SendingPath } from '../bonding/sending-path.ts';
import { fit } from '../bonding/size/path-size.ts';
import { parity } from '../contract/frames.ts';
import { session } from '../contract/peer-tables.ts';
import { trafficClass } from '../contract/records.ts';
import type { Sealer } from '../native/data-api.ts';
import { sealerCounters } from '../rings/counter-names.ts';
import { RowChanges } from '../rings/row-changes.ts';
import { SessionTable } from '../rings/session-table.ts';
import { ofShard, shardOf } from '../rings/shards.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, fdOf, memoryOf, nativePort, Throughput } from './kit/ports.ts';
import { AckDesk } from './sealer/ack-desk.ts';
import { Bonds } from './sealer/bonds.ts';
import { FrameDesk } from './sealer/frame-desk.ts';
import { HeardFrames } from './sealer/heard-frames.ts';
import { FlightMemory } from './sealer/native-flight.ts';
import { ParityDesk } from './sealer/parity-desk.ts';
import { RateDesk } from './sealer/rate-desk.ts';
import { SealDesk } from './sealer/seal-desk.ts';
import type { SealerCarrier } from './sealer/sending-paths.ts';
import { TooLong } from './sealer/too-long.ts';
import { TrainFacts } from './sealer/train-facts.ts';
import { WaitingRoom } from './sealer/waiting-room.ts';

export const definition: ActorDefinition = {
  role: 'sealer',
  turn: 'duty',
  start: (context) => new SealerActor(context),
};

/** `settings` of the sealer's spec. */
export interface SealerSettings {
  /** In the order of their rows, which may have gaps. */
  readonly carriers: readonly SealerCarrier[];
  /** The tunnel's MTU: padding never goes beyond it. */
  readonly mtu: number;
  readonly bonding: Omit<BondSettings, 'mtu' | 'sealedBytes'>;
  /** Longest inner packet that gets parity; longer ones would not leave room for it on the path. */
  readonly fecMtu: number;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
  /** Which of how many pairs of sealer and opener this one is of: its log and its stash are named by it (`ofShard`). Undefined = the only one. */
  readonly shard?: number;
  readonly shards?: number;
}

const trainsPerTurn = 16;
/** What urgent classes may overdraw together: room for calls and acknowledgements, none for a flood of small packets. */
const urgentReserveBytes = 16 * 1024;
const ringFullRetryUs = 200;
/** Header and tag of a data message. */
const dataMessageBytes = 32;
/** A link that takes nothing for longer than this is not merely behind: others shall not wait for it. */
const behindPatienceUs = 5_000;

/** By link name; undefined = all links again. */
export interface ForceLinkCommand extends Command {
  readonly kind: 'force-link';
  readonly link: string | undefined;
}

/** What the operator says of transports stands in the carrier table, and what a plugin suggests in that of the links. */
export interface FollowTransportsCommand extends Command {
  readonly kind: 'follow-transports';
}

class SealerActor implements Actor {
  readonly #context: ActorContext;
  readonly #native: Sealer;
  readonly #mtu: number;
  readonly #shard: number;
  readonly #shards: number;
  readonly #sessions: SessionTable;
  readonly #bonds: Bonds;
  readonly #desk: SealDesk;
  readonly #frames: FrameDesk;
  readonly #heard: HeardFrames;
  readonly #parity: ParityDesk;
  readonly #waiting: WaitingRoom;
  readonly #acks: AckDesk;
  readonly #rates: RateDesk;
  readonly #facts = new TrainFacts();
  readonly #tooLong: TooLong;
  readonly #throughput: Throughput;
  readonly #serve = (row: number, entry: number, queue: FairQueue): boolean => this.#serveHead(row, entry, queue);
  readonly #resuming = {
    resume: (row: number): void => this.#waiting.resume(row),
    readmit: (row: number): void => this.#waiting.readmit(row),
  };
  readonly #mayServe = (row: number, queue: FairQueue): boolean => this.#mayServeNow(row, queue);
  readonly #turnBond = (bond: Bond): number => this.#turnOf(bond);
  readonly #sessionChanges: RowChanges;
  readonly #sweepSlot = (slot: number): void => this.#native.sweep(slot);
  readonly #sweepAll = (): void => this.#native.sweep(-1);
  #nowUs = doubleZero;
  /** The last turn found nothing to do. */
  #wasIdle = true;
  #behindSinceUs = never;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as SealerSettings;
    const shared = new FlightMemory();
    this.#context = context;
    this.#mtu = settings.mtu;
    this.#shard = settings.shard ?? 0;
    this.#shards = settings.shards ?? 1;
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    this.#sessionChanges = new RowChanges(this.#sessions);
    this.#throughput = new Throughput(spec);
    this.#tooLong = new TooLong(this.#throughput);
    this.#native = new addon.Sealer({
      plain: nativePort(spec, 'plain'),
      carriers: settings.carriers.map((one) => nativePort(spec, `descriptors.${one.name}`)),
      log: bytesOf(spec, ofShard('sealedLog', this.#shard)),
      sessions: bytesOf(spec, 'sessions'),
      paths: bytesOf(spec, 'paths'),
      allowedIps: bytesOf(spec, 'allowedIps'),
      stash: bytesOf(spec, ofShard('stash', this.#shard)),
      facts: this.#facts.memory,
      feedback: new Uint8Array(shared.feedback.buffer),
      limits: new Uint8Array(shared.limits.buffer),
      maxFecBytes: settings.fecMtu + dataMessageBytes,
      peers: bytesOf(spec, 'peers'),
      mtu: settings.mtu,
      outerFragments: settings.outerFragments,
      tooLong: this.#tooLong.bytes,
      answersFd: fdOf(spec, 'tun'),
      beside: {
        links: bytesOf(spec, 'links'),
        carriers: bytesOf(spec, 'carriers'),
        rows: settings.carriers.map(({ row }) => row),
      },
    });
    const { mtu } = settings;
    const longest = settings.bonding.fec === 'off' ? mtu : Math.max(mtu, settings.fecMtu + parity.excessBytes);
    this.#bonds = new Bonds(context, this.#native, shared, {
      carriers: settings.carriers,
      bonding: { ...settings.bonding, mtu, sealedBytes: longest + dataMessageBytes },
      outerFragments: settings.outerFragments,
      shard: this.#shard,
    });
    this.#desk = new SealDesk(context, this.#native, this.#throughput);
    this.#bonds.onJudged = (row) => this.#desk.tellJudged(row);
    this.#frames = new FrameDesk(context, this.#native, this.#bonds, this.#desk);
    this.#heard = new HeardFrames(context, this.#native, this.#bonds, this.#desk, this.#frames);
    this.#parity = new ParityDesk(context, this.#native, this.#desk, this.#throughput);
    this.#waiting = new WaitingRoom(context, this.#native, this.#throughput, this.#shard);
    this.#acks = new AckDesk(context, this.#native, this.#waiting, this.#throughput);
    this.#rates = new RateDesk(context);
  }

  work(nowUs: number): number {
    this.#nowUs = nowUs;
    this.#desk.retell();
    this.#followSessions();
    this.#rates.turn(nowUs, this.#resuming);
    // What ends a silence is mostly a packet that is alone, and somebody waits for it: reports and ticks come behind it.
    const early = this.#wasIdle && this.#waiting.count === 0 ? this.#takeTrains() : 0;
    const framed = this.#heard.work(nowUs) + this.#frames.work(nowUs);
    this.#bonds.turn(nowUs, this.#turnBond);
    this.#acks.tick(nowUs);
    const served = this.#waiting.count > 0 ? this.#serveWaiting(nowUs) : 0;
    const taken = early > 0 ? early : this.#takeTrains();
    this.#tooLong.count();
    const done = framed + served + taken;
    this.#wasIdle = done === 0;
    return done;
  }

  onCommand(command: Command): void {
    if (command.kind === 'force-link') this.#bonds.force((command as ForceLinkCommand).link);
    if (command.kind === 'follow-transports') this.#bonds.followAll();
  }

  close(): void {
    // What waits stays in the stash for a successor.
  }

  /** Retired slots: forget their contexts, then say so, so that their keys can be zeroed (contract/peer-tables.ts, sealerSeenAt). */
  #followSessions(): void {
    if (this.#sessionChanges.areNone) return;
    const version = this.#sessionChanges.read(this.#sweepSlot, this.#sweepAll);
    this.#sessions.acknowledge(session.sealerSeenAt, version, this.#shard);
  }

  /** When the bond is due again; what waits for it is offered to it once more. */
  #turnOf(bond: Bond): number {
    this.#waiting.resume(bond.row);
    const dueUs = this.#frames.turn(bond, this.#nowUs);
    return Math.min(dueUs, this.#parity.turn(bond, this.#nowUs));
  }

  /** Peers that cannot be served are passed over: their queues are not judged, for it is not they who are slow. */
  #serveWaiting(nowUs: number): number {
    if (this.#rates.isShared) return this.#waiting.serveShared(nowUs, this.#rates, this.#serve, this.#mayServe);
    return this.#waiting.serveAll(nowUs, this.#serve, this.#mayServe);
  }

  #mayServeNow(row: number, queue: FairQueue): boolean {
    const bond = this.#bonds.look(row, this.#nowUs);
    queue.queueTargetUs = bond.queueTargetUs(this.#nowUs);
    if (this.#desk.slotOf(row) < 0) this.#desk.wantHandshake(row, this.#nowUs);
    else if (bond.hasUsable) return this.#rates.mayServe(row, queue);
    return false;
  }

  #takeTrains(): number {
    const count = this.#native.look(trainsPerTurn);
    if (count === 0) return 0;
    let index = 0;
    while (index < count) {
      const taken = this.#takeRun(index, count);
      if (taken === 0) break;
      index += taken;
    }
    this.#native.release(index);
    return index;
  }

  /**
   * Deals with train `index` and those after it that share its fate; returns how many. 0: it stays in the ring, because only
   * this machine's own threads are behind; a copy to the stash would make them slower still.
   */
  #takeRun(index: number, count: number): number {
    const row = this.#facts.peer(index);
    // Whose packets are another shard's was another's when they were sorted: a prefix has moved to another peer.
    if (row < 0 || shardOf(row, this.#shards) !== this.#shard) {
      this.#throughput.count(row === -2 ? sealerCounters.malformed : sealerCounters.noRoute, 1);
      return 1;
    }
    if (this.#facts.isDone(index)) return 1;
    const kind = this.#facts.trafficClass(index);
    const bond = this.#bonds.of(row, this.#nowUs);
    if (this.#desk.slotOf(row) < 0) {
      this.#desk.wantHandshake(row, this.#nowUs);
      return this.#wait(index, row, kind);
    }
    if (bond.isOrdering(this.#nowUs) && this.#acks.hold(bond, this.#facts.columns, index, this.#nowUs)) return 1;
    const rateBytes = this.#rates.isOn ? this.#rates.freshBytes(row, kind) : Number.POSITIVE_INFINITY;
    if (rateBytes <= 0) return this.#wait(index, row, kind);
    const path = this.#choose(bond, index, count, kind);
    if (path === undefined || this.#mustQueue(row, kind)) {
      const mayStay = bond.routes.isMerelyBehind && (path === undefined || kind === trafficClass.bulk);
      return mayStay && this.#mayStay(index, count) ? 0 : this.#wait(index, row, kind);
    }
    const slot = this.#desk.slotOf(row);
    if (!this.#desk.begin(bond, slot, path.row, path.port, kind, this.#nowUs)) return this.#wait(index, row, kind);
    this.#behindSinceUs = never;
    const allowed = Math.min(allowance(bond, path, kind), rateBytes);
    const run = this.#runLength(bond, path, index, count, kind, allowed);
    const segments = this.#native.sealTrains(index, run, this.#facts.segmentBudget(index, allowed));
    this.#sendCopies(bond, path, kind);
    this.#desk.finish(bond, path, Math.max(0, segments), true, this.#nowUs);
    this.#rates.spend(row);
    this.#parity.follow(bond, this.#nowUs);
    let taken = 0;
    while (taken < run && this.#facts.isDone(index + taken)) taken += 1;
    // The link's ring is full: nothing rings when it is not, so look again soon.
    if (segments >= 0) return taken > 0 ? taken : this.#takeRun(index, count);
    this.#context.wakeAt(this.#nowUs + ringFullRetryUs);
    return taken + (bond.routes.isMerelyBehind ? 0 : this.#wait(index + taken, row, kind));
  }

  /** Others of the peer wait. Where a rate keeps a queue that never ends, what is urgent passes by the bulk in it. */
  #mustQueue(row: number, kind: number): boolean {
    const mayPass = kind !== trafficClass.bulk && this.#rates.isLimited(row);
    return mayPass ? this.#waiting.hasUrgent(row) : this.#waiting.has(row);
  }

  /** The path for train `index`; undefined: it must wait, and a turn is asked for when it need not. */
  #choose(bond: Bond, index: number, count: number, kind: number): SendingPath | undefined {
    const facts = this.#facts;
    let backlog = this.#waiting.bytes(bond.row);
    for (let next = index; next < count; next += 1) if (facts.peer(next) === bond.row) backlog += facts.bytes(next);
    const longest = bond.mtu.sealedBytes(facts.longest(index));
    return this.#chooseFor(bond, kind, facts.flow(index), facts.bytes(index), longest, backlog);
  }

  #chooseFor(
    bond: Bond,
    kind: number,
    flow: number,
    bytes: number,
    longest: number,
    backlog: number,
  ): SendingPath | undefined {
    const path = bond.routes.choose(kind, flow, bytes, longest, backlog, this.#nowUs);
    if (path !== undefined && allowance(bond, path, kind) > 0) return path;
    this.#context.wakeAt(this.#nowUs + bond.routes.retryUs());
    return undefined;
  }

  /**
   * A train may stay in the ring because its link is behind, but not for long if those behind it are for other peers: in the TUN there are
   * some of another shard, if not here.
   */
  #mayStay(index: number, count: number): boolean {
    if (this.#behindSinceUs < 0) this.#behindSinceUs = this.#nowUs;
    if (this.#nowUs - this.#behindSinceUs < behindPatienceUs) return true;
    if (this.#shards > 1) return false;
    const row = this.#facts.peer(index);
    for (let next = index + 1; next < count; next += 1) if (this.#facts.peer(next) !== row) return false;
    return true;
  }

  #sendCopies(bond: Bond, path: SendingPath, kind: number): void {
    let mask = 1 << bond.paths.indexOf(path);
    for (;;) {
      const copy = bond.routes.copyTo(kind, mask, this.#nowUs);
      if (copy < 0) return;
      mask |= 1 << copy;
      const other = bond.paths[copy];
      if (other !== undefined)
        other.spend(this.#native.copy(other.port, other.row, other.fit.longest(fit.yes)), this.#nowUs);
    }
  }

  /** Trains from `index` on that go to the same peer in the same class, as many as `allowed` bytes pay for. */
  #runLength(bond: Bond, path: SendingPath, index: number, count: number, kind: number, allowed: number): number {
    if (bond.routes.isPerFlow(kind)) return 1;
    const facts = this.#facts;
    const isOrdering = bond.isOrdering(this.#nowUs);
    const longest = Math.max(bond.mtu.sealedBytes(facts.longest(index)), path.fit.sealedBytes);
    let run = 1;
    let bytes = facts.bytes(index);
    for (let next = index + 1; next < count && bytes < allowed; next += 1) {
      if (facts.peer(next) !== bond.row || facts.trafficClass(next) !== kind) break;
      if (isOrdering && this.#acks.isConcerned(facts.columns, facts.at(next), this.#nowUs)) break;
      if (bond.isBonded && bond.mtu.sealedBytes(facts.longest(next)) > longest) break;
      bytes += facts.bytes(next);
      run += 1;
    }
    return run;
  }

  #wait(index: number, row: number, kind: number): number {
    const facts = this.#facts;
    this.#waiting.admit(index, row, kind, facts.flow(index), facts.bytes(index), facts.segments(index), this.#nowUs);
    return 1;
  }

  /** Seals what the credit pays for of a waiting train; false ends the peer's turn. */
  #serveHead(row: number, entry: number, queue: FairQueue): boolean {
    const { stash } = this.#waiting;
    const kind = stash.trafficClass(entry);
    const bond = this.#bonds.of(row, this.#nowUs);
    const bytes = stash.bytes(entry);
    const rateBytes = this.#rates.allowedBytes(row, kind);
    if (rateBytes <= 0) return false;
    const path = this.#chooseFor(bond, kind, stash.flow(entry), bytes, bond.mtu.sealedBytes(bytes), queue.bytes);
    if (path === undefined) return false;
    const slot = this.#desk.slotOf(row);
    if (!this.#desk.begin(bond, slot, path.row, path.port, kind, this.#nowUs)) return false;
    const offset = stash.offset(entry);
    const segments = this.#native.sealStashed(
      offset,
      this.#stashedBudget(Math.min(allowance(bond, path, kind), rateBytes)),
    );
    this.#sendCopies(bond, path, kind);
    queue.spend(this.#desk.finish(bond, path, Math.max(0, segments), true, this.#nowUs));
    this.#rates.spend(row);
    this.#parity.follow(bond, this.#nowUs);
    if (segments < 0) {
      this.#context.wakeAt(this.#nowUs + ringFullRetryUs);
      return false;
    }
    if (this.#native.segmentsLeft(offset) === 0) this.#waiting.leave(queue, entry);
    return true;
  }

  #stashedBudget(allowed: number): number {
    return Math.max(1, Math.floor(allowed / this.#mtu));
  }
}

/** Bytes that may be sealed for the path now. Urgent classes may overdraw: they are small, and must not wait for bulk. */
function allowance(bond: Bond, path: SendingPath, kind: number): number {
  return kind === trafficClass.bulk ? bond.routes.quantumBytes(path) : path.allowedBytes + urgentReserveBytes;
}
