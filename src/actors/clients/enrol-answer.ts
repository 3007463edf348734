/** What a machine that was invited is told, as the frame that it reads. Pure. */
import { parseCidr } from '../../config/address.ts';
import { parseKey } from '../../config/keys.ts';
import type { HubFacts } from '../../control/client-calls.ts';
import { enrolAnswer, enrolRefusal, enrolStatus } from '../../wire/enrol-frame.ts';
import type { EnrolOutcome } from './invitation-book.ts';

/** `key`: base64, of the machine. A buffer of its own. */
export function enrolFrame(
  key: string,
  outcome: EnrolOutcome,
  hub: Pick<HubFacts, 'name' | 'dns' | 'networks'>,
): ArrayBuffer {
  const asked = parseKey(key) ?? new Uint8Array(32);
  if (outcome.status !== enrolStatus.welcome) return copyOf(enrolRefusal(asked, outcome.status));
  const { client, networks } = outcome;
  const [device] = client.devices;
  const frame = enrolAnswer(asked, {
    presharedKey: parseKey(device?.presharedKey ?? '') ?? new Uint8Array(32),
    name: client.name,
    hubName: hub.name,
    addresses: (device?.addresses ?? []).map(bytesOf),
    dns: hub.dns.map(bytesOf),
    networks: (networks ?? hub.networks).map((text) => ({
      address: bytesOf(text),
      prefix: parseCidr(text)?.prefix ?? 0,
    })),
  });
  return copyOf(frame ?? enrolRefusal(asked, enrolStatus.refused));
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(parseCidr(text)?.addressHex ?? '00000000', 'hex'));
}

function copyOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy.buffer;
}
