/**
 * Lets answers to marked packets back in where the kernel checks their source (rp_filter): net.ipv4.conf.all.src_valid_mark
 * makes the check honour a packet's mark, and where the check is strict an nft table of ours puts the mark, remembered by
 * connection tracking, on what comes in.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Trouble } from './conflicts.ts';
import type { OwnTraffic } from './foreign-rules.ts';
import { giveBackSettings, holdSetting } from './host-settings.ts';
import { clearNftTable, nftTableOf, runNft } from './nft.ts';
import { mayHoldEndpoints, type NetworkPlan } from './plan.ts';

const ipv4Conf = '/proc/sys/net/ipv4/conf';
const markSetting = { key: 'net/ipv4/conf/all/src_valid_mark', value: '1' } as const;
const sysctl = path.join(ipv4Conf, 'all/src_valid_mark');
/** rp_filter: 0 off, 1 strict, 2 loose; the larger of `all` and the interface's counts (Documentation/networking/ip-sysctl.rst). */
const strict = 1;
const ipv4HexLength = 8;

/** Returns warnings. */
export function allowMarkedAnswers(plan: NetworkPlan): readonly string[] {
  const warnings: string[] = [];
  try {
    holdSetting(plan.runDirectory, plan.name, markSetting);
  } catch (error) {
    warnings.push(`Cannot set net.ipv4.conf.all.src_valid_mark to 1: ${messageOf(error)} (set it on the host)`);
  }
  const strictInterfaces = findStrictInterfaces(plan.interface);
  if (strictInterfaces.length === 0) return warnings;
  const failure = runNft(`${clearNftTable('ip', plan.name)}${markTable(plan)}`);
  if (failure !== undefined) {
    warnings.push(
      `Cannot mark answers with nft: ${failure}; with net.ipv4.conf.${strictInterfaces[0]}.rp_filter=1 the kernel may drop ` +
        `them (apt-get install nftables, or sysctl -w net.ipv4.conf.${strictInterfaces[0]}.rp_filter=2)`,
    );
  }
  return warnings;
}

/** How the host treats answers now: when this is another text, `allowMarkedAnswers` has to be called again. */
export function readAnswerChecks(tunnel: string): string {
  try {
    return `src_valid_mark=${readFileSync(sysctl, 'utf8').trim()} strict: ${findStrictInterfaces(tunnel).join(' ')}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Takes it back. Returns warnings. */
export function forgetMarkedAnswers(name: string, runDirectory: string): readonly string[] {
  runNft(clearNftTable('ip', name));
  return giveBackSettings(runDirectory, name, { only: [markSetting.key] });
}

/** Interfaces where an answer to a marked packet has to carry the mark too; of `among`, or of all but the tunnel. */
export function findStrictInterfaces(tunnel: string, among = readdirSync(ipv4Conf)): string[] {
  const filterOf = (name: string): number => {
    try {
      return Number(readFileSync(path.join(ipv4Conf, name, 'rp_filter'), 'utf8'));
    } catch {
      return 0;
    }
  };
  const ofAll = filterOf('all');
  // The greater of the two holds; loose (2) for all leaves none strict.
  if (ofAll > strict) return [];
  const names = among.filter((name) => !['all', 'default', 'lo', tunnel].includes(name));
  return names.filter((name) => Math.max(ofAll, filterOf(name)) === strict);
}

/**
 * With several links the best route to a peer is by one of them; what comes in by another is dropped there by a strict check. It is for
 * IPv4 alone: `hasIpv4` says whether an interface has an address of it.
 */
export function describeStrictLinks(
  { links, destinations }: OwnTraffic,
  tunnel: string,
  hasIpv4: (name: string) => boolean,
): readonly Trouble[] {
  const used = links.flatMap((link) => link.interface ?? []);
  // Where no peer is known to be, one may call by IPv4.
  const mayUseIpv4 = destinations.length === 0 || destinations.some((hex) => hex.length === ipv4HexLength);
  const strictLinks = used.length < 2 || !mayUseIpv4 ? [] : findStrictInterfaces(tunnel, used).filter(hasIpv4);
  return strictLinks.map((name) => ({
    text: `The kernel drops what comes in by ${name} unless its best route leads there, too (rp_filter is 1, strict)`,
    remedy: `sysctl -w net.ipv4.conf.${name}.rp_filter=2`,
  }));
}

/** A container may not set what lets answers in, and then nothing that is answered by a link ever arrives. */
export function describeLostAnswers(plan: NetworkPlan): readonly Trouble[] {
  const lost = mayHoldEndpoints(plan, 4) && readOr(sysctl, '1') === '0' ? findStrictInterfaces(plan.interface) : [];
  if (lost.length === 0) return [];
  return [
    {
      text: `The kernel drops answers to what Hawser sends: rp_filter is 1 (strict) on ${lost.join(', ')}, and src_valid_mark is 0`,
      remedy:
        'where /proc/sys can be written (the host of a container): sysctl -w net.ipv4.conf.all.src_valid_mark=1, or rp_filter=2',
    },
  ];
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return otherwise;
    throw error;
  }
}

/** Only the bits of the mark change; others may have theirs in what is left. */
function markTable({ name, mark }: NetworkPlan): string {
  const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
  const [value, mask, others] = [hex(mark.value), hex(mark.mask), hex(~mark.mask)];
  return `table ip ${nftTableOf(name)} {
  chain incoming {
    type filter hook prerouting priority mangle; policy accept;
    ct mark and ${mask} == ${value} meta mark set meta mark and ${others} or ${value}
  }
  chain outgoing {
    type filter hook postrouting priority mangle; policy accept;
    meta mark and ${mask} == ${value} ct mark set ct mark and ${others} or ${value}
  }
}
`;
}
