/** Connections of the kernel's own TCP: what Node's sockets cannot say to the kernel. */
export interface TcpApi {
  /**
   * Opens a non-blocking socket that listens, bound to `interface` ('' = by any), whose connections bear `mark` (0 = none). Throws with code
   * and syscall.
   */
  listenTcp(options: {
    readonly family: 4 | 6;
    readonly port: number;
    readonly mark: number;
    readonly interface: string;
  }): number;
  /** Another descriptor of the same socket, for somebody who closes what he is given; or a negative errno. */
  duplicateFd(fd: number): number;
  /**
   * Small packets leave at once, at most about `notSentBytes` wait in the kernel without having been sent, and what is not acknowledged
   * for `deadMs` ends the connection (TCP_USER_TIMEOUT). Said of a socket that listens it holds for what that accepts. 0 or a negative errno.
   */
  tuneTcp(fd: number, notSentBytes: number, deadMs: number): number;
}
