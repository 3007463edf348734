/** Numbers as people read them: the same in a terminal and on the web page. Pure. */

/** 1536 → `1.5 KiB` */
export function humanBytes(value: number): string {
  return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

/** Bits a second: 1500000 → `1.5 Mbit/s` */
export function humanRate(bps: number): string {
  return scaled(bps, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
}

/** 12345 → `12.3 k` */
export function humanCount(value: number): string {
  return value < 10_000 ? String(Math.round(value)) : scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** The two largest units: 93784000 → `1 d 2 h`; `350 ms` below a second. */
export function humanDuration(valueMs: number): string {
  if (valueMs < 1000) return `${Math.round(valueMs)} ms`;
  const seconds = Math.floor(valueMs / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value], index) => index === 0 || value > 0);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ');
}

/** undefined = never. */
export function humanAge(ageMs: number | undefined): string {
  return ageMs === undefined ? 'never' : `${humanDuration(ageMs)} ago`;
}

/** Microseconds of a turn: 1500 → `1.5 ms` */
export function humanMicros(valueUs: number): string {
  if (valueUs < 1000) return `${Math.round(valueUs)} us`;
  return valueUs < 1e6 ? `${trimmed(valueUs / 1000)} ms` : `${trimmed(valueUs / 1e6)} s`;
}

/** Milliseconds as measured: `0.4 ms`, `38 ms`; undefined = not known. */
export function humanMs(value: number | undefined): string {
  if (value === undefined) return '-';
  return `${value < 10 ? trimmed(value) : Math.round(value)} ms`;
}

/** 0 to 100; undefined = not known. */
export function humanPercent(value: number | undefined): string {
  return value === undefined ? '-' : `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let index = 0;
  while (rest >= step && index < units.length - 1) {
    rest /= step;
    index += 1;
  }
  return `${index === 0 ? Math.round(rest) : trimmed(rest)} ${units[index]}`.trimEnd();
}

function trimmed(value: number): string {
  return value < 100 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
}
