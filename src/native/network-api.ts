import type { Family } from '../base/family.ts';
/** Sockets and kernel interfaces that are off the packet path: netlink, marked sockets for the resolver, systemd's socket. */
export interface NetworkApi {
  /**
   * Opens an AF_NETLINK socket of `protocol` (0 = NETLINK_ROUTE, 12 = NETLINK_NETFILTER) subscribed to `groups` (bit mask of
   * RTMGRP_*). Throws with code and syscall.
   */
  openNetlink(groups: number, protocol: number): number;
  /**
   * From now on a netlink socket hears of routes only what leads everywhere (prefix length 0), has the protocol number `protocol`, or
   * leads to one of `addresses`: 5 bytes each, 4 or 6 and the first four of the address; 700 at most. Links, addresses and rules pass
   * as ever. 0 or a negative errno.
   */
  filterRouteEvents(fd: number, protocol: number, addresses: Uint8Array): number;
  /**
   * Calls `onReadable` from the event loop whenever there is something to read; keeps no process alive. Returns what ends it, to be
   * called once, before the descriptor is closed.
   */
  watchReadable(fd: number, onReadable: () => void): () => void;
  /** Binds a socket to an address of this host, 4 or 16 bytes; `scopeId` as for `connectUdp`. 0 or a negative errno. */
  bindSource(fd: number, address: Uint8Array, scopeId: number): number;
  /**
   * Opens a non-blocking UDP socket of `family` whose packets carry `fwmark` (0 = none) and leave by `interfaceName` (empty =
   * the kernel's routing chooses). Throws with code and syscall; the caller closes it with `closeFd`.
   */
  openMarkedUdp(family: Family, fwmark: number, interfaceName: string): number;
  /**
   * The same for echo requests: a ping socket where the kernel allows one, else a raw one that takes echo replies only. The caller
   * writes IPv4's checksum; what a raw IPv4 socket receives begins with the IP header.
   */
  openMarkedIcmp(family: Family, fwmark: number, interfaceName: string): number;
  /** The same for a TCP connection, begun with `connectUdp` (-115, EINPROGRESS). Closing it resets the connection. */
  openMarkedTcp(family: Family, fwmark: number, interfaceName: string): number;
  /** 1 = connected, and `roundTripUs[0]` is what the kernel measured (0 = it did not); 0 = not yet; else a negative errno. */
  tcpConnected(fd: number, roundTripUs: Float64Array): number;
  /** recv(2) without waiting; `arrivedUs[0]` is CLOCK_BOOTTIME microseconds when the kernel received it. Errors as `receiveBytes`. */
  receiveStamped(fd: number, target: Uint8Array, arrivedUs: Float64Array): number;
  /** Sets the peer of such a socket, 4 or 16 address bytes; `scopeId` is the interface of a link-local one, else 0. 0 or a negative errno. */
  connectUdp(fd: number, address: Uint8Array, port: number, scopeId: number): number;
  /** send(2) on a netlink or connected socket; returns bytes or a negative errno. */
  sendBytes(fd: number, bytes: Uint8Array): number;
  /** recv(2), waiting at most `timeoutMs`; returns bytes, -11 (EAGAIN) on a timeout, -90 (EMSGSIZE) if cut, or another negative errno. */
  receiveBytes(fd: number, target: Uint8Array, timeoutMs: number): number;
  /**
   * Waits for the end of a child of this process whose thread is about to be gone, so that it leaves no zombie; at most `timeoutMs`. 1 = it has
   * ended, 0 = it has not, or a negative errno (-10, ECHILD: it is none, or somebody else was first).
   */
  reapChild(pid: number, timeoutMs: number): number;
  /** One datagram to a systemd NOTIFY_SOCKET path (leading @ = abstract). Returns 0 or a negative errno. */
  sdNotify(socketPath: string, message: string): number;
}
