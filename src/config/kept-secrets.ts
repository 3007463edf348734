/**
 * A configuration's text for eyes that shall read no secret: each stands there as `UNCHANGED-SECRET-N`, and what comes back with such a word
 * gets the secret back. Keys have files of their own; what is left are headers of probes, addresses of webhooks, and what people wrote
 * into remarks. Pure.
 */
import type { KeyPath } from './problems.ts';
import { reservedKeys } from './reserved-keys.ts';
import { looksLikeKey } from './show.ts';
import type { ScalarPlace, YamlText } from './yaml-text.ts';

export interface MaskedText {
  readonly text: string;
  /** Behind `UNCHANGED-SECRET-1`, `…-2` and so on, as they stand in the text. */
  readonly secrets: readonly string[];
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const marker = /UNCHANGED-SECRET-(\d{1,6})/g;
const longRun = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
/** What stands, in a remark, before a run that is public, or that is a pattern of bytes. */
const publicBefore = /(?:publickey["']?\s*[:=]\s*["']?|<b 0x)$/i;
const publicKeys: readonly unknown[] = ['publicKey', 'i1', 'i2', 'i3', 'i4', 'i5'];
const words =
  'private[_-]?key|preshared[_-]?key|psk|pass(?:word|wd|phrase)|secret|token|api[_-]?key|code|authorization';
/** Whatever stands there, in a value or in a remark; the secret is the only group. */
const told: readonly RegExp[] = [
  /:\/\/[^\s/@:]*:([^\s/@]+)@/dg,
  /\b(whsec_[A-Za-z0-9+/=_-]+)/dg,
  /\b(?:Bearer|Basic)\s+([^\s"',}#]+)/dgi,
  new RegExp(`\\b(?:${words})\\b["']?\\s*[:=]\\s*["']?([^\\s"',}#&]+)`, 'dgi'),
  // An invitation: its places, and what lets in.
  /\S#([A-Za-z0-9_-]{60,})/dg,
  // A word of ours that somebody has written into the file himself.
  /(UNCHANGED-SECRET-\d{1,6})/dg,
];

/**
 * `yaml`: the same text, which is a map of keys. `known`: secrets of another text, whose words these take; what is none of them is
 * `ANOTHER-SECRET`.
 */
export function maskSecrets(text: string, yaml: YamlText, known?: readonly string[]): MaskedText {
  const scalars = yaml.scalars();
  const open = scalars.filter(({ path }) => isPublic(path));
  const ranges = [
    ...scalars.flatMap((place) => secretPart(place, text)),
    ...told.flatMap((pattern) => [...text.matchAll(pattern)].flatMap(groupOf)),
    ...[...text.matchAll(longRun)].flatMap((run) => keyIn(run, text, open)),
  ];
  let masked = '';
  let at = 0;
  const secrets = [...(known ?? [])];
  for (const { from, to } of joined(ranges)) {
    const secret = text.slice(from, to);
    if (known === undefined && !secrets.includes(secret)) secrets.push(secret);
    const number = secrets.indexOf(secret) + 1;
    masked += `${text.slice(at, from)}${number === 0 ? 'ANOTHER-SECRET' : `UNCHANGED-SECRET-${number}`}`;
    at = to;
  }
  return { text: masked + text.slice(at), secrets };
}

/** `text` with its secrets; the first word that stands for none is `unknown`. */
export function restoreSecrets(
  text: string,
  secrets: readonly string[],
): { text: string; unknown: string | undefined } {
  let unknown: string | undefined;
  const restored = text.replace(marker, (word, digits: string) => {
    const secret = secrets[Number(digits) - 1];
    if (secret === undefined) unknown ??= word;
    return secret ?? word;
  });
  return { text: restored, unknown };
}

/**
 * The first word that does not stand where it stood, in a line and a probe that are as they were: whoever may not read a secret could send
 * it to himself, or put it where it is no longer hidden. Both texts are masked; `before` and `after` are what they say. undefined = all do.
 */
export function movedSecret(
  texts: { readonly before: string; readonly after: string },
  raws: { readonly before: unknown; readonly after: unknown },
): string | undefined {
  const lines = new Set(texts.before.split('\n').map((line) => line.trim()));
  const strange = texts.after.split('\n').find((line) => line.search(marker) >= 0 && !lines.has(line.trim()));
  if (strange !== undefined) return strange.match(marker)?.[0];
  const entries = entriesWithSecrets(raws.before);
  return [...entriesWithSecrets(raws.after)].find(([entry]) => !entries.has(entry))?.[1];
}

/** Of each value with such a word what it belongs to, as JSON, with the word: of a probe all of it, for its address says who is told. */
function entriesWithSecrets(raw: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const look = (value: unknown, entry: unknown, path: string): void => {
    if (typeof value === 'string') {
      const [word] = value.match(marker) ?? [];
      if (word !== undefined) found.set(`${path} ${JSON.stringify(entry ?? value)}`, word);
    } else if (Array.isArray(value))
      for (const one of value) look(one, path.endsWith('.checks') ? one : entry, `${path}[]`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, one] of Object.entries(value)) {
        look(key, entry, path);
        look(one, entry, `${path}.${key}`);
      }
  };
  look(raw, undefined, '');
  return found;
}

/** What of a value is nobody's to read. */
function secretPart({ path, from, to }: ScalarPlace, text: string): Range[] {
  const value = text.slice(from, to);
  const [section, , , check, , key] = path;
  const isCheck = section === 'links' && check === 'checks';
  // Of a plugin nobody here knows what is what.
  const isSetting = section === 'plugins' && path[2] === 'settings' && !/^(?:true|false|null|-?\d[\d.]*)$/.test(value);
  if (isSetting || (isCheck && (key === 'headers' || key === 'send' || key === 'argument')))
    return value === '' ? [] : [{ from, to }];
  const isHook = section === 'webhooks' && path[2] === 'url';
  if (!isHook && !(isCheck && key === 'url')) return [];
  // The address of a webhook is often all that is asked for there.
  const [open = ''] = (isHook ? /^\w+:\/\/[^/?#]*\/?/ : /^[^?]*\??/).exec(value) ?? [];
  return open.length < value.length ? [{ from: from + open.length, to }] : [];
}

/** Public keys, patterns of bytes, and what names files: a long path looks like a key. */
function isPublic(path: KeyPath): boolean {
  const name = path
    .map((key) => (typeof key === 'number' ? '[]' : `.${key}`))
    .join('')
    .slice(1);
  return (
    publicKeys.includes(path.at(-1)) ||
    reservedKeys.some((key) => `${name}.`.startsWith(`${key}.`) || name.startsWith(`${key}[`))
  );
}

function keyIn(run: RegExpExecArray, text: string, open: readonly ScalarPlace[]): Range[] {
  const range = { from: run.index, to: run.index + run[0].length };
  const isOpen = open.some(({ from, to }) => range.from >= from && range.to <= to);
  const isSaid = publicBefore.test(text.slice(Math.max(0, run.index - 40), run.index));
  return isOpen || isSaid || !looksLikeKey(run[0]) ? [] : [range];
}

function groupOf(match: RegExpExecArray): Range[] {
  const [from, to] = match.indices?.[1] ?? [0, 0];
  return from === to ? [] : [{ from, to }];
}

/** In their order, those that overlap as one. */
function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last === undefined || range.from >= last.to) all.push(range);
    else if (range.to > last.to) all.splice(-1, 1, { from: last.from, to: range.to });
  }
  return all;
}
