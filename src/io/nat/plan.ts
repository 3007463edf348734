/** What address translation and isolation shall be while an instance runs: pure, nothing is touched. */
import type { Family } from '../../base/family.ts';
import type { Cidr } from '../../config/config.ts';
import type { PortForward } from '../../config/nat-schema.ts';

/** Addresses of one client in the pools. */
export interface NatLease {
  readonly name: string;
  readonly publicKey?: string | undefined;
  /** Whose device it is: those of one client have one block of ports. */
  readonly client?: string | undefined;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** Its own outside: nothing of it is shared, and all that comes to that address goes to the client. */
  readonly publicAddress?: string | undefined;
  readonly forwards?: readonly PortForward[] | undefined;
}

export interface NatPlan {
  /** Of the instance. */
  readonly name: string;
  /** The tunnel's. */
  readonly interface: string;
  readonly pools: readonly Cidr[];
  readonly masquerade: Readonly<Record<Family, boolean>>;
  /** Outside addresses; of a family that has none, the one of the interface that a packet leaves by. */
  readonly addresses: readonly Cidr[];
  readonly ports: { readonly first: number; readonly last: number };
  /** Ports of a client's own; 0 = all are shared. */
  readonly perClient: number;
  /** Most connections of a client at a time; 0 = any number. */
  readonly connections: number;
  /** How long a mapping of UDP outlives its last packet. */
  readonly timeoutSeconds: number;
  /** Ports of the instance itself: nothing else is made of what comes to them. */
  readonly ownPorts: { readonly udp: readonly number[]; readonly tcp: readonly number[] };
  /** Clients do not reach each other. */
  readonly isolation: boolean;
  /** Where the old values of changed settings are kept. */
  readonly runDirectory: string;
  /** Where blocks of ports are remembered. */
  readonly stateDirectory: string;
}

/** Whether anything is to be done at all. */
export function isIdle({ masquerade, isolation, pools }: NatPlan): boolean {
  return pools.length === 0 || !(masquerade[4] || masquerade[6] || isolation);
}

export function ofFamily(cidrs: readonly Cidr[], family: Family): readonly Cidr[] {
  return cidrs.filter((cidr) => cidr.family === family);
}

/** Ports of each client at once: with blocks, its own; else the limit of connections. 0 = any number. */
export function limitOf({ perClient, connections }: NatPlan): number {
  return perClient > 0 ? perClient : connections;
}
