/**
 * The one writer of the session table: gives key slots to sessions, and takes them back only when nobody can use them any more.
 * A slot that fell out of the three generations still opens what is in flight for a moment (`lingerUs`), is then retired, and
 * is zeroed and free once sealer and opener have said that they have seen that.
 */
import { randomBytes } from 'node:crypto';
import { session, slotState } from '../../contract/peer-tables.ts';
import { clearSessionKeys, type SessionKeys } from '../../crypto/key-schedule.ts';
import type { KeySlot } from '../../protocols/session/key-generations.ts';
import { sessionTimes } from '../../protocols/session/peer-session.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import { shardOf } from '../../rings/shards.ts';

/** Longer than any packet is under way; shorter than the time between two rekeys. */
const lingerUs = 5_000_000;
const users = [session.sealerSeenAt, session.openerSeenAt] as const;

export interface NewSession {
  readonly peerRow: number;
  readonly keys: SessionKeys;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  /** Whether AES-256-GCM packets may come in under an index of their own. */
  readonly hasAes: boolean;
}

export class SlotBook {
  readonly #table: SessionTable;
  readonly #baseCipher: number;
  readonly #shards: number;
  /** Receiver indices of ours in use: slots' and those of handshakes under way. */
  readonly #indices = new Set<number>();
  /** Were used and are free; the last one is given next, since its memory is there. */
  readonly #free: number[] = [];
  /** Slot → when it is to be retired, in this order. */
  readonly #lingering = new Map<number, number>();
  /** Slot → version of the table that says it is retired, in this order. */
  readonly #retired = new Map<number, number>();

  /** `baseCipher`: what every session begins to send with, one of `cipher`. `shards`: pairs of sealer and opener. */
  constructor(table: SessionTable, baseCipher: number, shards = 1) {
    this.#table = table;
    this.#baseCipher = baseCipher;
    this.#shards = shards;
    for (let slot = table.used() - 1; slot >= 0; slot -= 1) this.#adopt(slot);
  }

  /** A receiver index nobody has, of the peer's shard: random otherwise, so that it tells an observer nothing, and never 0. */
  reserveIndex(peerRow: number): number {
    const shard = shardOf(peerRow, this.#shards);
    for (;;) {
      const index = randomBytes(4).readUInt32LE();
      if (index === 0 || shardOf(index, this.#shards) !== shard || this.#indices.has(index)) continue;
      this.#indices.add(index);
      return index;
    }
  }

  releaseIndex(index: number): void {
    this.#indices.delete(index);
  }

  /** Puts a session's keys into a slot for sealer and opener; -1 when all slots are taken. The keys are overwritten. */
  publish(fresh: NewSession, nowUs: number): number {
    const slot = this.#findFree();
    if (slot >= 0) this.#write(slot, fresh, nowUs);
    else this.#indices.delete(fresh.localIndex);
    clearSessionKeys(fresh.keys);
    return slot;
  }

  /** The slot is out of its peer's generations: what is in flight under it may still come in. */
  linger(slot: number, nowUs: number): void {
    this.#lingering.delete(slot);
    this.#lingering.set(slot, nowUs + lingerUs);
  }

  /** Nothing may use the slot from now on. */
  retire(slot: number): void {
    this.#lingering.delete(slot);
    if (this.#table.int(slot, session.stateAt) !== slotState.ready) return;
    this.#table.setInt(slot, session.stateAt, slotState.retired);
    this.#table.tell(slot);
    this.#retired.set(slot, this.#table.version());
  }

  /** Goes on with what waits for time or for others. */
  sweep(nowUs: number): void {
    for (const [slot, untilUs] of this.#lingering) {
      if (nowUs < untilUs) break;
      this.retire(slot);
    }
    for (const [slot, version] of this.#retired) {
      if (!this.#isAcknowledged(version)) break;
      this.#indices.delete(this.#table.int(slot, session.localIndexAt) >>> 0);
      this.#indices.delete(this.#table.int(slot, session.localIndexAesAt) >>> 0);
      this.#table.wipe(slot);
      this.#retired.delete(slot);
      this.#free.push(slot);
    }
  }

  /** Every ready slot, by the row of its peer: what a predecessor left, and what has not been retired. */
  readySlots(): Map<number, KeySlot[]> {
    const table = this.#table;
    const byPeer = new Map<number, KeySlot[]>();
    for (let slot = 0; slot < table.used(); slot += 1) {
      if (table.int(slot, session.stateAt) !== slotState.ready) continue;
      const isInitiator = table.int(slot, session.initiatorAt) === 1;
      const ready = { slot, isInitiator, birthUs: table.number(slot, session.birthAt) };
      const peerRow = table.int(slot, session.peerAt);
      const known = byPeer.get(peerRow);
      if (known === undefined) byPeer.set(peerRow, [ready]);
      else known.push(ready);
    }
    return byPeer;
  }

  #adopt(slot: number): void {
    const state = this.#table.int(slot, session.stateAt);
    if (state === slotState.free) {
      this.#free.push(slot);
      return;
    }
    this.#indices.add(this.#table.int(slot, session.localIndexAt) >>> 0);
    this.#indices.add(this.#table.int(slot, session.localIndexAesAt) >>> 0);
    if (state === slotState.retired) this.#retired.set(slot, this.#table.version());
  }

  /** One that was used before, or else the next: memory grows with how many are in use at once. */
  #findFree(): number {
    const known = this.#free.pop();
    if (known !== undefined) return known;
    const used = this.#table.used();
    if (used < this.#table.rows) {
      this.#table.setUsed(used + 1);
      return used;
    }
    // A short table gives up the grace of the oldest that lingers; it is free at the next try.
    const oldest = this.#lingering.keys().next();
    if (!oldest.done) this.retire(oldest.value);
    return -1;
  }

  #isAcknowledged(version: number): boolean {
    for (let shard = 0; shard < this.#shards; shard += 1) {
      for (const userAt of users) if (((this.#table.acknowledged(userAt, shard) - version) | 0) < 0) return false;
    }
    return true;
  }

  #write(slot: number, fresh: NewSession, nowUs: number): void {
    const table = this.#table;
    // A predecessor may have died between writing and publishing.
    table.wipe(slot);
    table.setInt(slot, session.peerAt, fresh.peerRow);
    table.setInt(slot, session.localIndexAt, fresh.localIndex | 0);
    table.setInt(slot, session.localIndexAesAt, fresh.hasAes ? this.reserveIndex(fresh.peerRow) | 0 : 0);
    table.setInt(slot, session.remoteIndexAt, fresh.remoteIndex | 0);
    table.setInt(slot, session.sendCipherAt, this.#baseCipher);
    table.setInt(slot, session.initiatorAt, fresh.isInitiator ? 1 : 0);
    table.setNumber(slot, session.birthAt, nowUs);
    table.setNumber(slot, session.expiryAt, nowUs + sessionTimes.rejectAfterUs);
    table.slice(slot, session.sendKeyAt, 32).set(fresh.keys.send);
    table.slice(slot, session.receiveKeyAt, 32).set(fresh.keys.receive);
    table.slice(slot, session.sendKeyAesAt, 32).set(fresh.keys.sendAes);
    table.slice(slot, session.receiveKeyAesAt, 32).set(fresh.keys.receiveAes);
    table.setInt(slot, session.stateAt, slotState.ready);
    table.tell(slot);
  }
}
