/** Hosts `a` and `b` on two wires, a hawser on each that uses both. */
import { Daemon } from './daemon.ts';
import { generateKeys } from './keys.ts';
import { type Host, Lab, type Port } from './netns.ts';
import { port } from './pair.ts';
import { ping } from './traffic.ts';

export const inner = { a: '10.9.0.1', b: '10.9.0.2' } as const;

export interface TwoLinks {
  readonly lab: Lab;
  readonly hosts: { readonly a: Host; readonly b: Host };
  /** Of each wire, the end at `a`. */
  readonly ports: readonly Port[];
  readonly a: Daemon;
  readonly b: Daemon;
}

/** Starts both daemons and waits until `a` has two live paths; `program`: of another build, at both ends. */
export async function startTwoLinks(options: { readonly program?: string } = {}): Promise<TwoLinks> {
  const lab = new Lab();
  const [hostA, hostB] = [lab.host('a'), lab.host('b')];
  const ports = [1, 2].map(
    (number) =>
      lab.join(hostA, hostB, {
        interfaces: [`wan${number}`, `wan${number}`],
        addresses: [[`198.18.${number}.1/24`], [`198.18.${number}.2/24`]],
      })[0],
  );
  for (const number of [1, 2])
    hostA.ip(`route add 203.0.113.1 via 198.18.${number}.2 dev wan${number} metric 10${number}`);
  hostB.ip('address add 203.0.113.1/32 dev lo');
  for (const host of [hostA, hostB]) host.setSysctl('net.ipv4.conf.all.rp_filter', '0');
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const b = new Daemon(lab, hostB, {
    ...options,
    keys: keysB,
    addresses: [`${inner.b}/24`],
    port,
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inner.a}/32`] }],
  });
  const a = new Daemon(lab, hostA, {
    ...options,
    keys: keysA,
    addresses: [`${inner.a}/24`],
    peers: [
      {
        name: 'b',
        publicKey: keysB.publicKey,
        allowedIPs: ['10.9.0.0/24'],
        endpoints: [`203.0.113.1:${port}`],
        keepalive: '25s',
      },
    ],
    more: { links: [1, 2].map((number) => ({ name: `wan${number}`, interface: `wan${number}` })) },
  });
  try {
    await b.start();
    await a.start();
    for (let tries = 0; tries < 60; tries += 1) {
      await ping(hostA, inner.b, { count: 5, intervalMs: 100 });
      const paths = await a.ask<{ readonly condition?: string }[]>('paths');
      if (paths.filter((path) => path.condition === 'live').length >= 2)
        return { lab, hosts: { a: hostA, b: hostB }, ports, a, b };
    }
    throw new Error(`no two live paths:\n${a.log()}\n${b.log()}`);
  } catch (error) {
    await lab.close();
    throw error;
  }
}
