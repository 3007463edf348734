/**
 * What changes by the control socket alone: keys that name files, code, or where updates come from. Whoever has a token of the HTTP API
 * would otherwise have what root has on this host: read its files by `tls.site`, send them by `webhooks`, replace the program by `update`.
 * A key that names a file is added here when it comes into the schema (a test compares the two). Pure.
 */
import type { KeyPath } from './problems.ts';

/** `[]` = each entry of a list; a section stands for all that is in it. `hooks` is no key yet. */
export const reservedKeys: readonly string[] = [
  'identity.privateKeyFile',
  'links[].health.checks[].ca',
  'links[].health.checks[].plugin',
  'peers[].presharedKeyFile',
  'faketcp.handshakePacket',
  'tls.certificate',
  'tls.key',
  'tls.site',
  'tls.proxyPasswordFile',
  'webhooks[].secretFile',
  'webhooks[].ca',
  'webhooks[].format',
  'webhooks[].allowPrivate',
  'api.tls',
  'api.tokensFile',
  'runtime.runDirectory',
  'runtime.stateDirectory',
  'update',
  'hooks',
  'plugins',
  'server.authorise',
  'bonding.suggestions',
];

/** Places in `after`, an object as the file holds it, that say of such a key what `before` does not. An entry may go as a whole. */
export function reservedChanges(before: unknown, after: unknown): KeyPath[] {
  return reservedKeys.flatMap((key) => changesAt(before, after, key.split(/\.|(?=\[\])/), []));
}

function changesAt(before: unknown, after: unknown, [key, ...rest]: readonly string[], path: KeyPath): KeyPath[] {
  if (key === undefined) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  if (key !== '[]') {
    // Only of an entry that is gone does nothing follow; a section that is gone has lost what it said.
    return changesAt(partOf(before, key), partOf(after, key), rest, [...path, key]);
  }
  const known = Array.isArray(before) ? before : [];
  return (Array.isArray(after) ? after : []).flatMap((entry, index) =>
    changesAt(
      known.find((one) => identityOf(one) === identityOf(entry)),
      entry,
      rest,
      [...path, index],
    ),
  );
}

/** What makes an entry of a list the same one: of a peer its key; of what is asked or called, whom and how it is called. */
function identityOf(entry: unknown): string {
  const publicKey = partOf(entry, 'publicKey');
  const rest = ['name', 'type', 'url', 'target', 'server'].map((key) => partOf(entry, key));
  return JSON.stringify(publicKey === undefined ? rest : publicKey);
}

function partOf(map: unknown, key: string): unknown {
  return typeof map === 'object' && map !== null && Object.hasOwn(map, key)
    ? (map as Readonly<Record<string, unknown>>)[key]
    : undefined;
}
