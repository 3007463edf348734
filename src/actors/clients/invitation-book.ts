/**
 * Invitations of a hub: what operators may do with them, and what becomes of a machine that asks to be a client. One is a temporary peer
 * (`invitation-record.ts`) until the client that was made of it has connected. Verbs and questions come one after the other.
 */
import { HawserError, messageOf } from '../../base/errors.ts';
import { parseCidr } from '../../config/address.ts';
import { parseKey } from '../../config/keys.ts';
import { peer as peerLayout } from '../../contract/peer-tables.ts';
import type { ClientAnswers, ClientParams, HubFacts, InvitationRow } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { RowTable } from '../../rings/table.ts';
import { enrolStatus } from '../../wire/enrol-frame.ts';
import type { ClientIndex } from './client-index.ts';
import { quotaOf } from './client-quota.ts';
import { limitsOf } from './client-rates.ts';
import type { ClientRecord } from './client-record.ts';
import type { InvitationRecord } from './invitation-record.ts';
import { type ClientMaking, InvitedClients } from './invited-clients.ts';
import type { PeerFeed } from './peer-feed.ts';
import type { ClientStore } from './store.ts';

export interface InvitationBookParts {
  readonly store: ClientStore;
  readonly feed: PeerFeed;
  readonly index: ClientIndex;
  readonly clients: ClientMaking;
  readonly peers: RowTable;
  readonly hubFacts: () => Promise<HubFacts>;
  readonly emit: (event: InstanceEvent) => void;
  /** Since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: (count: number) => Buffer;
}

/** What a machine is told that asked with a key of its own. */
export type EnrolOutcome =
  | {
      readonly status: typeof enrolStatus.welcome;
      readonly client: ClientRecord;
      readonly networks: readonly string[] | undefined;
    }
  | { readonly status: Exclude<(typeof enrolStatus)[keyof typeof enrolStatus], 0> };

/** Those that may be open at once. */
const mostInvitations = 1000;
const mostMs = 366 * 86_400_000;
/**
 * Whoever has said its key has so long to connect before another key may take its place: a machine that was interrupted and set up anew
 * is not locked out, and of two that hold one line the second cannot push out the first. Longer than a session lasts without new keys.
 */
const holdMs = 150_000;

export class InvitationBook {
  readonly #parts: InvitationBookParts;
  readonly #invited: InvitedClients;
  /** A hub that was restarted does not know who had connected a moment before. */
  readonly #sinceMs: number;
  /** Over, and not peers any more, which could not be written yet: by id. A restart would bring them back. */
  readonly #unwritten = new Map<string, InvitationRecord>();

  constructor(parts: InvitationBookParts) {
    this.#parts = parts;
    this.#invited = new InvitedClients(parts);
    this.#sinceMs = parts.nowMs();
  }

