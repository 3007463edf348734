/**
 * What makes a peer's datagrams look like nothing in particular: AmneziaWG's keys, in its meaning (amneziawg-go, README.md), with ids by
 * which the parts of the daemon name an obfuscation.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { type chainPart, obfuscation as layout } from '../contract/obfuscation.ts';
import { text } from './leaves.ts';

/** Values of a type field; both ends count. */
export interface HeaderRange {
  readonly first: number;
  readonly last: number;
}

/** A piece of a signature packet. */
export interface SignaturePart {
  readonly kind: keyof typeof chainPart;
  readonly bytes: number;
  /** Of a literal: hexadecimal. */
  readonly hex?: string;
}

export interface Signature {
  readonly text: string;
  readonly parts: readonly SignaturePart[];
}

export interface ObfuscationConfig {
  /** Junk packets before an initiation. */
  readonly jc: number;
  readonly jmin: number;
  readonly jmax: number;
  /** s1 to s4, h1 to h4: of initiation, response, cookie reply and data. */
  readonly paddings: readonly number[];
  readonly headers: readonly HeaderRange[];
  /** i1 to i5. */
  readonly signatures: readonly (Signature | undefined)[];
}

/** Bytes of a message before its padding; data has no length of its own. */
export const handshakeBytes = [148, 92, 64] as const;
export const signatureKeys = ['i1', 'i2', 'i3', 'i4', 'i5'] as const;
const mostType = 0xffff_ffff;

/** `7`, `5-15`. */
export function parseHeader(input: string): HeaderRange | undefined {
  const [, first, last] = /^(\d{1,10})(?:\s*-\s*(\d{1,10}))?$/.exec(input.trim()) ?? [];
  if (first === undefined) return undefined;
  const range = { first: Number(first), last: Number(last ?? first) };
  return range.first >= 1 && range.first <= range.last && range.last <= mostType ? range : undefined;
}

export function formatHeader({ first, last }: HeaderRange): number | string {
  return first === last ? first : `${first}-${last}`;
}

const tags: Readonly<Record<string, keyof typeof chainPart>> = {
  b: 'literal',
  r: 'random',
  rd: 'digits',
  rc: 'letters',
  t: 'time',
};

/** A chain of tags as AmneziaWG has them: `<b 0xc0ff><r 16><rd 4><rc 4><t>`; undefined when it is none, or is too long for a packet. */
export function parseSignature(input: string): Signature | undefined {
  if (!/^\s*(<[^<>]*>\s*)+$/.test(input)) return undefined;
  const parts = [...input.matchAll(/<([^<>]*)>/g)].map(([, tag = '']) => partOf(tag.trim().split(/\s+/)));
  const known = parts.filter((part) => part !== undefined);
  const total = known.reduce((sum, { bytes }) => sum + bytes, 0);
  if (known.length < parts.length || total < 1 || total > layout.mostDatagramBytes) return undefined;
  return { text: input.trim(), parts: known };
}

function partOf([tag = '', value, ...rest]: readonly string[]): SignaturePart | undefined {
  const kind = Object.hasOwn(tags, tag) ? tags[tag] : undefined;
  if (kind === undefined || rest.length > 0) return undefined;
  if (kind === 'time') return value === undefined ? { kind, bytes: 4 } : undefined;
  if (value === undefined) return undefined;
  if (kind !== 'literal') return /^\d{1,4}$/.test(value) ? { kind, bytes: Number(value) } : undefined;
  const hex = value.replace(/^0x/, '').toLowerCase();
  return /^([0-9a-f]{2})+$/.test(hex) ? { kind, bytes: hex.length / 2, hex } : undefined;
}

const padding = (most: number) => z.int().min(0).max(most).default(0);
const handshakePadding = (bytes: number) => padding(layout.mostDatagramBytes - bytes);
const header = (standard: number) =>
  z
    .union([
      z.int().min(1).max(mostType),
      text(parseHeader, { title: 'a number of 1 to 4294967295 or a range of them', examples: ['7', '5-15'] }),
    ])
    .default(standard);
