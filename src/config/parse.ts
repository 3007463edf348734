/** YAML text → frozen `Config`, or every problem in it at once. Reads no key files: `keys.ts` does, when they are needed. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type * as z from 'zod';
import { messageOf } from '../base/errors.ts';
import { maskCidr } from './address.ts';
import { buildBonding, buildLink, implicitLink } from './build-links.ts';
import type { Config, PeerConfig } from './config.ts';
import { crossCheck } from './cross-checks.ts';
import {
  ConfigError,
  type Finding,
  findingsOf,
  formatPath,
  type KeyPath,
  type Problem,
  problemAt,
} from './problems.ts';
import { type ConfigOutput, configJsonSchema, type SchemaNode, schema } from './schema.ts';
import { hideKeysOf, showValue } from './show.ts';
import { mtuOf } from './tunnel-mtu.ts';

export type ParseResult =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: undefined; readonly problems: readonly Problem[] };

const mostBytes = 8 << 20;
/** A configuration needs 8; the parser takes seconds for 100,000, and ends by its stack. */
const deepestBrackets = 100;

/** Reads and parses `file`. Throws a ConfigError with all problems, or the one that the file cannot be read. */
export function loadConfig(file: string): Config {
  let text: string;
  try {
    refuseEndless(file);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `Cannot read the file: ${messageOf(error)}`;
    throw new ConfigError(file, [problemAt(1, 1, '', { message, allowed: [] })]);
  }
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
  const tooDeep = deepBracket(text);
  if (tooDeep !== undefined) return { config: undefined, problems: [tooDeep] };
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const syntax = syntaxProblems(document, lines, text);
  if (syntax.fatal) return { config: undefined, problems: syntax.problems };
  const { raw, refused } = toObject(document, text);
  if (refused !== undefined) return { config: undefined, problems: [refused] };
  const name = nameOf(raw, file);
  const parsed = schema.safeParse(raw, { reportInput: true });
  const findings = [
    ...(parsed.success ? [] : schemaFindings(parsed.error.issues)),
    ...nameFindings(raw, name),
    ...crossCheck(raw, name),
  ];
  const problems = [...syntax.problems, ...findings.map((finding) => place(finding, document, lines))];
  if (problems.length > 0 || !parsed.success) {
    return { config: undefined, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  return { config: build(parsed.data, name, path.dirname(path.resolve(file))), problems: [] };
}

/** The places of findings that somebody else made about the same text. */
export function placeFindings(text: string, findings: readonly Finding[]): Problem[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  return findings.map((finding) => place(finding, document, lines));
}

/** The bracket that is within more others than any configuration has; remarks do not count. */
function deepBracket(text: string): Problem | undefined {
  let depth = 0;
  for (const [index, line] of text.split('\n').entries()) {
    for (const { 0: one, index: column } of line.replace(/(^|\s)#.*/, '').matchAll(/[[\]{}]/g)) {
      // A bracket in quotes may close what was never opened.
      depth = Math.max(0, depth + (one === '[' || one === '{' ? 1 : -1));
      if (depth <= deepestBrackets) continue;
      const message = `not usable: brackets within more than ${deepestBrackets} others`;
      return problemAt(index + 1, column + 1, '', { message, allowed: [] });
    }
  }
  return undefined;
}

/** An alias that refers to itself or unfolds without end is refused: YAML allows it, a configuration does not need it. */
function toObject(document: Document.Parsed, text: string): { raw: unknown; refused?: Problem } {
  try {
    const raw: unknown = document.toJS() ?? {};
    JSON.stringify(raw);
    return { raw };
  } catch (error) {
    const message = /circular/.test(messageOf(error))
      ? 'not usable: an alias stands within what it refers to'
      : `not usable: ${hideKeysOf(text, messageOf(error))}`;
    return { raw: {}, refused: problemAt(1, 1, '', { message, allowed: [] }) };
  }
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

/** Duplicate keys let the rest be checked too; anything else that YAML refuses does not. */
function syntaxProblems(
  document: Document.Parsed,
  lines: LineCounter,
  text: string,
): { problems: Problem[]; fatal: boolean } {
  const found = [...document.errors, ...document.warnings];
  const all = found.map((error): Problem => {
    const { line, col } = lines.linePos(error.pos[0]);
    const isDuplicate = error.code === 'DUPLICATE_KEY';
    const key = /^[^\s:]+/.exec(text.slice(error.pos[0]))?.[0] ?? '';
    const message = isDuplicate
      ? `key ${showValue(key)} stands here a second time`
      : `not YAML: ${hideKeysOf(text, error.message)}`;
    return problemAt(line, col, '', { message, allowed: [] });
  });
  const problems = [...new Map(all.map((one) => [`${one.line} ${one.column} ${one.message}`, one])).values()];
  if (problems.length === 0 && document.contents !== null && !isMap(document.contents)) {
    const message = 'the file is not a map of keys';
    problems.push(problemAt(1, 1, '', { message, allowed: Object.keys(schema.shape) }));
    return { problems, fatal: true };
  }
  return { problems, fatal: found.some((error) => error.code !== 'DUPLICATE_KEY') };
}

function place(finding: Finding, document: Document.Parsed, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(offsetOf(finding, document));
  return problemAt(line, col, formatPath(finding.path), finding);
}

/** Where the value (or the key) begins; of what is missing, its nearest parent. */
function offsetOf(finding: Finding, document: Document.Parsed): number {
  if (finding.at === 'key') {
    const parent = nodeAt(document, finding.path.slice(0, -1));
    const pair = isMap(parent) ? parent.items.findLast((item) => keyText(item.key) === finding.path.at(-1)) : undefined;
    const offset = pair === undefined ? undefined : offsetOfNode(pair.key);
    if (offset !== undefined) return offset;
  }
  for (let length = finding.path.length; length >= 0; length--) {
    const offset = offsetOfNode(nodeAt(document, finding.path.slice(0, length)));
    if (offset !== undefined) return offset;
  }
  return 0;
}

/** As `document.getIn`, but of a key that stands twice the last one, which is the one that `toJS` takes. */
function nodeAt(document: Document.Parsed, keys: KeyPath): unknown {
  let node: unknown = document.contents;
  for (const key of keys) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) node = node.items.findLast((item) => keyText(item.key) === key)?.value;
    else if (isSeq(node) && typeof key === 'number') node = node.items[key];
    else return undefined;
  }
  return node;
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function offsetOfNode(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const [start]: unknown[] = node.range;
  return typeof start === 'number' ? start : undefined;
}

function build(input: ConfigOutput, name: string, folder: string): Config {
  const links = input.links.map(buildLink);
  const { sealedLog: sealedLogBytes, ...runtime } = input.runtime;
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
    peers: input.peers.map((peer) => buildPeer(peer, folder)),
    bonding: buildBonding(input.bonding),
    transports: { ...input.transports, order: [...new Set(input.transports.order)] },
    faketcp: input.faketcp,
    runtime: { ...runtime, sealedLogBytes },
    routing: input.routing,
  });
}

function buildPeer(input: ConfigOutput['peers'][number], folder: string): PeerConfig {
  const allowed = new Map(input.allowedIPs.map(maskCidr).map((cidr) => [`${cidr.addressHex}/${cidr.prefix}`, cidr]));
  return {
    name: input.name,
    publicKey: input.publicKey,
    presharedKeyFile: input.presharedKeyFile === undefined ? undefined : path.resolve(folder, input.presharedKeyFile),
    allowedIPs: [...allowed.values()],
    endpoints: input.endpoints,
    keepaliveMs: input.keepalive,
    cipher: input.cipher,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
