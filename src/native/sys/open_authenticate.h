// The first step of opening: whose a datagram is, whether it was seen before, and whether it is genuine. Nothing that it says is believed
// before.
#pragma once
#include <cstdint>

#include "cipher_cache.h"
#include "open_run.h"
#include "packet.h"
#include "seal.h"
#include "session_replay.h"
#include "tables.h"

namespace hawser {

class Authenticator {
 public:
  enum class Verdict : uint8_t { Fresh, Seen, Malformed };

  Authenticator(SessionTable sessions, RowTable peers) : sessions_(sessions), peers_(peers), ciphers_(sessions, CipherCache::Direction::Receive) {}

  // The sender of a run; null when its keys are nobody's, or have expired.
  const Sender* begin(const OpenRun& run, double nowUs);

  static uint64_t counterOf(const uint8_t* datagram) { return readLe64(datagram + 8); }

  // Of a datagram of the run, before it is opened.
  Verdict judge(const uint8_t* datagram, uint32_t length) const {
    if (length < kDataHeaderBytes + kTagBytes) return Verdict::Malformed;
    const uint64_t counter = counterOf(datagram);
    return counter < kRejectAfterMessages && window().fresh(counter) ? Verdict::Fresh : Verdict::Seen;
  }

  // Decrypts into `plain`, which has room for `length` less header and tag; whether it is genuine.
  bool open(uint8_t* plain, const uint8_t* datagram, uint32_t length) const {
    return context_->open(plain, datagram + kDataHeaderBytes, length - kDataHeaderBytes, counterOf(datagram));
  }

  // A genuine datagram with this counter will not be taken again.
  void accept(uint64_t counter) { window().accept(counter); }

  // Forgets the keys of a slot that is not ready any more.
  void sweep(int32_t slot) { ciphers_.sweep(slot); }

 private:
  SessionReplay window() const { return SessionReplay(sessions_, sender_.slot); }

  SessionTable sessions_;
  RowTable peers_;
  CipherCache ciphers_;
  AeadContext* context_ = nullptr;
  Sender sender_;
};

}  // namespace hawser
