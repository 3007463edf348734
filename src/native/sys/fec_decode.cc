#include "fec_decode.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "seal.h"

namespace hawser {
namespace {

static_assert(kFecHeaderBytes == kDataHeaderBytes);
constexpr uint32_t kShardAt = kFecHeaderBytes - kFecLengthBytes;

uint64_t bitAt(uint32_t index) { return uint64_t{1} << index; }

}  // namespace

FecDecoder::FecDecoder(FecCodes& codes, uint32_t maxSealedBytes, uint32_t packets)
    : codes_(codes), maxSealedBytes_(maxSealedBytes), packets_(packets), slotBytes_((maxSealedBytes + 63) & ~63u),
      bytes_(new uint8_t[static_cast<size_t>(packets) * slotBytes_]), counters_(packets), lengths_(packets), paths_(packets) {}

uint32_t FecDecoder::remember(uint64_t counter, const uint8_t* sealed, uint32_t length, int32_t path) {
  if (length > maxSealedBytes_ || length < kFecHeaderBytes + kTagBytes) return 0;
  if (newest_ > counter && newest_ - counter >= packets_) return 0;
  const bool known = keeps(counter);
  newest_ = std::max(newest_, counter);
  counters_[counter % packets_] = counter;
  lengths_[counter % packets_] = length;
  paths_[counter % packets_] = path;
  std::memcpy(slotOf(counter) + kFecHeaderBytes, sealed + kFecHeaderBytes, length - kFecHeaderBytes);
  if (known || waiting_ == 0) return 0;
  for (uint32_t i = 0; i < kGroups; i++) {
    Group& group = groups_[i];
    if (group.data == 0 || counter < bases_[i]) continue;
    const uint64_t offset = counter - bases_[i];
    const bool isMember = offset < 64 && (group.members >> offset & 1) != 0;
    if (isMember) group.path = path;
    else if (!group.isDecodable || path != group.path) continue;
    const uint32_t rebuilt = attempt(i, counter);
    if (isMember || rebuilt > 0) return rebuilt;
  }
  return 0;
}

uint32_t FecDecoder::parity(const uint8_t* bytes, uint32_t length, uint32_t receiverIndex) {
  Frame frame;
  if (!parse(bytes, length, frame) || frame.shardBytes > shardBytesOf(maxSealedBytes_)) {
    counts_.malformed += 1;
    return 0;
  }
  counts_.parities += 1;
  if (isStale(frame.base)) {
    counts_.stale += 1;
    return 0;
  }
  const uint32_t index = groupOf(frame, receiverIndex);
  Group& group = groups_[index];
  if (group.shards.size() < static_cast<size_t>(frame.index + 1) * slotBytes_) group.shards.resize(static_cast<size_t>(frame.index + 1) * slotBytes_);
  std::memcpy(shardOf(group, frame.index), frame.shard, frame.shardBytes);
  group.parities |= 1u << frame.index;
  return attempt(index, UINT64_MAX);
}

// The peer is known, but may be of a later version, or mistaken: nothing here is trusted.
bool FecDecoder::parse(const uint8_t* bytes, uint32_t length, Frame& frame) {
  if (length <= layout::parity_headerBytes || bytes[0] != 0 || bytes[layout::parity_kindAt] != layout::controlKind_parity) return false;
  frame.data = bytes[layout::parity_dataAt];
  frame.index = bytes[layout::parity_indexAt] & 15;
  frame.shardBytes = bytes[layout::parity_shardBytesAt] | static_cast<uint32_t>(bytes[layout::parity_shardBytesAt + 1]) << 8;
  frame.base = readLe64(bytes + layout::parity_baseAt);
  frame.members = readLe64(bytes + layout::parity_membersAt);
  frame.shard = bytes + layout::parity_headerBytes;
  const bool hasCode = frame.data >= 1 && frame.data <= ReedSolomon::kMaxData && frame.index <= bytes[layout::parity_indexAt] >> 4;
  const bool hasMembers = (frame.members & 1) != 0 && static_cast<uint32_t>(std::popcount(frame.members)) <= frame.data;
  const bool hasShard = frame.shardBytes >= shardBytesOf(kFecHeaderBytes + kTagBytes) && frame.shardBytes <= length - layout::parity_headerBytes;
  return hasCode && hasMembers && hasShard && frame.base < kRejectAfterMessages - 64;
}

// The group that waits for this frame, or the place of the one that has waited longest.
uint32_t FecDecoder::groupOf(const Frame& frame, uint32_t receiverIndex) {
  for (uint32_t i = 0; waiting_ != 0 && i < kGroups; i++) {
    const Group& group = groups_[i];
    if (bases_[i] == frame.base && group.data == frame.data && group.members == frame.members && group.shardBytes == frame.shardBytes &&
        group.receiverIndex == receiverIndex) {
      return i;
    }
  }
  const uint32_t index = next_++ % kGroups;
  Group& group = groups_[index];
  if (group.data != 0) {
    counts_.givenUp += 1;
    release(index);
  }
  bases_[index] = frame.base;
  group.members = frame.members;
  group.data = frame.data;
  group.shardBytes = frame.shardBytes;
  group.receiverIndex = receiverIndex;
  group.path = kNoPath;
  group.isDecodable = false;
  waiting_ += 1;
  return index;
}

void FecDecoder::release(uint32_t index) {
  groups_[index].data = 0;
  groups_[index].parities = 0;
  waiting_ -= 1;
}

// Bits by data shard, not by counter. `highest`: the last missing counter.
uint64_t FecDecoder::missingOf(uint32_t index, uint64_t& highest) {
  uint64_t missing = 0;
  uint32_t shard = 0;
  for (uint64_t left = groups_[index].members; left != 0; left &= left - 1, shard++) {
    const uint64_t counter = bases_[index] + static_cast<uint32_t>(std::countr_zero(left));
    if (keeps(counter)) {
      groups_[index].path = paths_[counter % packets_];
      continue;
    }
    missing |= bitAt(shard);
    highest = counter;
  }
  return missing;
}

// `arrived`: the counter that came last by the group's path: what left before it is late, or lost.
uint32_t FecDecoder::attempt(uint32_t index, uint64_t arrived) {
  Group& group = groups_[index];
  if (isStale(bases_[index])) {
    counts_.givenUp += 1;
    release(index);
    return 0;
  }
  uint64_t highest = 0;
  const uint64_t missing = missingOf(index, highest);
  group.isDecodable = std::popcount(missing) <= std::popcount(group.parities);
  if (!group.isDecodable || highest > arrived) return 0;
  uint32_t count = 0;
  if (missing == 0) counts_.needless += 1;
  else count = rebuild(index, missing);
  release(index);
  return count;
}

uint32_t FecDecoder::rebuild(uint32_t index, uint64_t missing) {
  Group& group = groups_[index];
  uint8_t* shards[ReedSolomon::kMaxData + ReedSolomon::kMaxParity];
  uint64_t counters[ReedSolomon::kMaxData];
  uint32_t count = 0;
  for (uint64_t left = group.members; left != 0; left &= left - 1, count++) {
    counters[count] = bases_[index] + static_cast<uint32_t>(std::countr_zero(left));
    shards[count] = slotOf(counters[count]) + kShardAt;
    if ((missing >> count & 1) != 0 || prepareSource(counters[count], group.shardBytes)) continue;
    counts_.malformed += 1;
    return 0;
  }
  for (uint32_t j = 0; j < ReedSolomon::kMaxParity; j++) {
    if ((group.parities >> j & 1) != 0) shards[group.data + j] = shardOf(group, j);
  }
  const uint64_t absent = (count == 64 ? 0 : ~uint64_t{0} << count) & (group.data == 64 ? ~uint64_t{0} : bitAt(group.data) - 1);
  if (!repairer_.repair(codes_.of(group.data), missing, absent, group.parities, shards, group.shardBytes)) return 0;
  uint32_t rebuilt = 0;
  for (uint32_t i = 0; i < count; i++) {
    if ((missing >> i & 1) == 0 || !finishTarget(counters[i], group.shardBytes, group.receiverIndex)) continue;
    rebuilt_[rebuilt++] = {slotOf(counters[i]), lengths_[counters[i] % packets_], counters[i]};
  }
  counts_.rebuilt += rebuilt;
  return rebuilt;
}

// Makes the kept packet the data shard that the sender saw. False when it is longer than any of its group.
bool FecDecoder::prepareSource(uint64_t counter, uint32_t shardBytes) {
  const uint32_t length = lengths_[counter % packets_];
  if (shardBytesOf(length) > shardBytes) return false;
  uint8_t* slot = slotOf(counter);
  const auto own = static_cast<uint16_t>(length - kFecHeaderBytes);
  std::memcpy(slot + kShardAt, &own, sizeof own);
  std::memset(slot + length, 0, shardBytes - shardBytesOf(length));
  return true;
}

// Makes the rebuilt shard a sealed packet, and keeps it. False when it cannot be one.
bool FecDecoder::finishTarget(uint64_t counter, uint32_t shardBytes, uint32_t receiverIndex) {
  uint8_t* slot = slotOf(counter);
  uint16_t own;
  std::memcpy(&own, slot + kShardAt, sizeof own);
  uint32_t& length = lengths_[counter % packets_];
  length = 0;
  if (own < kTagBytes || own > shardBytes - kFecLengthBytes) return false;
  const uint32_t type = kTypeData;
  std::memcpy(slot, &type, 4);
  std::memcpy(slot + 4, &receiverIndex, 4);
  std::memcpy(slot + 8, &counter, 8);
  length = own + kFecHeaderBytes;
  counters_[counter % packets_] = counter;
  newest_ = std::max(newest_, counter);
  return true;
}

}  // namespace hawser
