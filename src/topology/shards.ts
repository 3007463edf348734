/** How many pairs of sealer and opener an instance runs (docs/adr/0043). */
import { HawserError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { shards as layout } from '../contract/peer-tables.ts';

/** The packet path of one shard has work for so many processors, kernel included. */
const coresPerShard = 4;

/**
 * By the configuration, or by the processors that this process may use. A host without clients has few peers, mostly one, and a peer belongs to one
 * shard; a rate that all peers have together is kept by one sealer and one opener.
 */
export function chooseShards({ runtime, server }: Config, cores: number): number {
  if (runtime.shards !== 'auto') return runtime.shards;
  if (server === undefined || sharesRate(server)) return 1;
  return Math.min(layout.most, Math.max(1, Math.floor(cores / coresPerShard)));
}

/** Throws when a running instance of so many shards cannot do what `config` asks for; the configuration's own checks know of a fixed number. */
export function checkShards(shards: number, { server }: Config): void {
  if (shards === 1 || server === undefined || !sharesRate(server)) return;
  const message = `server.total is kept by one pair of sealer and opener, and this instance runs ${shards}`;
  throw new HawserError('CONFIG', message, 'restart the instance, with runtime.shards: 1 or auto');
}

function sharesRate({ total }: NonNullable<Config['server']>): boolean {
  return total.downBps > 0 || total.upBps > 0;
}

/** Settings and plans of a single shard are without a word of it. */
export function shardsSetting(shards: number): { readonly shards?: number } {
  return shards === 1 ? {} : { shards };
}

export function shardSetting(shard: number): { readonly shard?: number } {
  return shard === 0 ? {} : { shard };
}
