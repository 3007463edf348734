/** Reads a QR code from lines of a terminal, by a decoder that is not ours. */
import jsQR from 'jsqr';

/** '' = there is none. */
export function textOfCode(lines: readonly string[]): string {
  const { data, width, height } = pictureOf(lines);
  const decoded = jsQR.default(data, width, height);
  return Buffer.from(decoded?.binaryData ?? []).toString('utf8');
}

/** The code as a camera sees it, from the lines of a terminal. */
function pictureOf(lines: readonly string[]): { data: Uint8ClampedArray; width: number; height: number } {
  const scale = 4;
  const rows = lines.flatMap((line) => {
    // Without what colours it.
    const cells = [...line.slice('?[30;107m'.length, -'?[0m'.length)];
    return [cells.map((cell) => '▀█'.includes(cell)), cells.map((cell) => '▄█'.includes(cell))];
  });
  const width = (rows[0]?.length ?? 0) * scale;
  const height = rows.length * scale;
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1)
      data.set(
        rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] ? [0, 0, 0, 255] : [255, 255, 255, 255],
        4 * (y * width + x),
      );
  return { data, width, height };
}
