/** What a new client needs, as a file of Hawser's, which `hawser import` takes apart. Pure. */
import { formatCidr, parseCidr, parsePeerEndpoint } from '../config/address.ts';
import { configToYaml } from '../config/generate.ts';
import type { ClientFileInput } from '../control/stock-file.ts';

/** A phone has no other way to keep the way back open. */
const keepaliveSeconds = 25;

/** A configuration in which the keys stand themselves. */
export function hawserFile(input: ClientFileInput): string {
  const { client, hub, privateKey, presharedKey, endpoints, allowed } = input;
  const known = endpoints.filter((endpoint) => parsePeerEndpoint(endpoint) !== undefined);
  return configToYaml(
    {
      name: hub.name,
      identity: { privateKey: privateKey ?? 'the one whose public key this client was added with' },
      tunnel: {
        addresses: addressesOf(input).map(formatCidr),
        ...(hub.dns.length === 0 ? {} : { dns: { servers: [...hub.dns] } }),
      },
      peers: [
        {
          name: hub.name,
          publicKey: hub.publicKey,
          ...(presharedKey === '' ? {} : { presharedKey }),
          allowedIPs: [...allowed],
          endpoints: known,
          keepalive: `${keepaliveSeconds}s`,
        },
      ],
      ...(hub.obfuscation === undefined ? {} : { obfuscation: hub.obfuscation }),
    },
    ` ${client.name}, a client of ${hub.name}: on its machine, hawser import FILE. Whoever has this file is that client.`,
  );
}

function addressesOf({ client }: ClientFileInput): NonNullable<ReturnType<typeof parseCidr>>[] {
  return (client.devices[0]?.addresses ?? []).flatMap((address) => parseCidr(address) ?? []);
}
