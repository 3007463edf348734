/** A QR code (ISO/IEC 18004) as lines of a terminal, dark on light whatever the terminal's own colours are. */
import { create } from 'qrcode';

/** The standard wants four modules around the code. */
const quietModules = 4;
/** Black on bright white. */
const [begin, end] = ['\x1b[30;107m', '\x1b[0m'];
const halves = { '00': ' ', '01': '▄', '10': '▀', '11': '█' } as const;

/** Two rows of modules in a line, a column each. Level L: a screen is clean, and a smaller code is read from farther away. */
export function qrLines(text: string): string[] {
  const { modules } = create(text, { errorCorrectionLevel: 'L' });
  const width = modules.size + 2 * quietModules;
  const isDark = (x: number, y: number): boolean => {
    const [column, row] = [x - quietModules, y - quietModules];
    const isInside = column >= 0 && row >= 0 && column < modules.size && row < modules.size;
    return isInside && Boolean(modules.get(row, column));
  };
  return Array.from({ length: Math.ceil(width / 2) }, (_, line) => {
    const cells = Array.from({ length: width }, (__, x) => {
      const key = `${isDark(x, 2 * line) ? 1 : 0}${isDark(x, 2 * line + 1) ? 1 : 0}` as keyof typeof halves;
      return halves[key];
    });
    return `${begin}${cells.join('')}${end}`;
  });
}

/** Columns that a code takes, without what colours it. */
export function qrColumns(lines: readonly string[]): number {
  return (lines[0]?.length ?? 0) - begin.length - end.length;
}
