/** The code that a phone reads off the page, by a decoder that is not ours. */
import jsQR from 'jsqr';
import t from 'tap';
import { qrPath } from '../../src/page/qr-path.ts';

/** Pixels of a module. */
const scale = 4;

t.test('qrPath() decodes to the text, umlauts and all, with a quiet zone', async (t) => {
  const text = `# Jürgens 📱, a client\n[Interface]\n${'PrivateKey = x\n'.repeat(25)}`;
  const { size, path } = qrPath(text);
  const width = size * scale;
  const pixels = new Uint8ClampedArray(4 * width * width).fill(255);
  const squares = [...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
  t.equal(squares.map(([x, y]) => `M${x} ${y}h1v1h-1z`).join(''), path);
  for (const [x, y] of squares)
    for (let row = y * scale; row < (y + 1) * scale; row += 1)
      for (let column = x * scale; column < (x + 1) * scale; column += 1)
        pixels.set([0, 0, 0], 4 * (row * width + column));
  const decoded = jsQR.default(pixels, width, width);
  t.equal(Buffer.from(decoded?.binaryData ?? []).toString('utf8'), text);
  t.equal(Math.min(...squares.flat()), 4);
});
