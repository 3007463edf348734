/** Opens what the carriers received: names the key slot of every run, and lets the addon decrypt, check, join and deliver. */
import { never } from '../base/double.ts';
import { gaps, lateness, opened, runs } from '../contract/columns.ts';
import { cipher, session, slotState } from '../contract/peer-tables.ts';
import type { Opener } from '../native/opener-api.ts';
import { openerCounters } from '../rings/counter-names.ts';
import { PathChain } from '../rings/path-chain.ts';
import { RowChanges } from '../rings/row-changes.ts';
import { SessionTable } from '../rings/session-table.ts';
import { shardOf } from '../rings/shards.ts';
import { pathTable, peerTable } from '../rings/table.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, memoryOf, nativePort, Throughput } from './kit/ports.ts';
import { GapKeeper } from './opener/gap-keeper.ts';
import { Reporter } from './opener/reporter.ts';
import { ShareKeeper } from './opener/share-keeper.ts';

export const definition: ActorDefinition = {
  role: 'opener',
  turn: 'duty',
  start: (context) => new OpenerActor(context),
};

/** `settings` of the opener's spec. */
export interface OpenerSettings {
  /** Their names: the ports `received.<name>`. What comes by them says the row of its carrier itself. */
  readonly carriers: readonly string[];
  /** The TUN takes UDP super-packets. */
  readonly joinUdp: boolean;
  /** How long packets of a peer with many paths are held for others before them; 0 = not at all. */
  readonly reorderMs: number | 'auto';
  /** Packets that the only path of a peer has lost are waited for where the peer sends them again. */
  readonly awaitsRepairs: boolean;
  /** The tunnel's MTU: longer packets of a peer cannot be rebuilt from parity. */
  readonly mtu: number;
  /** One of `outerFragments`. */
  readonly outerFragments: number;
  /** Benches only: treat ChaCha20-Poly1305 sessions as a plain copy. */
  readonly plaintext: boolean;
  /** Which of how many pairs of sealer and opener this one is of. Undefined = the only one. */
  readonly shard?: number;
  readonly shards?: number;
}

/** Messages of one link a turn; with GRO each is up to 64 KiB. */
const recordsPerTurn = 16;
/** A peer with one path that sends nothing again needs no order but the network's. */
const orderFromPaths = 2;
/** Of a peer whose MTU is not ours; WireGuard's. */
const usualMtu = 1420;
/** Header and tag of a data message. */
const dataMessageBytes = 32;
/** A full tun-writer's ring drains in less. */
const stallPauseUs = 100;
/** While there is always something to open, gaps and reports are looked after so often. */
const mostDeferUs = 500;

