/** A real `hawser up` on a host of a lab: writes its config, waits until it answers, asks it, collects its log. */
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HawserError } from '../../src/base/errors.ts';
import { ControlConnection } from '../../src/cli/control-client.ts';
import type { OperationName } from '../../src/control/operations.ts';
import type { ActorStatus, PeerStatus } from '../../src/control/rows.ts';
import type { KeyPair } from './keys.ts';
import type { Host, Lab } from './netns.ts';

export const cliProgram = path.resolve(import.meta.dirname, '../../src/cli/main.js');
/** A start takes 0.5 s; a machine that does six other things takes its time. */
const startTimeoutMs = 30_000;
/** Two readings of one moment differ by less, even on a machine that is busy. */
export const sameMomentMs = 700;
const stopTimeoutMs = 10_000;

export interface PeerOptions {
  readonly name: string;
  readonly publicKey: string;
  readonly allowedIPs: readonly string[];
  readonly endpoints?: readonly string[];
  readonly presharedKey?: string;
  readonly keepalive?: string;
  readonly cipher?: string;
  readonly limits?:
    | { readonly up?: number | 'off'; readonly down?: number | 'off'; readonly priority?: number }
    | undefined;
}

export interface DaemonOptions {
  /** Tells several daemons on one host apart. */
  readonly instance?: string;
  readonly keys: KeyPair;
  readonly interface?: string;
  readonly addresses: readonly string[];
  readonly mtu?: number;
  readonly port?: number;
  readonly peers: readonly PeerOptions[];
  /** More top-level keys of the configuration: `links`, `runtime`, `routing`. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The daemon of another build; the CLI that asks it is this one's. */
  readonly program?: string;
}

/** Runs `hawser …` to its end outside any namespace: the control socket is a file. Never throws on a non-zero exit. */
export async function runCli(args: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [cliProgram, ...args]);
    return { status: 0, stdout, stderr };
  } catch (error) {
    if (!(error instanceof Error) || !('stdout' in error) || !('stderr' in error)) throw error;
    const status = 'code' in error && typeof error.code === 'number' ? error.code : 1;
    return { status, stdout: String(error.stdout), stderr: String(error.stderr) };
  }
}

export class Daemon {
  readonly host: Host;
  readonly name: string;
  readonly configPath: string;
  readonly logPath: string;
  readonly interface: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #program: string;
  readonly #runDirectory: string;
  #child: ChildProcess | undefined;

