/** What no single value of an obfuscation shows: messages that could not be told apart. Works on the raw object, as `cross-checks.ts` does. */
import { obfuscation as layout } from '../contract/obfuscation.ts';
import {
  formatHeader,
  type HeaderRange,
  handshakeBytes,
  type ObfuscationConfig,
  obfuscationIds,
  obfuscationSchema,
  wholeObfuscation,
} from './obfuscation.ts';
import { type Finding, formatPath, type KeyPath } from './problems.ts';

const kinds = ['initiations', 'responses', 'cookie replies', 'data'] as const;

interface Placed {
  readonly path: KeyPath;
  readonly config: ObfuscationConfig | undefined;
}

export function obfuscationFindings(root: Readonly<Record<string, unknown>>): Finding[] {
  const peers = Array.isArray(root.peers) ? root.peers : [];
  const given = [
    { path: ['obfuscation'], raw: root.obfuscation },
    ...peers.map((peer: unknown, index) => ({
      path: ['peers', index, 'obfuscation'],
      raw: typeof peer === 'object' && peer !== null && 'obfuscation' in peer ? peer.obfuscation : undefined,
    })),
  ].filter(({ raw }) => raw !== undefined);
  if (given.length === 0) return [];
  const placed = given.flatMap(({ path, raw }): Placed[] => {
    const parsed = obfuscationSchema.safeParse(raw);
    return parsed.success ? [{ path, config: wholeObfuscation(parsed.data) }] : [];
  });
  const own = placed.flatMap(({ path, config }) => (config === undefined ? [] : ownFindings(path, config)));
  return own.length > 0
    ? own
    : mixedFindings(root.obfuscation === undefined ? [{ path: [], config: undefined }, ...placed] : placed);
}

function ownFindings(path: KeyPath, { jmin, jmax, paddings, headers }: ObfuscationConfig): Finding[] {
  const findings: Finding[] = [];
  if (jmin > jmax) findings.push(finding([...path, 'jmin'], `${jmin} is more than jmax, ${jmax}`));
  for (const [index, range] of headers.entries()) {
    const other = headers.findIndex((one, at) => at < index && overlap(one, range));
    if (other < 0) continue;
    const message = `${formatHeader(range)} overlaps h${other + 1}, ${formatHeader(headers[other] as HeaderRange)}: a value of the field means one type`;
    findings.push(finding([...path, `h${index + 1}`], message));
  }
  const sizes = handshakeBytes.map((bytes, index) => bytes + (paddings[index] ?? 0));
  for (const [index, size] of sizes.entries()) {
    const other = sizes.indexOf(size);
    if (other === index) continue;
    const message = `makes ${kinds[index]} as long as ${kinds[other]} with s${other + 1} (${size} bytes): types are told by their length`;
    findings.push(finding([...path, `s${index + 1}`], message));
  }
  return findings;
}

/** Several obfuscations come by one port: each handshake must say by its length and header which it wears. */
function mixedFindings(placed: readonly Placed[]): Finding[] {
  const wears = new Map<number, Placed>();
  const findings: Finding[] = [];
  for (const one of placed) {
    const { wear } = obfuscationIds(one.config);
    if (wears.has(wear)) continue;
    const other = [...wears.values()].find((known) => areAlike(known.config, one.config));
    wears.set(wear, one);
    if (other === undefined) continue;
    const whose = other.config === undefined ? 'WireGuard as it is, which others speak here' : formatPath(other.path);
    findings.push(
      finding(one.path, `its handshakes cannot be told from those of ${whose}: give it other s1, s2 and h1 to h3`),
    );
  }
  const ids = new Set(placed.map(({ config }) => obfuscationIds(config).id));
  if (ids.size > layout.most)
    findings.push(
      finding(['peers'], `${ids.size} obfuscations are more than the ${layout.most} that one instance knows`),
    );
  return findings;
}

function areAlike(one: ObfuscationConfig | undefined, other: ObfuscationConfig | undefined): boolean {
  return handshakeBytes.some((_, kind) => {
    const standard = { first: kind + 1, last: kind + 1 };
    const padding = (config: ObfuscationConfig | undefined): number => config?.paddings[kind] ?? 0;
    const header = (config: ObfuscationConfig | undefined): HeaderRange => config?.headers[kind] ?? standard;
    return padding(one) === padding(other) && overlap(header(one), header(other));
  });
}

function overlap(one: HeaderRange, other: HeaderRange): boolean {
  return one.first <= other.last && other.first <= one.last;
}

function finding(path: KeyPath, message: string): Finding {
  return { path, at: 'value', message, allowed: [] };
}
