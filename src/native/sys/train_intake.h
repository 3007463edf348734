// Trains on their way into the sealer: those that wait in the tun-reader's ring, and those that wait in the stash. TypeScript says which of
// them are sealed, put by or given up, by their number in the last look and by their offset in the stash.
#pragma once
#include <array>
#include <cstdint>

#include "allowed_ips.h"
#include "careful_look.h"
#include "inspect.h"
#include "ring.h"
#include "seal.h"

namespace hawser {

class TrainIntake {
 public:
  static constexpr uint32_t kMaxTrains = 64;

  struct Parts {
    RingConsumer plain;
    AllowedIps allowedIps;
    uint8_t* stash = nullptr;
    // `kMaxTrains` rows.
    TrainFacts* facts = nullptr;
  };

  TrainIntake(const Parts& parts, Sealer& sealer)
      : plain_(parts.plain), allowedIps_(parts.allowedIps), stash_(parts.stash), facts_(parts.facts), sealer_(sealer) {}

  // Facts about the next trains in the ring, each made fit for its peer; returns how many. Until they are released the first bears the
  // blame if this thread dies.
  uint32_t look(uint32_t max);
  // In a run: seals trains `from`… of the last look in order, whole ones but for the last, `budget` segments at most. Returns segments, or
  // a negative errno when not even one was. A train that makes no sense is marked done and passed over.
  int seal(uint32_t from, uint32_t count, int32_t budget);
  // The first `count` trains of the last look are sealed, put by or given up; the rest are looked at again.
  void release(uint32_t count);

  // Copies a train of the last look to the stash, and leaves it in the ring until `release`: a thread that is cut in between leaves it in
  // both places, and twice is better than lost. Returns its bytes.
  uint32_t putBy(uint32_t index, uint32_t offset);
  // Whether a train of the last look and one in the stash, both of TCP, are of one connection.
  bool isSameConnection(uint32_t index, uint32_t offset) const;

  // Of a train in the stash: the same as `seal`, and what else befalls those that wait.
  int sealStashed(uint32_t offset, int32_t budget);
  uint32_t segmentsLeft(uint32_t offset) const { return Sealer::segmentsLeft(stash_ + offset); }
  bool skipSegment(uint32_t offset) { return Sealer::skipSegment(stash_ + offset); }
  // Sets congestion-experienced in its IP header, if its sender takes that (RFC 3168).
  bool markCongestion(uint32_t offset);

 private:
  int sealRecord(uint8_t* record, int32_t budget);

  RingConsumer plain_;
  CarefulLook careful_;
  CachedLookup allowedIps_;
  uint8_t* stash_;
  TrainFacts* facts_;
  Sealer& sealer_;
  // Of the last look.
  std::array<uint8_t*, kMaxTrains> records_{};
};

}  // namespace hawser
