/** Which carriers a configuration needs: for each link one by each transport that it listens by or reaches a peer by. */
import type { ActorPlan, CarrierRow, LinkRow, ResourcePlan } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';
import { transportsOf } from '../config/transports.ts';
import { type TransportName, transport } from '../contract/link-tables.ts';
import { carrierName, carrierOf } from '../rings/carriers.ts';
import { planFakeTcpCarrier } from './faketcp-carrier.ts';
import { planTlsCarrier } from './tls-carrier.ts';
import { planUdpCarrier } from './udp-carrier.ts';

/** What an actor and the kernel have to do with one carrier. */
export interface CarrierPlan {
  readonly plan: Partial<ActorPlan> & Pick<ActorPlan, 'id' | 'role'>;
  /** What the supervisor opens for it. */
  readonly resources: readonly ResourcePlan[];
}

export interface Carrier extends CarrierPlan {
  readonly row: CarrierRow;
}

export interface CarrierInput {
  readonly config: Config;
  /** Of the daemon's own packets. */
  readonly fwmark: number;
  readonly link: LinkRow;
  /** Row of the carrier table, and `carrierName`. */
  readonly row: number;
  readonly name: string;
  /** Pairs of sealer and opener that it has rings with. */
  readonly shards: number;
}

/** A transport is registered here; docs/adding-a-transport.md tells of the rest. */
const planners: Readonly<Record<TransportName, (input: CarrierInput) => CarrierPlan>> = {
  udp: (input) => planUdpCarrier(input, 'udp'),
  faketcp: planFakeTcpCarrier,
  tls: planTlsCarrier,
  test: (input) => planUdpCarrier(input, 'test'),
};

export function planCarriers(config: Config, fwmark: number, links: readonly LinkRow[], shards: number): Carrier[] {
  return links.flatMap((link) =>
    transportsOf(config).map((by) => {
      const [row, name] = [carrierOf(link.row, transport[by]), carrierName(link.name, by)];
      const carrier = planners[by]({ config, fwmark, link, row, name, shards });
      return { ...carrier, row: { row, name, link: link.name, transport: by, actor: carrier.plan.id } };
    }),
  );
}
