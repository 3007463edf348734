// The decoders of an opener, one for each key slot whose peer sends parity.
#pragma once
#include <memory>
#include <vector>

#include "fec_decode.h"
#include "tables.h"

namespace hawser {

class FecSessions {
 public:
  FecSessions(SessionTable sessions, uint32_t maxSealedBytes)
      : sessions_(sessions), maxSealedBytes_(maxSealedBytes), decoders_(static_cast<size_t>(sessions.slots())) {}

  // Null while no parity came under this slot.
  FecDecoder* of(int32_t slot) const { return decoders_[static_cast<size_t>(slot)].get(); }

  // The same, made now; null when there are too many.
  FecDecoder* make(int32_t slot) {
    std::unique_ptr<FecDecoder>& decoder = decoders_[static_cast<size_t>(slot)];
    if (decoder == nullptr && count_ < kMaxDecoders) {
      decoder = std::make_unique<FecDecoder>(codes_, maxSealedBytes_);
      count_ += 1;
    }
    return decoder.get();
  }

  // Frees that of a slot that is not ready any more.
  void sweep(int32_t slot) {
    std::unique_ptr<FecDecoder>& decoder = decoders_[static_cast<size_t>(slot)];
    if (decoder == nullptr || sessions_.isReady(slot)) return;
    decoder.reset();
    count_ -= 1;
  }

 private:
  // Of 1.5 MB each.
  static constexpr uint32_t kMaxDecoders = 128;

  SessionTable sessions_;
  uint32_t maxSealedBytes_;
  FecCodes codes_;
  std::vector<std::unique_ptr<FecDecoder>> decoders_;
  uint32_t count_ = 0;
};

}  // namespace hawser
