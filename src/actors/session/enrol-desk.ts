/**
 * Machines that were invited: a peer of an invitation says the key that it will have (ENROL of docs/wire-format.md), the store of clients
 * judges it, and what it says goes back. Nobody else is heard, and nothing else of such a peer.
 */
import { formatKey } from '../../config/keys.ts';
import { session, slotState } from '../../contract/peer-tables.ts';
import { TokenBucket } from '../../protocols/session/token-bucket.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import { enrolCheckLength, enrolIsAnswer, enrolKey } from '../../wire/enrol-frame.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { Outbox } from './outbox.ts';
import type { Peer, PeerBook } from './peer-book.ts';
import type { EnrolCommand, EnrolledCommand } from './settings.ts';

/** Of one invitation: each may cost the store a write. */
const pace = { perSecond: 2, burst: 5 } as const;

export interface EnrolDeskParts {
  readonly context: Pick<ActorContext, 'emit'>;
  readonly sessions: SessionTable;
  readonly peers: Pick<PeerBook, 'ofKey'>;
  readonly outbox: Pick<Outbox, 'sendFrame'>;
}

export class EnrolDesk {
  readonly #parts: EnrolDeskParts;
  /** By peer row. */
  readonly #room = new Map<number, TokenBucket>();

  constructor(parts: EnrolDeskParts) {
    this.#parts = parts;
  }

  forget(peer: Peer): void {
    this.#room.delete(peer.row);
  }

  /** A control frame that was opened under `slot`; what is no question of an invited machine is passed over. */
  handleFrame(peer: Peer, slot: number, bytes: Uint8Array, nowUs: number): void {
    const { settings, row } = peer;
    if (settings.mayEnrol !== true) return;
    if (!enrolCheckLength(bytes, 0, bytes.length) || enrolIsAnswer(bytes, 0)) return;
    const room = this.#room.get(row) ?? new TokenBucket(pace);
    this.#room.set(row, room);
    if (!room.take(nowUs)) return;
    const command: EnrolCommand = {
      kind: 'enrol',
      invitation: settings.publicKey,
      slot,
      key: formatKey(enrolKey(bytes, 0)),
    };
    this.#parts.context.emit({ kind: 'command', to: 'client-store', command });
  }

  /** The keys that it asked under may be gone by now, and others have their place: then it asks again. */
  handleAnswer({ invitation, slot, frame }: EnrolledCommand): void {
    const { sessions, peers, outbox } = this.#parts;
    const peer = peers.ofKey(invitation);
    if (peer === undefined || slot < 0 || slot >= sessions.rows) return;
    const isItsOwn = sessions.int(slot, session.peerAt) === peer.row;
    if (!isItsOwn || sessions.int(slot, session.stateAt) !== slotState.ready) return;
    outbox.sendFrame(peer.row, slot, new Uint8Array(frame));
  }
}