class OpenerActor implements Actor {
  readonly #context: ActorContext;
  readonly #opener: Opener;
  readonly #sessions: SessionTable;
  readonly #runs = new Int32Array(runs.max * runs.columns);
  readonly #result = new Int32Array(opened.columns);
  readonly #throughput: Throughput;
  readonly #reporter: Reporter;
  readonly #gapKeeper: GapKeeper;
  readonly #shares: ShareKeeper;
  readonly #inputs: number;
  readonly #plaintext: boolean;
  readonly #shard: number;
  readonly #shards: number;
  /** Receiver index (as i32) → slot × 4 + cipher, of the slots that are ready. */
  readonly #slots = new Map<number, number>();
  /** Slot × 2 + 0 or 1 → receiver index that leads there. */
  readonly #learnt = new Map<number, number>();
  readonly #sessionChanges: RowChanges;
  readonly #followSlot = (slot: number): void => this.#follow(slot);
  readonly #followAll = (): void => this.#learnAll();
  #first = 0;
  /** Since when every turn had something to open, and gaps and reports were not looked after. */
  #busySinceUs = never;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as OpenerSettings;
    this.#context = context;
    this.#inputs = settings.carriers.length;
    this.#plaintext = settings.plaintext;
    this.#shard = settings.shard ?? 0;
    this.#shards = settings.shards ?? 1;
    this.#sessions = new SessionTable(memoryOf(spec, 'sessions'));
    this.#sessionChanges = new RowChanges(this.#sessions);
    const unreported = new Int32Array(1 + this.#sessions.rows);
    const gapRows = new Float64Array(1 + gaps.max * gaps.columns);
    const latenessRows = new Float64Array(1 + lateness.max * lateness.columns);
    this.#opener = new addon.Opener({
      received: settings.carriers.map((name) => nativePort(spec, `received.${name}`)),
      plain: nativePort(spec, 'plain'),
      events: nativePort(spec, 'events'),
      reports: nativePort(spec, 'reports'),
      heard: nativePort(spec, 'heard'),
      sessions: bytesOf(spec, 'sessions'),
      peers: bytesOf(spec, 'peers'),
      paths: bytesOf(spec, 'paths'),
      allowedIps: bytesOf(spec, 'allowedIps'),
      joinUdp: settings.joinUdp,
      runs: new Uint8Array(this.#runs.buffer),
      result: new Uint8Array(this.#result.buffer),
      unreported: new Uint8Array(unreported.buffer),
      orderFromPaths: settings.reorderMs === 0 ? 0 : orderFromPaths,
      awaitsRepairs: settings.awaitsRepairs,
      gaps: new Uint8Array(gapRows.buffer),
      lateness: new Uint8Array(latenessRows.buffer),
      maxFecBytes: Math.max(settings.mtu, usualMtu) + dataMessageBytes,
      mtu: settings.mtu,
      outerFragments: settings.outerFragments,
    });
    const paths = pathTable(memoryOf(spec, 'paths'));
    const peers = peerTable(memoryOf(spec, 'peers'));
    const chain = new PathChain(peers, paths);
    const wakeAt = (atUs: number): void => context.wakeAt(atUs);
    this.#reporter = new Reporter({ native: this.#opener, unreported, sessions: this.#sessions, paths, chain, wakeAt });
    this.#gapKeeper = new GapKeeper({
      native: this.#opener,
      gaps: gapRows,
      lateness: latenessRows,
      sessions: this.#sessions,
      peers,
      paths,
      chain,
      reorderMs: settings.reorderMs,
      reportSpacingUs: (slot) => this.#reporter.spacingUs(slot),
      onGap: (slot, atUs) => this.#reporter.noteGap(slot, atUs),
      wakeAt,
    });
    this.#shares = new ShareKeeper(peers, wakeAt);
    this.#throughput = new Throughput(spec);
  }

  work(nowUs: number): number {
    this.#followSessions();
    let done = 0;
    for (let turned = 0; turned < this.#inputs; turned += 1)
      done += this.#open((this.#first + turned) % this.#inputs, nowUs);
    this.#first = (this.#first + 1) % this.#inputs;
    // What came is on its way first: in a thread of several actors whoever delivers it comes after this one.
    if (done === 0) this.#busySinceUs = never;
    else if (this.#busySinceUs < 0) this.#busySinceUs = nowUs;
    if (done > 0 && nowUs - this.#busySinceUs < mostDeferUs) return done;
    this.#busySinceUs = never;
    const given = this.#gapKeeper.turn(nowUs);
    if (given > 0) this.#throughput.count(openerCounters.givenUp, given);
    this.#shares.turn(nowUs);
    const reports = this.#reporter.turn(nowUs);
    if (reports > 0) this.#throughput.count(openerCounters.reports, reports);
    return done + given + reports;
  }

  onCommand(_command: Command): void {
    // An opener follows the shared tables; it has nothing to be told.
  }

  close(): void {
    this.#slots.clear();
  }

  #open(input: number, nowUs: number): number {
    const count = this.#opener.look(input, recordsPerTurn);
    if (count === 0) return 0;
    for (let run = 0; run < count; run += 1) this.#name(run * runs.columns);
    if (this.#shares.isOn) this.#noteSenders(count, nowUs);
    this.#opener.open(input, count, nowUs);
    this.#book();
    if (this.#result[opened.stalled] === 0) return count;
    // Nothing moves until the tun-writer does: do not spin on it.
    this.#context.wakeAt(nowUs + stallPauseUs);
    return 0;
  }

  #noteSenders(count: number, nowUs: number): void {
    for (let run = 0; run < count; run += 1) {
      const slot = this.#runs[run * runs.columns + runs.slot] as number;
      if (slot >= 0) this.#shares.note(this.#sessions.int(slot, session.peerAt), nowUs);
    }
  }

  /** Fills in the key slot of the run at index `at`. The first packet under new keys may be quicker than our look at the table. */
  #name(at: number): void {
    const receiverIndex = this.#runs[at + runs.receiverIndex] as number;
    let found = this.#slots.get(receiverIndex);
    if (found === undefined) {
      this.#followSessions();
      found = this.#slots.get(receiverIndex);
    }
    if (found === undefined) return;
    this.#runs[at + runs.slot] = found >> 2;
    this.#runs[at + runs.cipher] = found & 3;
  }

  /** The session table moved: forget contexts of retired slots, learn the new ones, and say so (contract/peer-tables.ts, openerSeenAt). */
  #followSessions(): void {
    if (this.#sessionChanges.areNone) return;
    const version = this.#sessionChanges.read(this.#followSlot, this.#followAll);
    this.#sessions.acknowledge(session.openerSeenAt, version, this.#shard);
  }

  #follow(slot: number): void {
    this.#opener.sweep(slot);
    this.#learn(slot);
  }

  #learnAll(): void {
    this.#opener.sweep(-1);
    for (let slot = 0; slot < this.#sessions.used(); slot += 1) this.#learn(slot);
  }

  #learn(slot: number): void {
    // The replay window of another shard's slot is its opener's alone.
    const isOurs = shardOf(this.#sessions.int(slot, session.peerAt), this.#shards) === this.#shard;
    const isReady = isOurs && this.#sessions.int(slot, session.stateAt) === slotState.ready;
    const plain = this.#plaintext ? cipher.plaintext : cipher.chacha20poly1305;
    this.#learnIndex(isReady ? this.#sessions.int(slot, session.localIndexAt) : 0, slot, 0, plain);
    this.#learnIndex(isReady ? this.#sessions.int(slot, session.localIndexAesAt) : 0, slot, 1, cipher.aes256gcm);
  }

  /** Index 0 is never chosen: it stands for none. */
  #learnIndex(receiverIndex: number, slot: number, place: number, which: number): void {
    const before = this.#learnt.get(slot * 2 + place);
    if (before === receiverIndex) return;
    // Another slot may have it by now.
    if (before !== undefined && (this.#slots.get(before) ?? -1) >> 2 === slot) this.#slots.delete(before);
    this.#learnt.delete(slot * 2 + place);
    if (receiverIndex === 0) return;
    this.#learnt.set(slot * 2 + place, receiverIndex);
    this.#slots.set(receiverIndex, slot * 4 + which);
  }

  #book(): void {
    const result = this.#result;
    this.#throughput.add(result[opened.packets] as number, result[opened.bytes] as number);
    this.#throughput.count(openerCounters.replayed, result[opened.replayed] as number);
    this.#throughput.count(openerCounters.rejected, result[opened.rejected] as number);
    this.#throughput.count(openerCounters.keepalives, result[opened.keepalives] as number);
    this.#throughput.count(openerCounters.control, result[opened.control] as number);
    this.#throughput.count(openerCounters.unknown, result[opened.unknown] as number);
    this.#throughput.count(openerCounters.stalled, result[opened.stalled] as number);
    this.#throughput.count(openerCounters.parity, result[opened.parity] as number);
    this.#throughput.count(openerCounters.rebuilt, result[opened.rebuilt] as number);
    this.#throughput.count(openerCounters.unmarkable, result[opened.unmarkable] as number);
    this.#throughput.count(openerCounters.fragments, result[opened.fragments] as number);
    this.#throughput.count(openerCounters.unjoined, result[opened.unjoined] as number);
  }
}
