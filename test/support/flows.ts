/** Measured flows between hosts of a lab, by the program `test/netns/emulator/flow.cc`: numbers are taken at the receiver. */
import type { ChildProcess } from 'node:child_process';
import readline from 'node:readline';
import { compiledProgram } from './compiled.ts';
import type { Host } from './netns.ts';

/** Length of one of `buckets`. */
const bucketMs = 100;

/** A running `flow` and its lines. */
class Program {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(host: Host, args: readonly (string | number)[]) {
    this.child = host.spawn(compiledProgram('flow'), args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('flow without a pipe');
    this.#lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  write(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** The next report, which must be of this kind. */
  async next<T>(event: string): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`flow ended without "${event}"`);
    const report = JSON.parse(value) as { event: string; message?: string };
    if (report.event !== event) throw new Error(`flow: ${report.message ?? report.event}`);
    return report as T;
  }
}

/** A server for `runTcp`. Stop it with `kill()`. */
export async function serveFlows(host: Host, port: number, { mptcp = false } = {}): Promise<ChildProcess> {
  const program = new Program(host, ['serve', port, ...(mptcp ? ['mptcp'] : [])]);
  await program.next('ready');
  return program.child;
}

export interface TcpOptions {
  readonly direction?: 'up' | 'down';
  /** Ends the flow; 0 = no limit. */
  readonly seconds?: number;
  readonly bytes?: number;
  readonly streams?: number;
  readonly congestionControl?: string;
  readonly mptcp?: boolean;
}

export interface TcpStream {
  /** From connect to the last byte. */
  readonly ms: number;
  /** Additional subflows an MPTCP connection had at its end. */
  readonly subflows: number;
  /** Bytes received in each 100 ms. */
  readonly buckets: readonly number[];
}

/** TCP flows from or to a `serveFlows` elsewhere; cubic unless another is named. */
export async function runTcp(
  host: Host,
  address: string,
  port: number,
  options: TcpOptions,
): Promise<readonly TcpStream[]> {
  const { direction = 'down', seconds = 0, bytes = 0, streams = 1, congestionControl = 'cubic' } = options;
  const words = [address, port, direction, seconds, bytes, streams, congestionControl];
  const program = new Program(host, ['tcp', ...words, ...(options.mptcp === true ? ['mptcp'] : [])]);
  return (await program.next<{ streams: readonly TcpStream[] }>('done')).streams;
}

/** Goodput of all streams together between two moments of the flow. */
export function goodputMbit(streams: readonly TcpStream[], fromSeconds: number, toSeconds: number): number {
  const [from, to] = [fromSeconds, toSeconds].map((seconds) => Math.round((seconds * 1000) / bucketMs));
  const sum = (values: readonly number[]) => values.slice(from, to).reduce((total, value) => total + value, 0);
  return streams.reduce((total, { buckets }) => total + sum(buckets), 0) / (125_000 * (toSeconds - fromSeconds));
}

export interface UdpReport {
  /** Datagrams of the window, by their numbers. */
  readonly expected: number;
  readonly missing: number;
  /** Different ones received since the sink began. */
  readonly uniqueEver: number;
  readonly received: number;
  readonly copies: number;
  readonly reordered: number;
  /** Longest silence at the receiver, and when it began (CLOCK_MONOTONIC, as performance.timeOrigin is not). */
  readonly maxGapMs: number;
  readonly gapAtMs: number;
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  readonly buckets: readonly number[];
}

/** The receiving end of a numbered UDP flow. */
export class UdpSink {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start(host: Host, port: number): Promise<UdpSink> {
    const program = new Program(host, ['udp-sink', port]);
    await program.next('ready');
    return new UdpSink(program);
  }

  /** Ends the window that began with the cut before; what is under way still counts until `report`. */
  async cut(): Promise<void> {
    this.#program.write('cut');
    await this.#program.next('cut');
  }

  /** The window before the last cut. */
  report(): Promise<UdpReport> {
    this.#program.write('report');
    return this.#program.next<UdpReport>('report');
  }

  close(): void {
    this.#program.child.kill();
  }
}

export interface UdpSendOptions {
  readonly rateMbit: number;
  /** Payload of a datagram. */
  readonly bytes?: number;
  readonly seconds: number;
  /** IPv4 TOS or IPv6 traffic class: DSCP << 2. */
  readonly tos?: number;
}

export interface UdpSent {
  readonly sent: number;
  readonly failed: number;
  readonly ms: number;
}

/** Sends a numbered UDP flow of constant rate to a `UdpSink`. */
export function sendUdp(
  host: Host,
  address: string,
  port: number,
  options: UdpSendOptions,
): { readonly done: Promise<UdpSent>; stop(): void } {
  const { rateMbit, bytes = 1200, seconds, tos = 0 } = options;
  const program = new Program(host, ['udp-send', address, port, rateMbit, bytes, seconds, tos]);
  const done = program.next<UdpSent>('done');
  // Who closes the lab before the flow ends does not ask how it ended.
  done.catch(() => undefined);
  return { done, stop: () => program.child.stdin?.end() };
}

export interface PingReport {
  readonly sent: number;
  readonly received: number;
  readonly minMs: number;
  readonly p25Ms: number;
  readonly p50Ms: number;
  readonly p75Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Answers `pingUdp`. Stop it with `kill()`. */
export async function echoFlows(host: Host, port: number): Promise<ChildProcess> {
  const program = new Program(host, ['udp-echo', port]);
  await program.next('ready');
  return program.child;
}

/** Round trips of `count` small datagrams, one each `intervalMs`, to an `echoFlows` elsewhere. */
export function pingUdp(
  host: Host,
  address: string,
  port: number,
  { intervalMs = 10, count = 500, bytes = 64 } = {},
): Promise<PingReport> {
  return new Program(host, ['udp-ping', address, port, intervalMs, count, bytes]).next<PingReport>('done');
}
