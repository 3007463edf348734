/** What is measured on one link set: flows through the tunnel on each link alone and on all, and kernel MPTCP beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type RopeOptions, startRope } from '../../test/support/bond.ts';
import { goodputMbit, runTcp, sendUdp, serveFlows, UdpSink } from '../../test/support/flows.ts';
import { core, type EmulatedNet, linkAddresses } from '../../test/support/link-emulator.ts';
import type { Lab } from '../../test/support/netns.ts';
import { inside } from '../../test/support/pair.ts';
import { median } from '../support/bench.ts';
import { busySeconds } from '../tunnel/tunnels.ts';

const ports = { tcp: 7000, udp: 7001, mptcp: 7002 } as const;
/** The sender's buffer must hold two round trips of the largest bond: 80 Mbit/s × 300 ms × 2 and what the kernel adds to it. */
const bufferSysctls = {
  'net.ipv4.tcp_rmem': '4096 131072 33554432',
  'net.ipv4.tcp_wmem': '4096 65536 33554432',
} as const;
export const bufferText = 'tcp_rmem and tcp_wmem up to 32 MiB (auto-tuned)';
const shortTransfers = 3;
/** Of what TCP carried on the links alone: near the end, but not over it. */
const udpOfferShare = 0.95;

export type Kind = 'alone' | 'bond' | 'tcp16' | 'udp' | 'short' | 'tcp-alone' | 'mptcp';

export interface Sample {
  readonly set: number;
  readonly run: number;
  readonly kind: Kind;
  readonly link?: string;
  readonly mbit: number;
  /** More of the same measurement: shares, counts, milliseconds. */
  readonly details: Readonly<Record<string, number>>;
  /** Mbit/s of each second from the connection on. */
  readonly perSecond: readonly number[];
}

export interface MeasureOptions {
  readonly set: number;
  readonly run: number;
  readonly ramp: number;
  readonly seconds: number;
  readonly direction: 'up' | 'down';
  readonly bonding: RopeOptions['bonding'];
}

type Result = Omit<Sample, 'set' | 'run' | 'kind' | 'link'>;

export async function prepareHosts(net: EmulatedNet): Promise<void> {
  for (const host of [net.client, net.server])
    for (const [key, value] of Object.entries(bufferSysctls)) host.setSysctl(key, `"${value}"`);
  await serveFlows(net.server, ports.tcp);
  await serveFlows(net.server, ports.mptcp, { mptcp: true });
}

/** Runs something and adds what it cost: share of the box that was busy, share of a core the emulator took. */
async function withCost<T>(
  net: EmulatedNet,
  work: () => Promise<T>,
): Promise<{ result: T; cost: Record<string, number> }> {
  const cores = 2;
  const [startMs, busy, { cpuMs }] = [performance.now(), busySeconds(), await net.stats()];
  const result = await work();
  const seconds = (performance.now() - startMs) / 1000;
  const emulator = ((await net.stats()).cpuMs - cpuMs) / 1000 / seconds;
  return { result, cost: { boxBusy: (busySeconds() - busy) / seconds / cores, emulatorCore: emulator } };
}

function perSecond(buckets: readonly (readonly number[])[]): number[] {
  const length = Math.max(...buckets.map((one) => Math.ceil(one.length / 10)));
  const sum = (one: readonly number[], second: number) =>
    one.slice(10 * second, 10 * second + 10).reduce((total, value) => total + value, 0);
  return Array.from({ length }, (_, second) => {
    const bytes = buckets.reduce((total, one) => total + sum(one, second), 0);
    return Math.round(bytes / 1250) / 100;
  });
}

async function measureTcp(
  net: EmulatedNet,
  options: MeasureOptions,
  flow: { address: string; port: number; streams?: number; mptcp?: boolean },
): Promise<Result> {
  const { ramp, seconds, direction } = options;
  const { address, port, ...more } = flow;
  const run = () => runTcp(net.client, address, port, { seconds: ramp + seconds + 0.5, direction, ...more });
  const { result, cost } = await withCost(net, run);
  const details = { ...cost, subflows: result[0]?.subflows ?? 0 };
  return {
    mbit: goodputMbit(result, ramp, ramp + seconds),
    details,
    perSecond: perSecond(result.map((stream) => stream.buckets)),
  };
}

