/** YAML text → frozen `Config`, or every problem in it at once. Reads no key files: `keys.ts` does, when they are needed. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type * as z from 'zod';
import { messageOf } from '../base/errors.ts';
import { maskCidr } from './address.ts';
import { buildApi } from './api-schema.ts';
import { buildBonding, buildLink, implicitLink } from './build-links.ts';
import type { Config, PeerConfig, TlsConfig } from './config.ts';
import { crossCheck } from './cross-checks.ts';
import { buildHistory } from './history-schema.ts';
import { buildLimits } from './limits-schema.ts';
import { buildObfuscation, type ObfuscationConfig } from './obfuscation.ts';
import { type SplitText, splitPeers } from './plain-yaml.ts';
import { buildPlugins } from './plugins-schema.ts';
import { ConfigError, type Finding, findingsOf, type Problem, problemAt } from './problems.ts';
import { type ConfigOutput, configJsonSchema, type SchemaNode, schema } from './schema.ts';
import { buildServer } from './server.ts';
import { showValue } from './show.ts';
import { mtuOf } from './tunnel-mtu.ts';
import { buildWebhooks } from './webhooks-schema.ts';
import { deepBracket, YamlText } from './yaml-text.ts';

export type ParseResult =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: undefined; readonly problems: readonly Problem[] };

const mostBytes = 8 << 20;

/** Reads and parses `file`. Throws a ConfigError with all problems, or the one that the file cannot be read. */
export function loadConfig(file: string): Config {
  return parsedOrThrow(readConfigText(file), file);
}

/** Throws a ConfigError when the file cannot be read. */
export function readConfigText(file: string): string {
  try {
    refuseEndless(file);
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `Cannot read the file: ${messageOf(error)}`;
    throw new ConfigError(file, [problemAt(1, 1, '', { message, allowed: [] })]);
  }
}

/** As `parseConfig`; throws a ConfigError with all problems. */
export function parsedOrThrow(text: string, file: string): Config {
  const result = parseConfig(text, file);
  if (result.config === undefined) throw new ConfigError(file, result.problems);
  return result.config;
}

/** A device may never end, nor a pipe begin; a file that is larger than 10,000 peers need is no configuration. */
function refuseEndless(file: string): void {
  const facts = statSync(file);
  if (facts.isDirectory()) throw new Error('it is a folder');
  if (facts.isCharacterDevice() || facts.isBlockDevice()) throw new Error('it is a device');
  // Nobody may ever write to it, and a reload reads it again.
  if (!facts.isFile()) throw new Error('it is a pipe or a socket, and it is read more than once: write it to a file');
  if (facts.size > mostBytes) throw new Error(`it has ${facts.size} bytes, and a configuration ${mostBytes} at most`);
}

/** `file` gives the instance its name and is where relative key files are looked for; it is not read. */
export function parseConfig(text: string, file: string): ParseResult {
  const split = splitPeers(text);
  const config = split === undefined ? undefined : checkSplit(split, file);
  return config === undefined ? parseWithPlaces(text, file) : { config, problems: [] };
}

/** undefined when anything is wrong or strange: the parser says what, and where. */
function checkSplit({ rest, peers }: SplitText, file: string): Config | undefined {
  const yaml = new YamlText(rest);
  if (deepBracket(rest) !== undefined || yaml.syntax().problems.length > 0 || !yaml.isMap) return undefined;
  const { raw, refused } = yaml.toObject();
  const isWhole = refused === undefined && typeof raw === 'object' && raw !== null && 'peers' in raw;
  return isWhole ? check({ ...raw, peers }, file).config : undefined;
}

/** The configuration, or what is wrong with what the file holds. */
function check(raw: unknown, file: string): { readonly config?: Config; readonly findings: readonly Finding[] } {
  const name = nameOf(raw, file);
  const parsed = schema.safeParse(raw, { reportInput: true });
  const findings = [
    ...(parsed.success ? [] : schemaFindings(parsed.error.issues)),
    ...nameFindings(raw, name),
    ...crossCheck(raw, name),
  ];
  if (findings.length > 0 || !parsed.success) return { findings };
  return { config: build(parsed.data, name, path.dirname(path.resolve(file))), findings };
}

