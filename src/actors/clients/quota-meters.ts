/**
 * Writes into the rows of clients where their devices have to stop (`peer.stopTxBytesAt`), so that sealer and opener end a quota to the packet
 * though it is looked at now and then only. The one writer of these columns.
 */
import { peer as layout } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';
import type { ClientRecord } from './client-record.ts';
import { type Meter, stopsOf } from './quota-stops.ts';
import type { UsageBook } from './usage-book.ts';

interface Direction {
  bytes: number;
  bytesPerS: number;
}

interface Measured {
  readonly up: Direction;
  readonly down: Direction;
  atUs: number;
}

/** Half of a rate is that of the last look. */
const smoothing = 1 / 2;
/** What may pass in each direction of a device until it is known what is left: a tenth of a second at 100 Mbit/s. */
const firstBytes = 1_000_000;
/** Looks of one second find what is left for longer than this. */
const hotS = 1.5;

export class QuotaMeters {
  readonly #peers: RowTable;
  readonly #usage: Pick<UsageBook, 'countedOf'>;
  readonly #rows: ReadonlyMap<string, number>;
  /** By public key. */
  readonly #measured = new Map<string, Measured>();

  constructor(peers: RowTable, rows: ReadonlyMap<string, number>, usage: Pick<UsageBook, 'countedOf'>) {
    this.#peers = peers;
    this.#usage = usage;
    this.#rows = rows;
  }

  /** `leftBytes`: Infinity = no quota. True when so little is left that it must be looked at much sooner than in a second. */
  set(record: ClientRecord, leftBytes: number, nowUs: number): boolean {
    const rows = record.devices.flatMap(({ publicKey }) => {
      const row = this.#rows.get(publicKey);
      return row === undefined ? [] : [{ row, measured: this.#measure(publicKey, nowUs) }];
    });
    if (leftBytes === Number.POSITIVE_INFINITY) {
      for (const { row } of rows) this.#write(row, 0, 0);
      return false;
    }
    const meters = rows.flatMap(({ measured: { up, down } }) => [meterOf(up), meterOf(down)]);
    const stops = stopsOf(meters, leftBytes);
    for (const [index, { row }] of rows.entries()) this.#write(row, stops[2 * index] ?? 0, stops[2 * index + 1] ?? 0);
    const rate = meters.reduce((sum, { weight }) => sum + weight, 0);
    return leftBytes > 0 && leftBytes < rate * hotS;
  }

  /** Until `set`: a little for devices that have no end yet. */
  begin(record: ClientRecord): void {
    for (const { publicKey } of record.devices) {
      const row = this.#rows.get(publicKey);
      if (row === undefined || this.#peers.number(row, layout.stopTxBytesAt) !== 0) continue;
      const { upBytes, downBytes } = this.#usage.countedOf(publicKey);
      this.#write(row, upBytes + firstBytes, downBytes + firstBytes);
    }
  }

  /** A device has another row than before, in which nothing stands. */
  lacks(record: ClientRecord): boolean {
    return record.devices.some(({ publicKey }) => {
      const row = this.#rows.get(publicKey);
      return row !== undefined && this.#peers.number(row, layout.stopTxBytesAt) === 0;
    });
  }

  forget(publicKey: string): void {
    this.#measured.delete(publicKey);
  }

  /** From what was counted, and not from the row: what has come since is not yet taken from what is left. */
  #measure(publicKey: string, nowUs: number): Measured {
    const { upBytes, downBytes } = this.#usage.countedOf(publicKey);
    const known = this.#measured.get(publicKey);
    if (known === undefined || upBytes < known.up.bytes || downBytes < known.down.bytes) {
      const fresh = { up: { bytes: upBytes, bytesPerS: 0 }, down: { bytes: downBytes, bytesPerS: 0 }, atUs: nowUs };
      this.#measured.set(publicKey, fresh);
      return fresh;
    }
    const seconds = (nowUs - known.atUs) / 1e6;
    if (seconds <= 0) return known;
    follow(known.up, upBytes, seconds);
    follow(known.down, downBytes, seconds);
    known.atUs = nowUs;
    return known;
  }

  #write(row: number, up: number, down: number): void {
    this.#peers.setNumber(row, layout.stopRxBytesAt, up);
    this.#peers.setNumber(row, layout.stopTxBytesAt, down);
  }
}

function follow(direction: Direction, bytes: number, seconds: number): void {
  direction.bytesPerS += ((bytes - direction.bytes) / seconds - direction.bytesPerS) * smoothing;
  direction.bytes = bytes;
}

function meterOf({ bytes, bytesPerS }: Direction): Meter {
  return { bytes, weight: bytesPerS };
}
