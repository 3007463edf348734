/** Whole tunnels side by side: two hosts, and on each pair of daemons a tunnel network of its own, measured by iperf3. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../../test/support/daemon.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { cutFrames, type Host, Lab } from '../../test/support/netns.ts';
import { ping } from '../../test/support/traffic.ts';
import { findWireguardGo, WireguardGo } from '../../test/support/wireguard-go.ts';

const busyAttempts = 20;
const busyPauseMs = 250;

export type Mode = 'offload-through' | 'wire-honest';
export type Placement = 'dedicated' | 'compact';
export type Cipher = 'chacha20-poly1305' | 'aes-256-gcm' | 'plaintext';

export interface HawserOptions {
  /** The daemon of another build. */
  readonly program?: string | undefined;
  /** The only one by which a reaches b. */
  readonly transport?: 'udp' | 'faketcp';
  /** Of both. */
  readonly obfuscation?: Readonly<Record<string, number | string>>;
  /** Sections of b's file. */
  readonly more?: object;
}

/** A running pair of daemons; `target` is the address of b inside. */
export interface Tunnel {
  readonly label: string;
  readonly target: string;
  /** UDP port of both daemons; 0 = no tunnel. */
  readonly port: number;
  /** Processes of a and b, where they are ours. */
  readonly pids?: readonly [number, number];
}

/** Two hosts on one wire. */
export class Wire {
  readonly lab = new Lab();
  readonly a: Host;
  readonly b: Host;
  #tunnelCount = 0;

  constructor(mode: Mode) {
    this.a = this.lab.host('a');
    this.b = this.lab.host('b');
    const addresses = [['10.77.0.1/24'], ['10.77.0.2/24']] as const;
    const ports = this.lab.join(this.a, this.b, { addresses });
    if (mode === 'wire-honest') for (const port of ports) cutFrames(port);
  }

  /** No tunnel: the wire itself. */
  get bare(): Tunnel {
    return { label: 'veth', target: '10.77.0.2', port: 0 };
  }

  async startHawser(placement: Placement, cipher: Cipher, options: HawserOptions = {}): Promise<Tunnel> {
    const { program, transport = 'udp', obfuscation, more = {} } = options;
    const { number, port } = this.#next();
    const [keysA, keysB] = [generateKeys(), generateKeys()];
    const isPlain = cipher === 'plaintext';
    const env = isPlain ? { HAWSER_BENCH_PLAINTEXT: '1' } : {};
    const other = program === undefined ? {} : { program };
    const worn = obfuscation === undefined ? {} : { obfuscation };
    const shared = { interface: `hawser${number}`, port, env, more: { runtime: { placement }, ...worn }, ...other };
    const peer = { keepalive: '25s', ...(isPlain ? {} : { cipher }) };
    const net = `10.9.${number}`;
    const b = new Daemon(this.lab, this.b, {
      ...shared,
      instance: `b${number}`,
      keys: keysB,
      addresses: [`${net}.2/24`],
      more: { ...shared.more, ...more, listen: { udp: port, ...(transport === 'udp' ? {} : { [transport]: port }) } },
      peers: [{ ...peer, name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${net}.1/32`] }],
    });
    const endpoints = [`${transport === 'udp' ? '' : `${transport}://`}10.77.0.2:${port}`];
    const a = new Daemon(this.lab, this.a, {
      ...shared,
      instance: `a${number}`,
      keys: keysA,
      addresses: [`${net}.1/24`],
      peers: [{ ...peer, name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${net}.2/32`], endpoints }],
    });
    await b.start();
    await a.start();
    await this.#reach(`${net}.2`);
    return {
      label: `hawser-${placement}-${cipher}${transport === 'udp' ? '' : `-${transport}`}`,
      target: `${net}.2`,
      port,
      pids: [a.pid, b.pid],
    };
  }

  async startWireguardGo(): Promise<Tunnel> {
    const { number, port } = this.#next();
    const [keysA, keysB] = [generateKeys(), generateKeys()];
    const net = `10.9.${number}`;
    await WireguardGo.start(this.lab, this.b, {
      privateKey: keysB.privateKey,
      addresses: [`${net}.2/24`],
      port,
      peers: [{ publicKey: keysA.publicKey, allowedIPs: [`${net}.1/32`] }],
    });
    await WireguardGo.start(this.lab, this.a, {
      privateKey: keysA.privateKey,
      addresses: [`${net}.1/24`],
      port,
      peers: [{ publicKey: keysB.publicKey, allowedIPs: [`${net}.2/32`], endpoint: `10.77.0.2:${port}` }],
    });
    await this.#reach(`${net}.2`);
    return { label: 'wireguard-go', target: `${net}.2`, port };
  }

  /** An iperf3 server on b; it dies with the lab. */
  async startServer(): Promise<void> {
    this.b.spawn('iperf3', ['-s'], { stdio: 'ignore' });
    await sleep(300);
  }

  #next(): { number: number; port: number } {
    this.#tunnelCount += 1;
    return { number: this.#tunnelCount, port: 51820 + this.#tunnelCount };
  }

  async #reach(target: string): Promise<void> {
    const { received } = await ping(this.a, target, { count: 5, intervalMs: 200 });
    if (received === 0) throw new Error(`no answer from ${target} through the tunnel`);
  }
}

export interface Goodput {
  readonly gbps: number;
  readonly cpuSecondsPerGb: number;
}

interface Iperf3Report {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bytes: number; readonly seconds: number } };
}

/** One TCP stream, counted at the receiver; CPU is that of the whole box. `paceBps`: it offers no more. */
export function measureTcp(
  wire: Wire,
  tunnel: Tunnel,
  direction: 'up' | 'down',
  seconds: number,
  paceBps?: number,
): Goodput {
  const reverse = direction === 'down' ? ['-R'] : [];
  const paced = paceBps === undefined ? [] : ['-b', String(Math.round(paceBps))];
  const args = ['-J', ...paced, '-C', 'cubic', '-t', String(seconds), '-c', tunnel.target, ...reverse];
  for (let attempt = 0; ; attempt += 1) {
    const before = busySeconds();
    const { error, end } = JSON.parse(wire.a.run('iperf3', args)) as Iperf3Report;
    const busy = busySeconds() - before;
    const received = end?.sum_received;
    if (received !== undefined && received.bytes > 0) {
      return { gbps: (received.bytes * 8) / 1e9 / received.seconds, cpuSecondsPerGb: busy / (received.bytes / 1e9) };
    }
    // The server may still be saying goodbye to the client before.
    if (!error?.includes('busy') || attempt === busyAttempts) throw new Error(`iperf3 ${args.join(' ')}: ${error}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyPauseMs);
  }
}

/** Processor time of a process so far, seconds. */
export function spentSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Seconds all CPUs together spent on anything but idling, waiting and being stolen. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .replace(/^cpu +/, '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** Says and skips when there is no peer to compare with. */
export function hasPeer(): boolean {
  const program = findWireguardGo();
  if (program === undefined) {
    console.error(
      'wireguard-go not found: put it on PATH or name it by --wireguard-go PATH; figures beside it are left out',
    );
    return false;
  }
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  console.log(`# peer: ${stdout.split('\n')[0]}`);
  return true;
}
