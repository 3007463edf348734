/** What those who follow the peers' sessions work with: `session-watch.ts` and its helpers. */
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { Crowds } from './crowds.ts';
import type { EnrolDesk } from './enrol-desk.ts';
import type { HelloDesk } from './hello-desk.ts';
import type { LimitDesk } from './limit-desk.ts';
import type { LinkBook } from './link-book.ts';
import type { Outbox } from './outbox.ts';
import type { PathDesk } from './path-desk.ts';
import type { PeerBook } from './peer-book.ts';
import type { Refusals } from './refusals.ts';
import type { SlotBook } from './slot-book.ts';
import type { StateFiles } from './state-files.ts';

export interface WatchParts {
  readonly context: Pick<ActorContext, 'emit' | 'wakeAt'>;
  readonly sessions: SessionTable;
  readonly peerTable: RowTable;
  readonly peers: PeerBook;
  readonly slots: SlotBook;
  readonly outbox: Outbox;
  readonly files: StateFiles;
  readonly hello: HelloDesk;
  readonly limits: LimitDesk;
  readonly enrol: EnrolDesk;
  readonly count: (counter: number) => void;
  readonly refusals: Refusals;
  readonly crowds: Crowds;
  readonly links: LinkBook;
  readonly paths: PathDesk;
  /** One source of peers may be late: the store of clients, which somebody has to mend first. */
  readonly hasClientStore: boolean;
}
