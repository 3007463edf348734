/** Interfaces by name and by index, as the zones of link-local addresses name them (RFC 4007 section 11). */
import { networkInterfaces } from 'node:os';

/** Index of an interface that has IPv6; 0 = there is none of that name. */
export function scopeOf(zone: string): number {
  return networkInterfaces()[zone]?.find(({ scopeid }) => scopeid !== undefined && scopeid !== 0)?.scopeid ?? 0;
}

/** Name of the interface of an index; the index itself where there is none. */
export function zoneOf(scopeId: number): string {
  const named = Object.entries(networkInterfaces()).find(([, own]) => own?.some(({ scopeid }) => scopeid === scopeId));
  return named?.[0] ?? String(scopeId);
}
