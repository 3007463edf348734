/** Two texts → the lines that differ, as people read them (`diff -u`). Pure. */

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap';
  /** From 1, in the text before and after. */
  readonly before?: number;
  readonly after?: number;
  /** Of a gap: empty. */
  readonly text: string;
}

/** Around what differs. */
const contextLines = 3;
/** Texts that have less in common than this are shown as one that went and one that came. */
const mostEdits = 600;

/** What differs, with the lines around it; a gap stands for those that are left out. Empty = the texts are the same. */
export function diffLines(before: string, after: string): DiffLine[] {
  const all = compare(before.split('\n'), after.split('\n'));
  const near = all.map(() => false);
  for (const [index, { kind }] of all.entries())
    if (kind !== 'same') near.fill(true, Math.max(0, index - contextLines), index + contextLines + 1);
  const shown: DiffLine[] = [];
  for (const [index, line] of all.entries()) {
    if (near[index] === true) shown.push(line);
    else if (near[index - 1] === true && near.includes(true, index)) shown.push({ kind: 'gap', text: '' });
  }
  return shown;
}

/** As `diff -u` prints it, without a header. */
export function diffText(lines: readonly DiffLine[]): string[] {
  const signs = { same: ' ', added: '+', removed: '-', gap: ' ' } as const;
  return lines.map(({ kind, text }) => (kind === 'gap' ? '…' : `${signs[kind]}${text}`));
}

function compare(before: readonly string[], after: readonly string[]): DiffLine[] {
  let begin = 0;
  while (begin < before.length && begin < after.length && before[begin] === after[begin]) begin += 1;
  let end = 0;
  const room = Math.min(before.length, after.length) - begin;
  while (end < room && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const middle = edits(before.slice(begin, before.length - end), after.slice(begin, after.length - end));
  const same = (count: number): DiffLine['kind'][] => Array.from({ length: count }, () => 'same' as const);
  let [one, other] = [0, 0];
  return [...same(begin), ...middle, ...same(end)].map((kind): DiffLine => {
    if (kind === 'removed') return { kind, before: ++one, text: before[one - 1] ?? '' };
    if (kind === 'added') return { kind, after: ++other, text: after[other - 1] ?? '' };
    return { kind, before: ++one, after: ++other, text: after[other - 1] ?? '' };
  });
}

/** The shortest way from one to the other (E. Myers, "An O(ND) difference algorithm and its variations", 1986). */
function edits(before: readonly string[], after: readonly string[]): DiffLine['kind'][] {
  const furthest = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let count = 0; count <= Math.min(mostEdits, before.length + after.length); count += 1) {
    trace.push(new Map(furthest));
    for (let diagonal = -count; diagonal <= count; diagonal += 2) {
      let x = isDown(furthest, diagonal, count) ? at(furthest, diagonal + 1) : at(furthest, diagonal - 1) + 1;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x += 1;
      furthest.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) return wayBack(trace, before.length, after.length);
    }
  }
  return [...before.map(() => 'removed' as const), ...after.map(() => 'added' as const)];
}

function wayBack(trace: readonly ReadonlyMap<number, number>[], width: number, height: number): DiffLine['kind'][] {
  const kinds: DiffLine['kind'][] = [];
  let [x, y] = [width, height];
  for (let count = trace.length - 1; count >= 0; count -= 1) {
    const furthest = trace[count] ?? new Map<number, number>();
    const down = isDown(furthest, x - y, count);
    const diagonal = down ? x - y + 1 : x - y - 1;
    const [fromX, fromY] = [at(furthest, diagonal), at(furthest, diagonal) - diagonal];
    while (x > fromX && y > fromY && (count > 0 || x > 0)) {
      kinds.push('same');
      [x, y] = [x - 1, y - 1];
    }
    if (count > 0) kinds.push(down ? 'added' : 'removed');
    [x, y] = [fromX, fromY];
  }
  return kinds.reverse();
}

function isDown(furthest: ReadonlyMap<number, number>, diagonal: number, count: number): boolean {
  return diagonal === -count || (diagonal !== count && at(furthest, diagonal - 1) < at(furthest, diagonal + 1));
}

function at(furthest: ReadonlyMap<number, number>, diagonal: number): number {
  return furthest.get(diagonal) ?? -1;
}
