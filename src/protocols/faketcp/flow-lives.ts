/** Connections as rows: how one begins, opens, ends and is forgotten, when it is to be looked at again, and who is what to whom. */
import { DueQueue } from '../../base/due-queue.ts';
import { flow, flowState, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';
import { sequenceAfter } from '../../wire/tcp.ts';
import { FlowRows } from './flow-rows.ts';
import type { Heard } from './heard-segment.ts';
import type { FlowEnd, MachinePort } from './machine-port.ts';
import type { Style } from './styles.ts';

/** Open connections are looked at so often. */
export const tickUs = 1e6;
export const nothing = 0;

export class FlowLives {
  readonly rows: FlowRows;
  readonly due = new DueQueue();
  /** Connections that called us and were never answered, the oldest first. */
  readonly strangers = new Set<number>();
  /** Called for in place of another: new row → old row. */
  readonly successors = new Map<number, number>();
  readonly #table: RowTable;
  readonly #style: Style;
  readonly #port: MachinePort;

  constructor(table: RowTable, style: Style, port: MachinePort) {
    this.rows = new FlowRows(table);
    this.#table = table;
    this.#style = style;
    this.#port = port;
  }

  begin(row: number, state: number, first: number, nowUs: number): void {
    this.#table.setInt(row, flow.stateAt, state);
    this.#table.setNumber(row, flow.stateUsAt, nowUs);
    this.rows.setU32(row, flow.sendUnacknowledgedAt, first);
    this.rows.setU32(row, flow.sendNextAt, sequenceAfter(first, 1));
    this.rows.setU32(row, flow.sendMostAt, sequenceAfter(first, 1));
    this.rows.setU32(row, flow.firstSentAt, first);
    this.rows.setU32(row, flow.identificationAt, this.#port.random() & 0xffff);
    this.rows.setU32(row, flow.flowLabelAt, this.#port.random() & 0xfffff);
    this.#port.insert(row);
  }

  open(row: number, receiveNext: number, ourShift: number, heard: Heard, nowUs: number): void {
    const table = this.#table;
    const field = this.#style.openWindow;
    table.setInt(row, flow.stateAt, flowState.open);
    table.setNumber(row, flow.stateUsAt, nowUs);
    table.setInt(row, flow.triesAt, 0);
    table.setNumber(row, flow.receivedUsAt, nowUs);
    this.rows.setU32(row, flow.receiveNextAt, receiveNext);
    this.rows.setU32(row, flow.recentNextAt, receiveNext);
    this.rows.setU32(row, flow.firstReceivedAt, receiveNext);
    this.rows.setU32(row, flow.recentEchoAt, heard.echo);
    this.rows.setU32(row, flow.windowFieldAt, field);
    this.rows.setU32(row, flow.receiveWindowAt, field * 2 ** ourShift);
    this.rows.setU32(row, flow.recentStampAt, heard.stamp);
    this.rows.tuple(row).set(heard.connection.subarray(tuple.linkHeaderBytesAt), tuple.linkHeaderBytesAt);
    this.wait(row, nowUs + tickUs);
  }

  end(row: number, why: FlowEnd, nowUs: number, restUs: number): void {
    this.#table.setInt(row, flow.stateAt, flowState.closed);
    this.#table.setNumber(row, flow.stateUsAt, nowUs);
    this.#table.setNumber(row, flow.acknowledgeUsAt, nothing);
    this.strangers.delete(row);
    this.successors.delete(row);
    this.wait(row, nowUs + restUs);
    this.#port.ended(row, why);
  }

  forget(row: number): void {
    this.due.delete(row);
    this.strangers.delete(row);
    this.successors.delete(row);
    this.#port.remove(row);
    this.rows.release(row);
  }

  /** Sets when the row is due, or finds it out again. */
  wait(row: number, dueUs = this.#table.number(row, flow.dueUsAt)): void {
    this.#table.setNumber(row, flow.dueUsAt, dueUs);
    const acknowledgeUs = this.#table.number(row, flow.acknowledgeUsAt);
    this.due.set(row, acknowledgeUs === nothing ? dueUs : Math.min(dueUs, acknowledgeUs));
  }

  /** It called us, and nobody above has ever had anything to say to it. */
  isStranger(row: number): boolean {
    return this.#table.int(row, flow.acceptedAt) === 1 && this.#table.number(row, flow.sentDataUsAt) === nothing;
  }
}
