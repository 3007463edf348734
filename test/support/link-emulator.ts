/**
 * Emulated links between a client and a server, as in real life: the client has an interface, an address and a default route on
 * each link; the server has one address; a router of the provider stands between.
 *
 *   client ═ <link> ═ [air: emulator] ═ <link> ═ isp (router) ═ core ═ server        up = client → server, down = server → client
 *
 * Frames are cut to the MTU where they leave client and router, and joined (GRO) where they arrive. A link's rate counts
 * Ethernet frames without preamble and check sequence.
 */
import type { ChildProcess } from 'node:child_process';
import readline from 'node:readline';
import { compiledProgram } from './compiled.ts';
import { cutFrames, type Host, type Lab } from './netns.ts';

export type Direction = 'up' | 'down';
/** One value for both directions, or one each. */
export type Both<T> = T | Readonly<Record<Direction, T>>;

export interface LinkParameters {
  /** 0 = as fast as the machine. */
  readonly rateMbit?: Both<number>;
  /** One way: the round trip of the link is twice this. */
  readonly delayMs?: Both<number>;
  /** Sigma of a normal distribution, one way; never below a tenth of the delay. */
  readonly jitterMs?: Both<number>;
  /** false: each jittered frame for itself, so that they overtake each other. */
  readonly keepsOrder?: Both<boolean>;
  /** Share of frames lost at random, behind the bottleneck. */
  readonly loss?: Both<number>;
  /** Gilbert-Elliott: probability a frame that a loss burst starts, and that it ends. */
  readonly burst?: Both<{ readonly start: number; readonly end: number }>;
  readonly duplicate?: Both<number>;
  /** Share of frames held back by `reorderByMs` (5). */
  readonly reorder?: Both<number>;
  readonly reorderByMs?: Both<number>;
  /** Drop-tail queue before the bottleneck, as time at the link's rate at this moment. */
  readonly queueMs?: Both<number>;
  readonly queueBytes?: Both<number>;
  /** Longer IP packets vanish silently; 0 = none do. */
  readonly mtu?: Both<number>;
}

export interface LinkOptions extends LinkParameters {
  /** Interface name on client and router: 13 characters at most. */
  readonly name: string;
}

export interface DirectionStatistics {
  readonly frames: number;
  readonly bytes: number;
  readonly deliveredFrames: number;
  readonly deliveredBytes: number;
  /** The queue was full. */
  readonly dropped: number;
  /** Lost on the wire, by `loss` or `burst`. */
  readonly lost: number;
  readonly swallowed: number;
  /** Longer than `mtu`. */
  readonly tooLong: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Frames the emulator cannot carry; must be 0. */
  readonly oversized: number;
  /** Frames the receiver's interface did not take (no carrier). */
  readonly refused: number;
  readonly queueBytes: number;
  readonly maxQueueBytes: number;
}

export type LinkStatistics = Readonly<Record<Direction, DirectionStatistics>>;

/** The server's addresses on the core, on every emulated network. */
export const core = { server4: '203.0.113.1', server6: 'fd77:113::1' } as const;
const coreRouter = { v4: '203.0.113.254', v6: 'fd77:113::fe' } as const;
/** A modem's or router's buffer of the usual kind. */
const defaultQueueMs = 100;

/** The client's and the router's addresses on link `index`. */
export function linkAddresses(index: number) {
  const [net4, net6] = [`10.${80 + index}.0`, `fd80:${index}:`];
  return { client4: `${net4}.1`, client6: `${net6}:1`, router4: `${net4}.254`, router6: `${net6}:fe` };
}

function isDirectional<T>(value: Both<T>): value is Readonly<Record<Direction, T>> {
  return typeof value === 'object' && value !== null && 'up' in value && 'down' in value;
}

function pick<T>(value: Both<T> | undefined, direction: Direction): T | undefined {
  if (value === undefined) return undefined;
  return isDirectional(value) ? value[direction] : value;
}

/** The emulator's words for one direction. */
function parameterWords(all: LinkParameters, direction: Direction): string[] {
  const words: string[] = [];
  const add = (key: string, value: number | undefined, factor = 1) => {
    if (value !== undefined) words.push(key, String(value * factor));
  };
  const of = <T>(value: Both<T> | undefined) => pick(value, direction);
  const rateMbit = of(all.rateMbit);
  add('rateBps', rateMbit, 1e6);
  add('delayNs', of(all.delayMs), 1e6);
  add('jitterNs', of(all.jitterMs), 1e6);
  const keepsOrder = of(all.keepsOrder);
  add('keepsOrder', keepsOrder === undefined ? undefined : Number(keepsOrder));
  add('loss', of(all.loss));
  add('burstStart', of(all.burst)?.start);
  add('burstEnd', of(all.burst)?.end);
  add('duplicate', of(all.duplicate));
  add('reorder', of(all.reorder));
  add('reorderByNs', of(all.reorderByMs), 1e6);
  const queueMs = of(all.queueMs);
  if (queueMs !== undefined && rateMbit !== undefined && rateMbit > 0) add('queueBytes', queueMs * rateMbit, 125);
  add('queueBytes', of(all.queueBytes));
  add('mtu', of(all.mtu));
  return words;
}

export class EmulatedLink {
  readonly name: string;
  readonly index: number;
  readonly #net: EmulatedNet;
  #parameters: LinkParameters;

  constructor(net: EmulatedNet, index: number, { name, ...parameters }: LinkOptions) {
    this.#net = net;
    this.name = name;
    this.index = index;
    this.#parameters = { queueMs: defaultQueueMs, ...parameters };
  }

  get parameters(): LinkParameters {
    return this.#parameters;
  }

