/** What the demo shows: lines with the time, and a table of paths that is redrawn in place on a terminal. */
import process from 'node:process';
import { styleText } from 'node:util';
import type { PathStatus } from '../../src/control/network-rows.ts';

const startMs = performance.now();
/** A line with a recovering path still fits 80 columns. */
const barWidth = 28;

export function say(text: string): void {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(5);
  console.log(`${styleText('dim', `${seconds} s`)}  ${text}`);
}

function bar(share: number): string {
  const done = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return '█'.repeat(done) + '░'.repeat(barWidth - done);
}

/** Redraws its lines in place on a terminal; elsewhere it prints one line a second. */
export class LiveTable {
  #height = 0;
  #lastMs = 0;

  draw(lines: readonly string[]): void {
    if (!process.stdout.isTTY) {
      if (performance.now() - this.#lastMs < 1000) return;
      this.#lastMs = performance.now();
      say(lines.map((line) => line.replace(/ *[█░]+/, '').replace(/ +/g, ' ')).join(' · '));
      return;
    }
    if (this.#height > 0) process.stdout.write(`\u001b[${this.#height}A\u001b[J`);
    this.#height = lines.length;
    // A wrapped line would be redrawn in the wrong place.
    for (const line of lines) console.log(`    ${line.slice(0, process.stdout.columns - 5)}`);
  }

  /** What is printed next stands below the table, not over it. */
  leave(): void {
    this.#height = 0;
  }
}

/** Rates from two looks at the receiver's path table. */
export class PathRates {
  #before = new Map<string, number>();
  #atMs = performance.now();
  /** Mbit/s received by each link since the last look. */
  readonly mbit = new Map<string, number>();

  look(paths: readonly PathStatus[]): void {
    const nowMs = performance.now();
    const bytes = new Map<string, number>();
    for (const path of paths) bytes.set(path.link, (bytes.get(path.link) ?? 0) + path.receivedBytes);
    for (const [link, value] of bytes) {
      this.mbit.set(link, ((value - (this.#before.get(link) ?? value)) * 8) / 1e3 / (nowMs - this.#atMs));
    }
    this.#before = bytes;
    this.#atMs = nowMs;
  }
}

/** "up" beside a rate would read as a direction. */
function stateOf({ condition, state }: PathStatus): string {
  return condition ?? (state === 'up' ? 'in use' : state);
}

export function pathLines(
  paths: readonly PathStatus[],
  rates: PathRates,
  limitsMbit: Readonly<Record<string, number>>,
): string[] {
  return Object.entries(limitsMbit).map(([link, limit]) => {
    const rate = rates.mbit.get(link) ?? 0;
    const states = paths.filter((path) => path.link === link).map(stateOf);
    return `${link.padEnd(9)}${bar(rate / limit)} ${rate.toFixed(0).padStart(4)} Mbit/s received, ${states.length === 0 ? 'no path' : `path ${states.join('/')}`}`;
  });
}

export function progressLine(share: number): string {
  return `${'download'.padEnd(9)}${bar(share)} ${String(Math.round(100 * share)).padStart(4)} %`;
}
