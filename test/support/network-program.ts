/** Runs one call on the network in this process's namespace: a file with a `NetworkCall` in, a `NetworkAnswer` out. */
import { closeSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import { messageOf } from '../../src/base/errors.ts';
import { formatAddress, parseCidr } from '../../src/config/address.ts';
import { openNetlink } from '../../src/io/netlink.ts';
import { findLink, listAddresses } from '../../src/io/netlink-tables.ts';
import { sentenceOf, type Trouble } from '../../src/io/network/conflicts.ts';
import type { OwnTraffic } from '../../src/io/network/foreign-rules.ts';
import {
  applyNetwork,
  describeConflicts,
  describeLeftovers,
  describeMisled,
  type NetworkReport,
  releaseClosed,
  removeNetwork,
} from '../../src/io/network/network.ts';
import type { NetworkPlan } from '../../src/io/network/plan.ts';
import { Resolver } from '../../src/io/resolver.ts';
import { findSource, SourceFinder } from '../../src/io/source-finder.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';

export type NetworkCall =
  | {
      readonly action: 'apply' | 'change' | 'remove' | 'release' | 'describe' | 'conflicts';
      readonly plan: NetworkPlan;
    }
  | { readonly action: 'misled'; readonly plan: NetworkPlan; readonly traffic: OwnTraffic }
  | { readonly action: 'resolve'; readonly fwmark: number; readonly host: string; readonly resolvFile: string }
  | { readonly action: 'source'; readonly interface: string; readonly destination: string }
  /** Sends one datagram that carries `fwmark` (0 = none) and waits for an answer. */
  | { readonly action: 'ask'; readonly fwmark: number; readonly address: string; readonly port: number };

export interface NetworkAnswer {
  readonly changes?: number;
  readonly isWhole?: boolean;
  readonly conflicts?: readonly string[];
  readonly troubles?: readonly Trouble[];
  readonly warnings?: readonly string[];
  readonly error?: string;
  readonly leftovers?: readonly string[];
  /** `answered`, or the name of the errno. */
  readonly outcome?: string;
  readonly addresses?: readonly string[];
  /** The address of ours, `none` if there is none. */
  readonly source?: string;
}

const answerTimeoutMs = 300;

async function run(addon: Addon, call: NetworkCall): Promise<NetworkAnswer> {
  switch (call.action) {
    case 'apply':
      return worded(applyNetwork(addon, call.plan, 'most'));
    case 'change':
      return worded(applyNetwork(addon, call.plan, 'whole'));
    case 'conflicts':
      return { conflicts: describeConflicts(addon, call.plan).map(sentenceOf) };
    case 'misled':
      return { troubles: describeMisled(addon, call.plan, call.traffic) };
    case 'remove':
      return worded(removeNetwork(addon, call.plan));
    case 'release': {
      const { name, runDirectory, interface: interfaceName } = call.plan;
      return worded(releaseClosed(addon, name, { runDirectory, interfaceName }));
    }
    case 'describe':
      return { leftovers: describeLeftovers(addon, call.plan.name, call.plan.runDirectory) };
    case 'resolve': {
      const resolver = new Resolver(addon, new SourceFinder(addon), {
        fwmark: call.fwmark,
        resolvFile: call.resolvFile,
      });
      return { addresses: (await resolver.resolve(call.host)).addresses.map(({ address }) => address) };
    }
    case 'source':
      return { source: sourceOf(addon, call.interface, call.destination) };
    case 'ask':
      return { outcome: ask(addon, call.fwmark, call.address, call.port) };
  }
}

function sourceOf(addon: Addon, interfaceName: string, destination: string): string {
  const netlink = openNetlink(addon);
  try {
    const index = findLink(netlink, interfaceName)?.index ?? 0;
    const to = parseCidr(destination)?.addressHex ?? '';
    const hex = findSource(netlink, index, listAddresses(netlink, index), 0, to);
    return hex === undefined ? 'none' : formatAddress(Buffer.from(hex, 'hex'));
  } finally {
    netlink.close();
  }
}

function worded({ conflicts, ...report }: NetworkReport): NetworkAnswer {
  return { ...report, conflicts: conflicts.map(sentenceOf) };
}

function ask(addon: Addon, fwmark: number, text: string, port: number): string {
  const address = parseCidr(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  const fd = addon.openMarkedUdp(address.family, fwmark, '');
  try {
    let result = addon.connectUdp(fd, Buffer.from(address.addressHex, 'hex'), port, 0);
    if (result === 0) result = addon.sendBytes(fd, Buffer.alloc(64));
    if (result > 0) result = addon.receiveBytes(fd, new Uint8Array(1500), answerTimeoutMs);
    return result > 0 ? 'answered' : getSystemErrorName(result);
  } finally {
    closeSync(fd);
  }
}

async function main(): Promise<void> {
  let answer: NetworkAnswer;
  try {
    answer = await run(loadAddon(), JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as NetworkCall);
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  process.stdout.write(JSON.stringify(answer));
}

await main();
