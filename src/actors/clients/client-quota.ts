/** What a client may use in a day and in a month: as `server.client` says, but for what was said of this one. Pure. */
import type { PeerConfig, PeerLimits } from '../../config/config.ts';
import type { QuotaConfig } from '../../config/quota-schema.ts';
import type { ClientQuotaChange } from '../../control/client-calls.ts';
import type { QuotaRules } from '../../protocols/quota/quota.ts';
import type { ClientQuotaRecord, ClientRecord } from './client-record.ts';

/** With what was said: null takes back what was said before, what is left out stays. */
export function withQuota(record: ClientRecord, asked: ClientQuotaChange | undefined): ClientRecord {
  if (asked === undefined) return record;
  const { quota: before, ...rest } = record;
  const quota = quotaOf(asked, before);
  return quota === undefined ? rest : { ...rest, quota };
}

/** The same of the quotas alone; undefined = there are none of its own. */
export function quotaOf(
  asked: ClientQuotaChange | undefined,
  before: ClientQuotaRecord = {},
): ClientQuotaRecord | undefined {
  if (asked === undefined) return undefined;
  const names = ['dailyBytes', 'monthlyBytes', 'resetDay'] as const;
  const quota: ClientQuotaRecord = Object.fromEntries(
    names.flatMap((name) => {
      const value = asked[name] === undefined ? before[name] : asked[name];
      return value === undefined || value === null ? [] : [[name, value]];
    }),
  );
  return Object.keys(quota).length === 0 ? undefined : quota;
}

export function rulesOf({ quota }: ClientRecord, { dailyBytes, monthlyBytes, resetDay }: QuotaConfig): QuotaRules {
  return { dailyBytes, monthlyBytes, resetDay, ...quota };
}

/** It may not use as much as it likes. */
export function hasQuota(record: ClientRecord, usual: QuotaConfig): boolean {
  const { dailyBytes, monthlyBytes } = rulesOf(record, usual);
  return dailyBytes + monthlyBytes > 0;
}

/** What becomes of the peers of a client that has used up its quota. */
export function atQuota(peer: PeerConfig, { throttleBps }: QuotaConfig): PeerConfig {
  return throttleBps === 0 ? { ...peer, refusal: 'quota' } : { ...peer, limits: throttled(peer.limits, throttleBps) };
}

function throttled(limits: PeerLimits, bps: number): PeerLimits {
  const least = (one: number): number => (one === 0 ? bps : Math.min(one, bps));
  return { ...limits, upBps: least(limits.upBps), downBps: least(limits.downBps) };
}
