// Tells who sends inner packets that are too long how long they may be: ICMP "fragmentation needed" (RFC 792, RFC 1191 section 4) and
// ICMPv6 "packet too big" (RFC 4443 section 3.2), written into the TUN.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "packet.h"

namespace hawser {

// RFC 1812, 4.3.2.3: as much of the packet as fits into 576 bytes; RFC 4443, 2.4(c): into IPv6's least MTU.
inline constexpr uint32_t kMostAnswerBytes = 1280;

// Writes the answer to `packet`, complete with checksums, to `target` of kMostAnswerBytes. `mtu`: how long packets may be. Its source is
// the packet's destination: an address of this host would be a martian to itself. Returns its bytes; 0 = no answer is due (RFC 1122,
// 3.2.2; RFC 4443, 2.4(e)): to ICMP errors, to multicast and broadcast, to fragments beyond the first, to no single host.
uint32_t writeTooBig(uint8_t* target, const uint8_t* packet, uint32_t length, uint32_t mtu);

// Limits the answers for each peer by a token bucket (RFC 4443, 2.4(f)), and writes them.
class TooBigTeller {
 public:
  // `fd`: a TUN device with virtio_net headers; -1 = tells nobody.
  explicit TooBigTeller(int fd) : fd_(fd) {}

  // True when an answer was written.
  bool tell(int32_t peer, const uint8_t* packet, uint32_t length, uint32_t mtu, double nowUs);

 private:
  static constexpr double kBurst = 50;
  static constexpr double kPerSecond = 50;

  struct Bucket {
    double tokens = kBurst;
    double atUs = 0;
  };

  Bucket& bucketOf(int32_t peer, double nowUs);

  int fd_;
  std::vector<Bucket> buckets_;
};

}  // namespace hawser
