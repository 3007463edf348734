/**
 * phantun as a peer in tests and benches: its programs, and what they need of the hosts they run on (its README, "Firewall rules"). The folder
 * with `client` and `server` is named by PHANTUN (cargo install phantun --version 0.8.1 --root FOLDER puts them into FOLDER/bin), or its
 * programs are on PATH as `phantun_client` and `phantun_server`.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import type { Host } from './netns.ts';

type End = 'client' | 'server';
const ends: readonly End[] = ['client', 'server'];

/** Path of one of its programs, or undefined. */
function findProgram(end: End): string | undefined {
  const folder = process.env.PHANTUN ?? '';
  if (folder !== '') return [path.join(folder, end)].find((file) => existsSync(file));
  const folders = (process.env.PATH ?? '').split(':');
  return folders.map((one) => path.join(one, `phantun_${end}`)).find((file) => existsSync(file));
}

/** Why it cannot be run, or false. */
export function phantunSkipReason(): string | false {
  if (ends.every((end) => findProgram(end) !== undefined)) return false;
  return 'needs phantun 0.8.1 (PHANTUN=FOLDER with its client and server)';
}

export interface PhantunClient {
  /** UDP port of the loopback that programs send to. */
  readonly localPort: number;
  /** `host:port` of the server. */
  readonly remote: string;
}

/** What is sent to 127.0.0.1 at the local port comes out where the server leads to. */
export function startPhantunClient(host: Host, { localPort, remote }: PhantunClient): ChildProcess {
  prepare(host, [
    'chain out {',
    'type nat hook postrouting priority 100;',
    'ip saddr 192.168.200.2 masquerade',
    'ip6 saddr fcc8::2 masquerade',
    '}',
  ]);
  return spawn(host, 'client', ['-l', `127.0.0.1:${localPort}`, '-r', remote]);
}

/** Takes calls at a TCP port, and hands on by UDP. */
export function startPhantunServer(host: Host, { port, remote }: { port: number; remote: string }): ChildProcess {
  prepare(host, [
    'chain in {',
    'type nat hook prerouting priority -100;',
    `meta nfproto ipv4 tcp dport ${port} dnat ip to 192.168.201.2`,
    `meta nfproto ipv6 tcp dport ${port} dnat ip6 to fcc9::2`,
    '}',
  ]);
  return spawn(host, 'server', ['-l', String(port), '-r', remote]);
}

/** Again for one that was started anew: the rules may be there. */
function prepare(host: Host, rules: readonly string[]): void {
  host.forward();
  host.run('nft', [
    ['table inet phantun { }', 'delete table inet phantun', 'table inet phantun {', ...rules, '}'].join('\n'),
  ]);
  // At full speed a strict one calls its segments invalid, and translates them no more: they leave with the address of its TUN.
  host.setSysctl('net.netfilter.nf_conntrack_tcp_be_liberal', '1');
}

function spawn(host: Host, end: End, args: readonly string[]): ChildProcess {
  const program = findProgram(end);
  if (program === undefined) throw new Error(String(phantunSkipReason()));
  return host.spawn(program, args, { stdio: 'ignore', env: { ...process.env, RUST_LOG: 'warn' } });
}
