/** One end of a ring as the addon takes it: views, since Node-API refuses a bare SharedArrayBuffer. */
export interface NativePort {
  readonly ring: Uint8Array;
  readonly doorbell: Uint8Array;
  readonly doorbellFd: number;
}