/** The same by the parser, which knows where in the text everything stands. */
function parseWithPlaces(text: string, file: string): ParseResult {
  const tooDeep = deepBracket(text);
  if (tooDeep !== undefined) return { config: undefined, problems: [tooDeep] };
  const yaml = new YamlText(text);
  const syntax = syntaxProblems(yaml);
  if (syntax.fatal) return { config: undefined, problems: syntax.problems };
  const { raw, refused } = yaml.toObject();
  if (refused !== undefined) return { config: undefined, problems: [refused] };
  const { config, findings } = check(raw, file);
  const problems = [...syntax.problems, ...findings.map((finding) => yaml.place(finding))];
  if (problems.length > 0 || config === undefined) {
    return { config: undefined, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  return { config, problems: [] };
}

/** The places of findings that somebody else made about the same text. */
export function placeFindings(text: string, findings: readonly Finding[]): Problem[] {
  const yaml = new YamlText(text);
  return findings.map((finding) => yaml.place(finding));
}

/** Duplicate keys let the rest be checked too; anything else that YAML refuses does not. */
function syntaxProblems(yaml: YamlText): { problems: readonly Problem[]; fatal: boolean } {
  const { problems, isReadable } = yaml.syntax();
  if (problems.length > 0 || yaml.isMap) return { problems, fatal: !isReadable };
  const message = 'the file is not a map of keys';
  return { problems: [problemAt(1, 1, '', { message, allowed: Object.keys(schema.shape) })], fatal: true };
}

function nameOf(raw: unknown, file: string): string {
  const name = typeof raw === 'object' && raw !== null && 'name' in raw ? raw.name : undefined;
  return typeof name === 'string' ? name : path.basename(file).replace(/\.(ya?ml|json)$/, '');
}

function schemaFindings(issues: readonly z.core.$ZodIssue[]): Finding[] {
  const jsonSchema: SchemaNode = configJsonSchema();
  return issues.flatMap((issue) => findingsOf(issue, jsonSchema));
}

/** A name in the file is checked by the schema; one taken from the file's name is checked here. */
function nameFindings(raw: unknown, name: string): Finding[] {
  if (typeof raw === 'object' && raw !== null && 'name' in raw) return [];
  if (schema.shape.name.safeParse(name).success) return [];
  const message = `is missing, and the file's base name ${showValue(name)} is not a name of 1 to 32 letters, digits, "-" or "_"`;
  return [{ path: ['name'], at: 'value', message, allowed: ['home'] }];
}

function build(input: ConfigOutput, name: string, folder: string): Config {
  const links = input.links.map(buildLink);
  const { sealedLog: sealedLogBytes, ...runtime } = input.runtime;
  const obfuscation = buildObfuscation(input.obfuscation);
  return deepFreeze({
    name,
    identity: { privateKeyFile: path.resolve(folder, input.identity.privateKeyFile) },
    tunnel: {
      interface: input.tunnel.interface,
      addresses: input.tunnel.addresses,
      mtu: mtuOf(input.tunnel.mtu, input.bonding.fec),
      fragment: input.tunnel.fragment,
      dns: input.tunnel.dns,
    },
    links: links.length === 0 ? [implicitLink] : links,
    listen: input.listen,
    peers: input.peers.map((peer) => buildPeer(peer, folder, obfuscation)),
    server: input.server === undefined ? undefined : buildServer(input.server),
    bonding: buildBonding(input.bonding),
    transports: { ...input.transports, order: [...new Set(input.transports.order)] },
    obfuscation,
    faketcp: buildFakeTcp(input.faketcp, folder),
    tls: buildTls(input.tls, folder),
    webhooks: buildWebhooks(input.webhooks, folder),
    plugins: buildPlugins(input.plugins),
    history: input.history === undefined ? undefined : buildHistory(input.history),
    api: input.api === undefined ? undefined : buildApi(input.api, folder),
    runtime: { ...runtime, sealedLogBytes },
    routing: input.routing,
    update: input.update,
  });
}

function buildTls(input: ConfigOutput['tls'], folder: string): TlsConfig {
  const inFolder = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : path.resolve(folder, file);
  const { site } = input;
  return {
    certificate: inFolder(input.certificate),
    key: inFolder(input.key),
    site: site !== undefined && 'folder' in site ? { folder: path.resolve(folder, site.folder) } : site,
    proxy: input.proxy,
    proxyPasswordFile: inFolder(input.proxyPasswordFile),
    serverName: input.serverName,
  };
}

function buildFakeTcp({ style, rotate, handshakePacket }: ConfigOutput['faketcp'], folder: string): Config['faketcp'] {
  const file = handshakePacket === undefined ? undefined : path.resolve(folder, handshakePacket);
  return { style, rotateMs: rotate, handshakePacket: file };
}

function buildPeer(
  input: ConfigOutput['peers'][number],
  folder: string,
  common: ObfuscationConfig | undefined,
): PeerConfig {
  const allowed = new Map(input.allowedIPs.map(maskCidr).map((cidr) => [`${cidr.addressHex}/${cidr.prefix}`, cidr]));
  return {
    name: input.name,
    publicKey: input.publicKey,
    presharedKeyFile: input.presharedKeyFile === undefined ? undefined : path.resolve(folder, input.presharedKeyFile),
    allowedIPs: [...allowed.values()],
    endpoints: input.endpoints,
    keepaliveMs: input.keepalive,
    cipher: input.cipher,
    obfuscation: input.obfuscation === undefined ? common : buildObfuscation(input.obfuscation),
    limits: buildLimits(input.limits),
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
