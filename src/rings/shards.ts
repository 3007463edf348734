/** How peers are spread over pairs of sealer and opener (docs/adr/0043): by the row of the peer, and by receiver indices that follow it. */

/** `number`: a row of the peer table, or a receiver index (u32). The addon has the same rule (`native/sys/shards.h`). */
export function shardOf(number: number, shards: number): number {
  return number % shards;
}

/** `sealer`, `sealer-2`: what belongs to the first shard has the name that it has without any. Ids of actors, ports, tables. */
export function ofShard<Name extends string>(name: Name, shard: number): Name | `${Name}-${number}` {
  return shard === 0 ? name : `${name}-${shard + 1}`;
}

/** A name for each shard. */
export function shardPorts<Name extends string>(name: Name, shards = 1): (Name | `${Name}-${number}`)[] {
  return Array.from({ length: shards }, (_, shard) => ofShard(name, shard));
}
