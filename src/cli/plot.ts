/** Plots of braille characters, two dots wide and four high each, which need neither colours nor more than text. */

export interface Panel {
  readonly title: string;
  /** One for each dot from left to right; null = not known, and left blank. */
  readonly values: readonly (number | null)[];
  /** Dots above the area: the most within each. */
  readonly peaks?: readonly (number | null)[];
  readonly format: (value: number) => string;
}

/** Dots of a braille character by row and column (Unicode chapter 21.1, U+2800 and up). */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const dotsDown = 4;
const dotsAcross = 2;
const labelWidth = 11;

/** Columns of characters that a plot of `width` has beside its labels; twice as many dots. */
export function plotColumns(width: number): number {
  return Math.max(10, width - labelWidth - 2);
}

/** An area from 0 up to each value, with the axis and its largest value at the left. */
export function drawPanel({ title, values, peaks = [], format }: Panel, rows: number): string[] {
  const known = [...values, ...peaks].filter((value) => value !== null);
  const most = niceCeiling(known.reduce((largest, value) => Math.max(largest, value), 0));
  const high = rows * dotsDown;
  const dotOf = (value: number): number => Math.min(high, Math.round((value / most) * high));
  const columns = Math.ceil(values.length / dotsAcross);
  const lines = Array.from({ length: rows }, (_, row) => {
    const cells = Array.from({ length: columns }, (_, column) => {
      let bits = 0;
      for (const [across] of [0, 1].entries()) {
        const index = column * dotsAcross + across;
        const value = values[index] ?? null;
        const peak = peaks[index] ?? null;
        for (let down = 0; down < dotsDown; down += 1) {
          const level = high - (row * dotsDown + down);
          const isArea = value !== null && (dotOf(value) >= level || (level === 1 && value > 0));
          const isPeak = peak !== null && dotOf(peak) === level;
          if (isArea || isPeak) bits |= dots[down]?.[across] ?? 0;
        }
      }
      return String.fromCodePoint(0x2800 + bits);
    });
    const label = row === 0 ? format(most) : row === rows - 1 ? format(0) : '';
    return `${label.padStart(labelWidth)} ${row === rows - 1 ? '┼' : '┤'}${cells.join('')}`;
  });
  return [`${' '.repeat(labelWidth)} ${title}`, ...lines];
}

/** The axis below: ticks with their times. `fromS`, `toS`: seconds since 1970. */
export function drawTimes(fromS: number, toS: number, columns: number, format: (atS: number) => string): string {
  let line = '';
  const widest = format(fromS).length;
  for (let column = 0; column + widest <= columns; column += Math.max(widest + 4, 16)) {
    const text = `╵${format(fromS + ((toS - fromS) * column) / columns)}`;
    line = line.padEnd(column) + text;
  }
  return `${' '.repeat(labelWidth + 2)}${line.slice(0, columns)}`;
}

/** Letters where something happened: `marks` by their place from 0 to 1. The first of several in one place. */
export function drawMarks(
  marks: readonly { readonly place: number; readonly letter: string }[],
  columns: number,
): string {
  const cells: string[] = Array.from({ length: columns }, () => ' ');
  for (const { place, letter } of marks) {
    const column = Math.min(columns - 1, Math.max(0, Math.floor(place * columns)));
    if (cells[column] === ' ') cells[column] = letter;
  }
  return `${' '.repeat(labelWidth + 2)}${cells.join('')}`.trimEnd();
}

/** `count` values of what `rows` say of their times: the mean, or the largest, of those in each place; null = none. */
export function intoPlaces(
  rows: readonly { readonly atS: number; readonly value: number | null }[],
  {
    fromS,
    toS,
    stepS,
    count,
  }: { readonly fromS: number; readonly toS: number; readonly stepS: number; readonly count: number },
  merge: 'mean' | 'max',
): (number | null)[] {
  const sums = Array.from({ length: count }, () => ({ sum: 0, n: 0, most: 0 }));
  const placeOf = (atS: number): number => ((atS - fromS) / (toS - fromS)) * count;
  for (const { atS, value } of rows) {
    if (value === null) continue;
    const last = Math.min(count - 1, Math.ceil(placeOf(atS + stepS)) - 1);
    for (let place = Math.max(0, Math.floor(placeOf(atS))); place <= last; place += 1) {
      const cell = sums[place];
      if (cell === undefined) continue;
      cell.sum += value;
      cell.n += 1;
      cell.most = Math.max(cell.most, value);
    }
  }
  return sums.map(({ sum, n, most }) => (n === 0 ? null : merge === 'max' ? most : sum / n));
}

/** The next of 1, 2, 5, 10 … that is not smaller. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((one) => one * power >= value * 0.999_999) ?? 10;
  return factor * power;
}
