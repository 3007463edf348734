// The decoders of an opener, one for each key slot whose peer sends parity.
#pragma once
#include <memory>

#include "by_row.h"
#include "fec_decode.h"
#include "tables.h"

namespace hawser {

class FecSessions {
 public:
  FecSessions(SessionTable sessions, uint32_t maxSealedBytes) : sessions_(sessions), maxSealedBytes_(maxSealedBytes) {}

  // Null while no parity came under this slot.
  FecDecoder* of(int32_t slot) const {
    const std::unique_ptr<FecDecoder>* decoder = decoders_.find(slot);
    return decoder == nullptr ? nullptr : decoder->get();
  }

  // The same, made now; null when there are too many.
  FecDecoder* make(int32_t slot) {
    std::unique_ptr<FecDecoder>& decoder = decoders_[slot];
    if (decoder == nullptr && count_ < kMaxDecoders) {
      decoder = std::make_unique<FecDecoder>(codes_, maxSealedBytes_);
      count_ += 1;
    }
    return decoder.get();
  }

  // Frees that of a slot that is not ready any more.
  void sweep(int32_t slot) {
    if (of(slot) == nullptr || sessions_.isReady(slot)) return;
    decoders_[slot].reset();
    count_ -= 1;
  }

 private:
  // Of 1.5 MB each.
  static constexpr uint32_t kMaxDecoders = 128;

  SessionTable sessions_;
  uint32_t maxSealedBytes_;
  FecCodes codes_;
  ByRow<std::unique_ptr<FecDecoder>> decoders_;
  uint32_t count_ = 0;
};

}  // namespace hawser
