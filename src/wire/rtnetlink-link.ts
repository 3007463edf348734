/**
 * Links in rtnetlink (linux/if_link.h).
 *
 * ```
 * ifinfomsg:     0 family u8 | 2 type u16 | 4 index i32 | 8 flags u32 | 12 change u32 | 16 attributes
 * ```
 */
import {
  attributeEmitNested,
  attributeEmitText,
  attributeEmitU8,
  attributeEmitU32,
  attributesParse,
  attributeU32,
  readI32,
  readU32,
  textOf,
  writeU32,
} from './netlink.ts';
import { addressFamily } from './rtnetlink.ts';

/** net/if.h IFF_* */
const linkFlag = { up: 0x1, loopback: 0x8, running: 0x40 } as const;
const iflaName = 3;
const iflaMtu = 4;
const iflaMaster = 10;
const iflaLinkInfo = 18;
const iflaInfoKind = 1;
const iflaAfSpec = 26;
const iflaInet6AddrGenMode = 8;
/** IN6_ADDR_GEN_MODE_NONE */
const addrGenModeNone = 1;
const linkBytes = 16;

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** Set up by the administrator. */
  readonly up: boolean;
  /** Up, and with a carrier. */
  readonly running: boolean;
  /** `tun`, `veth`, `wireguard` …; empty for hardware. */
  readonly kind: string;
  readonly isLoopback: boolean;
  /** A port of a bridge, bond or VRF: that one, and not this, is where the host sends. */
  readonly isPort: boolean;
}

/** Asks for one link by name (RTM_GETLINK) or, with an empty name, for all (with NLM_F_DUMP). */
export function linkQueryEmit(target: Uint8Array, at: number, name: string): number {
  target.fill(0, at, at + linkBytes);
  return name === '' ? at + linkBytes : attributeEmitText(target, at + linkBytes, iflaName, name);
}

/**
 * RTM_SETLINK: takes the link up or down and sets its MTU (undefined = as it is). `quiet` keeps the kernel
 * from making a link-local IPv6 address, whose router solicitations a tunnel would carry for nobody; it has to come in a
 * message before the one that takes the link up.
 */
export function linkSetEmit(
  target: Uint8Array,
  at: number,
  link: { readonly index: number; readonly up?: boolean; readonly mtu?: number; readonly quiet?: boolean },
): number {
  target.fill(0, at, at + linkBytes);
  writeU32(target, at + 4, link.index);
  writeU32(target, at + 8, link.up === true ? linkFlag.up : 0);
  writeU32(target, at + 12, link.up === undefined ? 0 : linkFlag.up);
  let end = at + linkBytes;
  if (link.mtu !== undefined) end = attributeEmitU32(target, end, iflaMtu, link.mtu);
  if (link.quiet !== true) return end;
  return attributeEmitNested(target, end, iflaAfSpec, (specAt) =>
    attributeEmitNested(target, specAt, addressFamily.inet6, (modeAt) =>
      attributeEmitU8(target, modeAt, iflaInet6AddrGenMode, addrGenModeNone),
    ),
  );
}

/** RTM_DELLINK. */
export function linkDeleteEmit(target: Uint8Array, at: number, index: number): number {
  target.fill(0, at, at + linkBytes);
  writeU32(target, at + 4, index);
  return at + linkBytes;
}

export function linkParse(bytes: Uint8Array, at: number, end: number): LinkState | undefined {
  if (end - at < linkBytes) return undefined;
  const attributes = attributesParse(bytes, at + linkBytes, end);
  if (attributes === undefined) return undefined;
  const name = attributes.get(iflaName);
  const info = attributes.get(iflaLinkInfo);
  const kind = info === undefined ? undefined : attributesParse(info, 0, info.length)?.get(iflaInfoKind);
  const flags = readU32(bytes, at + 8);
  return {
    index: readI32(bytes, at + 4),
    name: name === undefined ? '' : textOf(name),
    mtu: attributeU32(attributes, iflaMtu, 0),
    up: (flags & linkFlag.up) !== 0,
    running: (flags & linkFlag.running) !== 0,
    kind: kind === undefined ? '' : textOf(kind),
    isLoopback: (flags & linkFlag.loopback) !== 0,
    isPort: attributeU32(attributes, iflaMaster, 0) !== 0,
  };
}
