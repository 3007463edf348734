/** TAI64N (cr.yp.to/libtai/tai64.html): the 12-byte timestamp of an initiation. Compares as bytes. */

export const tai64nBytes = 12;
/** 2^62, and the ten seconds TAI was ahead when UNIX time began, split in two words. */
const epochHigh = 0x40000000;
const epochLow = 10;
/**
 * Sub-second precision would tell an observer much about this machine's clock; WireGuard rounds to 2^24 ns
 * (drivers/net/wireguard/noise.c), this to 2^14 µs.
 */
const granularityUs = 16_384;

/** The stamp to use at `unixUs` after `lastUs` was used: rounded down, and always greater than the last. */
export function nextStampUs(unixUs: number, lastUs: number): number {
  return Math.max(unixUs - (unixUs % granularityUs), lastUs + 1);
}

/** `unixUs`: whole microseconds since 1970. */
export function tai64nEmit(target: Uint8Array, at: number, unixUs: number): void {
  const seconds = Math.floor(unixUs / 1e6);
  const low = epochLow + (seconds % 2 ** 32);
  const view = new DataView(target.buffer, target.byteOffset + at, tai64nBytes);
  view.setUint32(0, epochHigh + Math.floor(seconds / 2 ** 32) + (low >= 2 ** 32 ? 1 : 0));
  view.setUint32(4, low >>> 0);
  view.setUint32(8, (unixUs % 1e6) * 1000);
}

/** Microseconds since 1970 of a stamp; beyond the year 2255 not exact. */
export function tai64nUnixUs(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, tai64nBytes);
  const seconds = (view.getUint32(0) - epochHigh) * 2 ** 32 + view.getUint32(4) - epochLow;
  return seconds * 1e6 + Math.floor(view.getUint32(8) / 1000);
}

/** Whether `later` is after `earlier`. */
export function tai64nIsAfter(later: Uint8Array, earlier: Uint8Array): boolean {
  for (let at = 0; at < tai64nBytes; at += 1) {
    const difference = (later[at] as number) - (earlier[at] as number);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
