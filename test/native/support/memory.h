// Shared memory as the supervisor makes it (rings/*.ts), on the heap and of exact size, so that ASan sees one byte too far.
#pragma once
#include <cstdlib>
#include <cstring>
#include <memory>

#include "sys/ring.h"
#include "sys/tables.h"

namespace hawser::test {

class Block {
 public:
  explicit Block(size_t bytes) : length_(bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 128, bytes) != 0) std::abort();
    bytes_.reset(static_cast<uint8_t*>(memory));
    std::memset(memory, 0, bytes);
  }
  uint8_t* get() const { return bytes_.get(); }
  size_t length() const { return length_; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t, Free> bytes_;
  size_t length_;
};

struct RingMemory : Block {
  // `startAt`: position of both cursors, to begin near the wrap of the ring or of the 32 bits.
  explicit RingMemory(uint32_t capacity, uint32_t startAt = 0) : Block(layout::ring_dataAt + capacity) {
    cell<uint32_t>(get(), layout::ring_magicAt) = layout::ring_magic;
    cell<uint32_t>(get(), layout::ring_capacityAt) = capacity;
    cell<uint32_t>(get(), layout::ring_tailAt) = startAt;
    cell<uint32_t>(get(), layout::ring_headAt) = startAt;
  }
  RingProducer producer() const { return RingProducer(get(), Doorbell()); }
  RingConsumer consumer() const { return RingConsumer(get()); }
};

struct SessionMemory : Block {
  SessionMemory(int32_t slots, uint32_t windowBits) : Block(layout::session_dataAt + static_cast<size_t>(slots) * (layout::session_slotBytes + windowBits / 8)) {
    cell<int32_t>(get(), layout::session_slotsAt) = slots;
    cell<int32_t>(get(), layout::session_usedAt) = slots;
    cell<uint32_t>(get(), layout::session_windowBitsAt) = windowBits;
  }
  SessionTable table() const { return SessionTable(get()); }
  // A slot that seals and opens under one key, for itself.
  void install(int32_t slot, uint32_t index, uint8_t key) const {
    uint8_t* row = table().slot(slot);
    cell<uint32_t>(row, layout::session_localIndexAt) = index;
    cell<uint32_t>(row, layout::session_remoteIndexAt) = index;
    std::memset(row + layout::session_sendKeyAt, key, 32);
    std::memset(row + layout::session_receiveKeyAt, key, 32);
    cell<double>(row, layout::session_expiryAt) = 1e18;
    cell<int32_t>(row, layout::session_stateAt) = layout::slotState_ready;
  }
};

struct RowMemory : Block {
  RowMemory(int64_t rowsAt, int64_t dataAt, int64_t rowBytes, int32_t rows) : Block(static_cast<size_t>(dataAt + rowBytes * rows)) {
    cell<int32_t>(get(), rowsAt) = rows;
  }
};

struct PeerMemory : RowMemory {
  explicit PeerMemory(int32_t rows) : RowMemory(layout::peer_rowsAt, layout::peer_dataAt, layout::peer_rowBytes, rows) {
    cell<int32_t>(get(), layout::peer_usedAt) = rows;
  }
  RowTable table() const { return peerTable(get()); }
};

struct PathMemory : RowMemory {
  explicit PathMemory(int32_t rows) : RowMemory(layout::path_rowsAt, layout::path_dataAt, layout::path_rowBytes, rows) {
    cell<int32_t>(get(), layout::path_usedAt) = rows;
  }
  RowTable table() const { return pathTable(get()); }
};

struct LinkMemory : RowMemory {
  explicit LinkMemory(int32_t rows) : RowMemory(layout::link_rowsAt, layout::link_dataAt, layout::link_rowBytes, rows) {}
  RowTable table() const { return linkTable(get()); }
  uint8_t* row(int32_t index) const { return table().row(index); }
};

struct CarrierMemory : RowMemory {
  explicit CarrierMemory(int32_t rows) : RowMemory(layout::carrier_rowsAt, layout::carrier_dataAt, layout::carrier_rowBytes, rows) {}
  RowTable table() const { return carrierTable(get()); }
  uint8_t* row(int32_t index) const { return table().row(index); }
};

struct LogMemory : Block {
  explicit LogMemory(uint32_t capacity) : Block(layout::log_dataAt + capacity) { cell<uint32_t>(get(), layout::log_capacityAt) = capacity; }
  SealedLog log() const { return SealedLog(get()); }
};

// A trie with nothing but its two roots: every address is peer 0's.
struct EverybodyMemory : Block {
  EverybodyMemory() : Block(layout::allowedIps_dataAt + 4 * layout::allowedIps_nodeBytes) {
    cell<int32_t>(get(), layout::allowedIps_capacityAt) = 2;
  }
};

// What a sealer says of `count` packets at `position` of the log, all of `bytes` but the last; to be committed. Null when the ring is full.
inline uint8_t* claimDescriptor(RingProducer& out, uint32_t position, uint32_t count, uint32_t bytes, uint32_t lastBytes) {
  uint8_t* record = out.claim(layout::descriptor_bytes);
  if (record == nullptr) return nullptr;
  std::memset(record, 0, layout::descriptor_bytes);
  cell<uint32_t>(record, layout::descriptor_positionAt) = position;
  cell<uint32_t>(record, layout::descriptor_countAt) = count;
  cell<uint32_t>(record, layout::descriptor_segmentBytesAt) = bytes;
  cell<uint32_t>(record, layout::descriptor_lastBytesAt) = lastBytes;
  cell<uint32_t>(record, layout::descriptor_lengthAt) = (count - 1) * bytes + lastBytes;
  return record;
}

}  // namespace hawser::test
