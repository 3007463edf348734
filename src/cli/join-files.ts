/**
 * What `hawser join` writes: first the key, so that the same line, run again after an interruption, says the same key; then the
 * configuration, which says by which invitation it came.
 */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { inWords, readSmallFile } from '../base/lasting-files.ts';
import { formatAddress } from '../config/address.ts';
import { generateConfig } from '../config/generate.ts';
import { formatKey, newPrivateKey, readKeyFile } from '../config/keys.ts';
import { parseConfig } from '../config/parse.ts';
import { formatProblem } from '../config/problems.ts';
import type { ConfigInput } from '../config/schema.ts';
import { instanceNameOf } from '../config/wg-quick-names.ts';
import type { EnrolWelcome } from '../wire/enrol-frame.ts';
import type { InitLinks } from './init-links.ts';
import { type NewFile, writeNewFiles } from './new-files.ts';

const keepalive = '25s';
/** Of an instance whose client has a name that is none of ours. */
const usualName = 'home';

/** Throws what keeps `folder` from being written to. */
export function checkFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const message = `Cannot write to ${folder}: ${inWords(error)}`;
    throw new HawserError('FOLDER', message, 'run as root, or name another folder: --out FOLDER');
  }
}

function pendingFile(folder: string, id: string): string {
  return path.join(folder, `join-${id}.key`);
}

/** The private key that this machine will have: of the run before, or a new one, which is on the disk before anybody hears of it. */
export function ownKey(folder: string, id: string): Uint8Array {
  const file = pendingFile(folder, id);
  if (existsSync(file)) return readKeyFile(file);
  const key = newPrivateKey();
  writeNewFiles([{ file, content: `${formatKey(key)}\n` }], false);
  return key;
}

export function forgetPending(folder: string, id: string): void {
  rmSync(pendingFile(folder, id), { force: true });
}

function markOf(id: string): string {
  return `# Written by hawser join, invitation ${id}.`;
}

/** The configuration that an earlier run of the same line has finished; undefined = there is none. */
export function findJoined(folder: string, id: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
  return files.map((file) => path.join(folder, file)).find((file) => textIn(file).startsWith(markOf(id)));
}

/** '' for what cannot be read: a link that leads nowhere, a folder. It is nobody's configuration. */
function textIn(file: string): string {
  try {
    return readSmallFile(file, 1 << 20);
  } catch {
    return '';
  }
}

export interface JoinedInput {
  readonly folder: string;
  /** Of the invitation. */
  readonly id: string;
  /** Of the instance; undefined = made of the client's. */
  readonly name: string | undefined;
  readonly interface: string | undefined;
  readonly runtime: ConfigInput['runtime'];
  readonly tls?: ConfigInput['tls'];
  readonly privateKey: Uint8Array;
  readonly hubKey: Uint8Array;
  /** As they are reached. */
  readonly endpoints: readonly string[];
  readonly obfuscation: object | undefined;
  readonly links: InitLinks;
  readonly welcome: EnrolWelcome;
  readonly force: boolean;
}

/** Writes all or nothing. Throws EXISTS, and JOIN for an answer that makes no configuration. */
export function writeJoined(input: JoinedInput): {
  readonly file: string;
  readonly name: string;
  readonly written: readonly string[];
} {
  const { folder, id, privateKey, welcome, links } = input;
  const name = input.name ?? instanceNameOf(welcome.name) ?? usualName;
  const file = path.join(folder, `${name}.yaml`);
  const hasSecret = welcome.presharedKey.some((byte) => byte !== 0);
  const pskFile = `${name}-${welcome.hubName}.psk`;
  const yaml = `${markOf(id)}\n${generateConfig(configOf(input, name, hasSecret ? pskFile : undefined), {}, links.spare)}`;
  const { problems } = parseConfig(yaml, file);
  if (problems.length > 0) {
    const list = problems.map((problem) => formatProblem(name, problem)).join('\n');
    throw new HawserError('JOIN', `What the hub answers makes no configuration:\n${list}`);
  }
  const files = [
    { file: path.join(folder, `${name}.key`), content: `${formatKey(privateKey)}\n` },
    ...(hasSecret ? [{ file: path.join(folder, pskFile), content: `${formatKey(welcome.presharedKey)}\n` }] : []),
    // Last: where it is, all of it is.
    { file, content: yaml },
  ];
  // A run that was ended in the middle has left some of them.
  writeNewFiles(
    files.filter((one) => !holds(one)),
    input.force,
  );
  return { file, name, written: files.map((one) => one.file) };
}

/** A host may be a client of several hubs. `name`: of the instance, whose own file is to be overwritten if it is there. */
function freeInterface(folder: string, name: string): string {
  const others = readdirSync(folder).filter((file) => file.endsWith('.yaml') && file !== `${name}.yaml`);
  const taken = new Set(
    others.flatMap((file) => {
      const { config } = parseConfig(textIn(path.join(folder, file)), path.join(folder, file));
      return config?.tunnel.interface ?? [];
    }),
  );
  let number = 0;
  while (taken.has(`hawser${number}`)) number += 1;
  return `hawser${number}`;
}

function holds({ file, content }: NewFile): boolean {
  return existsSync(file) && readSmallFile(file, 1 << 20) === content;
}

function configOf(input: JoinedInput, name: string, presharedKeyFile: string | undefined): ConfigInput {
  const { welcome, links, hubKey, endpoints, obfuscation, runtime, tls } = input;
  const textOf = (address: Uint8Array): string => formatAddress(Buffer.from(address));
  return {
    name,
    identity: { privateKeyFile: `${name}.key` },
    tunnel: {
      interface: input.interface ?? freeInterface(input.folder, name),
      addresses: welcome.addresses.map((address) => `${textOf(address)}/${address.length * 8}`),
      mtu: 'auto',
      ...(welcome.dns.length === 0 ? {} : { dns: { servers: welcome.dns.map(textOf) } }),
    },
    ...(links.used.length === 0 ? {} : { links: [...links.used] }),
    listen: { udp: 0 },
    peers: [
      {
        name: welcome.hubName,
        publicKey: formatKey(hubKey),
        ...(presharedKeyFile === undefined ? {} : { presharedKeyFile }),
        allowedIPs: welcome.networks.map(({ address, prefix }) => `${textOf(address)}/${prefix}`),
        endpoints: [...endpoints],
        keepalive,
      },
    ],
    ...(obfuscation === undefined ? {} : { obfuscation: obfuscation as ConfigInput['obfuscation'] }),
    ...(tls === undefined ? {} : { tls }),
    ...(runtime === undefined ? {} : { runtime }),
    routing: { onExit: 'open' },
  } as ConfigInput;
}