async function measureUdp(net: EmulatedNet, options: MeasureOptions, offeredMbit: number): Promise<Result> {
  const [from, to, address] =
    options.direction === 'down' ? [net.server, net.client, inside.a4] : [net.client, net.server, inside.b4];
  const sink = await UdpSink.start(to, ports.udp);
  const work = async () => {
    const sending = sendUdp(from, address, ports.udp, {
      rateMbit: offeredMbit,
      seconds: options.ramp + options.seconds,
    });
    await sleep(options.ramp * 1000);
    await sink.cut();
    await sending.done;
    await sink.cut();
    await sleep(1000);
    return sink.report();
  };
  const { result, cost } = await withCost(net, work);
  sink.close();
  const bytes = result.buckets.reduce((total, value) => total + value, 0);
  const { missing, reordered, copies, expected, delayP50Ms, delayP99Ms } = result;
  const details = { ...cost, offeredMbit, missing, reordered, copies, expected, delayP50Ms, delayP99Ms };
  return { mbit: bytes / 125_000 / options.seconds, details, perSecond: perSecond([result.buckets]) };
}

/** Milliseconds from connect to the last byte, medians of a few transfers. */
async function measureShort(net: EmulatedNet, options: MeasureOptions): Promise<Result> {
  const details: Record<string, number> = {};
  for (const [name, bytes] of [
    ['ms1MB', 1e6],
    ['ms10MB', 1e7],
  ] as const) {
    const times: number[] = [];
    for (let i = 0; i < shortTransfers; i += 1) {
      const [stream] = await runTcp(net.client, inside.b4, ports.tcp, { bytes, direction: options.direction });
      times.push(stream?.ms ?? Number.NaN);
    }
    details[name] = median(times);
  }
  return { mbit: (1e7 * 8) / 1e3 / (details.ms10MB ?? Number.NaN), details, perSecond: [] };
}

export type Part = 'tcp' | 'tcp16' | 'udp' | 'short';

/** Flows through the tunnel over some links. `sumAlone` is what UDP offers a share of. */
export async function measureRope(
  lab: Lab,
  net: EmulatedNet,
  options: MeasureOptions,
  use: readonly string[],
  { parts, sumAlone }: { parts: readonly Part[]; sumAlone: number },
): Promise<ReadonlyMap<Part, Result>> {
  const { bonding } = options;
  const rope = await startRope(lab, net, { use, ...(bonding === undefined ? {} : { bonding }) });
  const results = new Map<Part, Result>();
  const tcp = { address: inside.b4, port: ports.tcp };
  try {
    for (const part of parts) {
      if (part === 'tcp') results.set(part, await measureTcp(net, options, tcp));
      else if (part === 'tcp16') results.set(part, await measureTcp(net, options, { ...tcp, streams: 16 }));
      else if (part === 'udp') results.set(part, await measureUdp(net, options, udpOfferShare * sumAlone));
      else results.set(part, await measureShort(net, options));
    }
  } finally {
    await rope.stop();
  }
  return results;
}

/** One TCP flow on one link, without a tunnel. */
export async function measurePlain(net: EmulatedNet, options: MeasureOptions, link: string): Promise<Result> {
  const { index } = net.link(link);
  const route = `route add ${core.server4}/32 via ${linkAddresses(index).router4} dev ${link}`;
  net.client.ip(route);
  try {
    return await measureTcp(net, options, { address: core.server4, port: ports.tcp });
  } finally {
    net.client.ip(route.replace('add', 'del'));
  }
}

/** One MPTCP flow of the kernel over all links: an endpoint for each address of the client, fully meshed. */
export async function measureMptcp(net: EmulatedNet, options: MeasureOptions): Promise<Result> {
  for (const host of [net.client, net.server])
    host.run('ip', ['mptcp', 'limits', 'set', 'subflow', '8', 'add_addr_accepted', '8']);
  for (const { name, index } of net.links) {
    const endpoint = ['endpoint', 'add', linkAddresses(index).client4, 'dev', name, 'subflow', 'fullmesh'];
    net.client.run('ip', ['mptcp', ...endpoint]);
  }
  try {
    return await measureTcp(net, options, { address: core.server4, port: ports.mptcp, mptcp: true });
  } finally {
    net.client.run('ip', ['mptcp', 'endpoint', 'flush']);
  }
}
