// The field against its definition, every kernel against the scalar one, the code against klauspost/reedsolomon's output, and every
// pattern of loss that it must survive.
#include "sys/reed_solomon.h"

#include <bit>
#include <cstring>
#include <string>

#include "support/check.h"
#include "support/memory.h"
#include "support/vectors.h"

namespace hawser {
namespace {
using namespace test;
using galois::Kernel;
using Bytes = std::vector<uint8_t>;

uint8_t slowMultiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (; b != 0; b >>= 1) {
    if ((b & 1) != 0) product ^= a;
    a <<= 1;
    if (a > 255) a ^= 0x11d;
  }
  return static_cast<uint8_t>(product);
}

std::vector<Kernel> kernelsHere() {
  std::vector<Kernel> here;
  for (const Kernel kernel : galois::kKernels) {
    if (galois::multiplierOf(kernel) != nullptr) here.push_back(kernel);
  }
  return here;
}

TEST("galois multiply() and inverse() agree with the polynomial 0x11d") {
  for (uint32_t a = 0; a < 256; a++) {
    for (uint32_t b = 0; b < 256; b++) CHECK_EQUAL(galois::multiply(static_cast<uint8_t>(a), static_cast<uint8_t>(b)), slowMultiply(a, b));
    if (a != 0) CHECK_EQUAL(slowMultiply(a, galois::inverse(static_cast<uint8_t>(a))), 1);
    uint8_t power = 1;
    for (uint32_t n = 0; n < 20; n++) {
      CHECK_EQUAL(galois::power(static_cast<uint8_t>(a), n), power);
      power = slowMultiply(power, a);
    }
    if (hopeless()) return;
  }
}

// Memory of exact size, so that ASan sees one byte too far.
struct Strings {
  std::vector<Block> blocks;
  std::vector<uint8_t*> at;
  Strings(uint32_t count, size_t length, Random& random) {
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t shift = random.below(17);
      blocks.emplace_back(length + shift);
      at.push_back(blocks.back().get() + shift);
      for (size_t b = 0; b < length; b++) at[i][b] = static_cast<uint8_t>(random.next());
    }
  }
};

void compareKernels(Kernel kernel, uint32_t targetCount, uint32_t sourceCount, size_t length, bool adds, Random& random) {
  const Strings sources(sourceCount, length, random);
  const Strings targets(targetCount, length, random);
  std::vector<Bytes> wanted;
  std::vector<uint8_t*> wantedAt;
  for (uint8_t* target : targets.at) wanted.emplace_back(target, target + length);
  for (Bytes& each : wanted) wantedAt.push_back(each.data());
  std::vector<galois::Factor> factors;
  for (uint32_t i = 0; i < targetCount * sourceCount; i++) factors.push_back(galois::factorOf(static_cast<uint8_t>(random.below(5) == 0 ? 0 : random.next())));
  galois::multiplyScalar({wantedAt.data(), targetCount, sources.at.data(), sourceCount, factors.data(), length, adds});
  galois::multiplierOf(kernel)({targets.at.data(), targetCount, sources.at.data(), sourceCount, factors.data(), length, adds});
  for (uint32_t r = 0; r < targetCount; r++) {
    if (length == 0 || std::memcmp(targets.at[r], wanted[r].data(), length) == 0) continue;
    fail(__FILE__, __LINE__, std::string(galois::nameOf(kernel)) + " differs from scalar: " + shown(targetCount) + " targets, " + shown(sourceCount) +
                                 " sources, " + shown(static_cast<long long>(length)) + " bytes, adds " + shown(adds));
  }
}

TEST("galois kernels equal the scalar one for every length, count and alignment") {
  Random random(5);
  std::string names;
  for (const Kernel kernel : kernelsHere()) {
    names += std::string(" ") + galois::nameOf(kernel);
    for (size_t length = 0; length <= 300; length++) {
      compareKernels(kernel, random.between(1, 4), random.between(1, 5), length, random.chance(2), random);
      if (hopeless()) return;
    }
    for (uint32_t targets = 1; targets <= 14; targets++) {
      for (uint32_t sources = 1; sources <= 11; sources++) compareKernels(kernel, targets, sources, random.between(1, 600), random.chance(2), random);
      if (hopeless()) return;
    }
  }
  std::printf("# kernels here:%s\n", names.c_str());
}

