/**
 * A configuration's text as the YAML parser reads it, with the place of everything that stands in it. The parser is loaded with the first
 * text that needs it: most files are read without (`plain-yaml.ts`), and it takes 40 ms of a start.
 */
import { createRequire } from 'node:module';
import type { Document, LineCounter } from 'yaml';
import { messageOf } from '../base/errors.ts';
import { type Finding, formatPath, type KeyPath, type Problem, problemAt } from './problems.ts';
import { hideKeysOf, showValue } from './show.ts';

type Yaml = typeof import('yaml');

const require = createRequire(import.meta.url);
/** A configuration needs 8; the parser takes seconds for 100,000, and ends by its stack. */
const deepestBrackets = 100;

/** The bracket that is within more others than any configuration has; remarks do not count. */
export function deepBracket(text: string): Problem | undefined {
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

/** A value that is no map and no list, and where what it says stands in the text: without its quotes. */
export interface ScalarPlace {
  readonly path: KeyPath;
  readonly from: number;
  readonly to: number;
}

export class YamlText {
  readonly #yaml = require('yaml') as Yaml;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #document: Document.Parsed;

  constructor(text: string) {
    this.#text = text;
    this.#lines = new this.#yaml.LineCounter();
    const options = { lineCounter: this.#lines, prettyErrors: false, logLevel: 'error' } as const;
    this.#document = this.#yaml.parseDocument(text, options);
  }

  /** It is a map of keys, or empty. */
  get isMap(): boolean {
    const { contents } = this.#document;
    return contents === null || this.#yaml.isMap(contents);
  }

  /** What the parser refuses; a text that only has keys twice can be read all the same, as the last of them has it. */
  syntax(): { readonly problems: readonly Problem[]; readonly isReadable: boolean } {
    const found = [...this.#document.errors, ...this.#document.warnings];
    const all = found.map((error): Problem => {
      const { line, col } = this.#lines.linePos(error.pos[0]);
      const isDuplicate = error.code === 'DUPLICATE_KEY';
      const key = /^[^\s:]+/.exec(this.#text.slice(error.pos[0]))?.[0] ?? '';
      const message = isDuplicate
        ? `key ${showValue(key)} stands here a second time`
        : `not YAML: ${hideKeysOf(this.#text, error.message)}`;
      return problemAt(line, col, '', { message, allowed: [] });
    });
    const problems = [...new Map(all.map((one) => [`${one.line} ${one.column} ${one.message}`, one])).values()];
    return { problems, isReadable: found.every((error) => error.code === 'DUPLICATE_KEY') };
  }

  /** An alias that refers to itself or unfolds without end is refused: YAML allows it, a configuration does not need it. */
  toObject(): { raw: unknown; refused?: Problem } {
    try {
      const raw: unknown = this.#document.toJS() ?? {};
      JSON.stringify(raw);
      return { raw };
    } catch (error) {
      const message = /circular/.test(messageOf(error))
        ? 'not usable: an alias stands within what it refers to'
        : `not usable: ${hideKeysOf(this.#text, messageOf(error))}`;
      return { raw: {}, refused: problemAt(1, 1, '', { message, allowed: [] }) };
    }
  }

  place(finding: Finding): Problem {
    const { line, col } = this.#lines.linePos(this.#offsetOf(finding));
    return problemAt(line, col, formatPath(finding.path), finding);
  }

  /** Where the value (or the key) begins; of what is missing, its nearest parent. */
  #offsetOf(finding: Finding): number {
    if (finding.at === 'key') {
      const parent = this.#nodeAt(finding.path.slice(0, -1));
      const pair = this.#yaml.isMap(parent) ? this.#lastPair(parent.items, finding.path.at(-1)) : undefined;
      const offset = pair === undefined ? undefined : offsetOfNode(pair.key);
      if (offset !== undefined) return offset;
    }
    for (let length = finding.path.length; length >= 0; length--) {
      const offset = offsetOfNode(this.#nodeAt(finding.path.slice(0, length)));
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  /** All of them, in the order of the text. What an alias repeats stands where it was written. */
  scalars(): ScalarPlace[] {
    return this.#scalarsOf(this.#document.contents, []);
  }

  #scalarsOf(node: unknown, path: KeyPath): ScalarPlace[] {
    const { isMap, isScalar, isSeq } = this.#yaml;
    if (isMap(node))
      return node.items.flatMap(({ key, value }) =>
        this.#scalarsOf(value, [...path, isScalar(key) ? String(key.value) : '']),
      );
    if (isSeq(node)) return node.items.flatMap((item, index) => this.#scalarsOf(item, [...path, index]));
    if (!isScalar(node) || node.range === undefined || node.range === null) return [];
    const [from, end] = node.range;
    // A block ends with its last line; its `|` belongs to what is replaced.
    const to = node.type?.startsWith('BLOCK') === true ? from + this.#text.slice(from, end).trimEnd().length : end;
    const quote = node.type?.startsWith('QUOTE') === true ? 1 : 0;
    return [{ path, from: from + quote, to: to - quote }];
  }

  /** As `document.getIn`, but of a key that stands twice the last one, which is the one that `toJS` takes. */
  #nodeAt(keys: KeyPath): unknown {
    const { isAlias, isMap, isSeq } = this.#yaml;
    let node: unknown = this.#document.contents;
    for (const key of keys) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) node = this.#lastPair(node.items, key)?.value;
      else if (isSeq(node) && typeof key === 'number') node = node.items[key];
      else return undefined;
    }
    return node;
  }

  #lastPair<T extends { readonly key: unknown }>(items: readonly T[], key: KeyPath[number] | undefined): T | undefined {
    const textOf = (one: unknown): string => String(this.#yaml.isScalar(one) ? one.value : one);
    return items.findLast((item) => textOf(item.key) === key);
  }
}

function offsetOfNode(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const [start]: unknown[] = node.range;
  return typeof start === 'number' ? start : undefined;
}
