/** Links as they stand in the text of a configuration file, and as they would: for people who edit it. */
import { isMap, isSeq, LineCounter, parseDocument, stringify } from 'yaml';

export interface FileLink {
  readonly name: string;
  /** Number of its first line, from 1. */
  readonly firstLine: number;
  /** In a block all of its lines, as they are; in flow style (`[…]`) the text of the item. */
  readonly lines: readonly string[];
}

export interface FileLinks {
  readonly links: readonly FileLink[];
  /** Written as `[…]`, JSON too; without links whether the whole file is. */
  readonly isFlow: boolean;
  /** What stands before the dash of an item. */
  readonly indent: string;
}

/** Of a file whose links nobody knows yet. */
export const blockStyle = { isFlow: false, indent: '  ' } as const;

/** Where the links stand; undefined when the text is not YAML. */
export function findLinks(text: string): FileLinks | undefined {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) return undefined;
  const list = document.get('links');
  const { contents } = document;
  const isEmpty = !isSeq(list) || list.items.length === 0;
  if (isEmpty) return { ...blockStyle, links: [], isFlow: isMap(contents) && contents.flow === true };
  const isFlow = list.flow === true;
  const lines = text.split(/\r?\n/);
  const found = list.items.flatMap((item): FileLink[] => {
    const name = isMap(item) ? item.get('name') : undefined;
    if (!isMap(item) || typeof name !== 'string' || !item.range) return [];
    const [start, end] = item.range;
    const firstLine = counter.linePos(isFlow ? start : dashBefore(text, start)).line;
    if (isFlow) return [{ name, firstLine, lines: text.slice(start, end).split('\n') }];
    return [{ name, firstLine, lines: lines.slice(firstLine - 1, lastLine(text, start, end, counter)) }];
  });
  const indent = isFlow ? undefined : /^ */.exec(found[0]?.lines[0] ?? blockStyle.indent)?.[0];
  return { links: found, isFlow, indent: indent ?? blockStyle.indent };
}

/** The lines that say `link` in such a list. */
export function linkLines(link: object, { isFlow, indent }: Pick<FileLinks, 'isFlow' | 'indent'>): string[] {
  if (isFlow) return [JSON.stringify(link)];
  const lines = stringify([link]).trimEnd().split('\n');
  return lines.map((line) => `${indent}${line}`);
}

function dashBefore(text: string, start: number): number {
  const before = text.slice(0, start).trimEnd();
  return before.endsWith('-') ? before.length - 1 : start;
}

/** A node ends where the next one begins, behind comments and empty lines that belong to nobody. */
function lastLine(text: string, start: number, end: number, counter: LineCounter): number {
  return counter.linePos(start + text.slice(start, end).trimEnd().length).line;
}
