// Walks the allowed-IPs trie that TypeScript writes (rings/allowed-ips.ts; map in contract/peer-tables.ts).
#pragma once
#include <cstdint>
#include <cstring>

#include "layout.h"
#include "ring.h"

namespace hawser {

class AllowedIps {
 public:
  AllowedIps() = default;
  explicit AllowedIps(uint8_t* base) : base_(base), capacity_(cell<uint32_t>(base, layout::allowedIps_capacityAt)) {}

  // The peer row of the longest prefix that holds `address` (4 or 16 bytes), or -1. A replacement in mid-walk walks again.
  int32_t find(const uint8_t* address, uint32_t bytes) const {
    for (;;) {
      const int32_t version = word(base_, layout::allowedIps_versionAt).load(std::memory_order_acquire);
      const int32_t row = walk(nodes(version), address, bytes);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (word(base_, layout::allowedIps_versionAt).load(std::memory_order_relaxed) == version) return row;
    }
  }

  int32_t version() const { return word(base_, layout::allowedIps_versionAt).load(std::memory_order_acquire); }

 private:
  struct Node {
    uint32_t child[2];
    int32_t row;
  };
  static_assert(sizeof(Node) == layout::allowedIps_nodeBytes);

  const Node* nodes(int32_t version) const {
    return reinterpret_cast<const Node*>(base_ + layout::allowedIps_dataAt) + static_cast<size_t>(version & 1) * capacity_;
  }

  int32_t walk(const Node* nodes, const uint8_t* address, uint32_t bytes) const {
    const Node* node = &nodes[bytes == 4 ? layout::allowedIps_rootV4 : layout::allowedIps_rootV6];
    int32_t found = __atomic_load_n(&node->row, __ATOMIC_RELAXED);
    for (uint32_t bit = 0; bit < bytes * 8; bit++) {
      // Written while we walk; what it leads to was written before.
      const uint32_t child = __atomic_load_n(&node->child[address[bit >> 3] >> (7 - (bit & 7)) & 1], __ATOMIC_ACQUIRE);
      if (child == 0 || child >= capacity_) break;
      node = &nodes[child];
      const int32_t row = __atomic_load_n(&node->row, __ATOMIC_RELAXED);
      if (row >= 0) found = row;
    }
    return found;
  }

  uint8_t* base_ = nullptr;
  uint32_t capacity_ = 0;
};

// A walk that remembers its last answer: neighbouring packets are of one flow, and a walk takes a cache miss a bit or so.
class CachedLookup {
 public:
  CachedLookup() = default;
  explicit CachedLookup(AllowedIps table) : table_(table) {}

  int32_t find(const uint8_t* address, uint32_t bytes) {
    const int32_t version = table_.version();
    if (version == version_ && bytes == bytes_ && std::memcmp(address, address_, bytes) == 0) return row_;
    row_ = table_.find(address, bytes);
    std::memcpy(address_, address, bytes);
    bytes_ = bytes;
    version_ = version;
    return row_;
  }

 private:
  AllowedIps table_;
  int32_t version_ = 0;
  uint32_t bytes_ = 0;
  int32_t row_ = -1;
  uint8_t address_[16] = {};
};

}  // namespace hawser
