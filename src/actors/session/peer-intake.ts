/** Peers that come, change and go, and what a session-manager that died left of theirs in the tables. */
import { isDeepStrictEqual } from 'node:util';
import { capability } from '../../contract/frames.ts';
import { peer as peerLayout, session } from '../../contract/peer-tables.ts';
import type { KeySlot } from '../../protocols/session/key-generations.ts';
import type { Peer } from './peer-book.ts';
import { type PeerSchedule, pollSpacingUs } from './peer-schedule.ts';
import type { PeerSettings, PeersCommand } from './settings.ts';
import type { WatchParts } from './watch-parts.ts';

/** Peers that are taken in in one turn, at 50 µs each. */
const mostComing = 100;
/** By then every source of peers has spoken. */
const tidyAfterUs = 60_000_000;

export interface PeerIntakeParts extends WatchParts {
  readonly schedule: PeerSchedule;
  /** What others keep of a peer is to be dropped. */
  readonly forget: (peer: Peer) => void;
}

export class PeerIntake {
  readonly #parts: PeerIntakeParts;
  /** By row: peers that were announced, and not taken in yet. */
  readonly #coming = new Map<number, PeerSettings>();
  #tidyUs = Number.POSITIVE_INFINITY;
  /** The store of clients had spoken at the last look. */
  #wereClientsKnown = false;

  constructor(parts: PeerIntakeParts) {
    this.#parts = parts;
  }

  /** Takes over what is in the tables, and calls those who wait to hear from us after a restart: who was there before it comes first. */
  start(nowUs: number): void {
    const { slots, peers, peerTable, schedule } = this.#parts;
    for (let row = 0; row < peerTable.used(); row += 1) {
      if (peerTable.int(row, peerLayout.inUseAt) === 1 && peers.get(row) === undefined) peers.clearRow(row);
    }
    const ready = slots.readySlots();
    for (const [row, left] of ready) if (peers.get(row) === undefined) for (const { slot } of left) slots.retire(slot);
    for (const peer of peers.all()) this.#takeOver(peer, ready.get(peer.row) ?? [], nowUs);
    for (const isKnown of [true, false])
      for (const peer of peers.all()) if (peer.isHawser === isKnown) schedule.callIfExpected(peer);
    this.#tidyUs = nowUs + tidyAfterUs;
  }

  /**
   * Peers came, are others than before, or went. One that is another begins anew from what the tables know of it, as all do when a
   * successor of this actor starts: its keys and paths stay.
   */
  changePeers({ put, remove, isAll }: PeersCommand, nowUs: number): void {
    const { peers, slots, refusals } = this.#parts;
    const kept = new Set(put.map(({ row }) => row));
    const others = isAll ? [...peers.all()].filter(({ row }) => !kept.has(row)) : [];
    const gone = [...remove.flatMap((row) => peers.get(row) ?? []), ...others];
    for (const row of isAll ? [...this.#coming.keys()] : remove) this.#coming.delete(row);
    for (const settings of put) this.#coming.set(settings.row, settings);
    const ready = gone.length > 0 ? slots.readySlots() : new Map<number, KeySlot[]>();
    for (const peer of gone) {
      for (const { slot } of ready.get(peer.row) ?? []) slots.retire(slot);
      this.#parts.forget(peer);
      refusals.forget(peer);
      peers.remove(peer);
    }
    this.turn(nowUs);
  }

  /** Thousands that come at once have their turns one after the other: nobody else shall wait for that. */
  turn(nowUs: number): void {
    if (this.#coming.size === 0) return;
    const { peers, slots, limits, schedule, context } = this.#parts;
    const ready = slots.readySlots();
    let taken = 0;
    for (const [row, settings] of this.#coming) {
      if (taken === mostComing) break;
      taken += 1;
      this.#coming.delete(row);
      const before = peers.get(settings.row);
      if (before !== undefined && isOnlyLimited(before.settings, settings)) {
        before.settings = settings;
        limits.apply(before);
        schedule.touch(before);
        continue;
      }
      if (before !== undefined) this.#parts.forget(before);
      const peer = peers.add(settings);
      this.#takeOver(peer, ready.get(peer.row) ?? [], nowUs);
      schedule.callIfExpected(peer);
      schedule.touch(peer);
    }
    if (this.#coming.size > 0) context.wakeAt(nowUs + pollSpacingUs);
  }

  #takeOver(peer: Peer, ready: readonly KeySlot[], nowUs: number): void {
    const { peerTable, peers, slots, sessions, limits, crowds } = this.#parts;
    const left = this.#left(peer, ready);
    const sendSlot = peerTable.int(peer.row, peerLayout.sendSlotAt);
    const current = left.find((one) => one.slot === sendSlot);
    if (current === undefined) peers.setSendSlot(peer, -1);
    const others = left.filter((one) => one !== current).sort((a, b) => b.birthUs - a.birthUs);
    const birthUs = current?.birthUs ?? 0;
    const next = others.find((one) => !one.isInitiator && one.birthUs > birthUs);
    const previous = others.find((one) => one !== next && one.birthUs <= birthUs);
    const said = left.map((one) => sessions.int(one.slot, session.capabilitiesAt));
    if (said.some((bits) => (bits & capability.paths) !== 0)) peer.hasPaths = true;
    peer.session.restore({ previous, current, next }, peerTable.int(peer.row, peerLayout.handshakeWantedAt));
    for (const one of others) if (one !== next && one !== previous) slots.linger(one.slot, nowUs);
    limits.apply(peer);
    const place = left.length > 0 ? peers.pathOf(peer) : undefined;
    if (place !== undefined) crowds.enter(peer, place);
  }

  /** Whoever may have no session has none from now on. */
  #left({ settings }: Peer, ready: readonly KeySlot[]): readonly KeySlot[] {
    if (settings.refusal === undefined) return ready;
    for (const { slot } of ready) this.#parts.slots.retire(slot);
    return [];
  }

  /** Whoever went while no process ran is forgotten, once all sources have said who there is: a store says it of all its clients at once, though it has none. */
  tidy(nowUs: number): void {
    if (nowUs < this.#tidyUs) return;
    const { files, peers, peerTable, hasClientStore } = this.#parts;
    const isKnown = !hasClientStore || peerTable.headNumber(peerLayout.clientsKnownAt) === 1;
    const wasKnown = !hasClientStore || this.#wereClientsKnown;
    this.#wereClientsKnown = isKnown;
    // What it said may still be on its way at the first sight of that.
    if (!isKnown || !wasKnown || this.#coming.size > 0) {
      this.#tidyUs = nowUs + tidyAfterUs;
      return;
    }
    this.#tidyUs = Number.POSITIVE_INFINITY;
    files.keepOnly([...peers.all()].map(({ settings }) => settings.publicKey));
  }
}

/** The same peer in all but its rates: nothing of its session has changed. */
function withoutLimits(settings: PeerSettings): Omit<PeerSettings, 'limits' | 'isMetered'> {
  const { limits: _, isMetered: __, ...rest } = settings;
  return rest;
}

function isOnlyLimited(before: PeerSettings, after: PeerSettings): boolean {
  return isDeepStrictEqual(withoutLimits(before), withoutLimits(after));
}
