/** Obfuscations as the addon reads them (`contract/obfuscation.ts`). */
import { chainPart, obfuscation as layout } from '../contract/obfuscation.ts';

export interface ObfuscationFields {
  readonly id: number;
  readonly wear: number;
  readonly jc: number;
  readonly jmin: number;
  readonly jmax: number;
  /** Four each, of initiation, response, cookie reply and data. */
  readonly paddings: readonly number[];
  readonly headers: readonly { readonly first: number; readonly last: number }[];
  readonly chains: readonly (readonly ChainPartFields[])[];
}

interface ChainPartFields {
  readonly kind: keyof typeof chainPart;
  readonly bytes: number;
  /** Of a literal. */
  readonly hex?: string;
}

export function obfuscationsEmit(all: readonly ObfuscationFields[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(all.map(emitOne)));
}

function emitOne({ id, wear, jc, jmin, jmax, paddings, headers, chains }: ObfuscationFields): Buffer {
  const head = Buffer.alloc(layout.headerBytes);
  const put = (at: number, value: number): number => head.writeUInt32LE(value, at);
  put(layout.idAt, id);
  put(layout.wearAt, wear);
  put(layout.junkCountAt, jc);
  put(layout.junkLeastAt, jmin);
  put(layout.junkMostAt, jmax);
  for (const [index, bytes] of paddings.entries()) put(layout.paddingsAt + 4 * index, bytes);
  for (const [index, { first, last }] of headers.entries()) {
    put(layout.headersAt + 8 * index, first);
    put(layout.headersAt + 8 * index + 4, last);
  }
  put(layout.chainsAt, chains.length);
  return Buffer.concat([head, ...chains.map(emitChain)]);
}

function emitChain(parts: readonly ChainPartFields[]): Buffer {
  return Buffer.concat([numbers(parts.length), ...parts.map(emitPart)]);
}

function emitPart({ kind, bytes, hex = '' }: ChainPartFields): Buffer {
  const literal = Buffer.from(hex, 'hex');
  return Buffer.concat([numbers(chainPart[kind], bytes), literal, Buffer.alloc(-literal.length & 3)]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}
