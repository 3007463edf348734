/** Sockets and kernel interfaces that are off the packet path: netlink, marked sockets for the resolver, systemd's socket. */
export interface NetworkApi {
  /** Opens an AF_NETLINK NETLINK_ROUTE socket subscribed to `groups` (bit mask of RTMGRP_*). Throws with code and syscall. */
  openNetlink(groups: number): number;
  /** send(2) on a netlink or unconnected socket; returns bytes or a negative errno. */
  sendBytes(fd: number, bytes: Uint8Array): number;
  /** recv(2), waiting at most `timeoutMs`; returns bytes, or a negative errno (-11 EAGAIN on a timeout). */
  receiveBytes(fd: number, target: Uint8Array, timeoutMs: number): number;
  /** One datagram to a systemd NOTIFY_SOCKET path (leading @ = abstract). Returns 0 or a negative errno. */
  sdNotify(socketPath: string, message: string): number;
}
