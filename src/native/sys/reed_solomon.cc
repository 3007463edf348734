#include "reed_solomon.h"

#include <array>
#include <bit>
#include <utility>

namespace hawser {
namespace {

using galois::Factor;

// Rows of bytes, at most kMaxData + kMaxParity square.
class Matrix {
 public:
  Matrix(uint32_t rows, uint32_t columns) : columns_(columns), cells_(static_cast<size_t>(rows) * columns) {}
  uint8_t& at(uint32_t row, uint32_t column) { return cells_[static_cast<size_t>(row) * columns_ + column]; }
  uint8_t at(uint32_t row, uint32_t column) const { return cells_[static_cast<size_t>(row) * columns_ + column]; }
  uint32_t columns() const { return columns_; }

  void scaleRow(uint32_t row, uint8_t factor) {
    for (uint32_t c = 0; c < columns_; c++) at(row, c) = galois::multiply(at(row, c), factor);
  }
  void addRow(uint32_t row, uint32_t other, uint8_t factor) {
    for (uint32_t c = 0; c < columns_; c++) at(row, c) ^= galois::multiply(at(other, c), factor);
  }
  void swapRows(uint32_t row, uint32_t other) {
    for (uint32_t c = 0; c < columns_; c++) std::swap(at(row, c), at(other, c));
  }

 private:
  uint32_t columns_;
  std::vector<uint8_t> cells_;
};

// Gauss-Jordan. Every square submatrix that the code meets can be inverted: the code is maximum distance separable.
Matrix inverseOf(Matrix matrix) {
  const uint32_t size = matrix.columns();
  Matrix inverse(size, size);
  for (uint32_t i = 0; i < size; i++) inverse.at(i, i) = 1;
  for (uint32_t pivot = 0; pivot < size; pivot++) {
    uint32_t row = pivot;
    while (row + 1 < size && matrix.at(row, pivot) == 0) row++;
    if (row != pivot) {
      matrix.swapRows(row, pivot);
      inverse.swapRows(row, pivot);
    }
    const uint8_t scale = galois::inverse(matrix.at(pivot, pivot));
    matrix.scaleRow(pivot, scale);
    inverse.scaleRow(pivot, scale);
    for (uint32_t other = 0; other < size; other++) {
      const uint8_t factor = matrix.at(other, pivot);
      if (other == pivot || factor == 0) continue;
      matrix.addRow(other, pivot, factor);
      inverse.addRow(other, pivot, factor);
    }
  }
  return inverse;
}

}  // namespace

ReedSolomon::ReedSolomon(uint32_t data, uint32_t parity, galois::Kernel kernel)
    : data_(data), parity_(parity), multiply_(galois::multiplierOf(kernel)), coefficients_(data * parity), factors_(data * parity), columns_(data * parity) {
  Matrix top(data, data);
  for (uint32_t r = 0; r < data; r++) {
    for (uint32_t c = 0; c < data; c++) top.at(r, c) = galois::power(static_cast<uint8_t>(r), c);
  }
  const Matrix inverse = inverseOf(std::move(top));
  for (uint32_t row = 0; row < parity; row++) {
    for (uint32_t column = 0; column < data; column++) {
      uint8_t value = 0;
      for (uint32_t i = 0; i < data; i++) value ^= galois::multiply(galois::power(static_cast<uint8_t>(data + row), i), inverse.at(i, column));
      coefficients_[row * data + column] = value;
      factors_[row * data + column] = columns_[column * parity + row] = galois::factorOf(value);
    }
  }
}

void ReedSolomon::encode(const uint8_t* const* data, uint8_t* const* parity, size_t length) const {
  multiply_({parity, parity_, data, data_, factors_.data(), length, false});
}

void ReedSolomon::accumulate(uint32_t index, const uint8_t* shard, size_t length, uint8_t* const* parity, uint32_t count) const {
  multiply_({parity, count, &shard, 1, columns_.data() + static_cast<size_t>(index) * parity_, length, true});
}

bool ReedSolomonRepairer::repair(const ReedSolomon& code, uint64_t missing, uint64_t absent, uint32_t parities, uint8_t* const* shards, size_t length) {
  const auto losses = static_cast<uint32_t>(std::popcount(missing));
  if (losses == 0) return true;
  if (static_cast<uint32_t>(std::popcount(parities)) < losses) return false;
  while (static_cast<uint32_t>(std::popcount(parities)) > losses) parities &= ~(1u << (31 - std::countl_zero(parities)));
  const RepairPlan& plan = planOf(code, missing, absent, parities);
  std::array<const uint8_t*, ReedSolomon::kMaxData + ReedSolomon::kMaxParity> sources;
  std::array<uint8_t*, ReedSolomon::kMaxParity> targets;
  uint32_t sourceCount = 0;
  uint32_t targetCount = 0;
  for (uint32_t i = 0; i < code.data(); i++) {
    if ((missing >> i & 1) != 0) targets[targetCount++] = shards[i];
    else if ((absent >> i & 1) == 0) sources[sourceCount++] = shards[i];
  }
  for (uint32_t j = 0; j < code.parity(); j++) {
    if ((parities >> j & 1) != 0) sources[sourceCount++] = shards[code.data() + j];
  }
  code.multiplier()({targets.data(), targetCount, sources.data(), sourceCount, plan.factors.data(), length, false});
  return true;
}

const RepairPlan& ReedSolomonRepairer::planOf(const ReedSolomon& code, uint64_t missing, uint64_t absent, uint32_t parities) {
  const uint64_t mixed = (missing ^ absent * 0x9e3779b97f4a7c15u ^ parities * 0xc2b2ae3d27d4eb4fu) * 0xff51afd7ed558ccdu;
  RepairPlan& plan = plans_[mixed >> 59];
  if (plan.missing == missing && plan.absent == absent && plan.parities == parities && plan.data == code.data()) return plan;
  plansMade_ += 1;
  plan.missing = missing;
  plan.absent = absent;
  plan.parities = parities;
  plan.data = code.data();
  fill(plan, code);
  return plan;
}

// A parity is the sum of what each data shard contributes. What the present ones contribute is known; taken away, a square system
// of the missing ones alone is left: missing = inverse(A) × (parities + B × present).
void ReedSolomonRepairer::fill(RepairPlan& plan, const ReedSolomon& code) {
  std::vector<uint32_t> rows, lost, present;
  for (uint32_t j = 0; j < code.parity(); j++) {
    if ((plan.parities >> j & 1) != 0) rows.push_back(j);
  }
  for (uint32_t i = 0; i < code.data(); i++) {
    if ((plan.missing >> i & 1) != 0) lost.push_back(i);
    else if ((plan.absent >> i & 1) == 0) present.push_back(i);
  }
  const auto size = static_cast<uint32_t>(lost.size());
  Matrix system(size, size);
  for (uint32_t r = 0; r < size; r++) {
    for (uint32_t c = 0; c < size; c++) system.at(r, c) = code.coefficient(rows[r], lost[c]);
  }
  const Matrix inverse = inverseOf(std::move(system));
  plan.factors.clear();
  for (uint32_t x = 0; x < size; x++) {
    for (const uint32_t i : present) {
      uint8_t value = 0;
      for (uint32_t r = 0; r < size; r++) value ^= galois::multiply(inverse.at(x, r), code.coefficient(rows[r], i));
      plan.factors.push_back(galois::factorOf(value));
    }
    for (uint32_t r = 0; r < size; r++) plan.factors.push_back(galois::factorOf(inverse.at(x, r)));
  }
}

}  // namespace hawser
