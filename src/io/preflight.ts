/** What this host has of what Hawser needs: findings with remedies, for `hawser up` (lacks alone) and `hawser doctor` (all). */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { HawserError, messageOf } from '../base/errors.ts';
import { isCode } from '../base/lasting-files.ts';
import type { Addon } from '../native/addon.ts';
import { findCommand } from './find-command.ts';
import { rightsRemedy } from './host-rights.ts';
import { tryNat } from './nat/trial.ts';
import { openNetlink } from './netlink.ts';
import { listRules } from './network/reconcile.ts';
import { findStrictInterfaces } from './network/source-mark.ts';

export interface Finding {
  /** `missing`: `hawser up` cannot run. `poor`: it runs, slower or with less. */
  readonly level: 'good' | 'poor' | 'missing';
  readonly subject: string;
  readonly detail: string;
  /** Empty when good. */
  readonly remedy: string;
}

/** linux/capability.h */
const capNetAdmin = 12n;
const tunDevice = '/dev/net/tun';
const leastNode = [20, 19] as const;
/** 7 MiB as in `supervisor/resource-opener.ts`, which the kernel doubles for its own bookkeeping (socket(7), SO_RCVBUF). */
const wantedBufferBytes = 2 * (7 << 20);
/** Interface of the trial; there for a few milliseconds. */
const trialInterface = 'hawser-trial%d';
/** command → Debian package that brings it. */
const packages: Readonly<Record<string, string>> = { ip: 'iproute2', nft: 'nftables' };

/** Throws one error that names everything without which nothing can start. */
export function checkHost(): void {
  const problems = [findPlatform(), findNode(), findCapability(), findTun()].filter(({ level }) => level === 'missing');
  if (problems.length === 0) return;
  const sentences = problems.map(({ detail, remedy }) => (remedy === '' ? detail : `${detail} (${remedy})`));
  throw new HawserError('PREFLIGHT', `Cannot start: ${sentences.join('; ')}`);
}

/** Everything, with trials of what only the kernel can tell: opens and closes a socket and, if allowed, a TUN device. */
export function inspectHost(addon: Addon): readonly Finding[] {
  const needed = [findPlatform(), findNode(), findCapability(), findTun()];
  const canOpen = needed.every(({ level }) => level !== 'missing');
  return [
    ...needed,
    ...(canOpen ? [findTunOffloads(addon)] : []),
    ...findSocketOffloads(addon),
    findIpv6(),
    findPolicyRouting(addon),
    findAes(addon),
    ...findCommands(),
    ...(canOpen ? findNat() : []),
  ];
}

function findPlatform(): Finding {
  if (process.platform === 'linux') return good('system', `Linux ${os.release()}`);
  return { level: 'missing', subject: 'system', detail: `this is ${process.platform}`, remedy: 'Hawser runs on Linux' };
}

function findNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  if (isEnough) return good('node', process.version);
  const remedy = `install Node ${leastNode.join('.')} or newer`;
  return { level: 'missing', subject: 'node', detail: `this is Node ${process.version}`, remedy };
}

function findCapability(): Finding {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if (((BigInt(`0x${effective}`) >> capNetAdmin) & 1n) === 1n) return good('rights', 'CAP_NET_ADMIN');
  const remedy = 'run as root, or by the systemd unit';
  return { level: 'missing', subject: 'rights', detail: 'the process lacks CAP_NET_ADMIN', remedy };
}

function findTun(): Finding {
  try {
    accessSync(tunDevice, constants.R_OK | constants.W_OK);
    return good('tun', tunDevice);
  } catch (error) {
    const remedy = `modprobe tun; in a container pass --device ${tunDevice}`;
    return { level: 'missing', subject: 'tun', detail: `${tunDevice} cannot be used: ${messageOf(error)}`, remedy };
  }
}

function findTunOffloads(addon: Addon): Finding {
  const subject = 'tun offloads';
  try {
    const { fd, udpOffload } = addon.openTun(trialInterface, { persistent: false, multiQueue: false });
    addon.closeFd(fd);
    if (udpOffload) return good(subject, 'TCP and UDP super-packets');
    const remedy = 'Linux 6.2 or newer carries UDP in fewer calls';
    return { level: 'poor', subject, detail: 'TCP super-packets only', remedy };
  } catch (error) {
    const isRefused = isCode(error, 'EPERM') || isCode(error, 'EACCES');
    const remedy = isRefused ? rightsRemedy() : 'modprobe tun, and see that nothing forbids new interfaces';
    return { level: 'missing', subject, detail: `a TUN device cannot be opened: ${messageOf(error)}`, remedy };
  }
}

