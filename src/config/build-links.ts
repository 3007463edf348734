/** Links and bonding: what the schema took → the configuration as the program sees it. */
import { buildCheck } from './check-schema.ts';
import type { BondingConfig, LinkConfig, LinkHealthConfig } from './config.ts';
import { implicitLinkName } from './names.ts';
import type { ConfigOutput } from './schema.ts';

type LinkOutput = ConfigOutput['links'][number];

const noHealth: LinkHealthConfig = {
  method: 'off',
  targets: [],
  checks: [],
  need: 1,
  intervalMs: 200,
  failures: 3,
  successes: 3,
  degraded: { latencyMs: 200, lossPercent: 5 },
  down: { latencyMs: 500, jitterMs: 100, lossPercent: 20 },
};

/** Without `links` in the file the kernel's routing chooses the way. */
export const implicitLink: LinkConfig = {
  name: implicitLinkName,
  interface: undefined,
  priority: 0,
  rateBps: undefined,
  weight: undefined,
  role: 'always',
  health: noHealth,
};

export function buildLink(link: LinkOutput): LinkConfig {
  return {
    name: link.name,
    interface: link.interface,
    priority: link.priority,
    rateBps: link.rate === 'auto' ? undefined : Math.round(link.rate * 1e6),
    weight: link.weight,
    role: link.role,
    health: buildHealth(link.health),
  };
}

function buildHealth(health: LinkOutput['health']): LinkHealthConfig {
  const { degraded, down, checks, need } = health;
  const shared = { intervalMs: health.interval, failures: health.failures, successes: health.successes };
  return {
    method: checks.length > 0 ? 'checks' : (health.method ?? (health.targets.length > 0 ? 'auto' : 'off')),
    targets: health.targets,
    checks: checks.map((check) => buildCheck(check, shared)),
    need: need === 'any' ? 1 : need === 'all' ? Math.max(1, checks.length) : need,
    ...shared,
    degraded: { latencyMs: degraded.latency, lossPercent: degraded.loss },
    down: { latencyMs: down.latency, jitterMs: down.jitter, lossPercent: down.loss },
  };
}

export function buildBonding(bonding: ConfigOutput['bonding']): BondingConfig {
  const { control, latency, bulk } = bonding.classes;
  return {
    mode: bonding.mode,
    classes: {
      ...(control === undefined ? {} : { control }),
      ...(latency === undefined ? {} : { latency }),
      ...(bulk === undefined ? {} : { bulk }),
    },
    reorderMs: bonding.reorder,
    repair: bonding.repair,
    fec: bonding.fec,
    failbackMs: bonding.failback,
    protect: [...new Set(bonding.protect)],
    suggestions: bonding.suggestions,
  };
}
