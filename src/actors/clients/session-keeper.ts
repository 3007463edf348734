/** Looks each second at what the peer table says of the clients' devices, for their sessions and for what they use. */
import { peer as layout, peerRefusal } from '../../contract/peer-tables.ts';
import type { ClientDevice, ClientSession, ClientUsage } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { QuotaNews, ToldQuotas } from '../../protocols/quota/quota.ts';
import type { RowTable } from '../../rings/table.ts';
import { type ClientRecord, peerNameOf } from './client-record.ts';
import type { QuotaDesk, QuotaVerdict } from './quota-desk.ts';
import { QuotaMeters } from './quota-meters.ts';
import { type DeviceReading, SessionBook, type SessionBookParts, type SessionEnd } from './session-book.ts';
import type { ClientStore } from './store.ts';
import type { UsageBook } from './usage-book.ts';

export interface SessionKeeperParts extends SessionBookParts {
  readonly store: ClientStore;
  readonly peers: RowTable;
  /** Row by public key. */
  readonly rows: Map<string, number>;
  readonly usage: UsageBook;
  readonly quotas: QuotaDesk;
  /** What follows from its quota for its peers is another thing now; resolves when they are so, rejects when that cannot be. */
  readonly refresh: (record: ClientRecord) => Promise<void>;
  /** There is something to tell of its quotas, once it is written down that it was told. */
  readonly tell: (id: string, told: ToldQuotas, events: readonly InstanceEvent[]) => void;
  readonly nowMs: () => number;
  /** CLOCK_BOOTTIME. */
  readonly nowUs: () => number;
}

/** With the second until the next look a crash loses ten at most. */
const writeEveryUs = 9_000_000;
/** Ten milliseconds or less. */
const clientsPerWrite = 500;
/** A millisecond or two, where all are there. */
const clientsPerLook = 1000;
/** What is older is kept by month. */
const keptDays = 400;
const recentDays = 60;
/** Clients whose days are read at one look: a quarter of a second of this thread, where each has two months of them. */
const mostFresh = 500;

export class SessionKeeper {
  readonly #parts: SessionKeeperParts;
  readonly #sessions: SessionBook;
  readonly #usage: UsageBook;
  readonly #meters: QuotaMeters;
  /** Ids of clients whose quotas end within a moment. */
  readonly #hot = new Set<string>();
  /** Ids of clients that are about to be slowed down: their ends stand until they are, or they had no limit in between. */
  readonly #slowing = new Set<string>();
  #writtenUs: number;
  #isWriting = false;
  /** Ids of clients that are not looked at yet in this round, the next one last. */
  #toLookAt: string[] | undefined;
  /** Of this round. */
  #clientsToWrite = 0;

  constructor(parts: SessionKeeperParts) {
    this.#parts = parts;
    this.#sessions = new SessionBook(parts);
    this.#usage = parts.usage;
    this.#meters = new QuotaMeters(parts.peers, parts.rows, parts.usage);
    this.#writtenUs = parts.nowUs();
  }

  /** About once a second, at some of the clients; at the others by `lookOn`. Throws what SQLite says; what was counted is not lost by that. */
  look(): void {
    // The last one may not have come to its end.
    this.#toLookAt ??= [...this.#parts.store.list()].map(({ record }) => record.id).reverse();
    this.lookOn();
  }

  /** There are clients that were not looked at yet: `lookOn` is wanted as soon as others have had their turn. */
  get isLooking(): boolean {
    return this.#toLookAt !== undefined;
  }

  /** Throws as `look` does, and is then done with it until the next time. */
  lookOn(): void {
    const ids = this.#toLookAt ?? [];
    for (const id of ids.splice(-clientsPerLook).reverse()) {
      const record = this.#parts.store.get(id)?.record;
      if (record !== undefined) this.#lookAt(record);
    }
    if (ids.length > 0) return;
    this.#toLookAt = undefined;
    this.#endLook();
  }

  #endLook(): void {
    const { store, nowUs, quotas } = this.#parts;
    const fresh: ClientRecord[] = [];
    for (const { record } of store.list()) {
      if (fresh.length >= mostFresh) break;
      if (!quotas.isKnown(record.id)) fresh.push(record);
    }
    for (const id of quotas.wanted) if (store.get(id) === undefined) quotas.forget(id);
    const wanted = [...quotas.wanted].flatMap((id) => store.get(id)?.record ?? []);
    quotas.load([...wanted, ...fresh].slice(0, mostFresh));
    this.#judge();
    if (nowUs() - this.#writtenUs < writeEveryUs) return;
    this.#writtenUs = nowUs();
    this.#clientsToWrite = this.#usage.clientsBehind;
    this.#isWriting = true;
    this.writeOn();
  }