  /** Writes key files and configuration; nothing runs yet. */
  constructor(lab: Lab, host: Host, options: DaemonOptions) {
    this.host = host;
    this.name = options.instance ?? host.name;
    this.#runDirectory = path.join(lab.folder, 'run');
    this.interface = options.interface ?? 'hawser0';
    const folder = path.join(lab.folder, this.name);
    mkdirSync(folder, { recursive: true });
    this.configPath = path.join(folder, 'hawser.yaml');
    this.logPath = path.join(folder, 'log');
    this.#env = { ...process.env, HAWSER_TEST_TRANSPORT: '1', ...options.env };
    this.#program = options.program ?? cliProgram;
    writeFileSync(this.configPath, configText(this.name, this.interface, folder, this.#runDirectory, options));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** True from `start` until the process has ended. */
  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the process and waits until the control socket answers. Returns the milliseconds that took. */
  async start(): Promise<number> {
    const startMs = performance.now();
    const log = openSync(this.logPath, 'a');
    const args = [this.#program, 'up', this.configPath];
    this.#child = this.host.spawn(process.execPath, args, { stdio: ['ignore', log, log], env: this.#env });
    closeSync(log);
    const socketPath = path.join(this.#runDirectory, `${this.name}.sock`);
    while (performance.now() - startMs < startTimeoutMs && this.isRunning) {
      if (existsSync(socketPath) && (await this.#answers())) return performance.now() - startMs;
      await sleep(10);
    }
    throw new Error(`hawser up on ${this.host.name} did not get ready:\n${this.log()}`);
  }

  /** Whether somebody listens behind the control socket's file: one who is ending, or not there yet, does not. */
  async #answers(): Promise<boolean> {
    try {
      await this.ask('status');
      return true;
    } catch (error) {
      if (error instanceof HawserError) return false;
      throw error;
    }
  }

  /** Runs `hawser …` against it, as a person would: half a second of a process. `ask` is for all that is not about the CLI. */
  cli(...args: string[]): ReturnType<typeof runCli> {
    return runCli([...args, '--name', this.name, '--run-directory', this.#runDirectory]);
  }

  /** Asks the control socket itself, and throws what it answers as an error. */
  async ask<T>(method: OperationName, params?: Readonly<Record<string, unknown>>): Promise<T> {
    const connection = await ControlConnection.open({ name: this.name, runDirectory: this.#runDirectory });
    try {
      return (await connection.request(method, params as never)) as T;
    } finally {
      connection.close();
    }
  }

  actors(): Promise<readonly ActorStatus[]> {
    return this.ask<readonly ActorStatus[]>('actors');
  }

  peers(): Promise<readonly PeerStatus[]> {
    return this.ask<readonly PeerStatus[]>('peers');
  }

  /** When the first peer's last handshake was, Date.now(); ages are read some milliseconds late. NaN = never. */
  async handshakeAtMs(): Promise<number> {
    const [peer] = await this.peers();
    return Date.now() - (peer?.handshakeAgeMs ?? Number.NaN);
  }

  /** `hawser actor kill|restart|hang ROLE`. The answer of the control-server to its own end may be the end of the connection. */
  async actor(verb: 'kill' | 'restart' | 'hang', id: string): Promise<void> {
    try {
      await this.ask(`actor.${verb}`, { id });
    } catch (error) {
      if (id !== 'control-server' || !(error instanceof HawserError) || error.code !== 'CLOSED') throw error;
    }
  }

  /** Waits for an end that comes by itself; returns the exit code, or the signal's name. */
  async ended(): Promise<number | string> {
    const child = this.#child;
    if (child === undefined) throw new Error(`hawser on ${this.host.name} was not started`);
    if (this.isRunning) await once(child, 'exit');
    return child.exitCode ?? child.signalCode ?? 'unknown';
  }

  /** Sends a signal and waits for the end; returns the exit code, or the signal's name. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const child = this.#child;
    if (child === undefined) throw new Error(`hawser on ${this.host.name} was not started`);
    if (this.isRunning) {
      const ended = once(child, 'exit');
      child.kill(signal);
      const outcome = await Promise.race([ended, sleep(stopTimeoutMs, undefined, { ref: false })]);
      if (outcome === undefined) {
        child.kill('SIGKILL');
        throw new Error(`hawser on ${this.host.name} ignored ${signal} for ${stopTimeoutMs} ms:\n${this.log()}`);
      }
    }
    return child.exitCode ?? child.signalCode ?? 'unknown';
  }

  /** Everything it wrote to stdout and stderr so far. */
  log(): string {
    return readFileSync(this.logPath, 'utf8');
  }
}

/** JSON is YAML 1.2. */
function configText(
  name: string,
  tunnelInterface: string,
  folder: string,
  runDirectory: string,
  options: DaemonOptions,
): string {
  const writeSecret = (file: string, text: string) => {
    writeFileSync(path.join(folder, file), `${text}\n`, { mode: 0o600 });
    return path.join(folder, file);
  };
  const { runtime, ...more } = options.more ?? {};
  const config = {
    name,
    identity: { privateKeyFile: writeSecret('private.key', options.keys.privateKey) },
    tunnel: { interface: tunnelInterface, addresses: options.addresses, mtu: options.mtu ?? 1420 },
    ...(options.port === undefined ? {} : { listen: { udp: options.port } }),
    peers: options.peers.map(({ presharedKey, ...peer }) => ({
      ...peer,
      ...(presharedKey === undefined ? {} : { presharedKeyFile: writeSecret(`${peer.name}.psk`, presharedKey) }),
    })),
    ...more,
    runtime: {
      runDirectory,
      stateDirectory: path.join(folder, 'state'),
      ...(typeof runtime === 'object' ? runtime : {}),
    },
  };
  return JSON.stringify(config, undefined, 2);
}
