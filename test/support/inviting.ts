/** A hub that invites, and hosts that run the line that it printed, as people run it there. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cliProgram, type Daemon } from './daemon.ts';
import type { Host, Lab } from './netns.ts';
import { ping } from './traffic.ts';

/** A way out, so that the host has a link; nobody is there, so that what arrives has come through the tunnel. */
export function leadOut(host: Host): void {
  host.ip('route add default via 10.77.0.254');
}

/** The line that the hub prints. */
export async function invite(hub: Daemon, name: string, ...more: string[]): Promise<string> {
  const { status, stdout, stderr } = await hub.cli('invite', name, ...more);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

export interface Joining {
  readonly folder: string;
  readonly child: ChildProcess;
  /** What it said so far. */
  log(): string;
  /** Its exit code, or the signal that ended it. */
  ended(): Promise<number | string>;
}

/** Runs `hawser join` on a host: without `--no-up` it stays, and is the tunnel. `label`: of its folders. */
export function join(lab: Lab, host: Host, line: string, label: string, ...more: string[]): Joining {
  const word = line.split(' ')[2] ?? '';
  const folder = path.join(lab.folder, `etc-${label}`);
  const places = ['--out', folder, '--run-directory', path.join(lab.folder, `run-${label}`)];
  const args = [cliProgram, 'join', word, ...places, '--state-directory', path.join(folder, 'state'), ...more];
  const said: string[] = [];
  const child = host.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exit = once(child, 'close') as Promise<[number | null, string | null]>;
  return {
    folder,
    child,
    log: () => said.join(''),
    ended: async () => {
      const [code, signal] = await exit;
      return code ?? signal ?? 'unknown';
    },
  };
}

export async function served(host: Host, address: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries += 1) if ((await ping(host, address, { count: 2 })).received > 0) return true;
  return false;
}

/** Files that a join has left, by their names. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(yaml|key|psk)$/.test(name))
    .sort();
}

export function textOf(folder: string, name: string): string {
  return readFileSync(path.join(folder, name), 'utf8');
}