  /** There is more to write: `writeOn` is wanted as soon as others have had their turn. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Writes what some of the clients have used. Throws as `look` does, and is then done with it until the next time. */
  writeOn(): void {
    const { quotas } = this.#parts;
    this.#isWriting = false;
    this.#usage.flush(clientsPerWrite);
    // Who is counted anew meanwhile waits for the next round: a slow disk would never come to an end.
    this.#clientsToWrite -= clientsPerWrite;
    this.#isWriting = this.#clientsToWrite > 0 && this.#usage.isBehind;
    if (this.#isWriting) return;
    this.#usage.thin(quotas.dayBefore(keptDays), quotas.dayBefore(recentDays), quotas.today());
  }

  /** Somebody's quota ends within a moment: `lookSoon` is wanted much sooner than `look`. */
  get isHot(): boolean {
    return this.#hot.size > 0;
  }

  /** At those alone. Throws as `look` does. */
  lookSoon(): void {
    for (const id of this.#hot) {
      const record = this.#parts.store.get(id)?.record;
      if (record === undefined) {
        this.#hot.delete(id);
        continue;
      }
      this.#lookAt(record);
      // Who stands still in one direction gets what the other has left, and who has gone is hot no more.
      this.#stop(record);
    }
    this.#judge();
  }

  /**
   * These clients may have other rows, in which no end stands yet. Never throws: whose days cannot be read now may use a little until `look`
   * reads them, or says why not.
   */
  meet(ids: readonly string[]): void {
    const { store, quotas } = this.#parts;
    const records = ids.flatMap((id) => store.get(id)?.record ?? []);
    const lacking = records.filter((record) => quotas.hasQuota(record) && this.#meters.lacks(record));
    try {
      quotas.load(lacking.filter(({ id }) => !quotas.isKnown(id)).slice(0, mostFresh));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    for (const record of lacking) {
      if (quotas.isKnown(record.id)) this.#stop(record);
      else this.#meters.begin(record);
    }
  }

  /** Acts by what was used, and by what quotas are now. Throws the first of what went wrong, after all were judged. */
  #judge(): void {
    const { store, quotas } = this.#parts;
    const errors: unknown[] = [];
    let isOver = false;
    for (const id of quotas.stirred()) {
      const record = store.get(id)?.record;
      try {
        if (record === undefined) quotas.forget(id);
        else isOver = this.#follow(record, quotas.judge(record)) || isOver;
      } catch (error) {
        errors.push(error);
      }
    }
    if (isOver) this.#usage.flush();
    if (errors.length > 0) throw errors[0];
  }

  /** True when a quota was used up just now. */
  #follow(record: ClientRecord, { news, told, hasTurned }: QuotaVerdict): boolean {
    const { quotas, tell, nowUs } = this.#parts;
    const isExceeded = quotas.isExceeded(record);
    if (hasTurned && isExceeded && !quotas.isStopping) this.#slowing.add(record.id);
    this.#stop(record);
    if (hasTurned) {
      const keys = this.#isOut(record) ? record.devices.map(({ publicKey }) => publicKey) : [];
      for (const publicKey of keys) this.#sessions.end(publicKey, 'quota', nowUs());
      this.#refresh(record);
    }
    if (news.length > 0)
      tell(
        record.id,
        told,
        news.map((one) => eventOf(record.name, one, quotas)),
      );
    return hasTurned && isExceeded;
  }

  #refresh(record: ClientRecord): void {
    const settle = (): void => void this.#slowing.delete(record.id);
    this.#parts.refresh(record).then(settle, settle);
  }

  #stop(record: ClientRecord): void {
    const { quotas, nowUs } = this.#parts;
    if (this.#slowing.has(record.id)) {
      this.#hot.add(record.id);
      return;
    }
    if (this.#meters.set(record, quotas.leftOf(record), nowUs())) this.#hot.add(record.id);
    else this.#hot.delete(record.id);
  }

