/** Whether this host could translate addresses of clients: the kernel is asked, and nothing is changed. */
import { parseCidr } from '../../config/address.ts';
import { runNft } from '../network/nft.ts';
import type { NatPlan } from './plan.ts';
import { natTable } from './ruleset.ts';

/** undefined = yes, else why not. */
export function tryNat(): string | undefined {
  const pools = ['10.100.0.0/16', 'fd00:100::/64'].flatMap((text) => parseCidr(text) ?? []);
  const plan: NatPlan = {
    name: 'hawser-trial',
    interface: 'hawser0',
    pools,
    masquerade: { 4: true, 6: true },
    addresses: [],
    ports: { first: 10_000, last: 65_535 },
    perClient: 0,
    connections: 1,
    timeoutSeconds: 300,
    ownPorts: { udp: [51_820], tcp: [443] },
    isolation: true,
    runDirectory: '/run/hawser',
    stateDirectory: '/var/lib/hawser',
  };
  return runNft(natTable(plan), true);
}
