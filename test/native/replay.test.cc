// The replay window against an oracle that remembers every counter.
#include <set>
#include <vector>

#include "support/check.h"
#include "sys/replay.h"

namespace hawser {
namespace {
using namespace test;

// What RFC 6479 promises: neither seen nor older than the window, which is a word shorter than the bitmap.
class Oracle {
 public:
  explicit Oracle(uint32_t bits) : window_(bits - 64) {}
  bool fresh(uint64_t counter) const {
    if (!seen_.empty() && counter < *seen_.rbegin() && *seen_.rbegin() + 1 - counter > window_) return false;
    return seen_.count(counter) == 0;
  }
  void accept(uint64_t counter) { seen_.insert(counter); }

 private:
  uint64_t window_;
  std::set<uint64_t> seen_;
};

void compareWithOracle(uint32_t bits, uint64_t start, uint32_t spread, uint64_t seed) {
  Random random(seed);
  std::vector<uint64_t> words(bits / 64, 0xdeadbeefdeadbeefu);  // what an earlier life of the slot left must not matter
  if (start != 0) std::fill(words.begin(), words.end(), 0);
  uint64_t next = 0;
  Oracle oracle(bits);
  uint64_t base = start;
  for (int round = 0; round < 20000; round++) {
    const uint64_t counter = base + random.below(spread) - (base > spread ? random.below(spread) : 0);
    ReplayWindow window(words.data(), bits, next);
    const bool wanted = oracle.fresh(counter);
    CHECK(window.fresh(counter) == wanted);
    CHECK(window.accept(counter) == wanted);
    CHECK(!window.fresh(counter));
    if (wanted) oracle.accept(counter);
    if (random.chance(3)) base += random.below(random.chance(50) ? bits * 3 : 40);
    if (hopeless()) return;
  }
}

TEST("ReplayWindow agrees with an oracle for windows of every kind of size") {
  for (const uint32_t bits : {128u, 192u, 1024u, 8192u, 65600u}) {
    for (const uint32_t spread : {2u, 70u, bits - 64, bits, bits * 2}) compareWithOracle(bits, 0, spread, bits + spread);
  }
}

TEST("ReplayWindow agrees with the oracle beyond 2^32 and near Reject-After-Messages") {
  for (const uint64_t start : {uint64_t{1} << 32, (uint64_t{1} << 48) - 100, UINT64_MAX - (uint64_t{1} << 13) - (uint64_t{1} << 30)})
    compareWithOracle(1024, start, 1500, start);
}

TEST("ReplayWindow takes the edges of the window exactly") {
  constexpr uint32_t kBits = 256;
  std::vector<uint64_t> words(kBits / 64);
  uint64_t next = 0;
  ReplayWindow window(words.data(), kBits, next);
  CHECK(window.accept(1000));
  CHECK(window.accept(1001 - (kBits - 64)));
  CHECK(!window.accept(1000 - (kBits - 64)));
  CHECK(!window.accept(0));
  CHECK(window.accept(999));
  CHECK(!window.accept(999));
  CHECK(window.accept(1001));
  CHECK(!window.accept(1001 - (kBits - 64)));
}

}  // namespace
}  // namespace hawser
