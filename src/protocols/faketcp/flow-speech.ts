/** What is said by connections, and to whom has none: segments without payload. */
import { viewOf } from '../../base/bytes.ts';
import { flow, flowState, tcpFlag, tuple } from '../../contract/flows.ts';
import { endpoint as endpointKinds } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';
import { sockaddrPort } from '../../wire/sockaddr.ts';
import { sequenceAfter, type TcpFields } from '../../wire/tcp.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import { type FlowLives, nothing } from './flow-lives.ts';
import type { FlowRows } from './flow-rows.ts';
import type { Heard } from './heard-segment.ts';
import type { FlowEnd, MachinePort } from './machine-port.ts';

/**
 * RFC 5961 section 7: answers to doubtful segments are few. Each connection has its own limit (tcp_invalid_ratelimit): by one that all share
 * somebody could count out what is answered to others (CVE-2016-5696). So have those who have none, by where they are.
 */
const challengeUs = 500_000;
const resets = { perSecond: 10, burst: 10 } as const;
const resetBuckets = 64;
/** Ethernet's 1500 less IP's header and TCP's. */
const mss = { ip4: 1460, ip6: 1440 } as const;

/** A closed connection is known for so long (Linux: TCP_TIMEWAIT_LEN). */
const closedUs = 60e6;

export type Said = Partial<Omit<TcpFields, 'stamp'>> &
  Pick<TcpFields, 'flags' | 'sequence'> & { readonly hasStamps?: boolean };

export const plainFields: TcpFields = {
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgement: 0,
  flags: 0,
  window: 0,
  mss: 0,
  isSackPermitted: false,
  windowShift: -1,
  stamp: undefined,
  echo: 0,
};

export function mssOf(connection: Uint8Array): number {
  return connection[0] === endpointKinds.ip4 ? mss.ip4 : mss.ip6;
}

/** Milliseconds, as Linux's (RFC 7323 section 5.4). */
export function stampAt(nowUs: number, offset: number): number {
  return (Math.floor(nowUs / 1000) + offset) >>> 0;
}

export class FlowSpeech {
  readonly #lives: FlowLives;
  readonly #rows: FlowRows;
  readonly #table: RowTable;
  readonly #port: MachinePort;
  readonly #resets = Array.from({ length: resetBuckets }, () => new TokenBucket(resets));

  constructor(lives: FlowLives, port: MachinePort) {
    this.#lives = lives;
    this.#rows = lives.rows;
    this.#table = lives.rows.table;
    this.#port = port;
  }

  acknowledge(row: number, nowUs: number): void {
    this.emit(row, nowUs, { flags: tcpFlag.ack, sequence: this.#rows.u32(row, flow.sendNextAt) });
  }

  /** RFC 9293 section 3.8.4. */
  askWhetherThere(row: number, nowUs: number): void {
    this.emit(row, nowUs, { flags: tcpFlag.ack, sequence: sequenceAfter(this.#rows.u32(row, flow.sendNextAt), -1) });
  }

  challenge(row: number, nowUs: number): void {
    const lastUs = this.#table.number(row, flow.challengedUsAt);
    if (lastUs !== nothing && nowUs - lastUs < challengeUs) return;
    this.#table.setNumber(row, flow.challengedUsAt, nowUs);
    this.acknowledge(row, nowUs);
  }

  /** There is no such connection (RFC 9293 section 3.10.7.1). */
  reset(heard: Heard, nowUs: number): void {
    if ((heard.flags & tcpFlag.ack) === 0) return;
    const whose = this.#port.hash(heard.connection.subarray(tuple.endpointAt, tuple.localAt));
    if (this.#resets[(whose >>> 0) % resetBuckets]?.take(nowUs) !== true) return;
    const fields = { ...plainFields, flags: tcpFlag.rst, sequence: heard.acknowledgement };
    const ports = { sourcePort: heard.localPort, destinationPort: heard.remotePort };
    this.#port.emit(heard.connection, { ...fields, ...ports }, -1, false);
  }

  hangUp(row: number, why: FlowEnd, nowUs: number): void {
    this.emit(row, nowUs, { flags: tcpFlag.fin | tcpFlag.ack, sequence: this.#rows.u32(row, flow.sendNextAt) });
    this.#lives.end(row, why, nowUs, closedUs);
  }

  /** A segment of the row's connection, which acknowledges all that came. */
  emit(row: number, nowUs: number, said: Said): void {
    const rows = this.#rows;
    const connection = rows.tuple(row);
    const receiveNext = rows.u32(row, flow.receiveNextAt);
    const hasStamps = said.hasStamps ?? this.#table.int(row, flow.timestampsAt) === 1;
    const fields: TcpFields = {
      ...plainFields,
      acknowledgement: receiveNext,
      window: rows.u32(row, flow.windowFieldAt),
      sourcePort: viewOf(connection).getUint16(tuple.localPortAt, true),
      destinationPort: sockaddrPort(connection, tuple.endpointAt),
      stamp: hasStamps ? stampAt(nowUs, rows.u32(row, flow.stampOffsetAt)) : undefined,
      echo: rows.u32(row, flow.recentStampAt),
      ...said,
    };
    // What does not leave is lost like what is lost on the way, but what it acknowledges is still owed.
    if (!this.#port.emit(connection, fields, row, rows.state(row) === flowState.dialled)) return;
    this.#table.setInt(row, flow.owedSegmentsAt, 0);
    this.#table.setNumber(row, flow.owedBytesAt, 0);
    this.#table.setNumber(row, flow.sentUsAt, nowUs);
  }
}
