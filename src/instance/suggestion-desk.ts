/**
 * What the plugin of `bonding.suggestions` says of links: kept within what the configuration says of them, written into their rows, where the sealer
 * looks, and taken back when it is not said again in time. A suggestion is never more than that.
 */
import type { Config, LinkConfig, LinkRole } from '../config/config.ts';
import { link as layout } from '../contract/link-tables.ts';
import type { InstanceEvent } from '../control/events.ts';
import type { LinkSuggestion } from '../control/plugins.ts';
import type { RowTable } from '../rings/table.ts';
import type { InstanceState } from '../supervisor/api.ts';

export interface SuggestionDeskParts {
  readonly table: RowTable;
  readonly state: () => Pick<InstanceState, 'config' | 'topology'>;
  /** The sealer shall look at the rows. */
  readonly tell: () => void;
  readonly note: (event: InstanceEvent) => void;
}

/** In the order of their numbers; a suggestion may keep a link back, and never use one more than its owner has said. */
const roles: readonly LinkRole[] = ['always', 'backup', 'metered'];
/** Of a configured weight. */
const mostChange = 4;
const weights = { least: 1, most: 1000 } as const;
const holdLimitsMs = { least: 1000, most: 3 * 3_600_000 } as const;

export class SuggestionDesk {
  readonly #parts: SuggestionDeskParts;
  #plugin = '';
  #suggestions: readonly LinkSuggestion[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SuggestionDeskParts) {
    this.#parts = parts;
  }

  take(plugin: string, suggestions: readonly LinkSuggestion[], holdMs: number): void {
    clearTimeout(this.#timer);
    this.#plugin = plugin;
    this.#suggestions = suggestions;
    const forMs = Math.min(holdLimitsMs.most, Math.max(holdLimitsMs.least, holdMs));
    if (suggestions.length > 0) this.#timer = setTimeout(() => this.take(plugin, [], 0), forMs).unref();
    this.follow();
  }

  /** The configuration, or what was suggested, is another. */
  follow(): void {
    const { config, topology } = this.#parts.state();
    const isWanted = config.bonding.suggestions === this.#plugin;
    let hasChanged = false;
    for (const { name, row } of topology.links) {
      const wish = isWanted ? this.#suggestions.find((one) => one.link === name) : undefined;
      hasChanged =
        this.#write(
          row,
          config.links.find((one) => one.name === name),
          wish,
        ) || hasChanged;
    }
    if (hasChanged) this.#parts.tell();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #write(row: number, link: Config['links'][number] | undefined, wish: LinkSuggestion | undefined): boolean {
    if (link === undefined) return false;
    const { table, note } = this.#parts;
    const weight = wish?.weight === undefined ? 0 : weightWithin(link, wish.weight);
    const role = wish?.role === undefined ? link.role : roleWithin(link, wish.role);
    const roleCell = role === link.role ? 0 : roles.indexOf(role) + 1;
    const weightCell = weight === (link.weight ?? 0) ? 0 : weight;
    if (table.int(row, layout.suggestedWeightAt) === weightCell && table.int(row, layout.suggestedRoleAt) === roleCell)
      return false;
    table.setInt(row, layout.suggestedWeightAt, weightCell);
    table.setInt(row, layout.suggestedRoleAt, roleCell);
    note({
      kind: 'link-suggested',
      link: link.name,
      plugin: this.#plugin,
      ...(weightCell === 0 ? {} : { weight: weightCell }),
      ...(roleCell === 0 ? {} : { role }),
    });
    return true;
  }
}

/** 0 = as configured. */
function weightWithin({ weight }: LinkConfig, wish: number): number {
  if (!Number.isFinite(wish)) return 0;
  const least = weight === undefined ? weights.least : Math.max(weights.least, Math.ceil(weight / mostChange));
  const most = weight === undefined ? weights.most : Math.min(weights.most, weight * mostChange);
  return Math.round(Math.min(most, Math.max(least, wish)));
}

function roleWithin({ role }: LinkConfig, wish: LinkRole): LinkRole {
  return roles[Math.max(roles.indexOf(role), roles.indexOf(wish))] ?? role;
}
