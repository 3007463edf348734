/** A client's file as `hawser client add --hawser` prints it: a configuration in which the keys stand themselves. They get files of their own. */
import { parse } from 'yaml';
import { messageOf } from '../base/errors.ts';
import { generateConfig, type SpareLink } from './generate.ts';
import { parseKey } from './keys.ts';
import { isName } from './names.ts';
import type { ConfigInput } from './schema.ts';
import { hideKeysOf } from './show.ts';

export interface ImportedFile {
  readonly yaml: string;
  readonly keyFiles: readonly { readonly file: string; readonly key: string }[];
}

export interface HawserFileOptions {
  /** Of the instance. */
  readonly name: string;
  /** Those of this host. */
  readonly links: ConfigInput['links'];
  readonly spareLinks: readonly SpareLink[];
}

/** wg-quick's files begin with a section. */
export function isHawserFile(text: string): boolean {
  const first = text.split('\n').find((line) => /^\s*[^\s#]/.test(line));
  return (
    first !== undefined &&
    !first
      .trim()
      .replace(/^\ufeff/, '')
      .startsWith('[')
  );
}

/** Or the sentence why it is none. What the configuration itself may hold is judged by its parser. */
export function importHawserFile(text: string, options: HawserFileOptions): ImportedFile | string {
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    return `not YAML: ${hideKeysOf(text, messageOf(error))}`;
  }
  const { identity, peers, ...rest } = asMap(parsed);
  const privateKey = asMap(identity).privateKey;
  if (typeof privateKey !== 'string' || parseKey(privateKey) === undefined)
    return 'identity.privateKey is no private key: put the one in whose public key the client was added with';
  const { name, links, spareLinks } = options;
  const keyFiles = [{ file: `${name}.key`, key: privateKey }];
  const known = (Array.isArray(peers) ? peers : []).map((peer: unknown, index) => {
    const { presharedKey, ...others } = asMap(peer);
    if (presharedKey === undefined) return others;
    const label = typeof others.name === 'string' && isName(others.name) ? others.name : `peer${index + 1}`;
    const file = `${name}-${label}.psk`;
    keyFiles.push({ file, key: String(presharedKey) });
    return { ...others, presharedKeyFile: file };
  });
  if (keyFiles.some(({ key }) => parseKey(key) === undefined)) return 'a presharedKey is no key of 32 bytes as base64';
  const input: object = {
    ...rest,
    name,
    identity: { privateKeyFile: `${name}.key` },
    ...(links === undefined || links.length === 0 ? {} : { links }),
    peers: known,
  };
  return { yaml: generateConfig(input as ConfigInput, {}, spareLinks), keyFiles };
}

function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
