// Systematic Reed-Solomon code over GF(2^8): `data` shards as they are, and parity shards any of which replaces any lost data
// shard. The parity rows are those of vandermonde(data + parity, data) times the inverse of its top square, as in
// klauspost/reedsolomon's default and Backblaze's before it. Row j depends on `data` and j alone: so how many parities are made may
// be decided last, and data shards that are not there yet count as zeros.
#pragma once
#include <cstdint>
#include <vector>

#include "galois.h"

namespace hawser {

class ReedSolomon {
 public:
  static constexpr uint32_t kMaxData = 64;
  static constexpr uint32_t kMaxParity = 16;

  // 1 to kMaxData data shards, 1 to kMaxParity parity shards.
  ReedSolomon(uint32_t data, uint32_t parity, galois::Kernel kernel = galois::bestKernel());

  uint32_t data() const { return data_; }
  uint32_t parity() const { return parity_; }
  uint8_t coefficient(uint32_t row, uint32_t column) const { return coefficients_[row * data_ + column]; }

  // All parities of all data, each of `length` bytes.
  void encode(const uint8_t* const* data, uint8_t* const* parity, size_t length) const;
  // Adds what data shard `index` contributes to the first `count` parities; they begin as zeros.
  void accumulate(uint32_t index, const uint8_t* shard, size_t length, uint8_t* const* parity, uint32_t count) const;

  galois::Multiplier multiplier() const { return multiply_; }

 private:
  uint32_t data_;
  uint32_t parity_;
  galois::Multiplier multiply_;
  std::vector<uint8_t> coefficients_;
  std::vector<galois::Factor> factors_;
  std::vector<galois::Factor> columns_;  // the same, column by column, for `accumulate`
};

// How the missing shards follow from those that are there: rows over the present data shards in order, then the parities used.
struct RepairPlan {
  uint64_t missing = 0;   // bit i: data shard i
  uint64_t absent = 0;    // bit i: data shard i is known to be zeros, and is no source
  uint32_t parities = 0;  // bit j: parity j is used; as many as are missing
  uint32_t data = 0;      // of the code; 0 = no plan yet
  std::vector<galois::Factor> factors;
};

// Rebuilds missing shards, and keeps the last inverse matrices: loss often strikes in one pattern. Of one thread.
class ReedSolomonRepairer {
 public:
  // Rebuilds the data shards in `missing` (bits) from those neither missing nor `absent` and the parities in `parities` (bits; as
  // many as are missing; others may be set, the lowest are used). shards[i] for i < data: source or target; shards[data + j]: parity j.
  // False when there are fewer parities than missing shards.
  bool repair(const ReedSolomon& code, uint64_t missing, uint64_t absent, uint32_t parities, uint8_t* const* shards, size_t length);

  uint64_t plansMade() const { return plansMade_; }

 private:
  static constexpr uint32_t kPlans = 32;

  const RepairPlan& planOf(const ReedSolomon& code, uint64_t missing, uint64_t absent, uint32_t parities);
  static void fill(RepairPlan& plan, const ReedSolomon& code);

  RepairPlan plans_[kPlans];
  uint64_t plansMade_ = 0;
};

}  // namespace hawser
