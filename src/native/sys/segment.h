// Cuts a train (a TSO or USO super-packet, or one plain packet) into complete IP packets without copying its payload: each
// segment's headers are written just before its payload, over bytes of the segment before it, which are sealed by then.
// The headers of the whole train are put back at its beginning afterwards, so that a later call can go on.
#pragma once
#include <cstddef>
#include <cstdint>

#include "vnet.h"

namespace hawser {

class Segmenter {
 public:
  static constexpr uint32_t kMaxHeaderBytes = 192;

  // `packet` needs 16 writable bytes behind `length`. False when the header makes no sense (counted and dropped).
  bool begin(const VnetHeader& header, uint8_t* packet, uint32_t length);

  uint32_t count() const { return count_; }
  // Bytes behind the headers that each segment has; all of a plain packet.
  uint32_t payloadBytes() const { return length_ - headerBytes_; }
  // Bytes of segment `index` as an IP packet.
  uint32_t lengthOf(uint32_t index) const;
  // Completes segment `index` (lengths, sequence number, flags, checksums) and returns where it begins.
  uint8_t* build(uint32_t index);
  // Puts the train's own headers back. Call once after the last build of a call.
  void restore();

 private:
  bool readGso(const VnetHeader& header);
  void buildTransport(uint8_t* segment, uint32_t index, uint32_t payloadBytes);
  void completeChecksum();

  uint8_t* packet_ = nullptr;
  uint32_t length_ = 0;
  uint32_t count_ = 0;
  uint32_t headerBytes_ = 0;
  uint32_t segmentBytes_ = 0;
  uint32_t transportAt_ = 0;
  uint8_t gsoType_ = kGsoNone;
  bool v4_ = false;
  VnetHeader vnet_{};
  uint8_t template_[kMaxHeaderBytes];
};

}  // namespace hawser