  list(): InvitationRow[] {
    return [...this.#parts.store.invitations.list()].map(rowOf);
  }

  async invite(params: ClientParams<'invite'>): Promise<ClientAnswers['invite']> {
    const { store, feed, index, nowMs, randomBytes, emit } = this.#parts;
    const { name, keys, expiresMs, allowed, rates } = params;
    const quota = quotaOf(params.quota);
    this.#checkTime(expiresMs);
    this.#checkRoom(keys.length);
    for (const network of allowed ?? [])
      if (parseCidr(network) === undefined) throw new HawserError('ALLOWED', `"${network}" is no network`);
    const limits = limitsOf(rates, undefined);
    const records = keys.map(({ publicKey, presharedKey }, at): InvitationRecord => {
      index.checkKey(publicKey);
      if (parseKey(presharedKey) === undefined) throw new HawserError('KEY_FORM', 'An invitation has a preshared key');
      return {
        id: randomBytes(8).toString('hex'),
        name: index.freeName(keys.length === 1 ? name : `${name}-${at + 1}`),
        createdMs: nowMs(),
        expiresMs,
        publicKey,
        presharedKey,
        ...(allowed === undefined ? {} : { allowed }),
        ...(limits === undefined ? {} : { limits }),
        ...(quota === undefined ? {} : { quota }),
      };
    });
    if (new Set(records.map(({ publicKey }) => publicKey)).size < records.length)
      throw new HawserError('CLIENT_EXISTS', 'Two of the invitations have one key');
    store.invitations.putAll(records);
    feed.pushInvitations(records, []);
    try {
      await feed.settled();
    } catch (error) {
      this.#drop(records);
      throw error;
    }
    for (const { name: client } of records) emit({ kind: 'invitation-created', client, expiresMs });
    return records.map(rowOf);
  }

  /** The client that was made of it and has not connected yet goes with it. */
  async revoke(name: string): Promise<InvitationRow> {
    const { store, emit } = this.#parts;
    const wanted = name.normalize('NFC');
    const found = [...store.invitations.list()].find((one) => one.name === wanted);
    if (found === undefined || this.#hasConnected(found)) {
      const message = `There is no invitation "${name}" that could still be used`;
      throw new HawserError(
        'NO_SUCH_INVITATION',
        message,
        '`hawser invite list` shows them, `hawser client list` who has joined',
      );
    }
    if (!(await this.#end(found))) {
      const message = `Nobody gets in by the invitation "${found.name}" now, but that cannot be written: a restart would bring it back`;
      throw new HawserError('STORE', message, 'make room on the disk of the store, and take it back again');
    }
    emit({ kind: 'invitation-revoked', client: found.name });
    return rowOf(found);
  }

  /**
   * A machine that has the secret of `publicKey` says its own key. undefined = it is told nothing, as whoever has no invitation. Throws
   * nothing that it could be told.
   */
  async enrol(publicKey: string, key: string): Promise<EnrolOutcome | undefined> {
    const { store, nowMs } = this.#parts;
    const invitation = [...store.invitations.list()].find((one) => one.publicKey === publicKey);
    if (invitation === undefined || invitation.expiresMs <= nowMs() || this.#unwritten.has(invitation.id))
      return undefined;
    const before = store.get(invitation.joining?.clientId ?? '');
    const isSame = before?.record.devices[0]?.publicKey === key;
    // The same key again gets the same answer, also just after it connected: the first answer may have been lost.
    if (before !== undefined && isSame) return welcome(before.record, invitation);
    if (this.#hasConnected(invitation)) {
      this.#spend(invitation);
      return undefined;
    }
    const status = await this.#take(invitation, before?.record, key);
    if (typeof status !== 'number') return status;
    this.#parts.emit({ kind: 'invitation-refused', client: invitation.name, reason: reasons[status] });
    return { status };
  }

  /** About once a second while `isAwaiting`: one that has connected has used its invitation, and what is over is written. */
  look(): void {
    if (this.#unwritten.size > 0) this.#drop([...this.#unwritten.values()]);
    for (const invitation of [...this.#parts.store.invitations.list()])
      if (invitation.joining !== undefined && this.#hasConnected(invitation)) this.#spend(invitation);
  }

  get isAwaiting(): boolean {
    if (this.#unwritten.size > 0) return true;
    return [...this.#parts.store.invitations.list()].some(({ joining }) => joining !== undefined);
  }

  /** When one is over by itself; undefined = never. */
  nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const invitation of this.#parts.store.invitations.list()) {
      if (this.#unwritten.has(invitation.id)) continue;
      const endMs = this.#endMs(invitation);
      if (next === undefined || endMs < next) next = endMs;
    }
    return next;
  }

  async handleDue(): Promise<void> {
    this.look();
    const { store, nowMs, emit } = this.#parts;
    for (const invitation of [...store.invitations.list()]) {
      if (this.#unwritten.has(invitation.id) || this.#endMs(invitation) > nowMs()) continue;
      await this.#end(invitation);
      emit({ kind: 'invitation-expired', client: invitation.name });
    }
  }

  /** The client was removed, disabled or kicked by an operator: nobody may become it again, and it does not go with its invitation. */
  handleStopped(clientId: string): void {
    this.#drop([...this.#parts.store.invitations.list()].filter(({ joining }) => joining?.clientId === clientId));
  }

  /** Who is joining when it expires may still connect. */
  #endMs({ expiresMs, joining }: InvitationRecord): number {
    return joining === undefined ? expiresMs : Math.max(expiresMs, this.#heldUntilMs(joining.atMs));
  }

  #heldUntilMs(atMs: number): number {
    return Math.max(atMs, this.#sinceMs) + holdMs;
  }

  /** A client with `key`, or why there is none. */
  async #take(
    invitation: InvitationRecord,
    before: ClientRecord | undefined,
    key: string,
  ): Promise<EnrolOutcome | Exclude<EnrolOutcome['status'], 0>> {
    const { store, clients, nowMs, emit } = this.#parts;
    const { joining } = invitation;
    if (before !== undefined && joining !== undefined && nowMs() < this.#heldUntilMs(joining.atMs))
      return enrolStatus.busy;
    const isTaken = await this.#invited.isKnown(key);
    if (isTaken) return enrolStatus.knownKey;
    let record: ClientRecord | undefined;
    try {
      record = before === undefined ? this.#invited.make(invitation, key) : this.#invited.withKey(before, key);
      const held = { ...invitation, joining: { clientId: record.id, atMs: nowMs() } };
      await clients.put(record, store.get(record.id)?.revision ?? 0, held);
    } catch (error) {
      if (record !== undefined && store.get(record.id) === undefined) clients.takeBack(addressesOf(record));
      return statusOf(error);
    }
    const { name: client } = record;
    if (before === undefined) {
      emit({ kind: 'client-created', client });
      emit({ kind: 'lease-given', client, addresses: addressesOf(record) });
    }
    emit({ kind: 'invitation-joining', client, key: `${key.slice(0, fingerprintCharacters)}…` });
    return welcome(record, invitation);
  }

  /** The client's first handshake has come to its end: in this process or in one before, which has counted what the client sent. */
  #hasConnected({ joining }: InvitationRecord): boolean {
    const { store, feed, peers } = this.#parts;
    const device = store.get(joining?.clientId ?? '')?.record.devices[0];
    if (device === undefined || joining === undefined) return false;
    const row = feed.rows.get(device.publicKey);
    if (row !== undefined && peers.number(row, peerLayout.lastHandshakeAt) > 0) return true;
    return store.usage.daysOf(joining.clientId).some(({ upBytes }) => upBytes > 0);
  }

  #spend(invitation: InvitationRecord): void {
    if (this.#unwritten.has(invitation.id)) return;
    const client = this.#parts.store.get(invitation.joining?.clientId ?? '')?.record.name ?? invitation.name;
    if (this.#drop([invitation])) this.#parts.emit({ kind: 'invitation-used', client });
  }

  /** Whether that is on the disk. */
  async #end(invitation: InvitationRecord): Promise<boolean> {
    const client = this.#parts.store.get(invitation.joining?.clientId ?? '');
    if (client !== undefined && !this.#hasConnected(invitation)) await this.#parts.clients.remove(client.record);
    const isWritten = this.#drop([invitation]);
    await this.#parts.feed.settled();
    return isWritten;
  }

  /** Nobody gets in by it any more, even where that cannot be written; then `look` tries it again. */
  #drop(gone: readonly InvitationRecord[]): boolean {
    const { store, feed, emit } = this.#parts;
    if (gone.length === 0) return false;
    feed.pushInvitations([], gone);
    try {
      store.invitations.deleteAll(gone);
      for (const { id } of gone) this.#unwritten.delete(id);
      return true;
    } catch (error) {
      const isNews = gone.some(({ id }) => !this.#unwritten.has(id));
      for (const one of gone) this.#unwritten.set(one.id, one);
      if (isNews)
        emit({ kind: 'warning', message: `That an invitation is over cannot be written: ${messageOf(error)}` });
      return false;
    }
  }

  #checkTime(expiresMs: number): void {
    const leftMs = expiresMs - this.#parts.nowMs();
    if (leftMs <= 0) throw new HawserError('EXPIRES', 'The invitation would have expired already', 'name a later time');
    if (leftMs > mostMs) throw new HawserError('EXPIRES', 'An invitation lasts a year at most', 'name an earlier time');
  }

  #checkRoom(count: number): void {
    const open = this.#parts.store.invitations.count;
    if (open + count <= mostInvitations) return;
    const message = `${open} invitations are open, and there may be ${mostInvitations}`;
    throw new HawserError('LIMIT', message, 'take some back: hawser invite list, hawser invite revoke NAME');
  }
}

/** Enough to tell keys apart. */
const fingerprintCharacters = 8;

const reasons: Readonly<Record<Exclude<EnrolOutcome['status'], 0>, string>> = {
  [enrolStatus.knownKey]: 'its key is known here already',
  [enrolStatus.busy]: 'another machine is joining with the same invitation',
  [enrolStatus.full]: 'there is no room for another client',
  [enrolStatus.unwritten]: 'the store cannot be written',
  [enrolStatus.refused]: 'its name or its address belongs to another client or invitation, or to a peer of the file',
};

function welcome(client: ClientRecord, { allowed }: InvitationRecord): EnrolOutcome {
  return { status: enrolStatus.welcome, client, networks: allowed };
}

function addressesOf({ devices }: ClientRecord): string[] {
  return devices.flatMap(({ addresses }) => addresses);
}

function statusOf(error: unknown): Exclude<EnrolOutcome['status'], 0> {
  if (!(error instanceof HawserError)) return isForeign(error) ? enrolStatus.refused : enrolStatus.unwritten;
  return error.code === 'LIMIT' || error.code === 'NO_LEASE' ? enrolStatus.full : enrolStatus.refused;
}

/** It was said by the instance, and not by the disk. */
function isForeign(error: unknown): boolean {
  return (
    error instanceof Error &&
    typeof Reflect.get(error, 'code') === 'string' &&
    Reflect.get(error, 'code') === 'PEER_EXISTS'
  );
}

function rowOf({ name, joining, createdMs, expiresMs }: InvitationRecord): InvitationRow {
  return { name, state: joining === undefined ? 'open' : 'joining', createdMs, expiresMs };
}
