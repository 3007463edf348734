/** What the tunnel's MTU is when the file says auto. */
import type { BondingConfig } from './config.ts';

/** 1500 of Ethernet less 40 of IPv6, 8 of UDP and 32 of the data message: WireGuard's own default. */
const plainMtu = 1420;
/**
 * A parity packet is longer than the longest sealed packet it protects: it carries that one's message header and length as
 * data and has a header of its own. 40 bytes of room keep it within the 1500 of the path.
 */
export const fecMtu = 1380;

/** The longest inner packet that gets parity in a tunnel of this MTU: its frame shall fit where the MTU does, or into 1500. */
export function longestProtected(mtu: number): number {
  return Math.max(Math.min(mtu, fecMtu), mtu - (plainMtu - fecMtu));
}

/** Of the interface. What the paths take is found out, and packets cut to it, whatever this says. */
export function mtuOf(mtu: number | 'auto', fec: BondingConfig['fec']): number {
  if (mtu !== 'auto') return mtu;
  return fec === 'off' ? plainMtu : fecMtu;
}
