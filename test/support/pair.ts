/** The commonest laboratory: hosts `a` and `b` on one wire, a hawser on each, both families outside and inside. */
import { Daemon, type DaemonOptions, type PeerOptions } from './daemon.ts';
import { generateKeys } from './keys.ts';
import { type Host, Lab, limitRate, type Port } from './netns.ts';
import { ping } from './traffic.ts';

export const outside = { a4: '10.77.0.1', b4: '10.77.0.2', a6: 'fd77::1', b6: 'fd77::2' } as const;
export const inside = { a4: '10.9.0.1', b4: '10.9.0.2', a6: 'fd09::1', b6: 'fd09::2' } as const;
export const port = 51820;

export interface PairOptions {
  /** Bottleneck in both directions; none = the veth's own speed. */
  readonly rateMbit?: number;
  /** For both sides: `runtime`, `routing`. */
  readonly more?: DaemonOptions['more'];
  readonly peer?: Partial<PeerOptions>;
  /** Family of `b`'s endpoint. */
  readonly over?: 4 | 6;
  /** Where `a` reaches `b`, instead. */
  readonly endpoints?: readonly string[];
}

export interface Pair {
  readonly lab: Lab;
  readonly hosts: { readonly a: Host; readonly b: Host };
  readonly ports: readonly [Port, Port];
  readonly a: Daemon;
  readonly b: Daemon;
}

/** Two hosts on a wire, with `outside` addresses. */
export function buildWire(lab: Lab): { a: Host; b: Host; ports: readonly [Port, Port] } {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const ports = lab.join(a, b, {
    addresses: [
      [`${outside.a4}/24`, `${outside.a6}/64`],
      [`${outside.b4}/24`, `${outside.b6}/64`],
    ],
  });
  return { a, b, ports };
}

/** Builds everything; nothing is started. `a` knows `b`'s endpoint, not the reverse. */
export function buildPair(options: PairOptions = {}): Pair {
  const lab = new Lab();
  const { a, b, ports } = buildWire(lab);
  if (options.rateMbit !== undefined) for (const each of ports) limitRate(each, { rateMbit: options.rateMbit });
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const more = options.more ?? {};
  const endpoint = options.over === 6 ? `[${outside.b6}]:${port}` : `${outside.b4}:${port}`;
  const peerA = { name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`, `${inside.a6}/128`] };
  const peerB = { name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`, `${inside.b6}/128`] };
  return {
    lab,
    hosts: { a, b },
    ports,
    a: new Daemon(lab, a, {
      keys: keysA,
      addresses: [`${inside.a4}/24`, `${inside.a6}/64`],
      peers: [{ ...peerB, endpoints: options.endpoints ?? [endpoint], ...options.peer }],
      more,
    }),
    b: new Daemon(lab, b, {
      keys: keysB,
      addresses: [`${inside.b4}/24`, `${inside.b6}/64`],
      port,
      peers: [{ ...peerA, ...options.peer }],
      more,
    }),
  };
}

/** Starts both daemons and waits until a ping passes; throws with both logs when none does. */
export async function startPair(options: PairOptions = {}): Promise<Pair> {
  const pair = buildPair(options);
  try {
    // The one that is called first: a call that nobody hears is made again after 5 s only.
    await pair.b.start();
    await pair.a.start();
    const { received } = await ping(pair.hosts.a, inside.b4, { count: 10, intervalMs: 100 });
    if (received === 0) throw new Error(`no ping from a to b:\n${pair.a.log()}\n${pair.b.log()}`);
  } catch (error) {
    await pair.lab.close();
    throw error;
  }
  return pair;
}
