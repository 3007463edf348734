/** Numbers and names as sentences have them. */
import { implicitLinkName } from '../config/names.ts';

/** `4.2 s`, `40 s`, `12 min`, `3 h`. */
export function duration(valueMs: number): string {
  if (valueMs < 10_000) return `${(valueMs / 1000).toFixed(1)} s`;
  if (valueMs < 120_000) return `${Math.round(valueMs / 1000)} s`;
  if (valueMs < 7_200_000) return `${Math.round(valueMs / 60_000)} min`;
  return `${Math.round(valueMs / 3_600_000)} h`;
}

/** ` for 40 s`; nothing when nobody knows. */
export function forDuration(ageMs: number | undefined): string {
  return ageMs === undefined ? '' : ` for ${duration(ageMs)}`;
}

export function mbit(bps: number): string {
  const value = bps / 1e6;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} Mbit/s`;
}

/** `half (48 %)` of something that gets lost. */
export function lossShare(percent: number): string {
  const rounded = `${Math.round(percent)} %`;
  if (percent >= 97) return 'nearly all';
  if (percent >= 42 && percent <= 58) return `about half (${rounded})`;
  return percent < 10 ? `${Math.round(percent * 10) / 10} %` : rounded;
}

/** What people call the way that a path takes: our link, or where that is whichever the kernel chooses, the one at the other end. */
export function wayName({ link, peerLink, transport }: Way & { readonly peerLink?: string | undefined }): string {
  return carrierText({ link: link === implicitLinkName && peerLink !== undefined ? peerLink : link, transport });
}

interface Way {
  readonly link: string;
  readonly transport: string;
}

/** `fibre`, and of any transport but UDP `fibre/test`. */
export function carrierText({ link, transport }: Way): string {
  return transport === 'udp' ? link : `${link}/${transport}`;
}

/** `fibre`, `fibre and lte`, `a, b and c`. */
export function list(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** Where a person finds what drops packets that leave this host. nft does not list what iptables-legacy has made. */
export const hostRules = '`nft list ruleset`, chains of hook output, and `iptables-legacy-save`';

const transportTexts: Readonly<Record<string, string>> = { udp: 'UDP', faketcp: 'FakeTCP', tls: 'TLS' };

/** As people write it. */
export function transportText(transport: string): string {
  return transportTexts[transport] ?? transport;
}

/** `14:02` of today, or with the day before it; by the clock and the zone of this host. */
export function clockText(timeMs: number, nowMs: number): string {
  const [time, now] = [new Date(timeMs), new Date(nowMs)];
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}
