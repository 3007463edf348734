/**
 * The list of peers in a long configuration, read line by line: a list of maps by indentation, of words, whole numbers, quoted text without
 * escapes and lists of these. For 10,000 peers the YAML parser takes over a second and 100 MB. Whatever else may stand in YAML makes this
 * reader give up, and so does what may be wrong: then the parser reads all, and knows the places of problems. What is read here is
 * read as the parser does it (test/config/plain-yaml.test.ts compares the two).
 */

/** Text without the list, in whose place an empty one stands, and what it holds. */
export interface SplitText {
  readonly rest: string;
  readonly peers: readonly unknown[];
}

/** A shorter text is the parser's: it takes some 10 ms for it. */
const leastLength = 64 * 1024;
const listKey = /^peers:[ ]*\n/m;
/** A line that does not belong to the list: it begins in the first column, and is neither an item nor a remark. */
const lineBehind = /^(?!- |#)\S/gm;
/** Tabs, carriage returns, other alphabets and control characters are the parser's. */
const plainText = /^[\n\x20-\x7e]*$/;
const keyPattern = /([A-Za-z]+):(?: +|$)/my;
const wordPattern = /[A-Za-z0-9+/_.][A-Za-z0-9+/_.:=@%-]*/y;
const space = 0x20;
const remark = 0x23;
const mostDepth = 4;
/** Of YAML's core schema: what of words is no text (yaml.org/spec/1.2.2, 10.3.2). */
const mayBeValue = /^[0-9+.]|^(?:[tT]rue|TRUE|[fF]alse|FALSE|[nN]ull|NULL)$/;
const noText =
  /^(?:[tT]rue|TRUE|[fF]alse|FALSE|[nN]ull|NULL|0o[0-7]+|0x[0-9a-fA-F]+|\+?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const number = /^\+?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const plainNumber = /^(?:0|[1-9][0-9]{0,8})$/;

/** Thrown and caught here alone. */
class NotPlain extends Error {}

/** undefined = the parser shall read it all. */
export function splitPeers(text: string): SplitText | undefined {
  return text.length < leastLength ? undefined : splitPlainPeers(text);
}

/** The same of a text of any length. */
export function splitPlainPeers(text: string): SplitText | undefined {
  const start = listKey.exec(text);
  if (start === null) return undefined;
  const from = start.index + start[0].length;
  lineBehind.lastIndex = from;
  const end = lineBehind.exec(text)?.index ?? text.length;
  const list = text.slice(from, end);
  if (!plainText.test(list)) return undefined;
  try {
    return { rest: `${text.slice(0, start.index)}peers: []\n${text.slice(end)}`, peers: new PlainReader(list).read() };
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

class PlainReader {
  readonly #text: string;
  /** Of the line at work, -1 at the end; it ends at `#end`, and what stands in it from `#at` on is still to be read. */
  #indent = 0;
  #at = 0;
  #end = -1;

  constructor(text: string) {
    this.#text = text;
    this.#advance();
  }

  read(): unknown[] {
    if (this.#indent < 0 || !this.#isItem()) throw new NotPlain();
    const list = this.#list(0);
    if (this.#indent >= 0) throw new NotPlain();
    return list;
  }

  /** To the next line that is neither empty nor a remark. */
  #advance(): void {
    const text = this.#text;
    while (this.#end < text.length) {
      const start = this.#end + 1;
      const newline = text.indexOf('\n', start);
      this.#end = newline < 0 ? text.length : newline;
      this.#at = start;
      this.#skipSpaces();
      this.#indent = this.#at - start;
      if (this.#at < this.#end && text.charCodeAt(this.#at) !== remark) return;
    }
    this.#indent = -1;
  }

  #isItem(): boolean {
    return this.#text.startsWith('- ', this.#at);
  }

  /** The keys that stand in the column of the first. */
  #map(depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    const indent = this.#indent;
    while (this.#indent === indent && !this.#isItem()) {
      const key = this.#key();
      if (Object.hasOwn(map, key)) throw new NotPlain();
      map[key] = this.#isLineDone() ? this.#below(indent, depth) : this.#rest(depth);
    }
    if (this.#indent > indent) throw new NotPlain();
    return map;
  }

  /** What a key without a value on its line holds: what stands further right, or a list in its own column. */
  #below(indent: number, depth: number): unknown {
    if (depth > mostDepth) throw new NotPlain();
    this.#advance();
    if (this.#indent >= indent && this.#isItem()) return this.#list(depth + 1);
    if (this.#indent > indent) return this.#map(depth + 1);
    throw new NotPlain();
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    const indent = this.#indent;
    while (this.#indent === indent && this.#isItem()) {
      const item = this.#at;
      this.#at += 1;
      this.#skipSpaces();
      if (this.#isLineDone() || this.#isItem()) throw new NotPlain();
      keyPattern.lastIndex = this.#at;
      if (!keyPattern.test(this.#text)) {
        list.push(this.#rest(depth));
        continue;
      }
      // The map's column is where its first key stands.
      this.#indent = indent + this.#at - item;
      list.push(this.#map(depth + 1));
    }
    if (this.#indent > indent) throw new NotPlain();
    return list;
  }

  #key(): string {
    keyPattern.lastIndex = this.#at;
    const match = keyPattern.exec(this.#text);
    const name = match?.[1];
    if (match === null || name === undefined || typeof textOrValue(name) !== 'string') throw new NotPlain();
    this.#at = keyPattern.lastIndex;
    return name;
  }

  /** The value that is the rest of the line, and the line ends. */
  #rest(depth: number): unknown {
    const value = this.#value(depth);
    if (!this.#isLineDone()) throw new NotPlain();
    this.#advance();
    return value;
  }

  /** Nothing follows but spaces and a remark, which a space must precede. */
  #isLineDone(): boolean {
    const from = this.#at;
    this.#skipSpaces();
    const text = this.#text;
    const isRemark = text.charCodeAt(this.#at) === remark && text.charCodeAt(this.#at - 1) === space;
    const isDone = this.#at >= this.#end || isRemark;
    this.#at = from;
    return isDone;
  }

  #skipSpaces(): void {
    while (this.#text.charCodeAt(this.#at) === space) this.#at += 1;
  }

  #value(depth: number): unknown {
    if (depth > mostDepth) throw new NotPlain();
    switch (this.#text[this.#at]) {
      case '[':
        return this.#flowList(depth + 1);
      case '"':
      case "'":
        return this.#quoted();
      default:
        return this.#word();
    }
  }

  /** A word of a single token; a colon at its end would begin a map. */
  #word(): unknown {
    wordPattern.lastIndex = this.#at;
    if (!wordPattern.test(this.#text)) throw new NotPlain();
    const word = this.#text.slice(this.#at, wordPattern.lastIndex);
    if (word.endsWith(':')) throw new NotPlain();
    this.#at = wordPattern.lastIndex;
    return textOrValue(word);
  }

  #quoted(): string {
    const quote = this.#text[this.#at] as string;
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end < 0 || end > this.#end) throw new NotPlain();
    const text = this.#text.slice(this.#at + 1, end);
    if (text.includes('\\')) throw new NotPlain();
    this.#at = end + 1;
    return text;
  }

  /** In brackets, on one line. */
  #flowList(depth: number): unknown[] {
    const list: unknown[] = [];
    this.#at += 1;
    this.#skipSpaces();
    while (this.#text[this.#at] !== ']') {
      list.push(this.#value(depth));
      this.#skipSpaces();
      if (this.#text[this.#at] !== ',') break;
      this.#at += 1;
      this.#skipSpaces();
      if (this.#text[this.#at] === ']') throw new NotPlain();
    }
    if (this.#text[this.#at] !== ']') throw new NotPlain();
    this.#at += 1;
    return list;
  }
}

/** What YAML takes for no text: whole numbers as people write them are read, the rest is the parser's. */
function textOrValue(word: string): string | number {
  if (!mayBeValue.test(word)) return word;
  if (plainNumber.test(word)) return Number(word);
  if (noText.test(word) || number.test(word)) throw new NotPlain();
  return word;
}
