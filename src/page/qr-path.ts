/** A QR code (ISO/IEC 18004) as an SVG path: a square of one unit for each dark module. Pure. */
import { generate } from 'lean-qr/nano';

/** The standard wants four modules around the code. */
const quietModules = 4;

export function qrPath(text: string): { readonly size: number; readonly path: string } {
  const code = generate(text);
  const squares: string[] = [];
  for (let y = 0; y < code.size; y += 1)
    for (let x = 0; x < code.size; x += 1)
      if (code.get(x, y)) squares.push(`M${x + quietModules} ${y + quietModules}h1v1h-1z`);
  return { size: code.size + 2 * quietModules, path: squares.join('') };
}
