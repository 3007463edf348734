// What one thread keeps for the rows of a shared table. Such a table reserves more rows than are ever used (docs/adr/0024), so this grows
// with the highest row that is written to; a row that never was reads as T{}.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace hawser {

template <typename T>
class ByRow {
 public:
  // A reference is good until a higher row is asked for.
  T& operator[](int32_t row) {
    const auto index = static_cast<size_t>(row);
    if (index >= rows_.size()) rows_.resize(std::max(index + 1, 2 * rows_.size()));
    return rows_[index];
  }
  // Null when the row, and each behind it, was never written to.
  const T* find(int32_t row) const { return static_cast<size_t>(row) < rows_.size() ? &rows_[static_cast<size_t>(row)] : nullptr; }
  T* find(int32_t row) { return static_cast<size_t>(row) < rows_.size() ? &rows_[static_cast<size_t>(row)] : nullptr; }

  auto begin() { return rows_.begin(); }
  auto end() { return rows_.end(); }

 private:
  std::vector<T> rows_;
};

}  // namespace hawser
