/** What the health-checker and the operator say of a link, as sealer and session-manager ask it. */
import { link, linkHealth } from '../contract/link-tables.ts';
import type { RowTable } from './table.ts';

/** A checker that fell silent says nothing: its slowest round is 5 s, and it needs time to be restarted. */
const believedUs = 12_000_000;

/**
 * Probes past the tunnel say that nothing answers by this link: the link is dead, whatever is known of a peer. False also when
 * nobody probes it. In-tunnel feedback that still arrives by the link is the better witness.
 */
export function isLinkDead(links: RowTable, row: number, nowUs: number): boolean {
  return healthOf(links, row, nowUs) === linkHealth.down;
}

/** A value of `linkHealth`. */
export function healthOf(links: RowTable, row: number, nowUs: number): number {
  if (nowUs - links.number(row, link.healthJudgedUsAt) > believedUs) return linkHealth.unknown;
  return links.int(row, link.healthStateAt);
}

/** An operator took the link out: it carries nothing, not even probes. */
export function isLinkDisabled(links: RowTable, row: number): boolean {
  return links.int(row, link.disabledAt) === 1;
}

/** What a plugin suggests for a link: weight, 0 = nothing; place of the role among `always`, `backup`, `metered`, -1 = nothing. */
export function suggestionFor(links: RowTable, row: number): { readonly weight: number; readonly role: number } {
  return { weight: links.int(row, link.suggestedWeightAt), role: links.int(row, link.suggestedRoleAt) - 1 };
}

/** An operator wants all data on this link while it lives. */
export function isLinkForced(links: RowTable, row: number): boolean {
  return links.int(row, link.forcedAt) === 1;
}