function findSocketOffloads(addon: Addon): Finding[] {
  const opened = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  addon.closeFd(opened.fd);
  const lacks = [opened.gso ? '' : 'UDP_SEGMENT (Linux 4.18)', opened.gro ? '' : 'UDP_GRO (Linux 5.0)'].filter(Boolean);
  const offloads: Finding =
    lacks.length === 0
      ? good('udp offloads', 'segmentation and coalescing')
      : {
          level: 'poor',
          subject: 'udp offloads',
          detail: `without ${lacks.join(', ')}`,
          remedy: 'a newer kernel is faster',
        };
  const bytes = Math.min(opened.receiveBufferBytes, opened.sendBufferBytes);
  const size = `${Math.round(bytes / 1024)} KiB`;
  if (bytes >= wantedBufferBytes) return [offloads, good('socket buffers', size)];
  const remedy = 'run with CAP_NET_ADMIN, or sysctl -w net.core.rmem_max=7340032 net.core.wmem_max=7340032';
  return [offloads, { level: 'poor', subject: 'socket buffers', detail: `the kernel grants ${size}`, remedy }];
}

function findIpv6(): Finding {
  const subject = 'ipv6';
  const setting = '/proc/sys/net/ipv6/conf/all/disable_ipv6';
  if (!existsSync(setting)) {
    return { level: 'poor', subject, detail: 'the kernel runs without IPv6', remedy: 'boot without ipv6.disable=1' };
  }
  if (readFileSync(setting, 'utf8').trim() === '0') return good(subject, 'enabled');
  const remedy = 'sysctl -w net.ipv6.conf.all.disable_ipv6=0';
  return { level: 'poor', subject, detail: 'IPv6 is disabled', remedy };
}

/** Needed by default routes through the tunnel (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES). */
function findPolicyRouting(addon: Addon): Finding {
  const subject = 'policy routing';
  const netlink = openNetlink(addon);
  try {
    for (const family of [4, 6] as const) listRules(netlink, family);
    return good(subject, 'rules and tables');
  } catch (error) {
    const remedy = 'a kernel with CONFIG_IP_MULTIPLE_TABLES, if 0.0.0.0/0 or ::/0 shall go through the tunnel';
    return { level: 'poor', subject, detail: messageOf(error), remedy };
  } finally {
    netlink.close();
  }
}

function findAes(addon: Addon): Finding {
  if (addon.hasAesHardware()) return good('aes', 'in hardware');
  const remedy = 'nothing to do: ChaCha20-Poly1305 is used';
  return { level: 'poor', subject: 'aes', detail: 'this CPU computes no AES-GCM', remedy };
}

function findCommands(): Finding[] {
  const strict = findStrictInterfaces('');
  const uses: Readonly<Record<string, string>> = {
    ip: 'to look at what hawser did',
    nft:
      strict.length === 0
        ? 'needed for server.nat alone, rp_filter is not strict'
        : `rp_filter is strict on ${strict.join(', ')}`,
  };
  return Object.entries(uses).map(([command, use]): Finding => {
    if (findCommand(command) !== undefined) return good(command, 'installed');
    const remedy = `apt-get install -y ${packages[command]}`;
    return { level: 'poor', subject: command, detail: `not installed (${use})`, remedy };
  });
}

/** For a hub whose clients go to the Internet by it. Without nft that is said already. */
function findNat(): Finding[] {
  if (findCommand('nft') === undefined) return [];
  const failure = tryNat();
  if (failure === undefined) return [good('nat', 'nft can translate addresses of clients')];
  const remedy =
    'a kernel with nf_tables, NAT, CONFIG_NFT_CONNLIMIT and CONFIG_NF_CONNTRACK_TIMEOUT, if server.nat shall be used';
  return [{ level: 'poor', subject: 'nat', detail: failure, remedy }];
}

function good(subject: string, detail: string): Finding {
  return { level: 'good', subject, detail, remedy: '' };
}
