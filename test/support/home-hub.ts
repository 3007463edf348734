/** A home that calls a hub, each a host of a lab that the test has wired as it likes. */
import { Daemon } from './daemon.ts';
import { generateKeys } from './keys.ts';
import type { Host, Lab } from './netns.ts';
import { inside, port } from './pair.ts';
import { ping } from './traffic.ts';

export interface HomeAndHub {
  readonly home: Daemon;
  readonly hub: Daemon;
  /** Whether a packet from home comes back through the tunnel. */
  isThrough(): Promise<boolean>;
}

export interface HomeOptions {
  /** Where home calls the hub, as the configuration has it. */
  readonly endpoint: string;
  readonly keepalive?: string;
  /** Interfaces that are links by the same names; none = `links` is left out. */
  readonly links?: readonly string[];
}

/** Both run; nothing may have passed yet. */
export async function startHomeAndHub(lab: Lab, home: Host, hub: Host, options: HomeOptions): Promise<HomeAndHub> {
  const { endpoint, keepalive, links = [] } = options;
  const [homeKeys, hubKeys] = [generateKeys(), generateKeys()];
  const peer = { name: 'hub', publicKey: hubKeys.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints: [endpoint] };
  const homeDaemon = new Daemon(lab, home, {
    keys: homeKeys,
    addresses: [`${inside.a4}/24`],
    peers: [{ ...peer, ...(keepalive === undefined ? {} : { keepalive }) }],
    more: links.length === 0 ? {} : { links: links.map((name) => ({ name, interface: name })) },
  });
  const hubDaemon = new Daemon(lab, hub, {
    keys: hubKeys,
    addresses: [`${inside.b4}/24`],
    port,
    peers: [{ name: 'home', publicKey: homeKeys.publicKey, allowedIPs: [`${inside.a4}/32`] }],
  });
  await hubDaemon.start();
  await homeDaemon.start();
  return {
    home: homeDaemon,
    hub: hubDaemon,
    isThrough: async () => (await ping(home, inside.b4, { count: 5, intervalMs: 100 })).received > 0,
  };
}
