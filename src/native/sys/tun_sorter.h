// Reads trains from the TUN device for several pairs of sealer and opener: each goes to the ring of its peer's shard (shards.h). It is read where
// the last one went and copied when it is another's, so that the trains of one flow are read into their place.
#pragma once
#include <cstdint>
#include <vector>

#include "allowed_ips.h"
#include "ring.h"

namespace hawser {

class TunSorter {
 public:
  TunSorter(int fd, std::vector<RingProducer> out, AllowedIps allowedIps)
      : fd_(fd), out_(std::move(out)), records_(out_.size()), fullSinceUs_(out_.size()), allowedIps_(allowedIps) {}

  // As `TunReader::read`. ENOSPC: a ring is full, and was not a moment ago. Of one that stays full (its sealer is renewed) the trains are
  // dropped, and counted in `dropped`, until it has room: the other shards go on.
  int read(uint32_t maxTrains, double nowUs, double& bytes, double& dropped);

 private:
  // A sealer leaves its trains in the ring for 5 ms at most (`behindPatienceUs`), and a loaded host may take its thread's processor as long.
  static constexpr double kPatienceUs = 20e3;

  bool claim(double nowUs);
  uint32_t shardOfTrain(const uint8_t* packet, uint32_t length);

  int fd_;
  std::vector<RingProducer> out_;
  // By shard: the claimed record, nullptr = its ring is full, and since when.
  std::vector<uint8_t*> records_;
  std::vector<double> fullSinceUs_;
  CachedLookup allowedIps_;
  // Where the last train went.
  uint32_t current_ = 0;
};

}  // namespace hawser
