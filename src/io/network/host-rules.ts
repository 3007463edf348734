/** What an instance has in nft and under /proc/sys, whichever part of it put it there: found by its name, and taken back as a whole. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type GiveBackOptions, giveBackSettings, heldBy, sysctlName } from './host-settings.ts';
import { forgetNftTables, listOwnNftTables } from './nft.ts';

/** Bridges that container engines and hypervisors make: what is behind them needs a host that forwards. */
const bridges = /^(docker\d|br-[0-9a-f]{12}$|virbr\d|lxcbr\d|lxdbr\d|incusbr|cni\d|podman\d|kube-bridge|cilium_host)/;
const forwardingKeys: readonly string[] = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'];

/** Docker and its like look whether the host forwards once, when they start: they would not switch it on again. */
const keeping: GiveBackOptions = {
  keeps: (key) => {
    // Without it a host that goes on forwarding would forget its routers.
    if (!forwardingKeys.includes(key) && !key.endsWith('/accept_ra')) return undefined;
    const bridge = readdirSync('/sys/class/net').find((name) => bridges.test(name));
    return bridge === undefined ? undefined : `what is behind ${bridge} needs it`;
  },
};

/** Returns warnings. `only`: keys of settings. */
export function giveBackForwarding(name: string, runDirectory: string, only: readonly string[]): readonly string[] {
  return giveBackSettings(runDirectory, name, { ...keeping, only });
}

/** Says to a later run that does not translate addresses that this one did, and may have been killed. */
export function noteNat(name: string, runDirectory: string): void {
  mkdirSync(runDirectory, { recursive: true });
  writeFileSync(natNote(name, runDirectory), '', { mode: 0o644 });
}

export function hasNatNote(name: string, runDirectory: string): boolean {
  return existsSync(natNote(name, runDirectory));
}

export function forgetNatNote(name: string, runDirectory: string): void {
  rmSync(natNote(name, runDirectory), { force: true });
}

function natNote(name: string, runDirectory: string): string {
  return path.join(runDirectory, `${name}.nat`);
}

/** Returns warnings. */
export function forgetHostRules(name: string, runDirectory: string): readonly string[] {
  forgetNftTables(name);
  forgetNatNote(name, runDirectory);
  return giveBackSettings(runDirectory, name, keeping);
}

export function describeHostRules(name: string, runDirectory: string): readonly string[] {
  const tables = listOwnNftTables(name).map((table) => `nft ${table}`);
  return [...tables, ...heldBy(runDirectory, name).map((key) => `the change of ${sysctlName(key)}`)];
}