const signature = text(parseSignature, {
  title: `a chain of <b 0xHEX>, <r N>, <rd N>, <rc N> and <t>, of 1 to ${layout.mostDatagramBytes} bytes`,
  examples: ['"<b 0xc000000001><r 16><t>"'],
}).optional();

const worn = z.strictObject({
  jc: z.int().min(0).max(128).default(0).describe('Junk packets before each handshake; of one side alone, if wanted.'),
  jmin: z.int().min(1).max(layout.mostDatagramBytes).default(40).describe('Bytes of each, at least …'),
  jmax: z.int().min(1).max(layout.mostDatagramBytes).default(70).describe('… and at most.'),
  s1: handshakePadding(handshakeBytes[0]).describe(
    'Random bytes in front of initiations; s and h are the same on both sides.',
  ),
  s2: handshakePadding(handshakeBytes[1]).describe('… of responses.'),
  s3: handshakePadding(handshakeBytes[2]).describe('… of cookie replies.'),
  s4: padding(layout.mostPaddingBytes).describe('… of data: each packet is so much longer.'),
  h1: header(1).describe('Type of initiations: a value, or a range of which each takes one.'),
  h2: header(2).describe('… of responses.'),
  h3: header(3).describe('… of cookie replies.'),
  h4: header(4).describe('… of data.'),
  i1: signature.describe('A packet that is sent before the junk, as if another protocol began.'),
  i2: signature,
  i3: signature,
  i4: signature,
  i5: signature,
});

export const obfuscationSchema = z
  .union([z.literal('off'), worn])
  .optional()
  .describe("AmneziaWG's obfuscation of UDP; top-level = of all peers that have none of their own.");

export type ObfuscationInput = z.input<typeof obfuscationSchema>;
type ObfuscationOutput = z.output<typeof obfuscationSchema>;

/** undefined: WireGuard as it is. */
export function buildObfuscation(given: ObfuscationOutput): ObfuscationConfig | undefined {
  const whole = wholeObfuscation(given);
  return obfuscationIds(whole).id === 0 ? undefined : whole;
}

/** The same, also where the values are WireGuard's own. */
export function wholeObfuscation(given: ObfuscationOutput): ObfuscationConfig | undefined {
  if (given === undefined || given === 'off') return undefined;
  const { jc, jmin, jmax, s1, s2, s3, s4, h1, h2, h3, h4 } = given;
  return {
    ...{ jc, jmin, jmax },
    paddings: [s1, s2, s3, s4],
    headers: [h1, h2, h3, h4].map((one) => (typeof one === 'number' ? { first: one, last: one } : one)),
    signatures: signatureKeys.map((key) => given[key]),
  };
}

export function obfuscationToInput(config: ObfuscationConfig | undefined): ObfuscationInput {
  if (config === undefined) return 'off';
  const { jc, jmin, jmax, paddings, headers, signatures } = config;
  return {
    jc,
    jmin,
    jmax,
    ...Object.fromEntries(paddings.map((bytes, index) => [`s${index + 1}`, bytes])),
    ...Object.fromEntries(headers.map((range, index) => [`h${index + 1}`, formatHeader(range)])),
    ...Object.fromEntries(signatures.flatMap((one, index) => (one === undefined ? [] : [[`i${index + 1}`, one.text]]))),
  };
}

/**
 * `wear` names paddings and headers, which both sides must have alike; `id` names all. 0 = none of it: WireGuard as it is. 31 bits of a
 * hash, so that everybody who has the configuration, or had one, means the same.
 */
export function obfuscationIds(config: ObfuscationConfig | undefined): { readonly id: number; readonly wear: number } {
  if (config === undefined) return { id: 0, wear: 0 };
  const { jc, paddings, headers, signatures } = config;
  const isPlain =
    paddings.every((bytes) => bytes === 0) && headers.every(({ first, last }, i) => first === i + 1 && last === i + 1);
  const isSilent = jc === 0 && signatures.every((one) => one === undefined);
  return {
    id: isPlain && isSilent ? 0 : hashed(config),
    wear: isPlain ? 0 : hashed([paddings, headers]),
  };
}

function hashed(value: unknown): number {
  return Math.max(1, createHash('sha256').update(JSON.stringify(value)).digest().readUInt32LE(0) >>> 1);
}
