/** The text of a wg-quick file → sections and entries, as wg-quick reads it: "#" begins a remark anywhere, keys in any case. */
import { hideKeysOf, mayHoldKey } from './show.ts';

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

export interface Section {
  readonly title: string;
  readonly line: number;
  /** A remark right above or below the section's title, by which people name their peers; never one that may hold a secret. */
  label: string | undefined;
  readonly entries: Entry[];
}

/** A line that is no "Key = value" below a section. */
export interface UnreadLine {
  readonly line: number;
  /** What it begins with, where that is an ordinary word. */
  readonly word: string | undefined;
}

export interface WgQuickText {
  readonly sections: readonly Section[];
  readonly unread: readonly UnreadLine[];
}

const nameKey = /^(friendly_?)?name\s*[=:]\s*/i;
/** Keys of wg(8) and wg-quick(8): a remark that begins with one is a line that somebody switched off. */
const fileKey =
  /^(private|public|preshared)-?key\b|^(address|dns|mtu|table|listenport|fwmark|saveconfig|(pre|post)(up|down)|allowedips|endpoint|persistentkeepalive)\b/i;

export function readSections(text: string): WgQuickText {
  const sections: Section[] = [];
  const unread: UnreadLine[] = [];
  let above: string | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const [content = '', remark] = raw.split(/#(.*)/s).map((part) => part.trim());
    const label = remark === undefined ? undefined : labelOf(remark, text);
    const title = /^\[(.+)\]$/.exec(content)?.[1];
    const current = sections.at(-1);
    if (title !== undefined) sections.push({ title, line: index + 1, label: label ?? above, entries: [] });
    else if (content !== '') takeEntry(content, index + 1, current, unread);
    else if (current?.entries.length === 0) current.label ??= label;
    above = content === '' ? label : undefined;
  }
  return { sections, unread };
}

function takeEntry(content: string, line: number, section: Section | undefined, unread: UnreadLine[]): void {
  const match = /^(\w+)\s*=\s*(.*)$/.exec(content);
  if (match !== null && section !== undefined)
    section.entries.push({ key: match[1] ?? '', value: match[2] ?? '', line });
  else unread.push({ line, word: /^([A-Za-z]{1,24})(?=[\s=:]|$)/.exec(content)?.[1] });
}

/** The name in a remark (`Name = phone`, `phone`); undefined where it is a line of the file switched off, or holds a part of a key. */
function labelOf(remark: string, text: string): string | undefined {
  const label = remark.replace(nameKey, '').trim();
  if (label === '' || label.includes('=') || fileKey.test(label)) return undefined;
  return mayHoldKey(remark) || hideKeysOf(text, remark) !== remark ? undefined : label;
}
