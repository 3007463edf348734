/** Finds clients of the store by name and by key, and says whether a new one may have them. */
import { HawserError } from '../../base/errors.ts';
import { parseKey } from '../../config/keys.ts';
import { type ClientRecord, clientNameOf, clientNameWords, type StoredClient } from './client-record.ts';
import { type ClientStore, changedError } from './store.ts';

export class ClientIndex {
  readonly #store: ClientStore;
  readonly #idByName = new Map<string, string>();
  readonly #idByKey = new Map<string, string>();

  constructor(store: ClientStore) {
    this.#store = store;
    for (const { record } of store.list()) this.#take(record);
    store.watch((changes) => {
      for (const { before } of changes) if (before !== undefined) this.#forget(before.record);
      for (const { after } of changes) if (after !== undefined) this.#take(after.record);
    });
  }

  /** `revision`: the one that was seen. Throws NO_SUCH_CLIENT, and CHANGED when it is another by now. */
  find(name: string, revision?: number): StoredClient {
    const found = this.#store.get(this.#idByName.get(name.normalize('NFC')) ?? '');
    if (found !== undefined && revision !== undefined && found.revision !== revision) throw changedError(name);
    if (found !== undefined) return found;
    throw new HawserError('NO_SUCH_CLIENT', `There is no client "${name}"`, '`hawser client list` shows them');
  }

  /** The name as it is kept. `own`: id of the invitation, or of the client, that it is for. Throws CLIENT_NAME, CLIENT_EXISTS. */
  freeName(input: string, own = ''): string {
    const name = clientNameOf(input);
    if (name === undefined) throw new HawserError('CLIENT_NAME', `${JSON.stringify(input)} is not ${clientNameWords}`);
    if (this.#idByName.has(name))
      throw new HawserError('CLIENT_EXISTS', `There is a client "${name}" already`, 'choose another name');
    for (const invitation of this.#store.invitations.list()) {
      // Also while a machine is joining by it: its client may be called otherwise by now.
      if (invitation.name !== name || invitation.id === own || invitation.joining?.clientId === own) continue;
      const message = `"${name}" is the name of a client that was invited`;
      throw new HawserError('CLIENT_EXISTS', message, '`hawser invite revoke NAME` takes the invitation back');
    }
    return name;
  }

  /** Throws KEY_FORM, CLIENT_EXISTS. */
  checkKey(publicKey: string): void {
    if (parseKey(publicKey)?.some((byte) => byte !== 0) !== true) {
      const message = 'That is no public key: it is 32 bytes as base64';
      throw new HawserError('KEY_FORM', message, '`hawser keygen --public FILE` prints one');
    }
    const owner = this.#store.get(this.#idByKey.get(publicKey) ?? '');
    for (const invitation of this.#store.invitations.list())
      if (invitation.publicKey === publicKey)
        throw new HawserError('CLIENT_EXISTS', 'That is the public key of an invitation', 'a client has its own');
    if (owner === undefined) return;
    const message = `Client "${owner.record.name}" has that public key already`;
    throw new HawserError('CLIENT_EXISTS', message, 'each device needs a key of its own');
  }

  /** Throws CLIENT_NAME, and CLIENT_EXISTS when another client, or an invitation, has a name or a key of these, or two of them have one. */
  checkImport(records: readonly ClientRecord[]): void {
    const ids = new Set(records.map(({ id }) => id));
    const invitations = [...this.#store.invitations.list()];
    const seen = new Set<string>();
    for (const { id, name, devices } of records) {
      const owners = [this.#idByName.get(name), ...devices.map(({ publicKey }) => this.#idByKey.get(publicKey))];
      const isTaken = owners.some((owner) => owner !== undefined && owner !== id && !ids.has(owner));
      const marks = [name, id, ...devices.map(({ publicKey }) => publicKey)];
      checkNames([name, ...devices.slice(devices[0]?.name === '' ? 1 : 0).map((device) => device.name)]);
      if (new Set(devices.map((device) => device.name)).size < devices.length)
        throw new HawserError('CLIENT_EXISTS', `Two devices of client "${name}" have one name`, 'nothing was imported');
      const isInvited = invitations.some(
        (one) => (one.name === name && one.joining?.clientId !== id) || marks.includes(one.publicKey),
      );
      if (isTaken || isInvited || marks.some((mark) => seen.has(mark)))
        throw new HawserError(
          'CLIENT_EXISTS',
          `Client "${name}", or a key of it, is there already`,
          'nothing was imported',
        );
      for (const mark of marks) seen.add(mark);
    }
  }

  #take(record: ClientRecord): void {
    this.#idByName.set(record.name, record.id);
    for (const { publicKey } of record.devices) this.#idByKey.set(publicKey, record.id);
  }

  #forget(record: ClientRecord): void {
    this.#idByName.delete(record.name);
    for (const { publicKey } of record.devices) this.#idByKey.delete(publicKey);
  }
}

/** Of clients or devices, as they are kept. */
function checkNames(names: readonly string[]): void {
  const wrong = names.find((name) => clientNameOf(name) !== name);
  if (wrong !== undefined)
    throw new HawserError('CLIENT_NAME', `${JSON.stringify(wrong)} is not ${clientNameWords}`, 'nothing was imported');
}
