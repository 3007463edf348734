// The Reed-Solomon codes of one thread, one for each number of data shards, made when first asked for; and what both ends know of
// the shard of a sealed packet.
#pragma once
#include <memory>

#include "layout.h"
#include "packet.h"
#include "reed_solomon.h"

namespace hawser {

// The message header: type, receiver index, counter (seal.h). It is in no shard.
inline constexpr uint32_t kFecHeaderBytes = 16;
inline constexpr uint32_t kFecLengthBytes = layout::parity_lengthBytes;

// Bytes of the data shard of a sealed packet.
inline constexpr uint32_t shardBytesOf(uint32_t sealedBytes) { return sealedBytes - kFecHeaderBytes + kFecLengthBytes; }

static_assert(layout::parity_maxData == ReedSolomon::kMaxData && layout::parity_maxParity == ReedSolomon::kMaxParity);
// An inner packet of n bytes is sealed into n + 32, and its parity frame is headerBytes + shardBytesOf(n + 32) long.
static_assert(layout::parity_excessBytes == layout::parity_headerBytes + shardBytesOf(32));

class FecCodes {
 public:
  // `data` from 1 to kMaxData. All parities: row j is the same in every code of `data`.
  const ReedSolomon& of(uint32_t data) {
    std::unique_ptr<ReedSolomon>& code = codes_[data - 1];
    if (code == nullptr) code = std::make_unique<ReedSolomon>(data, ReedSolomon::kMaxParity);
    return *code;
  }

 private:
  std::unique_ptr<ReedSolomon> codes_[ReedSolomon::kMaxData];
};

}  // namespace hawser
