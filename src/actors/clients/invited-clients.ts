/** What becomes of a machine that has an invitation: a client as the invitation says, or the same client with another key. */
import { HawserError } from '../../base/errors.ts';
import type { HubFacts } from '../../control/client-calls.ts';
import type { ClientIndex } from './client-index.ts';
import type { ClientRecord, DeviceRecord } from './client-record.ts';
import type { InvitationRecord } from './invitation-record.ts';

/** What the book of the clients does with a client. */
export interface ClientMaking {
  /** Throws LIMIT. */
  checkCount(name: string): void;
  /** Throws NO_LEASE. */
  give(name: string): string[];
  takeBack(addresses: readonly string[]): void;
  /** On the disk and among the peers, or neither, with the invitation. */
  put(record: ClientRecord, revision: number, invitation: InvitationRecord): Promise<void>;
  /** With all that it had. */
  remove(record: ClientRecord): Promise<void>;
}

export interface InvitedClientsParts {
  readonly index: ClientIndex;
  readonly clients: ClientMaking;
  readonly hubFacts: () => Promise<HubFacts>;
  /** Since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: (count: number) => Buffer;
}

export class InvitedClients {
  readonly #parts: InvitedClientsParts;

  constructor(parts: InvitedClientsParts) {
    this.#parts = parts;
  }

  /** The hub's own, a client's, a peer's of the file, or that of an invitation. */
  async isKnown(key: string): Promise<boolean> {
    try {
      this.#parts.index.checkKey(key);
    } catch (error) {
      if (error instanceof HawserError) return true;
      throw error;
    }
    return (await this.#parts.hubFacts()).publicKey === key;
  }

  /** Throws LIMIT, and NO_LEASE. */
  make(invitation: InvitationRecord, key: string): ClientRecord {
    const { index, clients, nowMs, randomBytes } = this.#parts;
    const { limits, quota } = invitation;
    clients.checkCount(invitation.name);
    const name = index.freeName(invitation.name, invitation.id);
    return {
      id: randomBytes(8).toString('hex'),
      name,
      isEnabled: true,
      createdMs: nowMs(),
      expiresMs: undefined,
      devices: [this.#device(key, clients.give(name))],
      ...(limits === undefined ? {} : { limits }),
      ...(quota === undefined ? {} : { quota }),
    };
  }

  /** The same client on another machine. */
  withKey(record: ClientRecord, key: string): ClientRecord {
    const [first, ...others] = record.devices;
    return { ...record, devices: [this.#device(key, first?.addresses ?? []), ...others] };
  }

  #device(publicKey: string, addresses: readonly string[]): DeviceRecord {
    return { name: '', publicKey, presharedKey: this.#secret(), addresses, isReserved: false };
  }

  #secret(): string {
    return this.#parts.randomBytes(32).toString('base64');
  }
}