TEST("galois scalar kernel sums products of the field") {
  Random random(6);
  const Strings sources(3, 256, random);
  uint8_t target[256];
  uint8_t* targets[] = {target};
  const uint8_t values[] = {7, 0, 201};
  const galois::Factor factors[] = {galois::factorOf(7), galois::factorOf(0), galois::factorOf(201)};
  galois::multiplyScalar({targets, 1, sources.at.data(), 3, factors, 256, false});
  for (uint32_t b = 0; b < 256; b++) {
    uint8_t wanted = 0;
    for (uint32_t s = 0; s < 3; s++) wanted ^= slowMultiply(values[s], sources.at[s][b]);
    CHECK_EQUAL(target[b], wanted);
  }
}

TEST("ReedSolomon has the matrix of klauspost/reedsolomon") {
  VectorFile file("reed-solomon.json");
  uint32_t matrices = 0;
  while (file.hasNext("parityRows")) {
    const uint32_t data = file.nextNumber("data");
    const Bytes rows = file.nextHex("parityRows");
    CHECK_EQUAL(rows.size(), data * 8);
    const ReedSolomon code(data, 8);
    for (uint32_t row = 0; row < 8 && rows.size() == data * 8; row++) {
      for (uint32_t column = 0; column < data; column++) CHECK_EQUAL(code.coefficient(row, column), rows[row * data + column]);
    }
    matrices += 1;
  }
  CHECK_EQUAL(matrices, 20);
}

TEST("ReedSolomon encode() gives the parity that klauspost/reedsolomon gives, by every kernel") {
  VectorFile file("reed-solomon.json");
  file.next("vectors");
  uint32_t vectors = 0;
  for (; file.hasNext("parityBytes"); vectors++) {
    const uint32_t data = file.nextNumber("data");
    const uint32_t parity = file.nextNumber("parity");
    const uint32_t length = file.nextNumber("shardBytes");
    const Bytes shards = file.nextHex("dataBytes");
    const Bytes wanted = file.nextHex("parityBytes");
    CHECK(shards.size() == data * length && wanted.size() == parity * length);
    std::vector<const uint8_t*> from;
    for (uint32_t i = 0; i < data; i++) from.push_back(shards.data() + i * length);
    for (const Kernel kernel : kernelsHere()) {
      const ReedSolomon code(data, parity, kernel);
      Bytes made(parity * length), summed(parity * length);
      std::vector<uint8_t*> to, sums;
      for (uint32_t j = 0; j < parity; j++) {
        to.push_back(made.data() + j * length);
        sums.push_back(summed.data() + j * length);
      }
      code.encode(from.data(), to.data(), length);
      for (uint32_t i = 0; i < data; i++) code.accumulate(i, from[i], length, sums.data(), parity);
      CHECK(made == wanted);
      CHECK(summed == wanted);
    }
  }
  CHECK_EQUAL(vectors, 14);
}

// A group of random shards that are taken away and come back.
class Loss {
 public:
  Loss(uint32_t data, uint32_t parity, size_t length, Random& random) : code_(data, parity), random_(random), length_(length), shards_(data + parity, length, random) {
    code_.encode(shards_.at.data(), shards_.at.data() + data, length);
    for (uint8_t* shard : shards_.at) wanted_.emplace_back(shard, shard + length);
  }

