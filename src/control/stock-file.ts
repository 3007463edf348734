/** What a new client needs as a file for WireGuard (wg-quick, phones); the web page makes it in the browser, the CLI on the host. Pure. */
import type { NewClientAnswer } from './client-calls.ts';

export interface ClientFileInput extends NewClientAnswer {
  /** base64; undefined = the client has it, and nobody else. */
  readonly privateKey: string | undefined;
  /** As they are reached, the most preferred first. */
  readonly endpoints: readonly string[];
  /** What the client sends through the tunnel. */
  readonly allowed: readonly string[];
}

/** A phone has no other way to keep the way back open. */
const keepaliveSeconds = 25;
/** What wg-quick takes without being told (1500 less 80). */
const usualMtu = 1420;

/** Comments are of letters that every parser passes over. */
export function stockFile(input: ClientFileInput): string {
  const { client, hub, privateKey, presharedKey, endpoints, allowed } = input;
  const addresses = (client.devices[0]?.addresses ?? []).map(withPrefix);
  const [endpoint] = endpoints.filter((one) => !one.includes('://'));
  const lines = [
    `# ${client.name}, a client of ${hub.name}`,
    '[Interface]',
    privateKey === undefined
      ? '# PrivateKey = the one whose public key this client was added with'
      : `PrivateKey = ${privateKey}`,
    `Address = ${addresses.join(', ')}`,
    ...(hub.dns.length === 0 ? [] : [`DNS = ${hub.dns.join(', ')}`]),
    ...(hub.mtu === usualMtu ? [] : [`MTU = ${hub.mtu}`]),
    ...worn(hub.obfuscation),
    '',
    '[Peer]',
    `PublicKey = ${hub.publicKey}`,
    ...(presharedKey === '' ? [] : [`PresharedKey = ${presharedKey}`]),
    `AllowedIPs = ${allowed.join(', ')}`,
    ...(endpoint === undefined ? [] : [`Endpoint = ${endpoint}`]),
    `PersistentKeepalive = ${keepaliveSeconds}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** AmneziaWG's names of the keys that `obfuscation` has: `Jc`, `S1`, `H1`, `I1`. */
function worn(obfuscation: object | string | undefined): string[] {
  const entries = typeof obfuscation === 'object' ? Object.entries(obfuscation) : [];
  return entries.map(([key, value]) => `${key[0]?.toUpperCase()}${key.slice(1)} = ${String(value)}`);
}

/** An address alone is a host. */
function withPrefix(address: string): string {
  if (address.includes('/')) return address;
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
