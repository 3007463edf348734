/** A hub whose store has many clients, a swarm that is them, and one Hawser beside them that is a peer of the hub's file. */
import { randomBytes } from 'node:crypto';
import { Daemon } from '../../test/support/daemon.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { type Host, Lab } from '../../test/support/netns.ts';
import { ping } from '../../test/support/traffic.ts';
import { innerAddressOf, publicKeyOf, Swarm, swarmNetwork } from './swarm.ts';

const port = 51820;
/** The hub, as who is beside the crowd sees it. */
export const hubInside = '10.99.0.1';
const besideInside = '10.99.0.2';
/** Clients that one request brings. */
const batch = 100;
const connectMs = 120_000;

/** What may be otherwise. */
export interface GatherOptions {
  /** So many clients more, who never call. */
  readonly absent?: number;
  /** Sections of the hub's file. */
  readonly more?: object;
  /** Of another checkout. */
  readonly program?: string;
  /** Of the swarm (`SwarmOptions`). */
  readonly nice?: number;
}

export interface Crowd {
  readonly lab: Lab;
  readonly hub: Daemon;
  readonly beside: Host;
  readonly swarm: Swarm;
}

/** Nobody of the swarm has called yet. `room`: for so many clients more. */
export async function gather(count: number, room: number, options: GatherOptions = {}): Promise<Crowd> {
  const lab = new Lab();
  try {
    return await gatherIn(lab, count, room, options);
  } catch (error) {
    await lab.close();
    throw error;
  }
}

async function gatherIn(lab: Lab, count: number, room: number, options: GatherOptions): Promise<Crowd> {
  const { absent = 0, more = {}, program, nice } = options;
  const [many, host, beside] = [lab.host('many'), lab.host('hub'), lab.host('one')];
  lab.join(many, host, { addresses: [['10.2.0.2/24'], ['10.2.0.1/24']] });
  lab.join(beside, host, { addresses: [['10.3.0.2/24'], ['10.3.0.1/24']] });
  host.ip(`route add ${swarmNetwork} via 10.2.0.2`);
  const seed = randomBytes(8).toString('hex');
  const [keysHub, keysBeside] = [generateKeys(), generateKeys()];
  const hub = new Daemon(lab, host, {
    keys: keysHub,
    addresses: [`${hubInside}/24`],
    port,
    peers: [{ name: 'one', publicKey: keysBeside.publicKey, allowedIPs: [`${besideInside}/32`] }],
    more: { ...more, server: { pool: '10.100.0.0/16', limits: { clients: count + absent + room } } },
    ...(program === undefined ? {} : { program }),
  });
  const allowedIPs = [`${hubInside}/32`];
  const toHub = { name: 'hub', publicKey: keysHub.publicKey, allowedIPs, endpoints: [`10.3.0.1:${port}`] };
  const one = new Daemon(lab, beside, { keys: keysBeside, addresses: [`${besideInside}/24`], peers: [toHub] });
  const own = nice === undefined ? {} : { nice };
  const swarm = new Swarm(many, { count, seed, server: '10.2.0.1', port, serverKey: keysHub.publicKey, ...own });
  await hub.start();
  await one.start();
  const all = count + absent;
  for (let from = 0; from < all; from += batch) {
    const clients = Array.from({ length: Math.min(batch, all - from) }, (_, at) => clientOf(seed, from + at));
    await hub.ask('client.import', { clients });
  }
  await swarm.state();
  if ((await ping(beside, hubInside, { count: 5, intervalMs: 200 })).received === 0) throw new Error('no tunnel');
  return { lab, hub, beside, swarm };
}

function clientOf(seed: string, index: number): object {
  const device = { name: '', publicKey: publicKeyOf(seed, index), presharedKey: '', isReserved: false };
  const devices = [{ ...device, addresses: [innerAddressOf(index)] }];
  return { id: `${index}`, name: `p${index}`, isEnabled: true, createdMs: Date.now(), devices };
}

/** All of the swarm shake hands, anew if they have before. Milliseconds until the last of them. */
export async function connect({ swarm }: Crowd, count: number): Promise<number> {
  swarm.say('connect');
  const { connected, lastMs } = await swarm.connected(connectMs);
  if (connected < count) throw new Error(`${connected} of ${count} connected within ${connectMs} ms`);
  return lastMs;
}
