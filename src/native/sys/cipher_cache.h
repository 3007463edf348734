// Cipher contexts of one thread, one per key slot, direction and cipher; keyed by the slot's generation, so that a slot that
// was zeroed and used again never meets the context of the keys before.
#pragma once
#include <cstring>
#include <memory>

#include "aead.h"
#include "by_row.h"
#include "tables.h"

namespace hawser {

class CipherCache {
 public:
  // `Reopen` opens what this end has sealed itself.
  enum class Direction { Send, Receive, Reopen };

  CipherCache(SessionTable sessions, Direction direction)
      : sessions_(sessions), direction_(direction) {}

  // Null when the slot is not ready or its key cannot be used.
  AeadContext* get(int32_t index, Cipher cipher) {
    if (!sessions_.has(index)) return nullptr;
    uint8_t* slot = sessions_.slot(index);
    if (!sessions_.isReady(index)) return nullptr;
    const int32_t generation = word(slot, layout::session_generationAt).load(std::memory_order_acquire);
    const bool aes = cipher == Cipher::Aes256Gcm;
    Entry& entry = entries_[index].of[aes ? 1 : 0];
    if (entry.context != nullptr && entry.generation == generation && entry.cipher == cipher) return entry.context.get();
    entry.context = std::make_unique<AeadContext>();
    entry.generation = generation;
    entry.cipher = cipher;
    if (!entry.context->initialise(cipher, slot + keyAt(aes), direction_ == Direction::Send)) entry.context.reset();
    return entry.context.get();
  }

  // Forgets the contexts of a slot that is no longer ready: its keys are to be gone from memory.
  void sweep(int32_t index) {
    Entries* kept = entries_.find(index);
    if (kept == nullptr) return;
    for (Entry& entry : kept->of) {
      if (entry.context == nullptr) continue;
      uint8_t* slot = sessions_.slot(index);
      const bool ready = sessions_.isReady(index);
      if (!ready || word(slot, layout::session_generationAt).load(std::memory_order_acquire) != entry.generation) entry.context.reset();
    }
  }

 private:
  struct Entry {
    std::unique_ptr<AeadContext> context;
    int32_t generation = 0;
    Cipher cipher = Cipher::ChaCha20Poly1305;
  };
  // Of one slot.
  struct Entries {
    Entry of[2];
  };

  int64_t keyAt(bool aes) const {
    if (direction_ != Direction::Receive) return aes ? layout::session_sendKeyAesAt : layout::session_sendKeyAt;
    return aes ? layout::session_receiveKeyAesAt : layout::session_receiveKeyAt;
  }

  SessionTable sessions_;
  Direction direction_;
  ByRow<Entries> entries_;
};

}  // namespace hawser
