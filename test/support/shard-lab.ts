/** A hub whose peers are spread over two pairs of sealer and opener, each peer on a host and a wire of its own. */
import { Daemon } from './daemon.ts';
import { generateKeys, type KeyPair } from './keys.ts';
import { type Host, Lab } from './netns.ts';
import { port } from './pair.ts';
import { ping } from './traffic.ts';

export const hubAddress = '10.9.0.1';

export interface ShardPeer {
  readonly host: Host;
  readonly daemon: Daemon;
  readonly keys: KeyPair;
  readonly address: string;
  /** Of the hub: its row is its place in the hub's file. */
  readonly shard: number;
}

export interface ShardLab {
  readonly lab: Lab;
  readonly hub: Daemon;
  readonly hubHost: Host;
  readonly peers: readonly ShardPeer[];
}

interface ShardLabOptions {
  /** By which transport each peer reaches the hub. */
  readonly transports: readonly ('udp' | 'faketcp' | 'tls')[];
  readonly placement: 'dedicated' | 'compact';
  readonly shards?: number;
  /** Of another build, at all ends. */
  readonly program?: string | undefined;
}

const tcpPort = 4433;

/** Starts all daemons and waits until each peer's pings pass. */
export async function startShardLab(options: ShardLabOptions): Promise<ShardLab> {
  const { transports, placement, shards = 2 } = options;
  const program = options.program === undefined ? {} : { program: options.program };
  const lab = new Lab();
  const hubHost = lab.host('hub');
  const hubKeys = generateKeys();
  const peers = transports.map((transport, row): ShardPeer => {
    const host = lab.host(`c${row}`);
    lab.join(host, hubHost, { addresses: [[`10.80.${row}.1/24`], [`10.80.${row}.2/24`]] });
    const keys = generateKeys();
    const address = `10.9.0.${row + 10}`;
    const [scheme, to] = transport === 'udp' ? ['', port] : [`${transport}://`, transport === 'tls' ? 443 : tcpPort];
    const daemon = new Daemon(lab, host, {
      ...program,
      keys,
      addresses: [`${address}/24`],
      peers: [
        {
          name: 'hub',
          publicKey: hubKeys.publicKey,
          allowedIPs: ['10.9.0.0/24'],
          endpoints: [`${scheme}10.80.${row}.2:${to}`],
          keepalive: '5s',
        },
      ],
    });
    return { host, daemon, keys, address, shard: row % shards };
  });
  const others = new Set(transports);
  const hub = new Daemon(lab, hubHost, {
    ...program,
    keys: hubKeys,
    addresses: [`${hubAddress}/24`],
    peers: peers.map(({ keys, address, host }) => ({
      name: host.name,
      publicKey: keys.publicKey,
      allowedIPs: [`${address}/32`],
    })),
    more: {
      listen: {
        udp: port,
        ...(others.has('faketcp') ? { faketcp: tcpPort } : {}),
        ...(others.has('tls') ? { tls: 443 } : {}),
      },
      runtime: { placement, ...(shards === 1 ? {} : { shards }) },
    },
  });
  try {
    await hub.start();
    await Promise.all(peers.map(({ daemon }) => daemon.start()));
    for (const { host } of peers) {
      const { received } = await ping(host, hubAddress, { count: 20, intervalMs: 100 });
      if (received === 0) throw new Error(`no ping of ${host.name} passes:\n${hub.log()}`);
    }
    return { lab, hub, hubHost, peers };
  } catch (error) {
    await lab.close();
    throw error;
  }
}
