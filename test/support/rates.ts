/** Rates of a hub's clients as tests measure them: by what its daemon counts of inner packets. */
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './daemon.ts';
import type { Host } from './netns.ts';
import { pull, push } from './traffic.ts';

/** More than any test waits for; who pulls hashes all of it beforehand. */
const bulkBytes = { down: 60e6, up: 4e9 };
export const bulkPort = 7000;

export interface Sender {
  /** As the hub calls the peer. */
  readonly name: string;
  readonly host: Host;
  readonly address: string;
}

/** Mbit/s of inner packets to and from each client, over so long. */
export async function ratesOf(daemon: Daemon, seconds: number): Promise<Map<string, { down: number; up: number }>> {
  const read = async () => ({ atMs: performance.now(), peers: await daemon.peers() });
  const before = await read();
  await sleep(seconds * 1000);
  const after = await read();
  const ms = after.atMs - before.atMs;
  return new Map(
    after.peers.map(({ name, limits: now }) => {
      const then = before.peers.find((one) => one.name === name)?.limits;
      const mbit = (bytes: number, base = 0): number => ((bytes - base) * 8) / 1000 / ms;
      const [down, up] = [mbit(now.sentBytes, then?.sentBytes), mbit(now.receivedBytes, then?.receivedBytes)];
      return [name, { down, up }] as const;
    }),
  );
}

/** Begins a transfer that the end of the lab ends, and waits until it is under way. */
export async function bulk(daemon: Daemon, client: Sender, direction: 'down' | 'up', hub = '10.9.0.1'): Promise<void> {
  const move = direction === 'down' ? pull : push;
  move(client.host, hub, bulkPort, bulkBytes[direction]).catch(() => undefined);
  const moved = async (): Promise<number> => {
    const peer = (await daemon.peers()).find(({ name }) => name === client.name);
    return (direction === 'down' ? peer?.limits.sentBytes : peer?.limits.receivedBytes) ?? 0;
  };
  for (const before = await moved(); (await moved()) < before + 300_000; ) await sleep(50);
}

/** Datagrams of 1300 bytes, some Mbit/s of them, to where nobody listens. */
export function flood(from: Host, to: string, mbit: number): ChildProcess {
  const program = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('error', () => undefined);
    const started = performance.now();
    let sent = 0;
    setInterval(() => {
      const due = ((performance.now() - started) * ${mbit} * 125) / 1300;
      for (; sent < due; sent += 1) socket.send(Buffer.alloc(1300), 9, '${to}');
    }, 2);`;
  return from.spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
}
