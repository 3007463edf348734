/** The configuration together with the keys its files name: what `hawser up` starts from and `hawser check` checks. */
import { messageOf } from '../base/errors.ts';
import type { Config } from './config.ts';
import { formatKey, publicKeyOf, readKeyFile } from './keys.ts';
import { parsedOrThrow, placeFindings, readConfigText } from './parse.ts';
import { pluginFileFaults } from './plugin-files.ts';
import { ConfigError, type Finding, type KeyPath } from './problems.ts';
import { tlsFileFaults } from './tls-files.ts';
import { webhookSecretFaults } from './webhook-secret.ts';

export interface ConfigWithKeys {
  readonly config: Config;
  /** 32 bytes; the caller zeroes them. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Public key of the peer (base64) → its preshared key, for the peers that have one. */
  readonly presharedKeys: ReadonlyMap<string, Uint8Array>;
}

/** Throws a ConfigError with every problem of the file or, when it has none, of every key file. */
export function loadConfigWithKeys(file: string): ConfigWithKeys {
  return parseConfigWithKeys(readConfigText(file), file);
}

/** The same of a text that may once be in `file`. */
export function parseConfigWithKeys(text: string, file: string): ConfigWithKeys {
  return readKeys(parsedOrThrow(text, file), text, file);
}

/** Throws a ConfigError with every problem of the key files, at their places in `text`. */
export function readKeys(config: Config, text: string, file: string): ConfigWithKeys {
  const findings: Finding[] = [];
  const read = (keyFile: string, path: KeyPath): Uint8Array => {
    try {
      return readKeyFile(keyFile);
    } catch (error) {
      findings.push({ path, at: 'value', message: messageOf(error), allowed: [] });
      return new Uint8Array(32);
    }
  };
  const privateKey = read(config.identity.privateKeyFile, ['identity', 'privateKeyFile']);
  const presharedKeys = new Map<string, Uint8Array>();
  for (const [index, peer] of config.peers.entries()) {
    if (peer.presharedKeyFile === undefined) continue;
    presharedKeys.set(peer.publicKey, read(peer.presharedKeyFile, ['peers', index, 'presharedKeyFile']));
  }
  for (const [key, message] of Object.entries(tlsFileFaults(config)))
    findings.push({ path: ['tls', key], at: 'value', message, allowed: [] });
  for (const [index, message] of webhookSecretFaults(config.webhooks))
    findings.push({ path: ['webhooks', index, 'secretFile'], at: 'value', message, allowed: [] });
  for (const [index, message] of pluginFileFaults(config.plugins))
    findings.push({ path: ['plugins', index], at: 'value', message, allowed: [] });
  const publicKey = publicKeyOf(privateKey);
  const own = config.peers.findIndex((peer) => peer.publicKey === formatKey(publicKey));
  if (own >= 0) {
    const message = "is this host's own public key: write the one of the other side";
    findings.push({ path: ['peers', own, 'publicKey'], at: 'value', message, allowed: [] });
  }
  if (findings.length > 0) throw new ConfigError(file, placeFindings(text, findings));
  return { config, privateKey, publicKey, presharedKeys };
}
