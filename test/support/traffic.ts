/** Starts the ends of `traffic-program.ts` on hosts of a lab and parses what they report. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import type { Host } from './netns.ts';

const program = path.join(import.meta.dirname, 'traffic-program.js');

export interface Transfer {
  readonly bytes: number;
  readonly ms: number;
  /** The SHA-256 at the receiver is that of what was sent. */
  readonly isIntact: boolean;
  /** Longest silence at the receiver; 0 for a push. */
  readonly maxGapMs: number;
}

export interface ProbeResult {
  readonly sent: number;
  readonly received: number;
  readonly maxGapMs: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

type Report = { event: string; message?: string } & Partial<Transfer & ProbeResult>;

function start(host: Host, args: readonly string[]): ChildProcess {
  return host.spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The next report of a kind; throws when the program reports an error or ends first. */
async function report(child: ChildProcess, event: string): Promise<Report> {
  if (child.stdout === null) throw new Error('traffic program without a pipe');
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const value = JSON.parse(line) as Report;
    if (value.event === event) return value;
    if (value.event === 'error') throw new Error(`traffic program: ${value.message}`);
  }
  throw new Error(`traffic program ended without "${event}"`);
}

/** A server that sends or takes hashed TCP streams. Stop it with `kill()`. */
export async function serveTcp(host: Host, port: number): Promise<ChildProcess> {
  const child = start(host, ['serve', String(port)]);
  await report(child, 'ready');
  return child;
}

export async function echoUdp(host: Host, port: number): Promise<ChildProcess> {
  const child = start(host, ['echo', String(port)]);
  await report(child, 'ready');
  return child;
}

async function transfer(host: Host, verb: string, address: string, port: number, bytes: number): Promise<Transfer> {
  const {
    ms = 0,
    isIntact = false,
    maxGapMs = 0,
    bytes: got = 0,
  } = await report(start(host, [verb, address, String(port), String(bytes)]), 'done');
  return { bytes: got, ms, isIntact, maxGapMs };
}

/** Fetches `bytes` seeded bytes from a `serveTcp` elsewhere and compares the hash. */
export function pull(host: Host, address: string, port: number, bytes: number): Promise<Transfer> {
  return transfer(host, 'pull', address, port, bytes);
}

/** Sends `bytes` seeded bytes to a `serveTcp` elsewhere, which answers with the hash of what it got. */
export function push(host: Host, address: string, port: number, bytes: number): Promise<Transfer> {
  return transfer(host, 'push', address, port, bytes);
}

/** The same transfers, of which nobody waits for the end: ended by `kill()`. */
export function begin(way: 'pull' | 'push', host: Host, address: string, port: number, bytes: number): ChildProcess {
  return start(host, [way, address, String(port), String(bytes)]).on('error', () => undefined);
}

/** One 64-byte datagram each interval to an `echoUdp` elsewhere; times in milliseconds. */
export async function probe(
  host: Host,
  address: string,
  port: number,
  { intervalMs, seconds }: { intervalMs: number; seconds: number },
): Promise<ProbeResult> {
  const child = start(host, ['probe', address, String(port), String(intervalMs), String(seconds)]);
  const { sent = 0, received = 0, maxGapMs = 0, p50 = 0, p99 = 0, p999 = 0, max = 0 } = await report(child, 'done');
  return { sent, received, maxGapMs, p50, p99, p999, max };
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round trips; NaN when nothing was answered. */
  readonly minMs: number;
  readonly averageMs: number;
  readonly maxMs: number;
}

/** How long the last of a series of pings is waited for. */
const lastPingMs = 500;

/**
 * The system's ping: `count` echoes, one each `intervalMs`, `trafficClass` (DSCP and ECN) in their IP header; never throws on loss. ping itself waits for the last answer no longer than two
 * round trips, which a busy machine oversleeps: so it is asked for some more, which do not count, and stopped when all that count are answered.
 */
export async function ping(
  host: Host,
  address: string,
  { count = 5, intervalMs = 20, trafficClass = 0 } = {},
): Promise<PingResult> {
  const all = count + Math.ceil(lastPingMs / intervalMs);
  const marks = ['-Q', String(trafficClass)];
  const args = ['-n', ...marks, '-c', String(all), '-i', String(intervalMs / 1000), '-W', '2', address];
  const child = host.spawn('ping', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  if (child.stdout === null) throw new Error('ping without a pipe');
  const roundTrips = new Map<number, number>();
  let text = '';
  for await (const line of readline.createInterface({ input: child.stdout })) {
    text += `${line}\n`;
    const [, sequence, ms] = /bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms/.exec(line) ?? [];
    if (Number(sequence) <= count) roundTrips.set(Number(sequence), Number(ms));
    if (roundTrips.size === count) child.kill('SIGINT');
  }
  await closed;
  if (!text.includes('packets transmitted')) throw new Error(`ping ${address}: ${text}`);
  const times = [...roundTrips.values()];
  const of = (value: number): number => (times.length > 0 ? value : Number.NaN);
  return {
    sent: count,
    received: times.length,
    minMs: of(Math.min(...times)),
    averageMs: of(times.reduce((sum, ms) => sum + ms, 0) / times.length),
    maxMs: of(Math.max(...times)),
  };
}
