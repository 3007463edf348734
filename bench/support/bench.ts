/** What every bench shares: one line a figure, one process a configuration, pairs taken A B A B with their spread. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export type Parameters = Readonly<Record<string, string | number>>;

/** Pairs to take; the goals ask for 5 at least. */
export const pairCount = Number(process.env.HAWSER_BENCH_PAIRS ?? 5);
/** Seconds of one measurement. */
export const runSeconds = Number(process.env.HAWSER_BENCH_SECONDS ?? 1);

/** What `--name` said on the command line of `npm run bench`. */
export function option(name: string, fallback: string): string {
  return process.env[`HAWSER_BENCH_${name.toUpperCase()}`] ?? fallback;
}

/** Prints `name key=value …: number unit`. */
export function report(name: string, parameters: Parameters, value: number, unit: string): void {
  const words = Object.entries(parameters).map(([key, each]) => `${key}=${each}`);
  process.stdout.write(`${[name, ...words].join(' ')}: ${formatNumber(value)} ${unit}\n`);
}

/** Three digits at least, and never an exponent. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return String(Math.round(value));
  return Number.isInteger(value) ? String(value) : value.toFixed(size >= 100 ? 1 : size >= 1 ? 2 : 4);
}

/** No measurement takes that long; one that does hangs. */
const measureTimeoutMs = 120_000;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[(sorted.length >> 1) - 1] ?? Number.NaN)) / 2;
}

/** Smallest and largest, as the spread of a figure. */
export function spread(values: readonly number[]): string {
  return `${formatNumber(Math.min(...values))}..${formatNumber(Math.max(...values))}`;
}

/** The value below which `share` of the sorted values lie. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** In a child made by `measure`: the configuration's words; in the parent: undefined. */
export function measuredWords(): readonly string[] | undefined {
  return process.argv[2] === 'measure' ? process.argv.slice(3) : undefined;
}

/** In the child: hands the numbers to the parent. */
export function answer(...numbers: readonly number[]): void {
  process.stdout.write(`${JSON.stringify(numbers)}\n`);
}

/** Runs one configuration of a bench file in a process of its own; a crash is a failure, never a 0. */
export function measure(moduleUrl: string, words: readonly string[]): readonly number[] {
  return runForNumbers(process.execPath, [fileURLToPath(moduleUrl), 'measure', ...words]);
}

/** Runs any program whose last line is a JSON array of numbers. */
export function runForNumbers(command: string, args: readonly string[]): readonly number[] {
  const timeout = measureTimeoutMs;
  const run = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout });
  const what = `${path.basename(command)} ${args.join(' ')}`;
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`${what}: ${run.signal ?? `exit ${run.status}`}`);
  const numbers: unknown = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '');
  if (!Array.isArray(numbers) || !numbers.every(Number.isFinite)) throw new Error(`${what} printed ${run.stdout}`);
  return numbers;
}

/** Takes both sides in turn and reports each side's median, then the median of the paired ratios ours / theirs. */
export function comparePairs(
  name: string,
  parameters: Parameters,
  unit: string,
  ours: { readonly label: string; take(): number },
  theirs: { readonly label: string; take(): number },
): void {
  const a: number[] = [];
  const b: number[] = [];
  for (let pair = 0; pair < pairCount; pair += 1) {
    a.push(ours.take());
    b.push(theirs.take());
  }
  reportPairs(name, parameters, unit, { label: ours.label, values: a }, { label: theirs.label, values: b });
}

interface Side {
  readonly label: string;
  readonly values: readonly number[];
}

/** Each side's median, then the median of the ratios of values that were taken together. */
function reportPairs(name: string, parameters: Parameters, unit: string, ours: Side, theirs: Side): void {
  const ratios = ours.values.map((value, i) => value / (theirs.values[i] ?? Number.NaN));
  for (const { label, values } of [ours, theirs]) {
    report(name, { ...parameters, side: label, spread: spread(values) }, median(values), unit);
  }
  const side = `${ours.label}/${theirs.label}`;
  report(name, { ...parameters, side, pairs: ratios.length, spread: spread(ratios) }, median(ratios), 'x');
}

/** Values of ours, and beside them, taken in turn with them, the peer's if there is one. */
export function reportColumns(name: string, parameters: Parameters, unit: string, columns: readonly number[][]): void {
  const [ours = [], theirs] = columns;
  if (theirs === undefined) {
    report(name, { ...parameters, side: 'hawser', spread: spread(ours) }, median(ours), unit);
    return;
  }
  reportPairs(name, parameters, unit, { label: 'hawser', values: ours }, { label: 'wireguard-go', values: theirs });
}

/** Waits until a process has ended; it may have before. */
export async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Compiles a C file that lies beside the bench's source; the caller removes the folder through `remove`. */
export function compileTwin(name: string): { readonly program: string; remove(): void } {
  const root = path.resolve(import.meta.dirname, '../../..');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-twin-'));
  const program = path.join(folder, 'twin');
  const flags = ['-O2', '-march=native', '-Wall', '-pthread', '-o', program];
  const run = spawnSync('cc', [...flags, path.join(root, 'bench', name)], { encoding: 'utf8' });
  if (run.status !== 0)
    throw new Error(`Cannot compile ${name}: ${run.error?.message ?? run.stderr} (apt-get install gcc)`);
  return { program, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