  /** Its sessions have ended by its quota, and none begins. */
  #isOut(record: ClientRecord): boolean {
    const { quotas } = this.#parts;
    return quotas.isExceeded(record) && quotas.isStopping;
  }

  /**
   * A client, or some of its devices, are about to be no peers any more: their rows are read for the last time. Never throws: what is counted is
   * written as soon as others have had their turn (`isWriting`).
   */
  end(record: ClientRecord, publicKeys: readonly string[], reason: SessionEnd): void {
    this.#lookAt(record);
    for (const publicKey of publicKeys) {
      this.#sessions.end(publicKey, reason, this.#parts.nowUs());
      this.#sessions.forget(publicKey);
      this.#usage.forget(publicKey);
      this.#meters.forget(publicKey);
      // What it still holds was counted, and will not be read again.
      this.#parts.rows.delete(publicKey);
    }
    // Of one that is removed nothing is kept.
    if (this.#parts.store.get(record.id) === undefined) this.#usage.drop(record.id);
    // After the answer: whoever cuts somebody off waits for the disk once.
    this.#clientsToWrite = this.#usage.clientsBehind;
    this.#isWriting = true;
  }

  sessions(): ClientSession[] {
    const { nowUs, nowMs } = this.#parts;
    return this.#sessions.rows(nowUs(), nowMs());
  }

  /** Why the last handshakes of a device failed. */
  readonly refusalOf = (publicKey: string): ClientDevice['refusal'] => {
    const { peers, rows, nowUs } = this.#parts;
    const row = rows.get(publicKey);
    const code = row === undefined ? peerRefusal.none : peers.int(row, layout.refusalAt);
    const reason = Object.entries(peerRefusal).find(([, value]) => value === code)?.[0];
    if (row === undefined || reason === undefined || code === peerRefusal.none) return undefined;
    const ageMs = (nowUs() - peers.number(row, layout.refusedUsAt)) / 1000;
    return { reason, ageMs, count: peers.number(row, layout.refusedCountAt) };
  };

  usageOf(record: ClientRecord): ClientUsage {
    this.#lookAt(record);
    this.#usage.flush();
    const days = this.#parts.store.usage
      .daysOf(record.id)
      .map(({ day, upBytes, downBytes }) => ({ day, upBytes, downBytes }));
    const { quotas } = this.#parts;
    return { client: record.name, timezone: quotas.calendar.timezone, periods: quotas.stands(record), days };
  }

  /** The end of this thread, in order. */
  close(): void {
    for (const { record } of this.#parts.store.list()) this.#lookAt(record);
    this.#isWriting = false;
    this.#usage.flush();
  }

  #lookAt(record: ClientRecord): void {
    const { rows, nowUs, quotas } = this.#parts;
    const isOut = this.#isOut(record);
    let usedBytes = 0;
    for (const device of record.devices) {
      const row = rows.get(device.publicKey);
      if (row === undefined) continue;
      const reading = this.#read(row);
      const { publicKey } = device;
      // Of thousands most say nothing.
      if (this.#usage.isCounted(publicKey, reading) && !this.#sessions.has(publicKey)) continue;
      const key = { publicKey, client: record.name, peer: peerNameOf(record, device) };
      if (isOut) this.#sessions.pass(publicKey, reading);
      else this.#sessions.look(key, reading, nowUs(), this.#usage.countedOf(publicKey));
      usedBytes += this.#usage.look(publicKey, record.id, reading, quotas.today());
    }
    if (usedBytes > 0) quotas.use(record, usedBytes);
    else if (quotas.isKnown(record.id) && quotas.hasQuota(record) && this.#meters.lacks(record)) this.#stop(record);
  }

  #read(row: number): DeviceReading {
    const { peers } = this.#parts;
    return {
      upBytes: peers.number(row, layout.innerRxBytesAt),
      downBytes: peers.number(row, layout.innerTxBytesAt),
      lastDataUs: peers.number(row, layout.lastDataReceivedAt),
    };
  }
}

function eventOf(client: string, { kind, endsMs, ...stand }: QuotaNews, quotas: QuotaDesk): InstanceEvent {
  const what = { client, ...stand, untilMs: endsMs };
  if (kind === 'exceeded') return { kind: 'quota-exceeded', ...what, action: quotas.isStopping ? 'stop' : 'throttle' };
  return kind === 'warning' ? { kind: 'quota-warning', ...what } : { kind: 'quota-reset', ...what };
}
