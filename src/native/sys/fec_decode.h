// Rebuilds lost packets of one session from parity (PARITY, docs/wire-format.md). It keeps the sealed packets received last, by
// counter, and the parities of groups that lack too much yet; memory is bounded, and what is too old is given up. Everything it is
// given was authenticated before; what it rebuilds has to be opened like any other packet.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "fec_codes.h"

namespace hawser {

class FecDecoder {
 public:
  static constexpr uint32_t kPackets = 1024;

  struct Counts {
    uint64_t parities = 0;    // frames taken
    uint64_t malformed = 0;   // frames that make no sense
    uint64_t needless = 0;    // of groups that lacked nothing
    uint64_t stale = 0;       // of groups whose packets are not kept any more
    uint64_t rebuilt = 0;     // packets
    uint64_t givenUp = 0;     // groups that never could be rebuilt
  };
  struct Rebuilt {
    uint8_t* sealed;  // header, ciphertext, tag
    uint32_t length;
    uint64_t counter;
  };

  // Packets longer than `maxSealedBytes` are not kept. `codes` belong to this thread and outlive the decoder.
  FecDecoder(FecCodes& codes, uint32_t maxSealedBytes, uint32_t packets = kPackets);

  // Keeps an accepted packet that came by `path` (any number that tells paths apart). A waiting group may lack little enough by it:
  // returns how many packets were rebuilt. While its path may still bring what is missing, a group goes on waiting: parity takes
  // another path than its data, and may be there first.
  uint32_t remember(uint64_t counter, const uint8_t* sealed, uint32_t length, int32_t path);
  // Takes an opened PARITY frame that was addressed to `receiverIndex`. Returns how many packets were rebuilt.
  uint32_t parity(const uint8_t* frame, uint32_t length, uint32_t receiverIndex);
  // Of the last call; valid until the next.
  const Rebuilt& rebuilt(uint32_t index) const { return rebuilt_[index]; }

  const Counts& counts() const { return counts_; }

 private:
  static constexpr uint32_t kGroups = 64;
  static constexpr int32_t kNoPath = INT32_MIN;

  // A group that waits for its packets or for more parity.
  struct Group {
    uint64_t members = 0;
    uint32_t data = 0;  // 0 = free
    uint32_t shardBytes = 0;
    uint32_t receiverIndex = 0;
    uint32_t parities = 0;  // bits: which are here
    int32_t path = kNoPath;  // of its packets
    bool isDecodable = false;
    std::vector<uint8_t> shards;
  };
  struct Frame {
    uint64_t base, members;
    uint32_t data, index, shardBytes;
    const uint8_t* shard;
  };

  static bool parse(const uint8_t* bytes, uint32_t length, Frame& frame);
  bool keeps(uint64_t counter) const { return lengths_[counter % packets_] != 0 && counters_[counter % packets_] == counter; }
  bool isStale(uint64_t base) const { return newest_ - base >= packets_ - 64 && newest_ > base; }
  uint8_t* slotOf(uint64_t counter) const { return bytes_.get() + (counter % packets_) * slotBytes_; }
  uint8_t* shardOf(Group& group, uint32_t index) const { return group.shards.data() + static_cast<size_t>(index) * slotBytes_; }
  uint32_t groupOf(const Frame& frame, uint32_t receiverIndex);
  void release(uint32_t index);
  uint64_t missingOf(uint32_t index, uint64_t& highest);
  uint32_t attempt(uint32_t index, uint64_t arrived);
  uint32_t rebuild(uint32_t index, uint64_t missing);
  bool prepareSource(uint64_t counter, uint32_t shardBytes);
  bool finishTarget(uint64_t counter, uint32_t shardBytes, uint32_t receiverIndex);

  FecCodes& codes_;
  ReedSolomonRepairer repairer_;
  uint32_t maxSealedBytes_;
  uint32_t packets_;
  uint32_t slotBytes_;
  // Packets by counter modulo `packets_`. In a slot the shard begins at kFecHeaderBytes - kFecLengthBytes: the packet stands where its
  // header leaves room for the length.
  std::unique_ptr<uint8_t[]> bytes_;
  std::vector<uint64_t> counters_;
  std::vector<uint32_t> lengths_;  // of the sealed packet; 0 = none
  std::vector<int32_t> paths_;
  uint64_t newest_ = 0;
  // Bases stand by themselves: `remember` looks through them.
  uint64_t bases_[kGroups] = {};
  Group groups_[kGroups];
  uint32_t waiting_ = 0;
  uint32_t next_ = 0;
  Rebuilt rebuilt_[ReedSolomon::kMaxParity];
  Counts counts_;
};

}  // namespace hawser
