/** Names that an import makes where a file, a remark or a long name gives none that can be used as it is. */
import { createHash } from 'node:crypto';
import { isName } from './names.ts';
import { mayHoldKey } from './show.ts';

const longestName = 32;
/** Room for "-2" and so on where two peers are called alike. */
const longestBase = 28;
/** IFNAMSIZ less the final zero. */
const longestInterface = 15;

/** The instance's name by the base name of its file (`wg.office.conf` → `wg-office`); undefined where none can be made. */
export function instanceNameOf(base: string): string | undefined {
  const name = cleaned(base.replace(/\.conf$/i, ''), longestName);
  return mayHoldKey(base) || !isName(name) ? undefined : name;
}

/** A long name is cut, and told from others that begin like it by four digits of its hash. */
export function interfaceNameOf(name: string): string {
  if (name.length <= longestInterface) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 4);
  return `${name.slice(0, longestInterface - hash.length - 1).replace(/[-_]+$/, '')}-${hash}`;
}

/** `label` made a name, else peer1, peer2 …; none of `taken`. */
export function peerNameOf(label: string | undefined, taken: readonly string[]): string {
  const base = cleaned(label ?? '', longestBase) || `peer${taken.length + 1}`;
  let name = base;
  for (let suffix = 2; taken.includes(name); suffix++) name = `${base}-${suffix}`;
  return name;
}

/** Letters without their marks (ü → u), other characters as one dash. */
function cleaned(text: string, longest: number): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '');
  const dashed = plain.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '');
  return dashed.slice(0, longest).replace(/-+$/, '');
}
