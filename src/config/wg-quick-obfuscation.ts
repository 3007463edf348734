/** AmneziaWG's keys of a wg-quick file: what they come to here, or why they cannot. */
import { obfuscation as layout } from '../contract/obfuscation.ts';
import { type ObfuscationInput, parseHeader, parseSignature } from './obfuscation.ts';
import { obfuscationFindings } from './obfuscation-checks.ts';
import { showValue } from './show.ts';
import type { Entry } from './wg-quick-lines.ts';
import type { WgQuickValues } from './wg-quick-values.ts';

/** Of AmneziaWG 3: both sides must have them alike, and nobody here understands them. */
const unknownToUs = new Set(['headerprotectionkey', 'randomtrailers']);
/** They change what its owner does, and nothing that others must know. */
const withoutEffect = new Set([
  ...['contentpaddingaddition', 'rekeyaftertime', 'rekeytimeout', 'rejectaftertime', 'keepalivetimeout'],
  ...['maxhandshakeattempts', 'disablecookies'],
]);

export class WgQuickObfuscation {
  readonly #values: WgQuickValues;
  readonly #notes: string[];
  readonly #given: Record<string, number | string> = {};
  readonly #entries = new Map<string, Entry>();

  constructor(values: WgQuickValues, notes: string[]) {
    this.#values = values;
    this.#notes = notes;
  }

  /** Whether the key is one of AmneziaWG's. */
  take(entry: Entry): boolean {
    const key = entry.key.toLowerCase();
    if (/^(jc|jmin|jmax|s[1-4])$/.test(key)) this.#keep(key, entry, this.#values.number(entry, 0, 65_535));
    else if (/^h[1-4]$/.test(key)) this.#takeHeader(key, entry);
    else if (/^i[1-5]$/.test(key)) this.#takeSignature(key, entry);
    else if (unknownToUs.has(key))
      this.#values.problem(
        entry.line,
        entry.key,
        'is of AmneziaWG 3 and changes every packet: take it out on both sides, or leave the line out',
      );
    else if (withoutEffect.has(key))
      this.#notes.push(
        `Line ${entry.line}, ${entry.key}, is left out: it is each side's own affair, and Hawser has no such key.`,
      );
    else return false;
    return true;
  }

  /** What was taken; problems of values that do not fit together stand at their lines. */
  finish(): ObfuscationInput {
    if (this.#entries.size === 0) return undefined;
    for (const { path, message } of obfuscationFindings({ obfuscation: this.#given })) {
      const entry = this.#entries.get(String(path.at(-1)));
      this.#values.problem(entry?.line ?? 1, entry?.key ?? '', message);
    }
    return this.#given;
  }

  /** 0 of junk is none, whatever its sizes. */
  #keep(key: string, entry: Entry, value: number | string | undefined): void {
    if (value === undefined) return;
    const most = mostOf[key];
    if (most !== undefined && Number(value) > most) {
      this.#values.problem(entry.line, entry.key, `${value} is out of range`, [`0..${most}`]);
      return;
    }
    if (value === 0 && (key === 'jmin' || key === 'jmax')) return;
    this.#given[key] = value;
    this.#entries.set(key, entry);
  }

  #takeHeader(key: string, entry: Entry): void {
    const range = parseHeader(entry.value);
    if (range === undefined) {
      const message = `${showValue(entry.value)} is not a number of 1 to 4294967295 or a range of them`;
      this.#values.problem(entry.line, entry.key, message, ['7', '5-15']);
    } else this.#keep(key, entry, range.first === range.last ? range.first : entry.value);
  }

  #takeSignature(key: string, entry: Entry): void {
    if (entry.value === '') return;
    if (parseSignature(entry.value) === undefined) {
      const message = `is not a chain of <b 0xHEX>, <r N>, <rd N>, <rc N> and <t>, of 1 to ${layout.mostDatagramBytes} bytes`;
      this.#values.problem(entry.line, entry.key, message);
    } else this.#keep(key, entry, entry.value);
  }
}

const mostOf: Readonly<Record<string, number>> = {
  jc: 128,
  jmin: layout.mostDatagramBytes,
  jmax: layout.mostDatagramBytes,
  s1: layout.mostDatagramBytes - 148,
  s2: layout.mostDatagramBytes - 92,
  s3: layout.mostDatagramBytes - 64,
  s4: layout.mostPaddingBytes,
};
