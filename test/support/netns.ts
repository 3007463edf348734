/**
 * Hosts as network namespaces, joined by veths, for tests, benches and the demo. A `Lab` owns its namespaces and the processes
 * in them, and takes both away when it is closed, when the process exits, and on Ctrl-C; what a killed owner left is removed by
 * the next lab. Namespaces are called `hw-<pid>-<start time>-<lab>-<host>`, so that every leftover names its owner.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why a test that needs namespaces cannot run here, or false. */
export function skipReason(): string | false {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  if (spawnSync('ip', ['-V']).error !== undefined) return 'needs ip (apt-get install iproute2)';
  return false;
}

/** Runs a command to its end; throws with what it said when it fails. */
export function runCommand(command: string, args: readonly string[]): string {
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (run.error !== undefined) throw new Error(`Cannot run ${command}: ${run.error.message}`);
  if (run.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit ${run.status}: ${run.stderr || run.stdout}`);
  return run.stdout;
}

export interface JoinOptions {
  /** Names of the two ends; by default `to-<other host>`. */
  readonly interfaces?: readonly [string, string];
  /** CIDRs of the two ends, each a list. */
  readonly addresses?: readonly [readonly string[], readonly string[]];
  readonly mtu?: number;
}

export interface RateOptions {
  readonly rateMbit: number;
  /** Longest time a packet may wait in the bottleneck's queue. */
  readonly queueMs?: number;
}

/** One end of a veth. */
export interface Port {
  readonly host: Host;
  readonly interface: string;
}

export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly #lab: Lab;

  constructor(lab: Lab, name: string, namespace: string) {
    this.#lab = lab;
    this.name = name;
    this.namespace = namespace;
  }

  /** `ip` in this namespace: `a.ip('route add default via 10.0.0.1')`. */
  ip(line: string): string {
    return runCommand('ip', ['-n', this.namespace, ...line.split(' ')]);
  }

  /** Runs a command to its end inside; throws when it fails. */
  run(command: string, args: readonly string[] = []): string {
    return runCommand('ip', ['netns', 'exec', this.namespace, command, ...args]);
  }

  /** Starts a process inside; it dies with the lab at the latest. `ip netns exec` execs, so the child's pid is the program's. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.namespace, command, ...args], options);
    this.#lab.adopt(child);
    return child;
  }

  /** Packets may pass from one interface to another, v4 and v6. */
  forward(): void {
    for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) this.setSysctl(key, '1');
  }

  setSysctl(key: string, value: string): void {
    const file = `/proc/sys/${key.replaceAll('.', '/')}`;
    this.run('sh', ['-c', `echo ${value} > ${file}`]);
  }

  /** Everything a daemon must give back: interfaces, addresses, routes, rules, sockets. */
  snapshot(): Record<string, string> {
    const list = (line: string) =>
      this.ip(line)
        .replace(/ (expires|used|age) \S+/g, '')
        .trim();
    const sockets = (file: string) => {
      const lines = this.run('cat', [`/proc/net/${file}`])
        .trim()
        .split('\n')
        .slice(1);
      return lines
        .map((line) => line.trim().split(/\s+/).slice(1, 4).join(' '))
        .sort()
        .join('\n');
    };
    return {
      links: this.ip('-br link').replace(/ +/g, ' '),
      addresses: this.ip('-br address').replace(/ +/g, ' '),
      routes4: list('-4 route show table all'),
      routes6: list('-6 route show table all'),
      rules4: list('-4 rule'),
      rules6: list('-6 rule'),
      udp: sockets('udp'),
      udp6: sockets('udp6'),
      processes: runCommand('ip', ['netns', 'pids', this.namespace]).trim(),
    };
  }
}

/** Labs of this process so far: several may be open at once. */
let labCount = 0;

export class Lab {
  /** A private folder for configs, keys and logs; removed with the lab. */
  readonly folder: string;
  readonly #hosts = new Map<string, Host>();
  readonly #children = new Set<ChildProcess>();
  readonly #onExit = () => this.#removeAll();
  readonly #onSignal = (signal: NodeJS.Signals) => process.exit(128 + os.constants.signals[signal]);
  readonly #number: number;
  #isOpen = true;

  constructor() {
    labCount += 1;
    this.#number = labCount;
    removeLeftovers();
    this.folder = mkdtempSync(path.join(os.tmpdir(), `hw-${ownerTag(process.pid)}-`));
    process.on('exit', this.#onExit);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.#onSignal);
  }

  /** Adds a host: a namespace with its loopback up. */
  host(name: string): Host {
    const namespace = `hw-${ownerTag(process.pid)}-${this.#number}-${name}`;
    runCommand('ip', ['netns', 'add', namespace]);
    const host = new Host(this, name, namespace);
    this.#hosts.set(name, host);
    // Without it a link-local address appears some time after its interface, and no two snapshots are alike.
    host.setSysctl('net.ipv6.conf.default.accept_dad', '0');
    host.ip('link set lo up');
    // Link-local addresses that serve at once; with detection a snapshot taken in the first two seconds lacks them.
    host.setSysctl('net.ipv6.conf.default.accept_dad', '0');
    return host;
  }

  /** Joins two hosts by a veth; duplicate address detection is off, so addresses serve at once. */
  join(a: Host, b: Host, options: JoinOptions = {}): readonly [Port, Port] {
    const [nameA, nameB] = options.interfaces ?? [`to-${b.name}`, `to-${a.name}`];
    const veth = ['link', 'add', nameA, 'netns', a.namespace, 'type', 'veth', 'peer', 'name', nameB];
    runCommand('ip', [...veth, 'netns', b.namespace]);
    const ends: readonly [Host, string, readonly string[]][] = [
      [a, nameA, options.addresses?.[0] ?? []],
      [b, nameB, options.addresses?.[1] ?? []],
    ];
    for (const [host, name, addresses] of ends) {
      host.ip(`link set ${name} mtu ${options.mtu ?? 1500} up`);
      for (const address of addresses) {
        host.ip(`address add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
      }
    }
    return [
      { host: a, interface: nameA },
      { host: b, interface: nameB },
    ];
  }

  adopt(child: ChildProcess): void {
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
  }

  /** Stops every process, then removes the namespaces and the folder. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    for (const child of this.#children) child.kill('SIGTERM');
    for (let waitedMs = 0; this.#children.size > 0 && waitedMs < 3000; waitedMs += 20) await sleep(20);
    this.#removeAll();
    process.off('exit', this.#onExit);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#onSignal);
  }

  #removeAll(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const child of this.#children) child.kill('SIGKILL');
    for (const host of this.#hosts.values()) removeNamespace(host.namespace);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A token bucket on the port's way out: the bottleneck of a link. The burst is 2 ms of the rate, at least one large frame. */
export function limitRate(port: Port, { rateMbit, queueMs = 20 }: RateOptions): void {
  const burstBytes = Math.max(4 * 1600, Math.round((rateMbit * 1e6 * 0.002) / 8));
  const shape = ['rate', `${rateMbit}mbit`, 'burst', String(burstBytes), 'latency', `${queueMs}ms`];
  runCommand('tc', ['-n', port.host.namespace, 'qdisc', 'replace', 'dev', port.interface, 'root', 'tbf', ...shape]);
}

/** Wire-honest: no frame larger than the MTU leaves this port, and what arrives is joined as a real card's driver does. */
export function cutFrames(port: Port): void {
  const off = ['tso', 'off', 'gso', 'off', 'tx-udp-segmentation', 'off', 'gro', 'on'];
  port.host.run('ethtool', ['-K', port.interface, ...off]);
}

/** `<pid>-<start time in clock ticks>`: unique even when a pid is used again. */
function ownerTag(pid: number): string {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return `${pid}-${fields[19]}`;
}

function isOwnerAlive(tag: string): boolean {
  try {
    return ownerTag(Number.parseInt(tag, 10)) === tag;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Removes the namespaces and folders of owners that are gone. */
function removeLeftovers(): void {
  const owned = /^hw-(\d+-\d+)-/;
  const isLeft = (name: string) => {
    const tag = owned.exec(name)?.[1];
    return tag !== undefined && !isOwnerAlive(tag);
  };
  const namespaces = runCommand('ip', ['netns', 'list']).split('\n');
  for (const line of namespaces) {
    const [name = ''] = line.split(' ');
    if (isLeft(name)) removeNamespace(name);
  }
  for (const name of readdirSync(os.tmpdir())) {
    if (!isLeft(name)) continue;
    const folder = path.join(os.tmpdir(), name);
    unmountIn(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A test that was killed has left a small disk there, and a folder that cannot be removed would end every other. */
function unmountIn(folder: string): void {
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, place = ''] = line.split(' ');
    if (place.startsWith(`${folder}/`)) spawnSync('umount', ['-l', place]);
  }
}

/** Kills what runs in a namespace of ours and deletes it; says so on stderr when that fails, because it runs at exit too. */
function removeNamespace(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout.split(/\s+/);
  for (const pid of pids.map(Number)) {
    if (pid > 1 && pid !== process.pid) spawnSync('kill', ['-9', String(pid)]);
  }
  const run = spawnSync('ip', ['netns', 'delete', name], { encoding: 'utf8' });
  if (run.status !== 0) console.error(`Cannot delete namespace ${name}: ${run.stderr.trim()}`);
  rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
}
