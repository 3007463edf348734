// How peers are spread over pairs of sealer and opener (docs/adr/0043); rings/shards.ts has the same rule.
#pragma once
#include <cstdint>

namespace hawser {

// `number`: a row of the peer table, or a receiver index.
inline uint32_t shardOf(uint32_t number, uint32_t shards) { return number % shards; }

}  // namespace hawser
