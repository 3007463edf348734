/** Many WireGuard peers on one host (`initiators-program.ts`), as their lab sees them. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { importKeyPair } from '../../src/crypto/x25519.ts';
import type { Host } from '../../test/support/netns.ts';

export interface SwarmOptions {
  readonly count: number;
  /** Keys follow from it. */
  readonly seed: string;
  readonly server: string;
  readonly port: number;
  /** Base64. */
  readonly serverKey: string;
  /** What it leaves to others where processors are short (nice(2)); nothing = as they. */
  readonly nice?: number;
}

export interface SwarmState {
  /** How many commands it has had. */
  readonly round: number;
  /** Peers that finished a handshake since the last one; and milliseconds until the last of them. */
  readonly connected: number;
  readonly lastMs: number;
  /** Initiations sent, cookies received, data messages that could be opened, of all and ever. */
  readonly calls: number;
  readonly cookies: number;
  readonly received: number;
}

/** All their addresses; the hub routes it to their host. */
export const swarmNetwork = '10.64.0.0/13';
const most = 2 ** 19 - 2;

/** Each peer's own. */
export function addressOf(index: number): string {
  if (index >= most) throw new Error(`${index + 1} peers are more than ${swarmNetwork} has addresses`);
  const number = index + 1;
  return `10.${64 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

/** Inside the tunnel. */
export function innerAddressOf(index: number): string {
  const number = index + 1;
  return `10.${100 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

export function privateKeyOf(seed: string, index: number): Uint8Array {
  return createHash('sha256').update(`${seed} ${index}`).digest();
}

export function publicKeyOf(seed: string, index: number): string {
  return Buffer.from(importKeyPair(privateKeyOf(seed, index)).publicKey).toString('base64');
}

export class Swarm {
  readonly #say: (line: string) => void;
  readonly #options: SwarmOptions;
  #state: SwarmState | undefined;
  #round = 0;
  #onState: () => void = () => undefined;

  /** Starts the process; it dies with the lab. */
  constructor(host: Host, options: SwarmOptions) {
    this.#options = options;
    host.ip(`route replace local ${swarmNetwork} dev lo`);
    const program = path.join(import.meta.dirname, 'initiators-program.js');
    const child = host.spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error('a swarm without pipes');
    this.#say = (line) => stdin.write(`${line}\n`);
    readline.createInterface({ input: stdout }).on('line', (line) => {
      this.#state = JSON.parse(line) as SwarmState;
      this.#onState();
    });
  }

  /** What it said last; waits for the first word, which says that all sockets are open. */
  async state(): Promise<SwarmState> {
    if (this.#state === undefined) await this.#next();
    return this.#state as SwarmState;
  }

  /** `connect` calls from all at once, `prepare` computes what they will say then; `count` only begins to count anew. */
  say(command: 'connect' | 'count' | 'prepare'): void {
    this.#round += 1;
    this.#say(command);
  }

  /** Waits until all have done what was said last. */
  async done(): Promise<void> {
    while (this.#state?.round !== this.#round) await this.#next();
  }

  /** Waits until all are connected since the last command, or `timeoutMs` are over; the state then. */
  async connected(timeoutMs: number): Promise<SwarmState> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      await this.#next();
      const state = await this.state();
      const isAll = state.round === this.#round && state.connected === this.#options.count;
      if (isAll || performance.now() > untilMs) return state;
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#onState = resolve;
    });
  }
}
