/**
 * The configuration of an instance that was killed, without the parser: yaml and zod cost a third of the CPU time of a start, and
 * a start after a crash is the one that people wait for. What was parsed is kept in memory-backed /run while the instance runs,
 * under a hash of the text and of the parser; anything unexpected means "not known", and the parser has its say.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { packageVersion } from '../base/package-info.ts';
import type { Config } from './config.ts';
import { formatKey, publicKeyOf, readKeyFile } from './keys.ts';
import { pluginFileFaults } from './plugin-files.ts';
import { tlsFileFaults } from './tls-files.ts';
import { webhookSecretFaults } from './webhook-secret.ts';

/** What a start needs of a configuration. */
export interface StartConfig {
  readonly config: Config;
  /** base64. */
  readonly publicKey: string;
  /** It was parsed by an earlier run. */
  readonly isRecalled: boolean;
}

interface Kept {
  readonly hash: string;
  readonly config: Config;
}

const defaultFolder = '/run/hawser';

/** What `remember` kept for the same text, key files checked anew; undefined when anything differs. Never throws. */
export function recallConfig(file: string, folder = defaultFolder): StartConfig | undefined {
  try {
    if (!isOurs(folder)) return undefined;
    const kept = deserialize(readFileSync(fileFor(file, folder))) as Kept;
    if (kept.hash !== hashOf(file)) return undefined;
    const { config } = kept;
    for (const peer of config.peers)
      if (peer.presharedKeyFile !== undefined) readKeyFile(peer.presharedKeyFile).fill(0);
    const faults = webhookSecretFaults(config.webhooks).size + pluginFileFaults(config.plugins).size;
    if (Object.keys(tlsFileFaults(config)).length + faults > 0) return undefined;
    const privateKey = readKeyFile(config.identity.privateKeyFile);
    const publicKey = formatKey(publicKeyOf(privateKey));
    privateKey.fill(0);
    if (config.peers.some((peer) => peer.publicKey === publicKey)) return undefined;
    return { config: freeze(config), publicKey, isRecalled: true };
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** Keeps `config`, which `file` was parsed to, for `recallConfig`. Does nothing where it cannot be kept safely. */
export function rememberConfig(file: string, config: Config, folder = defaultFolder): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (!isOurs(folder)) return;
    const kept: Kept = { hash: hashOf(file), config };
    // A new file each time: what lies there might be a link to somewhere else.
    forgetConfig(file, folder);
    writeFileSync(fileFor(file, folder), serialize(kept), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** After an orderly end nothing is left. */
export function forgetConfig(file: string, folder = defaultFolder): void {
  rmSync(fileFor(file, folder), { force: true });
}

/** Nobody else can have written there. */
function isOurs(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

function fileFor(file: string, folder: string): string {
  const name = createHash('sha256').update(path.resolve(file)).digest('hex').slice(0, 16);
  return path.join(folder, `.${name}.config`);
}

/** Of the text and of everything that turns it into a `Config`. */
function hashOf(file: string): string {
  const hash = createHash('sha256').update(packageVersion()).update(path.resolve(file)).update(readFileSync(file));
  for (const name of readdirSync(import.meta.dirname).sort()) {
    hash.update(`${name} ${statSync(path.join(import.meta.dirname, name)).mtimeMs}`);
  }
  return hash.digest('hex');
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
