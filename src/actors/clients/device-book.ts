/** Devices of clients: further keys, each with a lease of its own, that share what their client may use. */
import { HawserError } from '../../base/errors.ts';
import type { ClientAnswers, ClientParams, ClientRow } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { ClientIndex } from './client-index.ts';
import type { ClientLedger } from './client-ledger.ts';
import { clientNameOf, clientNameWords } from './client-record.ts';
import type { Leases } from './leases.ts';

export interface DeviceBookParts {
  readonly index: ClientIndex;
  readonly ledger: ClientLedger;
  readonly leases: Leases;
  readonly emit: (event: InstanceEvent) => void;
  readonly randomBytes: (count: number) => Buffer;
}

export class DeviceBook {
  readonly #parts: DeviceBookParts;

  constructor(parts: DeviceBookParts) {
    this.#parts = parts;
  }

  async add({
    name,
    device,
    publicKey,
    addresses,
    presharedKey,
  }: ClientParams<'addDevice'>): Promise<ClientAnswers['addDevice']> {
    const { index, ledger, leases, randomBytes, emit } = this.#parts;
    const { record, revision } = index.find(name);
    const called = clientNameOf(device);
    if (called === undefined)
      throw new HawserError('CLIENT_NAME', `${JSON.stringify(device)} is not ${clientNameWords}`);
    if (record.devices.some((one) => one.name === called))
      throw new HawserError('CLIENT_EXISTS', `Client "${record.name}" has a device "${called}" already`);
    index.checkKey(publicKey);
    ledger.checkDevices(record.name, record.devices.length + 1);
    const given = ledger.give(record.name, addresses);
    const secret = presharedKey ? randomBytes(32).toString('base64') : '';
    const fresh = { name: called, publicKey, presharedKey: secret, addresses: given, isReserved: addresses.length > 0 };
    const wanted = { ...record, devices: [...record.devices, fresh] };
    try {
      await ledger.put(wanted, revision);
    } catch (error) {
      leases.takeBack(given);
      throw error;
    }
    emit({ kind: 'lease-given', client: record.name, addresses: given });
    const row = ledger.rowOf(wanted);
    return { client: { ...row, name: `${row.name}/${called}`, devices: row.devices.slice(-1) }, presharedKey: secret };
  }

  async remove({ name, device }: ClientParams<'removeDevice'>): Promise<ClientRow> {
    const { index, ledger, leases } = this.#parts;
    const { record, revision } = index.find(name);
    const gone = record.devices.find((one) => one.name === device.normalize('NFC'));
    if (gone === undefined || device === '') {
      const known = record.devices.map((one) => one.name).filter((one) => one !== '');
      const remedy = known.length === 0 ? 'it has no other than its first' : `there are: ${known.join(', ')}`;
      throw new HawserError('NO_SUCH_CLIENT', `Client "${record.name}" has no device "${device}"`, remedy);
    }
    const wanted = { ...record, devices: record.devices.filter((one) => one !== gone) };
    await ledger.put(wanted, revision, { onStored: () => ledger.end(record, 'removed', [gone.publicKey]) });
    leases.takeBack(gone.addresses);
    return ledger.rowOf(wanted);
  }
}
