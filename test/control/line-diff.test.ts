/** The lines that differ lead from one text to the other. */
import t from 'tap';
import { type DiffLine, diffLines, diffText } from '../../src/control/line-diff.ts';
import { randomOf } from '../support/random.ts';

const numbered = (count: number, change: Readonly<Record<number, string>> = {}): string =>
  Array.from({ length: count }, (_, index) => change[index + 1] ?? `line ${index + 1}`).join('\n');

t.test('diffLines() shows what differs, and three lines around it', async (t) => {
  t.same(diffLines('a\nb', 'a\nb'), []);
  const lines = diffLines(numbered(30), numbered(30, { 10: 'ten', 28: 'a\nb' }));
  t.same(diffText(lines), [
    ...[' line 7', ' line 8', ' line 9', '-line 10', '+ten', ' line 11', ' line 12', ' line 13'],
    '…',
    ...[' line 25', ' line 26', ' line 27', '-line 28', '+a', '+b', ' line 29', ' line 30'],
  ]);
  t.match(lines[3], { kind: 'removed', before: 10, text: 'line 10' });
  t.match(lines[4], { kind: 'added', after: 10, text: 'ten' });
  t.match(lines.at(-1), { kind: 'same', before: 30, after: 31 });
});

/** `before` with the lines put in and taken out, as a reader of the difference would do it. */
function patched(before: readonly string[], lines: readonly DiffLine[]): string[] {
  const result: string[] = [];
  let next = 0;
  for (const { kind, before: number = next + 1, text } of lines) {
    if (kind === 'gap') continue;
    if (kind !== 'added') {
      result.push(...before.slice(next, number - 1));
      next = number;
      if (before[number - 1] !== text) throw new Error(`line ${number} is "${before[number - 1]}", not "${text}"`);
    }
    if (kind !== 'removed') result.push(text);
  }
  return [...result, ...before.slice(next)];
}

t.test('diffLines() leads from any text to any other', async (t) => {
  const random = randomOf(7);
  const words = ['a', 'b', 'c', 'd'];
  const some = (): string[] =>
    Array.from({ length: 1 + Math.floor(random() * 30) }, () => words[Math.floor(random() * 4)] ?? '');
  for (let round = 0; round < 2000; round += 1) {
    const before = some();
    const after = round % 2 === 0 ? some() : before.flatMap((word) => (random() < 0.1 ? ['x', word] : [word]));
    const result = patched(before, diffLines(before.join('\n'), after.join('\n')));
    if (result.join() !== after.join()) t.same(result, after, before.join(' '));
  }
});

t.test('diffLines() of texts with nothing in common ends soon', async (t) => {
  const lines = diffLines(numbered(20_000), numbered(20_000).replaceAll('line', 'row'));
  t.equal(lines.length, 40_000);
});
