// Whose turn it is to send by a carrier's sockets. Mostly it is the carrier's thread's; while that sleeps a sealer sends a single packet itself
// (docs/adr/0047). Whoever has the turn consumes the descriptors, sends, and books what was sent. It lasts for one native call, which nothing
// can cut, so that it is given back whatever becomes of the thread.
#pragma once
#include <atomic>
#include <cstdint>

#include "ring.h"

namespace hawser {

class SendTurn {
 public:
  // Does not wait for another's turn to end; it leaves a wish then.
  explicit SendTurn(uint8_t* carrier) : word_(word(carrier, layout::carrier_turnAt)), isOurs_(take()) {}
  SendTurn(const SendTurn&) = delete;
  SendTurn& operator=(const SendTurn&) = delete;
  ~SendTurn() { end(); }

  bool isOurs() const { return isOurs_; }
  // Gives it back; true when another has wished for it meanwhile, who looks again when it is woken.
  bool end() {
    if (!isOurs_) return false;
    isOurs_ = false;
    return word_.exchange(kFree, std::memory_order_seq_cst) == kWished;
  }

 private:
  static constexpr int32_t kFree = 0;
  static constexpr int32_t kTaken = 1;
  static constexpr int32_t kWished = 2;

  bool take() {
    for (;;) {
      int32_t now = kFree;
      if (word_.compare_exchange_strong(now, kTaken, std::memory_order_seq_cst)) return true;
      if (now == kWished || word_.compare_exchange_strong(now, kWished, std::memory_order_seq_cst)) return false;
    }
  }

  std::atomic_ref<int32_t> word_;
  bool isOurs_;
};

}  // namespace hawser
