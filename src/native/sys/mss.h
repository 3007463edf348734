// Lowers the maximum segment size that a TCP SYN offers to what fits through the tunnel: the other side sends no longer segments then,
// whoever's ICMP is lost on the way (RFC 9293 section 3.7.1; RFC 2923 section 2.1 says why).
#pragma once
#include <cstdint>

#include "packet.h"

namespace hawser {

inline constexpr uint8_t kTcpSynFlag = 0x02;

inline bool isSyn(const uint8_t* packet, const IpView& ip) {
  return ip.protocol == kProtocolTcp && ip.length >= ip.headerBytes + 20u && (packet[ip.headerBytes + 13] & kTcpSynFlag) != 0;
}

// `at`: of two bytes of a TCP header that becomes `value`. RFC 1624, eqn. 3; a word at an odd offset counts with its bytes swapped.
inline void replaceWord(uint8_t* tcp, uint32_t at, uint16_t value, bool hasChecksum) {
  const uint16_t before = readBe16(tcp + at);
  writeBe16(tcp + at, value);
  if (!hasChecksum) return;
  const auto seen = [at](uint16_t word) { return (at & 1) == 0 ? word : static_cast<uint16_t>(word << 8 | word >> 8); };
  uint32_t sum = static_cast<uint16_t>(~readBe16(tcp + 16)) + static_cast<uint32_t>(static_cast<uint16_t>(~seen(before))) + seen(value);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  writeBe16(tcp + 16, static_cast<uint16_t>(~sum));
}

// Of a SYN as `isSyn` says. `mtu`: longest packet. `hasChecksum`: the field holds the checksum, not the pseudo-header's sum for somebody
// else to complete. True when it was lowered.
inline bool clampMss(uint8_t* packet, const IpView& ip, uint32_t mtu, bool hasChecksum) {
  constexpr uint8_t kEnd = 0, kNoOperation = 1, kMss = 2, kMssBytes = 4;
  uint8_t* tcp = packet + ip.headerBytes;
  const uint32_t headerBytes = (tcp[12] >> 4) * 4u;
  const uint32_t fixedBytes = (ip.version == 4 ? 20u : 40u) + 20u;
  if (headerBytes < 20 || ip.headerBytes + headerBytes > ip.length || mtu <= fixedBytes) return false;
  const uint32_t most = mtu - fixedBytes;
  for (uint32_t at = 20; at < headerBytes && tcp[at] != kEnd;) {
    if (tcp[at] == kNoOperation) {
      at += 1;
      continue;
    }
    if (at + 1 >= headerBytes || tcp[at + 1] < 2 || at + tcp[at + 1] > headerBytes) return false;
    if (tcp[at] == kMss && tcp[at + 1] == kMssBytes) {
      if (readBe16(tcp + at + 2) <= most) return false;
      replaceWord(tcp, at + 2, static_cast<uint16_t>(most), hasChecksum);
      return true;
    }
    at += tcp[at + 1];
  }
  return false;
}

}  // namespace hawser
