import process from 'node:process';

/** A code with broken lines is none. */
export async function printCode(file: string): Promise<void> {
  const { qrColumns, qrLines } = await import('./qr-code.ts');
  const lines = qrLines(file);
  const { isTTY, columns } = process.stdout;
  if (isTTY && columns < qrColumns(lines)) {
    process.stderr.write(
      `hawser: the QR code needs a terminal of ${qrColumns(lines)} columns, and this one has ${columns}\n`,
    );
    return;
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
}
