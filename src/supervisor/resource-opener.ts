/** Opens what a topology names, through the addon: the TUN device, the links' sockets, the doorbells. Main thread only. */
import type { ResourcePlan } from '../actors/kit/topology.ts';
import { HawserError, messageOf } from '../base/errors.ts';
import { rightsRemedy } from '../io/host-rights.ts';
import type { DataApi } from '../native/data-api.ts';
import type { FakeTcpApi } from '../native/faketcp-api.ts';
import type { TcpApi } from '../native/tcp-api.ts';
import type { Opened, ResourceOpener, UdpPlan } from './shared-resources.ts';

type TunPlan = Extract<ResourcePlan, { kind: 'tun' }>;
type TcpPlan = Extract<ResourcePlan, { kind: 'tcp' }>;
type PacketsPlan = Extract<ResourcePlan, { kind: 'packets' }>;

/** 7 MiB: 58 ms of 1 Gbit/s, while a thread waits for a processor. The kernel doubles it for its bookkeeping (socket(7)). */
const wantedBufferBytes = 2 * (7 << 20);

/** For want of a right. */
const refusals: readonly string[] = ['EPERM', 'EACCES'];
const tunRemedies: Readonly<Record<string, string>> = {
  ENOENT: 'modprobe tun; in a container pass --device /dev/net/tun',
  EBUSY: 'another process holds the device: choose another tunnel.interface',
  EINVAL: 'an interface of this name exists and is no TUN device of one queue: choose another tunnel.interface',
};
const udpRemedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there: choose another listen.udp',
};
const noCalls = { firstCallPort: 0, callPorts: 0 } as const;
const packetsRights = 'CAP_NET_RAW, CAP_NET_ADMIN, and CAP_NET_BIND_SERVICE for a port below 1024';
const packetsRemedies: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'other programs have this TCP port, or all that calls could leave by: choose another listen.faketcp, or close some connections',
  EAFNOSUPPORT: 'modprobe af_packet',
};
const tcpRights = 'CAP_NET_ADMIN, and CAP_NET_BIND_SERVICE for a port below 1024';
const tcpRemedies: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program has this TCP port, a web server perhaps: let that listen elsewhere and name it in tls.site, or choose another listen.tls',
};

export class AddonOpener implements ResourceOpener {
  /** For the log: what the kernel gave less of than was asked for. */
  readonly warnings: string[] = [];
  readonly #addon: DataApi & FakeTcpApi & TcpApi;
  #tunFd = -1;
  /** By transport, of the first socket; with `listen.udp: 0` all others take the same. */
  readonly #ports = new Map<string, number>();
  /** Descriptor → those that are closed with it. */
  readonly #companions = new Map<number, readonly number[]>();

  constructor(addon: DataApi & FakeTcpApi & TcpApi) {
    this.#addon = addon;
  }

  get listenPort(): number {
    return this.#ports.get('udp') ?? 0;
  }

  get hasTun(): boolean {
    return this.#tunFd >= 0;
  }

  /** The device was deleted under us. One that was moved to another network namespace lives on: packets still pass. */
  get isTunGone(): boolean {
    return this.#tunFd >= 0 && this.#addon.setTunPersistent(this.#tunFd, true) !== 0;
  }

  open(resource: ResourcePlan): Opened {
    if (resource.kind === 'tun') return this.#openTun(resource);
    if (resource.kind === 'tcp') return this.#openTcp(resource);
    return resource.kind === 'udp' ? this.#openUdp(resource) : this.#openPackets(resource);
  }

  openDoorbell(): number {
    return this.#addon.openDoorbell();
  }

  openOther({ family, mark, interface: device = '' }: UdpPlan): Opened {
    const { fd, ...facts } = this.#addon.openUdp({ family, port: 0, mark, interface: device });
    return { fd, facts: { ...facts } };
  }

