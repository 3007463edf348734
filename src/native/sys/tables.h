// Typed access to the tables that threads share; layout and writers in contract/peer-tables.ts.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "layout.h"
#include "ring.h"

namespace hawser {

class SessionTable {
 public:
  SessionTable() = default;
  explicit SessionTable(uint8_t* base)
      : base_(base), slots_(cell<int32_t>(base, layout::session_slotsAt)), windowBits_(cell<uint32_t>(base, layout::session_windowBitsAt)) {}

  bool has(int32_t index) const { return index >= 0 && index < slots_; }
  int32_t slots() const { return slots_; }
  uint8_t* slot(int32_t index) const { return base_ + layout::session_dataAt + index * layout::session_slotBytes; }
  bool isReady(int32_t index) const {
    return word(slot(index), layout::session_stateAt).load(std::memory_order_acquire) == layout::slotState_ready;
  }
  // Calls `visit` with `index`, or with every slot that was ever used when that is -1.
  template <typename Visit>
  void eachOf(int32_t index, Visit visit) const {
    const int32_t used = word(base_, layout::session_usedAt).load(std::memory_order_acquire);
    const int32_t end = std::min(index < 0 ? used : index + 1, slots_);
    for (int32_t one = std::max(index, 0); one < end; one++) visit(one);
  }
  uint32_t windowBits() const { return windowBits_; }
  uint64_t* window(int32_t index) const {
    uint8_t* windows = base_ + layout::session_dataAt + slots_ * layout::session_slotBytes;
    return reinterpret_cast<uint64_t*>(windows + static_cast<size_t>(index) * (windowBits_ / 8));
  }

 private:
  uint8_t* base_ = nullptr;
  int32_t slots_ = 0;
  uint32_t windowBits_ = 0;
};

// A table of equal rows: peers, paths, links.
class RowTable {
 public:
  RowTable() = default;
  RowTable(uint8_t* base, int64_t rowsAt, int64_t dataAt, int64_t rowBytes, int64_t versionAt = 0, int64_t usedAt = 0)
      : head_(base), base_(base + dataAt), version_(base + versionAt), used_(base + usedAt), rows_(cell<int32_t>(base, rowsAt)), rowBytes_(rowBytes) {}

  bool has(int32_t index) const { return index >= 0 && index < rows_; }
  int32_t rows() const { return rows_; }
  // Of a table that says it: rows from here on were never used.
  int32_t used() const { return word(used_, 0).load(std::memory_order_acquire); }
  // Of a table that has one.
  int32_t version() const { return word(version_, 0).load(std::memory_order_acquire); }
  uint8_t* row(int32_t index) const { return base_ + index * rowBytes_; }
  // A cell before the rows.
  template <typename T>
  T head(int64_t at) const {
    return cell<T>(head_, at);
  }

 private:
  uint8_t* head_ = nullptr;
  uint8_t* base_ = nullptr;
  uint8_t* version_ = nullptr;
  uint8_t* used_ = nullptr;
  int32_t rows_ = 0;
  int64_t rowBytes_ = 0;
};

inline RowTable peerTable(uint8_t* base) {
  return RowTable(base, layout::peer_rowsAt, layout::peer_dataAt, layout::peer_rowBytes, layout::peer_versionAt, layout::peer_usedAt);
}
inline RowTable pathTable(uint8_t* base) {
  return RowTable(base, layout::path_rowsAt, layout::path_dataAt, layout::path_rowBytes, layout::path_versionAt, layout::path_usedAt);
}
// Rows of the paths of one peer in the order in which they were given, those that were set free lately among them. A row that belongs to
// another peer by now ends the walk: whoever needs what is behind it looks again.
class PathChain {
 public:
  PathChain() = default;
  PathChain(RowTable peers, RowTable paths) : peers_(peers), paths_(paths) {}

  // -1 = there is none.
  int32_t first(int32_t peer) const { return peers_.has(peer) ? check(peers_.row(peer), layout::peer_firstPathAt, peer) : -1; }
  int32_t next(int32_t row, int32_t peer) const { return check(paths_.row(row), layout::path_nextAt, peer); }

 private:
  int32_t check(uint8_t* from, int64_t column, int32_t peer) const {
    const int32_t row = word(from, column).load(std::memory_order_acquire) - 1;
    return paths_.has(row) && cell<int32_t>(paths_.row(row), layout::path_peerAt) == peer ? row : -1;
  }

  RowTable peers_;
  RowTable paths_;
};

inline RowTable carrierTable(uint8_t* base) {
  return RowTable(base, layout::carrier_rowsAt, layout::carrier_dataAt, layout::carrier_rowBytes);
}

inline RowTable linkTable(uint8_t* base) {
  return RowTable(base, layout::link_rowsAt, layout::link_dataAt, layout::link_rowBytes);
}

// Adds to a statistic that this thread alone writes and others read.
inline void add(uint8_t* row, int64_t at, double amount) { cell<double>(row, at) += amount; }

// The sealed log as its readers and its one writer see it.
class SealedLog {
 public:
  SealedLog() = default;
  explicit SealedLog(uint8_t* base) : base_(base), capacity_(cell<uint32_t>(base, layout::log_capacityAt)) {}

  static constexpr uint32_t kUnit = layout::log_unitBytes;
  uint32_t capacityUnits() const { return capacity_ / kUnit; }
  uint32_t reserved() const { return static_cast<uint32_t>(word(base_, layout::log_reservedAt).load(std::memory_order_seq_cst)); }
  uint8_t* at(uint32_t position) const { return base_ + layout::log_dataAt + (position % capacityUnits()) * static_cast<size_t>(kUnit); }

  // Whether the bytes from `position` on are still those that were sealed there.
  bool holds(uint32_t position) const { return reserved() - position <= capacityUnits(); }

  // The writer's: `bytes` of contiguous space; stores `reserved` before anything is written, so that readers can tell.
  uint32_t reserve(uint32_t bytes) {
    uint32_t position = reserved();
    const uint32_t units = (bytes + kUnit - 1) / kUnit;
    const uint32_t toEnd = capacityUnits() - position % capacityUnits();
    if (units > toEnd) position += toEnd;
    word(base_, layout::log_reservedAt).store(static_cast<int32_t>(position + units), std::memory_order_seq_cst);
    return position;
  }

  // Returns what a reservation at `position` did not use. Only before another reserve, and only by the writer.
  void trim(uint32_t position, uint32_t bytes) {
    word(base_, layout::log_reservedAt).store(static_cast<int32_t>(position + (bytes + kUnit - 1) / kUnit), std::memory_order_seq_cst);
  }

 private:
  uint8_t* base_ = nullptr;
  uint32_t capacity_ = 0;
};

}  // namespace hawser
