// The Internet checksum (RFC 1071) and its pseudo-headers.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hawser {

// Sum of 16-bit words in memory order, not folded; an odd last byte counts as if a zero followed.
uint64_t sumWords(const uint8_t* bytes, size_t length);

// Folded to 16 bits, in memory order (store it as it is).
inline uint16_t foldSum(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Sum of addresses, protocol and length of the transport part; `packet` begins with an IPv4 or IPv6 header.
uint64_t sumPseudoHeader(const uint8_t* packet, uint8_t protocol, uint32_t transportBytes);

// Writes the IPv4 header's own checksum.
void writeIpv4Checksum(uint8_t* packet);

}  // namespace hawser