  // `lost`: bits over data and parity shards. What is lost is overwritten first.
  bool survives(uint32_t lost) {
    for (uint32_t i = 0; i < wanted_.size(); i++) {
      for (size_t b = 0; (lost >> i & 1) != 0 && b < length_; b++) shards_.at[i][b] = static_cast<uint8_t>(random_.next());
    }
    const uint32_t missing = lost & ((1u << code_.data()) - 1);
    const uint32_t parities = ~(lost >> code_.data()) & ((1u << code_.parity()) - 1);
    const bool repaired = repairer_.repair(code_, missing, 0, parities, shards_.at.data(), length_);
    bool same = true;
    for (uint32_t i = 0; i < code_.data(); i++) same = same && std::memcmp(shards_.at[i], wanted_[i].data(), length_) == 0;
    for (uint32_t i = 0; i < wanted_.size(); i++) std::memcpy(shards_.at[i], wanted_[i].data(), length_);
    return repaired && same;
  }
  bool refuses(uint32_t lost) {
    const uint32_t parities = ~(lost >> code_.data()) & ((1u << code_.parity()) - 1);
    return !repairer_.repair(code_, lost & ((1u << code_.data()) - 1), 0, parities, shards_.at.data(), length_);
  }
  uint64_t plansMade() const { return repairer_.plansMade(); }

 private:
  ReedSolomon code_;
  ReedSolomonRepairer repairer_;
  Random& random_;
  size_t length_;
  Strings shards_;
  std::vector<Bytes> wanted_;
};

TEST("ReedSolomonRepairer brings back any losses up to the parities, all patterns of small codes") {
  Random random(7);
  uint32_t patterns = 0;
  for (uint32_t data = 1; data <= 8; data++) {
    for (uint32_t parity = 1; parity <= 4; parity++) {
      Loss loss(data, parity, 37, random);
      for (uint32_t lost = 0; lost < 1u << (data + parity); lost++) {
        if (std::popcount(lost) > static_cast<int>(parity)) continue;
        CHECK(loss.survives(lost));
        patterns += 1;
        if (hopeless()) return;
      }
    }
  }
  CHECK(patterns > 3000);
}

TEST("ReedSolomonRepairer brings back every 3 of 10+3, and refuses when more are lost") {
  Random random(8);
  Loss loss(10, 3, 1400, random);
  for (uint32_t lost = 0; lost < 1u << 13; lost++) {
    const uint32_t missing = lost & 1023;
    if (std::popcount(lost) <= 3) CHECK(loss.survives(lost));
    else if (missing != 0 && std::popcount(lost) == 4) CHECK(loss.refuses(lost));
    if (hopeless()) return;
  }
}

TEST("ReedSolomonRepairer brings back random losses of the largest code") {
  Random random(9);
  const ReedSolomon code(ReedSolomon::kMaxData, ReedSolomon::kMaxParity);
  Strings shards(80, 61, random);
  code.encode(shards.at.data(), shards.at.data() + 64, 61);
  std::vector<Bytes> wanted;
  for (uint8_t* shard : shards.at) wanted.emplace_back(shard, shard + 61);
  ReedSolomonRepairer repairer;
  for (int round = 0; round < 40; round++) {
    uint64_t missing = 0;
    while (std::popcount(missing) < 16) missing |= uint64_t{1} << random.below(64);
    for (uint32_t i = 0; i < 64; i++) {
      if ((missing >> i & 1) != 0) std::memset(shards.at[i], 0xee, 61);
    }
    CHECK(repairer.repair(code, missing, 0, 0xffff, shards.at.data(), 61));
    for (uint32_t i = 0; i < 64; i++) CHECK(std::memcmp(shards.at[i], wanted[i].data(), 61) == 0);
  }
}

TEST("ReedSolomonRepairer keeps the inverse of a pattern that comes again") {
  Random random(10);
  Loss loss(10, 3, 64, random);
  CHECK(loss.survives(0b0000000000111));
  CHECK(loss.survives(0b0000000000111));
  CHECK_EQUAL(loss.plansMade(), 1);
  CHECK(loss.survives(0b0010000000011));
  CHECK_EQUAL(loss.plansMade(), 2);
}

}  // namespace
}  // namespace hawser
