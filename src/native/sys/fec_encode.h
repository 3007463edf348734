// Makes parity of sealed packets, one group at a time, while they are sealed: each packet is added to every parity at once, so that a
// group may be closed after any of them and costs no second pass. It decides nothing: not when a group ends, nor how many of its
// parities are sent, nor by which path.
#pragma once
#include <cstdint>
#include <vector>

#include "fec_codes.h"

namespace hawser {

class FecEncoder {
 public:
  enum class Added {
    Taken,
    TooLong,  // the packet stays without parity
    Full,     // not of this group (enough packets, a counter out of reach, another receiver index): close it, then add again
  };

  // The longest sealed packet that has room in a parity frame. `codes` belong to this thread and outlive the encoder.
  FecEncoder(FecCodes& codes, uint32_t maxSealedBytes);

  // Begins a group of up to `data` packets and at most `parity` parities; what was gathered is dropped.
  void begin(uint32_t data, uint32_t parity);
  // A sealed packet: header, ciphertext, tag. Counters go up from call to call.
  Added add(const uint8_t* sealed, uint32_t length);

  uint32_t count() const { return count_; }
  bool full() const { return count_ == data_; }
  uint32_t parity() const { return parity_; }
  // Parities that count() packets are worth of a full group's.
  double share() const { return static_cast<double>(count_) * parity_ / data_; }
  uint32_t receiverIndex() const { return receiverIndex_; }
  // Inner bytes of each of its frames.
  uint32_t frameBytes() const { return static_cast<uint32_t>(layout::parity_headerBytes) + shardBytes_; }

  // Parity `index` of `parities` (1 to parity()) that this group sends, as a control frame with 16 writable bytes behind it; valid
  // until `begin`. Of a group with one packet at least.
  uint8_t* frame(uint32_t index, uint32_t parities, uint32_t& length);

 private:
  static constexpr uint32_t kSpareBytes = 16;

  uint8_t* bufferOf(uint32_t index) { return buffers_.data() + static_cast<size_t>(index) * bufferBytes_; }

  FecCodes& codes_;
  uint32_t maxSealedBytes_;
  uint32_t bufferBytes_;
  const ReedSolomon* code_ = nullptr;
  uint32_t data_ = 0;
  uint32_t parity_ = 0;
  uint32_t count_ = 0;
  uint32_t shardBytes_ = 0;  // of the longest packet so far
  uint32_t receiverIndex_ = 0;
  uint64_t base_ = 0;
  uint64_t members_ = 0;
  std::vector<uint8_t> buffers_;  // a frame each: header, shard, spare bytes
};

}  // namespace hawser