  replace({ transport }: UdpPlan, before: Opened, fresh: Opened): void {
    const failed = this.#addon.replaceFd(fresh.fd, before.fd);
    if (failed < 0) throw new HawserError('REPLACE', `Cannot put a socket in the place of another: errno ${-failed}`);
    // What is opened later does not go back to the port that nothing came back to.
    if (this.#ports.get(transport) === before.facts.port) this.#ports.set(transport, Number(fresh.facts.port));
  }

  close(fd: number): void {
    for (const companion of this.#companions.get(fd) ?? []) this.#addon.closeFd(companion);
    this.#companions.delete(fd);
    this.#addon.closeFd(fd);
  }

  /** The device shall go away with its last descriptor: what an orderly stop wants, and a crash does not. */
  releaseTun(): void {
    if (this.#tunFd >= 0) this.#addon.setTunPersistent(this.#tunFd, false);
    this.#tunFd = -1;
  }

  #openTun(plan: TunPlan): Opened {
    try {
      const { fd, udpOffload } = this.#addon.openTun(plan.interface, { persistent: true, multiQueue: false });
      this.#tunFd = fd;
      return { fd, facts: { udpOffload } };
    } catch (error) {
      throw withRemedy(error, tunRemedies);
    }
  }

  #openUdp(plan: UdpPlan): Opened {
    const first = this.#ports.get(plan.transport);
    const port = plan.port === 0 ? (first ?? 0) : plan.port;
    try {
      const { family, mark } = plan;
      const opened = this.#addon.openUdp({ family, port, mark, interface: plan.interface ?? '' });
      if (family === 4 || first === undefined) this.#ports.set(plan.transport, opened.port);
      this.#noteClamp(plan.name, opened.receiveBufferBytes);
      const { fd, gso, gro, receiveBufferBytes, sendBufferBytes } = opened;
      return { fd, facts: { port: opened.port, gso, gro, receiveBufferBytes, sendBufferBytes } };
    } catch (error) {
      if (plan.family === 6 && isWithoutIpv6(error)) return { fd: -1, facts: {} };
      // A modem that is plugged in later: `LinkKeeper` opens the socket then.
      if (plan.interface !== undefined && codeOf(error) === 'ENODEV') return this.#waitFor(plan);
      throw withRemedy(error, udpRemedies);
    }
  }

  #openPackets(plan: PacketsPlan): Opened {
    try {
      const { family, listenPort, callPorts, mark } = plan;
      const opened = this.#addon.openPackets({ family, listenPort, callPorts, mark, interface: plan.interface ?? '' });
      this.#companions.set(opened.fd, opened.keepers);
      this.#noteClamp(plan.name, opened.receiveBufferBytes);
      const { fd, firstCallPort, callPorts: granted, receiveBufferBytes, sendBufferBytes } = opened;
      return {
        fd,
        facts: { firstCallPort, callPorts: granted, gso: true, gro: true, receiveBufferBytes, sendBufferBytes },
      };
    } catch (error) {
      if (plan.family === 6 && isWithoutIpv6(error)) return { fd: -1, facts: noCalls };
      if (plan.interface !== undefined && codeOf(error) === 'ENODEV') return { ...this.#waitFor(plan), facts: noCalls };
      throw withRemedy(error, packetsRemedies, packetsRights);
    }
  }

  #openTcp(plan: TcpPlan): Opened {
    try {
      const { family, port, mark } = plan;
      return { fd: this.#addon.listenTcp({ family, port, mark, interface: plan.interface ?? '' }), facts: {} };
    } catch (error) {
      if (plan.family === 6 && isWithoutIpv6(error)) return { fd: -1, facts: {} };
      if (plan.interface !== undefined && codeOf(error) === 'ENODEV') return this.#waitFor(plan);
      throw withRemedy(error, tcpRemedies, tcpRights);
    }
  }

  #waitFor({ link, interface: device, family }: Pick<UdpPlan, 'link' | 'interface' | 'family'>): Opened {
    if (family === 4) this.warnings.push(`${link}: there is no interface "${device}" yet; the link waits for it`);
    return { fd: -1, facts: {} };
  }

  #noteClamp(name: string, bytes: number): void {
    if (bytes >= wantedBufferBytes) return;
    const remedy = 'sysctl -w net.core.rmem_max=7340032 net.core.wmem_max=7340032';
    // getsockopt(2) says twice what was granted (socket(7), SO_RCVBUF).
    this.warnings.push(`${name}: the kernel grants ${bytes / 2} bytes of receive buffer (${remedy})`);
  }
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : 'OPEN';
}

function isWithoutIpv6(error: unknown): boolean {
  return codeOf(error) === 'EAFNOSUPPORT' || codeOf(error) === 'EADDRNOTAVAIL';
}

function withRemedy(error: unknown, remedies: Readonly<Record<string, string>>, rights?: string): HawserError {
  const code = codeOf(error);
  return new HawserError(
    code,
    messageOf(error),
    refusals.includes(code) ? rightsRemedy(rights) : (remedies[code] ?? ''),
  );
}
