// Answers SYNs to the port that others call, without keeping anything of them, in the turn in which they come: a flood of them costs a hash or
// three and a packet each, and nothing of it reaches TypeScript. An address that calls without end is answered so often a second and no more: each
// answer has it send a reset, which is another packet to take in, and all that its own host has to do where both are one machine. The cookie, and all that is said, are those of protocols/faketcp/syn-cookies.ts
// and callers.ts, which take whoever shows a cookie for a caller.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "faketcp.h"

namespace hawser {

class SynAnswers {
 public:
  struct Settings {
    // 0 = nobody calls here.
    uint16_t listenPort = 0;
    // What an answer says: its window field, and the shift of those that follow.
    uint16_t window = 0;
    uint8_t windowShift = 0;
    // Keyed, of 32 bits.
    std::function<uint32_t(const uint8_t* bytes, size_t length)> hash;
    // Whether the address of ours in a tuple is one of this host's. Asked once a second at most of the same.
    std::function<bool(const uint8_t* tuple)> isOwn;
  };

  // So many answers a second to one address (IPv6: /64), and to those that fall on its place; another second, others.
  static constexpr uint32_t kMostAnswers = 500;

  explicit SynAnswers(Settings settings);

  // Of a segment without a connection: whether it is a SYN to our port, or an RST, and so dealt with. `tcp`: its header, options included.
  bool take(int fd, const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, double nowUs);
  // What `take` has answered leaves.
  void send(int fd);
  // Since the last call.
  uint32_t takeCount() { return std::exchange(count_, 0); }
  uint32_t takeIgnoredCount() { return std::exchange(ignored_, 0); }

 private:
  static constexpr uint32_t kBatch = 32;
  // What names a connection, and two bytes that say what of it is hashed.
  static constexpr uint32_t kNameBytes = layout::tuple_linkHeaderBytesAt;

  static constexpr uint32_t kPlaces = 1024;

  bool isOurs(const uint8_t* tuple, double nowUs);
  bool isAnsweredOften(const uint8_t* tuple, double nowUs);
  uint32_t hash(uint8_t first, uint8_t second);
  uint32_t cookie(int32_t shift, double nowUs);

  Settings settings_;
  uint8_t hashed_[kNameBytes + 2] = {};
  // The address that was asked about last, when, and the answer.
  uint8_t asked_[16] = {};
  double askedUs_ = 0;
  bool isOwn_ = false;
  uint32_t count_ = 0;
  uint32_t ignored_ = 0;
  // Nobody from outside shall know who falls on the same place.
  uint64_t seed_ = 0;
  uint64_t second_ = 0;
  uint16_t answered_[kPlaces] = {};
  uint32_t waiting_ = 0;
  FakeTcpHeaders answers_[kBatch];
};

}  // namespace hawser
