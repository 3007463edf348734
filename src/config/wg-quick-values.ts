/** Values of a wg-quick file, each read or told as a problem with its line; what a reader should know of one becomes a note. */
import { formatCidr, parseCidr, parsePeerEndpoint } from './address.ts';
import { parseKey } from './keys.ts';
import { type Problem, problemAt } from './problems.ts';
import { showValue } from './show.ts';
import type { Entry } from './wg-quick-lines.ts';

const routeTables = { auto: 'auto', off: 'off', main: 'main', '254': 'main' } as const;

/** As `routing.table` of a configuration. */
export type RouteTable = 'auto' | 'off' | 'main' | number;

export class WgQuickValues {
  readonly #problems: Problem[];
  readonly #notes: string[];

  /** Problems and notes are added to these. */
  constructor(problems: Problem[], notes: string[]) {
    this.#problems = problems;
    this.#notes = notes;
  }

  problem(line: number, path: string, message: string, allowed: readonly string[] = []): void {
    this.#problems.push(problemAt(line, 1, path, { message, allowed }));
  }

  /** A file that the user has: named, never copied. */
  keyFile(entry: Entry, what: string): string {
    if (!entry.value.startsWith('/') || parseKey(entry.value) !== undefined)
      this.problem(entry.line, entry.key, `names no file by its whole path: write where ${what} lies`, [
        '/etc/wireguard/wg0.key',
      ]);
    else this.#notes.push(`${showValue(entry.value)} is read for ${what}; it must have mode 0600.`);
    return entry.value;
  }

  /** The value never stands in the message: it may be a secret. */
  key(entry: Entry): string {
    if (parseKey(entry.value) !== undefined) return entry.value;
    this.problem(entry.line, entry.key, 'is not a key: 32 bytes as canonical base64 (44 characters)');
    return '';
  }

  cidrs(entry: Entry): string[] {
    return listOf(entry).flatMap((text) => {
      const cidr = parseCidr(text);
      if (cidr !== undefined) return [formatCidr(cidr)];
      const allowed = ['10.9.0.2/24', 'fd00:9::2/64'];
      this.problem(entry.line, entry.key, `${showValue(text)} is not an address with a prefix length`, allowed);
      return [];
    });
  }

  endpoint(entry: Entry): string {
    if (parsePeerEndpoint(entry.value) === undefined) {
      const allowed = ['203.0.113.1:51820', '[2001:db8::1]:51820', '[fe80::1%eth0]:51820', 'hub.example.net:51820'];
      this.problem(entry.line, entry.key, `${showValue(entry.value)} is not an endpoint`, allowed);
    }
    return entry.value;
  }

  keepalive(entry: Entry): string {
    if (/^(off|0)$/i.test(entry.value)) return 'off';
    return `${this.number(entry, 1, 65_535) ?? 25}s`;
  }

  number(entry: Entry, least: number, most: number): number | undefined {
    const value = /^(\d+|0x[0-9a-f]+)$/i.test(entry.value) ? Number(entry.value) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.problem(entry.line, entry.key, `${showValue(entry.value)} is out of range`, [`${least}..${most}`]);
    return undefined;
  }

  /** undefined: none, or told as a problem. */
  mark(entry: Entry): number | undefined {
    if (/^(off|0|0x0+)$/i.test(entry.value)) return undefined;
    return this.number(entry, 1, 0xffff_ffff);
  }

  /** undefined: told as a problem. */
  table(entry: Entry): RouteTable | undefined {
    const word = entry.value.toLowerCase();
    const named = Object.entries(routeTables).find(([name]) => name === word)?.[1];
    if (named !== undefined) return named;
    if (/^(\d+|0x[0-9a-f]+)$/.test(word)) return this.number(entry, 1, 0xffff_ffff);
    const message = `${showValue(entry.value)} is not a table that can be told here: write its number (/etc/iproute2/rt_tables)`;
    this.problem(entry.line, entry.key, message, ['auto', 'off', 'main', '1..4294967295']);
    return undefined;
  }
}

/** What stands between commas. */
export function listOf(entry: Entry): string[] {
  return entry.value
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}
