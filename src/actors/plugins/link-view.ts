/** Links as plugins see them: what the configuration says, and what probes past the tunnel say now. Pure. */
import type { LinkRole } from '../../config/config.ts';
import { link, linkHealth } from '../../contract/link-tables.ts';
import { healthOf } from '../../rings/link-health.ts';
import type { RowTable } from '../../rings/table.ts';

export interface SuggestedLink {
  /** Of the link table. */
  readonly row: number;
  readonly link: string;
  readonly role: LinkRole | undefined;
  readonly weight: number | undefined;
  readonly priority: number | undefined;
}

export function viewOfLinks(table: RowTable, links: readonly SuggestedLink[], nowUs: number): object[] {
  return links.map(({ row, ...named }) => {
    const state = healthOf(table, row, nowUs);
    const health = Object.keys(linkHealth).find((key) => linkHealth[key as keyof typeof linkHealth] === state);
    if (state === linkHealth.unknown) return { ...named, health };
    const rttMs = Math.round(table.number(row, link.healthRttUsAt) / 100) / 10;
    const lossPercent = Math.round(table.number(row, link.healthLossAt) * 1000) / 10;
    return { ...named, health, rttMs, lossPercent };
  });
}
