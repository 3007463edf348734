/** Durations and sizes of the configuration: text with a unit in, a number out; undefined = not of that form. */

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const bytesPerUnit: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `500ms`, `25s`, `2h` → milliseconds. A number without its unit is refused: nobody can tell 25 s from 25 ms. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (msPerUnit[match[2] ?? ''] ?? Number.NaN);
}

/** The shortest text that parses back: 25000 → `25s`. */
export function formatDurationMs(valueMs: number): string {
  for (const unit of ['h', 'm', 's']) {
    const perUnit = msPerUnit[unit] ?? 1;
    if (valueMs >= perUnit && valueMs % perUnit === 0) return `${valueMs / perUnit}${unit}`;
  }
  return `${valueMs}ms`;
}

/** `64KiB`, `32MiB`, `1GiB` → bytes. Decimal units (MB) are refused: memory here comes in powers of two. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d{1,9})(KiB|MiB|GiB)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (bytesPerUnit[match[2] ?? ''] ?? Number.NaN);
}

export function formatSizeBytes(valueBytes: number): string {
  for (const unit of ['GiB', 'MiB']) {
    const perUnit = bytesPerUnit[unit] ?? 1;
    if (valueBytes >= perUnit && valueBytes % perUnit === 0) return `${valueBytes / perUnit}${unit}`;
  }
  return `${valueBytes / 1024}KiB`;
}

const bytesPerAmount: Readonly<Record<string, number>> = {
  TB: 1e12,
  GB: 1e9,
  MB: 1e6,
  kB: 1e3,
  TiB: 1024 ** 4,
  GiB: 1024 ** 3,
  MiB: 1024 ** 2,
  KiB: 1024,
};

/** An amount of data, as contracts have them: `10GB`, `1.5TB`, `512MiB` → bytes; a whole number of them. */
export function parseAmountBytes(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)([TGM]i?B|kB|KiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (bytesPerAmount[match[2] ?? ''] ?? Number.NaN);
  const whole = Math.round(bytes);
  return Math.abs(bytes - whole) < 1e-3 && Number.isSafeInteger(whole) ? whole : undefined;
}

/** The shortest text that parses back; thousands before powers of two. */
export function formatAmountBytes(valueBytes: number): string {
  for (const [unit, perUnit] of Object.entries(bytesPerAmount))
    if (valueBytes >= perUnit && valueBytes % perUnit === 0) return `${valueBytes / perUnit}${unit}`;
  return `${valueBytes / 1000}kB`;
}
