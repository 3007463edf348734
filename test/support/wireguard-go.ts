/**
 * wireguard-go, or amneziawg-go, as a peer in tests and benches: found on PATH, by WIREGUARD_GO or AMNEZIAWG_GO, or by an option; configured
 * over its own socket.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyToHex } from './keys.ts';
import type { Host, Lab } from './netns.ts';

export interface StockPeer {
  readonly publicKey: string;
  readonly presharedKey?: string;
  readonly allowedIPs: readonly string[];
  /** `10.0.0.1:51820` or `[fd00::1]:51820`. */
  readonly endpoint?: string;
  readonly keepaliveS?: number;
}

export interface StockOptions {
  readonly privateKey: string;
  readonly addresses: readonly string[];
  readonly port?: number;
  readonly mtu?: number;
  /** amneziawg-go, with these lines for the device (`jc=4`). */
  readonly amnezia?: readonly string[];
  readonly peers: readonly StockPeer[];
}

/** Path of the program, or undefined. */
export function findWireguardGo(): string | undefined {
  return findProgram('wireguard-go', 'WIREGUARD_GO');
}

export function findAmneziaGo(): string | undefined {
  return findProgram('amneziawg-go', 'AMNEZIAWG_GO');
}

function findProgram(name: string, variable: string): string | undefined {
  const named = process.env[variable];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new Error(`${variable} names ${named}, which does not exist`);
    return named;
  }
  const folders = (process.env.PATH ?? '').split(':');
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

let lastNumber = 0;

export class WireguardGo {
  readonly interface: string;
  readonly host: Host;
  readonly #socketPath: string;
  readonly #logPath: string;

  private constructor(lab: Lab, host: Host, folder: string) {
    lastNumber += 1;
    this.interface = `hwg${process.pid % 10_000_000}-${lastNumber}`;
    this.host = host;
    this.#socketPath = `/var/run/${folder}/${this.interface}.sock`;
    this.#logPath = path.join(lab.folder, `${this.interface}.log`);
  }

  /** Starts it on a host, configures it, brings the interface up with routes for the peers' addresses. */
  static async start(lab: Lab, host: Host, options: StockOptions): Promise<WireguardGo> {
    const isAmnezia = options.amnezia !== undefined;
    const program = isAmnezia ? findAmneziaGo() : findWireguardGo();
    if (program === undefined) throw new Error('the program was not found');
    const peer = new WireguardGo(lab, host, isAmnezia ? 'amneziawg' : 'wireguard');
    const log = openSync(peer.#logPath, 'a');
    const env = { ...process.env, LOG_LEVEL: 'verbose' };
    const child = host.spawn(program, ['-f', peer.interface], { stdio: ['ignore', log, log], env });
    closeSync(log);
    for (let waitedMs = 0; !existsSync(peer.#socketPath); waitedMs += 20) {
      if (waitedMs > 5000 || child.exitCode !== null) throw new Error(`wireguard-go did not start:\n${peer.log()}`);
      await sleep(20);
    }
    await peer.set(configLines(options));
    for (const address of options.addresses) {
      host.ip(`address add ${address} dev ${peer.interface}${address.includes(':') ? ' nodad' : ''}`);
    }
    host.ip(`link set ${peer.interface} mtu ${options.mtu ?? 1420} up`);
    for (const cidr of options.peers.flatMap((each) => each.allowedIPs)) {
      host.ip(`${cidr.includes(':') ? '-6 ' : ''}route replace ${cidr} dev ${peer.interface}`);
    }
    return peer;
  }

  /** `set=1` of the configuration protocol; throws on a non-zero errno. */
  async set(lines: readonly string[]): Promise<void> {
    const answer = await this.#exchange(`set=1\n${lines.join('\n')}\n\n`);
    if (!answer.includes('errno=0')) throw new Error(`wireguard-go refused ${lines.join(' ')}: ${answer}`);
  }

  /** `get=1`: keys and values of the device and its peers in order. */
  async get(): Promise<readonly (readonly [string, string])[]> {
    const answer = await this.#exchange('get=1\n\n');
    return answer
      .trim()
      .split('\n')
      .map((line) => {
        const [key = '', value = ''] = line.split('=');
        return [key, value] as const;
      });
  }

  log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  async #exchange(text: string): Promise<string> {
    const socket = net.connect(this.#socketPath);
    await once(socket, 'connect');
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) {
      answer += String(chunk);
      if (answer.endsWith('\n\n')) break;
    }
    socket.destroy();
    return answer;
  }
}

function configLines(options: StockOptions): string[] {
  const lines = [`private_key=${keyToHex(options.privateKey)}`, `listen_port=${options.port ?? 0}`];
  lines.push(...(options.amnezia ?? []));
  for (const peer of options.peers) {
    lines.push(`public_key=${keyToHex(peer.publicKey)}`);
    if (peer.presharedKey !== undefined) lines.push(`preshared_key=${keyToHex(peer.presharedKey)}`);
    if (peer.endpoint !== undefined) lines.push(`endpoint=${peer.endpoint}`);
    if (peer.keepaliveS !== undefined) lines.push(`persistent_keepalive_interval=${peer.keepaliveS}`);
    lines.push(...peer.allowedIPs.map((cidr) => `allowed_ip=${cidr}`));
  }
  return lines;
}

/** Why a test against it cannot run, or false. */
export function stockSkipReason(): string | false {
  if (findWireguardGo() === undefined) return 'wireguard-go is not on PATH and WIREGUARD_GO does not name it';
  return tunSkipReason();
}

export function amneziaSkipReason(): string | false {
  if (findAmneziaGo() === undefined) return 'amneziawg-go is not on PATH and AMNEZIAWG_GO does not name it';
  return tunSkipReason();
}

function tunSkipReason(): string | false {
  return spawnSync('test', ['-c', '/dev/net/tun']).status === 0 ? false : 'needs /dev/net/tun';
}
