/** Puts a plan for address translation into the kernel and takes it back; the settings of the host that it needs, too. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { HawserError, messageOf } from '../../base/errors.ts';
import { isCode } from '../../base/lasting-files.ts';
import { findCommand } from '../find-command.ts';
import { forgetNatNote, giveBackForwarding, noteNat } from '../network/host-rules.ts';
import { type HostSetting, holdSetting, readSetting, sysctlName } from '../network/host-settings.ts';
import { applyNft, clearNftTable, nftRemedy, runNft } from '../network/nft.ts';
import { type Elements, elementChanges, noElements } from './elements.ts';
import { isIdle, type NatPlan, ofFamily } from './plan.ts';
import { natTable } from './ruleset.ts';

const ipv6Conf = 'net/ipv6/conf';
const forwarding4: HostSetting = { key: 'net/ipv4/ip_forward', value: '1' };
const forwarding6: HostSetting = { key: `${ipv6Conf}/all/forwarding`, value: '1' };
/** So that mappings have their traffic and their age. */
const accounting: readonly HostSetting[] = [
  { key: 'net/netfilter/nf_conntrack_acct', value: '1' },
  { key: 'net/netfilter/nf_conntrack_timestamp', value: '1' },
];
/** accept_ra of ip-sysctl.rst: 1 = unless the host forwards, 2 = always. */
const acceptRa = { hosts: '1', always: '2' } as const;

/** Throws when this host lacks what the plan needs, before anything has changed. */
export function checkNat(plan: NatPlan): void {
  if (isIdle(plan) || findCommand('nft') !== undefined) return;
  const remedy = `${nftRemedy}, or server.nat.mode: off and server.isolation: false`;
  throw new HawserError('NFT', 'Cannot translate addresses of clients: nft is not installed', remedy);
}

/** Replaces the whole table in one transaction. Returns why not, in words. */
export function replaceNat(plan: NatPlan, elements: Elements): Promise<string | undefined> {
  noteNat(plan.name, plan.runDirectory);
  const changes = elementChanges(plan.name, noElements, elements);
  return applyNft(`${clearNftTable('inet', plan.name)}${natTable(plan)}${changes}`);
}

/** Changes what follows from clients. Returns why not. */
export async function changeNat(name: string, before: Elements, after: Elements): Promise<string | undefined> {
  const changes = elementChanges(name, before, after);
  return changes === '' ? undefined : await applyNft(changes);
}

/** Lets the host forward, and count. Returns warnings. */
export function prepareHost(plan: NatPlan): readonly string[] {
  const hasIpv6 = ofFamily(plan.pools, 6).length > 0 && existsSync(`/proc/sys/${ipv6Conf}`);
  const settings: HostSetting[] = [
    ...(ofFamily(plan.pools, 4).length > 0 ? [forwarding4] : []),
    // First: a host that begins to forward forgets the routers that it learnt (rt6_purge_dflt_routers of net/ipv6/route.c).
    ...(hasIpv6 ? [...listeningInterfaces(plan.interface), forwarding6] : []),
    ...accounting,
  ];
  return settings.flatMap((setting) => {
    try {
      holdSetting(plan.runDirectory, plan.name, setting);
      return [];
    } catch (error) {
      // Kernels without CONFIG_NF_CONNTRACK_TIMESTAMP; and nothing tracks connections before the first table does.
      if (isCode(error, 'ENOENT')) return [];
      const name = sysctlName(setting.key);
      return [`Cannot set ${name} to ${setting.value}: ${messageOf(error)} (sysctl -w ${name}=${setting.value})`];
    }
  });
}

/** Where the kernel listens to routers: with forwarding on it would not any more, and the host's own default route would run out. */
function listeningInterfaces(tunnel: string): HostSetting[] {
  return (
    readdirSync(`/proc/sys/${ipv6Conf}`)
      .filter((name) => !['all', 'default', 'lo', tunnel].includes(name))
      .map((name) => ({ key: `${ipv6Conf}/${name}/accept_ra`, value: acceptRa.always }))
      // What is 2 already may be another instance's doing, and then has to stay for this one too.
      .filter(({ key }) => Object.values<string>(acceptRa).includes(readSetting(key)))
  );
}

/** Waits. Returns warnings. */
export function removeNat(name: string, runDirectory: string, tunnel: string): readonly string[] {
  runNft(clearNftTable('inet', name));
  forgetNatNote(name, runDirectory);
  const interfaces = existsSync(`/proc/sys/${ipv6Conf}`) ? readdirSync(`/proc/sys/${ipv6Conf}`) : [];
  const heard = interfaces.filter((one) => one !== tunnel).map((one) => `${ipv6Conf}/${one}/accept_ra`);
  const keys = [forwarding6, forwarding4, ...accounting].map(({ key }) => key);
  return giveBackForwarding(name, runDirectory, [...keys, ...heard]);
}

/** Tables of iptables-legacy, which nft does not show. */
export function readLegacyTables(): string[] {
  return ['ip_tables_names', 'ip6_tables_names'].flatMap((file) => {
    try {
      return readFileSync(`/proc/net/${file}`, 'utf8').split('\n').filter(Boolean);
    } catch (error) {
      if (error instanceof Error && 'code' in error) return [];
      throw error;
    }
  });
}
