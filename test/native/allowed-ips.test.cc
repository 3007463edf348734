// The trie's walk against a list of prefixes, and while another thread replaces the trie.
#include <optional>
#include <vector>

#include "support/check.h"
#include "support/memory.h"
#include "sys/allowed_ips.h"

namespace hawser {
namespace {
using namespace test;

struct Prefix {
  uint8_t address[16];
  uint32_t bytes;
  uint32_t bits;
  int32_t row;
};

bool bitOf(const uint8_t* address, uint32_t bit) { return (address[bit >> 3] >> (7 - (bit & 7)) & 1) != 0; }

struct Trie : Block {
  explicit Trie(int32_t capacity) : Block(layout::allowedIps_dataAt + 2 * static_cast<size_t>(capacity) * layout::allowedIps_nodeBytes) {
    cell<int32_t>(get(), layout::allowedIps_capacityAt) = capacity;
  }
  int32_t* node(int32_t index) {
    const int32_t area = cell<int32_t>(get(), layout::allowedIps_versionAt) & 1;
    const int32_t capacity = cell<int32_t>(get(), layout::allowedIps_capacityAt);
    return reinterpret_cast<int32_t*>(get() + layout::allowedIps_dataAt) + (area * capacity + index) * 3;
  }
  void clear() {
    used_ = 2;
    for (int32_t i = 0; i < 2; i++) node(i)[0] = node(i)[1] = 0, node(i)[2] = -1;
  }
  void insert(const Prefix& prefix) {
    int32_t at = prefix.bytes == 4 ? layout::allowedIps_rootV4 : layout::allowedIps_rootV6;
    for (uint32_t bit = 0; bit < prefix.bits; bit++) {
      int32_t& child = node(at)[bitOf(prefix.address, bit) ? 1 : 0];
      if (child == 0) {
        child = used_++;
        node(child)[0] = node(child)[1] = 0, node(child)[2] = -1;
      }
      at = child;
    }
    node(at)[2] = prefix.row;
  }

 private:
  int32_t used_ = 2;
};

int32_t longest(const std::vector<Prefix>& prefixes, const uint8_t* address, uint32_t bytes) {
  int32_t row = -1;
  uint32_t bits = 0;
  for (const Prefix& one : prefixes) {
    bool holds = one.bytes == bytes && (row < 0 || one.bits >= bits);
    for (uint32_t bit = 0; holds && bit < one.bits; bit++) holds = bitOf(one.address, bit) == bitOf(address, bit);
    if (holds) row = one.row, bits = one.bits;
  }
  return row;
}

TEST("AllowedIps and CachedLookup find the longest prefix, as a list does") {
  Random random(3);
  Trie trie(20000);
  AllowedIps table(trie.get());
  CachedLookup cached(table);
  for (int round = 0; round < 40; round++) {
    // A replacement: the version moves, so that a remembered answer is forgotten.
    cell<int32_t>(trie.get(), layout::allowedIps_versionAt) += 1;
    trie.clear();
    std::vector<Prefix> prefixes;
    for (int i = 0; i < 60; i++) {
      Prefix prefix{};
      prefix.bytes = random.chance(2) ? 4 : 16;
      // Few distinct bytes, so that prefixes nest.
      for (uint32_t at = 0; at < prefix.bytes; at++) prefix.address[at] = static_cast<uint8_t>(random.below(3));
      prefix.bits = random.below(prefix.bytes * 8 + 1);
      prefix.row = i;
      prefixes.push_back(prefix);
      trie.insert(prefix);
    }
    for (int i = 0; i < 500; i++) {
      uint8_t address[16];
      for (uint8_t& byte : address) byte = static_cast<uint8_t>(random.below(3));
      const uint32_t bytes = random.chance(2) ? 4 : 16;
      const int32_t wanted = longest(prefixes, address, bytes);
      CHECK_EQUAL(table.find(address, bytes), wanted);
      CHECK_EQUAL(cached.find(address, bytes), wanted);
      CHECK_EQUAL(cached.find(address, bytes), wanted);
      if (hopeless()) return;
    }
  }
}

TEST("AllowedIps stays inside the trie when its nodes are torn") {
  Random random(4);
  Trie trie(64);
  AllowedIps table(trie.get());
  for (int round = 0; round < 2000; round++) {
    for (int32_t i = 0; i < 64; i++)
      for (int32_t word = 0; word < 3; word++) trie.node(i)[word] = static_cast<int32_t>(random.next() >> random.below(32));
    uint8_t address[16];
    for (uint8_t& byte : address) byte = static_cast<uint8_t>(random.next());
    table.find(address, random.chance(2) ? 4 : 16);
  }
}

}  // namespace
}  // namespace hawser
