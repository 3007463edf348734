/** A real client with several emulated links and a real server with one address, joined by hawser over all or some of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon, type DaemonOptions } from './daemon.ts';
import { generateKeys } from './keys.ts';
import { core, type EmulatedNet, emulate, type LinkOptions } from './link-emulator.ts';
import { Lab } from './netns.ts';
import { inside, port } from './pair.ts';
import { ping } from './traffic.ts';

/** Proof of a path takes a round trip or two; one that came back must be stable, and one that flaps is held down for a minute. */
const pathsTimeoutMs = 90_000;

export interface RopeOptions {
  /** Names of the emulated links the client is told of; all by default, in the order of the net. */
  readonly use?: readonly string[];
  /** More keys of a link in the client's config: `priority`, `weight`, `role`, `rate`, `health`. */
  readonly links?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** A second transport, by which both ends listen on the port behind the usual one, and the server is reached on each link. */
  readonly transport?: string;
  /** The `bonding` section of both sides. */
  readonly bonding?: Readonly<Record<string, unknown>>;
  /** For both sides: `runtime`, `routing`. */
  readonly more?: DaemonOptions['more'];
  readonly cipher?: string;
  /** The server's address on the core, IPv4 by default. */
  readonly family?: 4 | 6;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running pair of daemons; from the client the server is `inside.b4`, and the reverse `inside.a4`. */
export class Rope {
  readonly client: Daemon;
  readonly server: Daemon;

  constructor(client: Daemon, server: Daemon) {
    this.client = client;
    this.server = server;
  }

  /** Waits until each link of the client has all its transports, on both sides: so many paths that live. */
  async awaitLive(count: number): Promise<void> {
    const endMs = performance.now() + pathsTimeoutMs;
    for (;;) {
      const both = await Promise.all(
        [this.client, this.server].map((daemon) => daemon.ask<readonly PathStatus[]>('paths')),
      );
      if (both.every((paths) => paths.filter(({ condition }) => condition === 'live').length >= count)) return;
      if (performance.now() > endMs) throw new Error(`not ${count} paths live on both sides: ${JSON.stringify(both)}`);
      await sleep(100);
    }
  }

  /** Paths that carry data when they are needed, as the daemon on this side sees them. */
  async upPaths(side: 'client' | 'server'): Promise<readonly PathStatus[]> {
    const paths = await this[side].ask<readonly PathStatus[]>('paths');
    return paths.filter(({ state, condition }) => state === 'up' && (condition === undefined || condition === 'live'));
  }

  /** Waits until both sides may use `count` paths; throws with both logs when they do not. */
  async awaitPaths(count: number): Promise<void> {
    const endMs = performance.now() + pathsTimeoutMs;
    for (;;) {
      const [client, server] = await Promise.all([this.upPaths('client'), this.upPaths('server')]);
      if (client.length >= count && server.length >= count) return;
      if (performance.now() > endMs) {
        const state = JSON.stringify({
          client: await this.client.ask('paths'),
          server: await this.server.ask('paths'),
        });
        throw new Error(`not ${count} paths up on both sides: ${state}\n${this.client.log()}\n${this.server.log()}`);
      }
      await sleep(100);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.client, this.server].map((daemon) => (daemon.isRunning ? daemon.stop() : undefined)));
  }
}

let ropeCount = 0;

/** Starts a daemon on both hosts of the net and waits until a ping passes and every link has its path. */
export async function startRope(lab: Lab, net: EmulatedNet, options: RopeOptions = {}): Promise<Rope> {
  ropeCount += 1;
  const { use = net.links.map((link) => link.name), bonding, cipher, env } = options;
  const [clientKeys, serverKeys] = [generateKeys(), generateKeys()];
  const { transport } = options;
  const more = {
    ...options.more,
    ...(bonding === undefined ? {} : { bonding }),
    ...(transport === undefined ? {} : { listen: { udp: port, [transport]: port + 1 } }),
  };
  const host = options.family === 6 ? `[${core.server6}]` : core.server4;
  const spare = transport === undefined ? [] : [`${transport}://${host}:${port + 1}`];
  const shared = env === undefined ? {} : { env };
  const peer = cipher === undefined ? {} : { cipher };
  const server = new Daemon(lab, net.server, {
    ...shared,
    instance: `server${ropeCount}`,
    keys: serverKeys,
    addresses: [`${inside.b4}/24`, `${inside.b6}/64`],
    port,
    peers: [
      { ...peer, name: 'client', publicKey: clientKeys.publicKey, allowedIPs: [`${inside.a4}/32`, `${inside.a6}/128`] },
    ],
    more,
  });
  const client = new Daemon(lab, net.client, {
    ...shared,
    instance: `client${ropeCount}`,
    keys: clientKeys,
    addresses: [`${inside.a4}/24`, `${inside.a6}/64`],
    peers: [
      {
        ...peer,
        name: 'server',
        publicKey: serverKeys.publicKey,
        allowedIPs: [`${inside.b4}/32`, `${inside.b6}/128`],
        endpoints: [`${host}:${port}`, ...spare],
      },
    ],
    more: { ...more, links: use.map((name) => ({ name, interface: name, ...options.links?.[name] })) },
  });
  const rope = new Rope(client, server);
  await server.start();
  await client.start();
  const { received } = await ping(net.client, inside.b4, { count: 10, intervalMs: 200 });
  if (received === 0) throw new Error(`no ping through the rope:\n${client.log()}\n${server.log()}`);
  await rope.awaitPaths(use.length);
  return rope;
}

export interface BondOptions extends RopeOptions {
  readonly emulated: readonly LinkOptions[];
  readonly seed?: number;
}

export interface Bond {
  readonly lab: Lab;
  readonly net: EmulatedNet;
  readonly rope: Rope;
}

/** Network and daemons in one; `lab.close()` ends it all. */
export async function startBond({ emulated, seed = 1, ...options }: BondOptions): Promise<Bond> {
  const lab = new Lab();
  try {
    const hosts = { client: lab.host('client'), server: lab.host('server') };
    const net = await emulate(lab, { ...hosts, links: emulated, seed });
    return { lab, net, rope: await startRope(lab, net, options) };
  } catch (error) {
    await lab.close();
    throw error;
  }
}
