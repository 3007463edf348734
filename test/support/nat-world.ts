/** A hub that translates its clients' addresses, as daemons on hosts: two clients, and a host outside that knows nothing of them. */
import { spawnSync } from 'node:child_process';
import { Daemon } from './daemon.ts';
import { generateKeys, type KeyPair } from './keys.ts';
import { type Host, Lab, skipReason } from './netns.ts';
import { port } from './pair.ts';
import { ping } from './traffic.ts';
import { until } from './until.ts';

const hasNft = spawnSync('nft', ['--version']).error === undefined;
const skip = skipReason() || (hasNft ? false : 'needs nft (apt-get install nftables)');
export const options = skip === false ? {} : { skip };
export const mirror = 7070;
export const hubAddress = '203.0.113.1';
export const outAddress = '203.0.113.9';
export const inner = { hub: '10.100.0.1', a: '10.100.0.2', c: '10.100.0.3' } as const;

export interface NatWorld {
  readonly lab: Lab;
  readonly hub: Host;
  readonly out: Host;
  readonly a: Host;
  readonly c: Host;
  readonly keys: Readonly<Record<'hub' | 'a' | 'c', KeyPair>>;
  readonly daemons: Readonly<Record<'hub' | 'a' | 'c', Daemon>>;
}

/** `fileClients`: those that the hub's file knows. */
export function buildNatWorld(
  server: Readonly<Record<string, unknown>>,
  fileClients: readonly ('a' | 'c')[] = ['a', 'c'],
): NatWorld {
  const lab = new Lab();
  const [hub, out, a, c] = ['hub', 'out', 'a', 'c'].map((name) => lab.host(name)) as [Host, Host, Host, Host];
  lab.join(hub, out, { interfaces: ['wan', 'net'], addresses: [[`${hubAddress}/24`], [`${outAddress}/24`]] });
  lab.join(a, hub, { interfaces: ['wan', 'la'], addresses: [['10.77.1.2/24'], ['10.77.1.1/24']] });
  lab.join(c, hub, { interfaces: ['wan', 'lc'], addresses: [['10.77.2.2/24'], ['10.77.2.1/24']] });
  const keys = { hub: generateKeys(), a: generateKeys(), c: generateKeys() };
  const client = (host: Host, name: 'a' | 'c', endpoint: string) =>
    new Daemon(lab, host, {
      keys: keys[name],
      addresses: [`${inner[name]}/32`],
      peers: [
        {
          name: 'hub',
          publicKey: keys.hub.publicKey,
          allowedIPs: ['0.0.0.0/0'],
          endpoints: [`${endpoint}:${port}`],
          keepalive: '1s',
        },
      ],
    });
  return {
    lab,
    hub,
    out,
    a,
    c,
    keys,
    daemons: {
      hub: new Daemon(lab, hub, {
        keys: keys.hub,
        addresses: [`${inner.hub}/16`],
        port,
        peers: fileClients.map((name) => ({
          name,
          publicKey: keys[name].publicKey,
          allowedIPs: [`${inner[name]}/32`],
        })),
        more: { server: { pool: '10.100.0.0/16', ...server } },
      }),
      a: client(a, 'a', '10.77.1.1'),
      c: client(c, 'c', '10.77.2.1'),
    },
  };
}

export async function startNatWorld({ daemons: { hub, a, c }, ...hosts }: NatWorld): Promise<void> {
  await hub.start();
  await Promise.all([a.start(), c.start()]);
  await hubAnswers(hosts.a, hosts.c);
}

export async function hubAnswers(...clients: readonly Host[]): Promise<void> {
  for (const host of clients) await until('the hub answers', async () => (await ping(host, inner.hub)).received > 0);
}