  /** Takes effect at once, also for what waits in the queue; what is on the wire arrives as it would have. */
  async set(change: LinkParameters): Promise<void> {
    // A queue of some time changes its bytes with the rate.
    this.#parameters = { ...this.#parameters, ...change };
    for (const direction of ['up', 'down'] as const) {
      const words = parameterWords(this.#parameters, direction);
      await this.#net.order(`set ${this.index} ${direction} ${words.join(' ')}`);
    }
  }

  /** Silently swallows what passes the middle of the link from now on; interfaces keep their carrier. */
  async blackhole(direction: Direction | 'both', isOn: boolean): Promise<void> {
    await this.#net.order(`set ${this.index} ${direction} blackhole ${Number(isOn)}`);
  }

  /** Takes the carrier from the client's interface, or gives it back. */
  carrier(isOn: boolean): void {
    this.#net.air.ip(`link set ${this.name}-a ${isOn ? 'up' : 'down'}`);
  }

  /** Another lease: the client's address on this link ends in `.<last>` from now on; routes are made again, as a DHCP client does. */
  renumber(last: number): void {
    const { client4, router4 } = linkAddresses(this.index);
    const { client } = this.#net;
    client.ip(`-4 address flush dev ${this.name}`);
    client.ip(`address add ${client4.replace(/\d+$/, String(last))}/24 dev ${this.name}`);
    client.ip(`route add default via ${router4} dev ${this.name} metric ${100 + this.index}`);
  }

  async stats(): Promise<LinkStatistics> {
    const { links } = await this.#net.stats();
    const found = links[this.index];
    if (found === undefined) throw new Error(`no statistics of link ${this.name}`);
    return found;
  }
}

export interface EmulatorStatistics {
  /** CPU time of the emulator's process since its start. */
  readonly cpuMs: number;
  readonly links: readonly LinkStatistics[];
}

export class EmulatedNet {
  readonly client: Host;
  readonly server: Host;
  /** The provider's router. */
  readonly isp: Host;
  readonly air: Host;
  readonly links: readonly EmulatedLink[];
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(lab: Lab, { client, server, links, seed = 1 }: EmulateOptions) {
    this.client = client;
    this.server = server;
    this.air = lab.host('air');
    this.isp = lab.host('isp');
    this.links = links.map((link, index) => new EmulatedLink(this, index, link));
    const interfaces = links.flatMap(({ name }) => [`${name}-a`, `${name}-b`]);
    buildNetwork(lab, this);
    const args = [String(seed), ...interfaces];
    this.#child = this.air.spawn(compiledProgram('link-emulator'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('link emulator without a pipe');
    this.#answers = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  link(name: string): EmulatedLink {
    const found = this.links.find((link) => link.name === name);
    if (found === undefined) throw new Error(`no link "${name}"`);
    return found;
  }

  async begin(): Promise<void> {
    await this.#answer();
    for (const link of this.links) await link.set({});
  }

  /** One line to the emulator and its answer; orders are answered in their order. */
  order<T>(line: string): Promise<T> {
    const answered = this.#last.then(async () => {
      this.#child.stdin?.write(`${line}\n`);
      return (await this.#answer()) as T;
    });
    this.#last = answered.catch(() => undefined);
    return answered;
  }

  stats(): Promise<EmulatorStatistics> {
    return this.order('stats');
  }

  /** Ends the emulator; the lab removes the namespaces. */
  close(): void {
    this.#child.stdin?.end();
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the link emulator ended');
    const answer: unknown = JSON.parse(value);
    if (typeof answer === 'object' && answer !== null && 'error' in answer)
      throw new Error(`link emulator: ${String(answer.error)}`);
    return answer;
  }
}

export interface EmulateOptions {
  readonly client: Host;
  readonly server: Host;
  readonly links: readonly LinkOptions[];
  readonly seed?: number;
}

function buildNetwork(lab: Lab, { client, server, isp, air, links }: EmulatedNet): void {
  // What arrives on one link for an address whose route is another is not forged here.
  for (const host of [client, isp]) for (const which of ['all', 'default']) loosen(host, which);
  air.setSysctl('net.ipv6.conf.default.disable_ipv6', '1');
  isp.forward();
  for (const { name, index } of links) {
    const at = linkAddresses(index);
    const [near] = lab.join(client, air, {
      interfaces: [name, `${name}-a`],
      addresses: [[`${at.client4}/24`, `${at.client6}/64`], []],
    });
    const [, far] = lab.join(air, isp, {
      interfaces: [`${name}-b`, name],
      addresses: [[], [`${at.router4}/24`, `${at.router6}/64`]],
    });
    for (const port of [near, far]) cutFrames(port);
    client.ip(`route add default via ${at.router4} dev ${name} metric ${100 + index}`);
    client.ip(`-6 route add default via ${at.router6} dev ${name} metric ${100 + index}`);
  }
  const [, serverPort] = lab.join(isp, server, {
    interfaces: ['core', 'core'],
    addresses: [
      [`${coreRouter.v4}/24`, `${coreRouter.v6}/64`],
      [`${core.server4}/24`, `${core.server6}/64`],
    ],
  });
  serverPort.host.run('ethtool', ['-K', serverPort.interface, 'gro', 'on']);
  server.ip(`route add default via ${coreRouter.v4}`);
  server.ip(`-6 route add default via ${coreRouter.v6}`);
}

function loosen(host: Host, which: string): void {
  host.setSysctl(`net.ipv4.conf.${which}.rp_filter`, '0');
}

/** Builds the network between two hosts of a lab and starts the emulator. */
export async function emulate(lab: Lab, options: EmulateOptions): Promise<EmulatedNet> {
  const net = new EmulatedNet(lab, options);
  await net.begin();
  return net;
}
