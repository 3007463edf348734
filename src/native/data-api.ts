/** The packet path of the addon. Hot calls return a count or a negative errno; only `open…` throws (code, syscall, errno). */
export interface DataApi {
  /** CLOCK_BOOTTIME in microseconds. */
  nowUs(): number;
  /** Makes an eventfd (non-blocking, close-on-exec) to wake one thread. */
  openDoorbell(): number;
  /** Rings unconditionally: adds 1 to the eventfd. */
  ring(fd: number): number;
  closeFd(fd: number): number;
  /**
   * Waits for the doorbell or for one of `fds` to be readable, until `deadlineUs` (CLOCK_BOOTTIME) at the latest; drains the
   * doorbell. `armed` is the thread's doorbell memory: it must be armed, and all inputs re-checked, before the call.
   * Returns 1 when something is ready, 0 at the deadline, or a negative errno.
   */
  wait(doorbellFd: number, armed: Uint8Array, fds: Int32Array, deadlineUs: number): number;
}
