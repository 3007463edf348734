// The ECN field of IP headers (RFC 3168) and how a tunnel carries it (RFC 6040, normal mode): the inner field is copied to the outer
// header, and what became of it on the way is put into the inner one.
#pragma once
#include "checksum.h"
#include "packet.h"

namespace hawser {

inline constexpr uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kEcnMask = 3;
inline constexpr uint8_t kCongestionExperienced = 3;

// Of an inner packet as it is sealed; 0 for what is no IP packet.
inline uint8_t ecnOf(const uint8_t* packet, uint32_t length) {
  if (length < 20) return kNotEct;
  if (packet[0] >> 4 == 4) return packet[1] & kEcnMask;
  return packet[0] >> 4 == 6 ? packet[1] >> 4 & kEcnMask : kNotEct;
}

// `packet` is a sound IPv4 or IPv6 packet.
inline void setEcn(uint8_t* packet, uint8_t version, uint8_t ecn) {
  if (version == 6) {
    packet[1] = static_cast<uint8_t>((packet[1] & 0xcf) | ecn << 4);
    return;
  }
  // Changed and not computed anew (RFC 1624, equation 3): a checksum that was wrong stays wrong.
  uint16_t sum, before, after;
  std::memcpy(&sum, packet + 10, 2);
  std::memcpy(&before, packet, 2);
  packet[1] = static_cast<uint8_t>((packet[1] & ~kEcnMask) | ecn);
  std::memcpy(&after, packet, 2);
  sum = static_cast<uint16_t>(~foldSum(uint64_t{static_cast<uint16_t>(~sum)} + static_cast<uint16_t>(~before) + after));
  std::memcpy(packet + 10, &sum, 2);
}

// Marks a packet whose sender takes that. Returns 1 when it bears the mark now.
inline int markCongestionExperienced(uint8_t* packet, uint32_t length) {
  const IpView ip = viewIp(packet, length);
  if (ip.version == 0 || (ip.trafficClass & kEcnMask) == kNotEct) return 0;
  setEcn(packet, ip.version, kCongestionExperienced);
  return 1;
}

enum class Decapsulated : uint8_t {
  Plain,    // nothing happened to it on the way
  Marked,   // a queue on the way marked it
  Dropped,  // it was marked, and its sender would not understand: only a loss tells it
};

// Gives an inner packet what its outer header says (RFC 6040, figure 4).
inline Decapsulated decapsulateEcn(uint8_t* packet, IpView& ip, uint8_t outer) {
  const uint8_t inner = ip.trafficClass & kEcnMask;
  // ECT(0) outside says nothing, and ECT(1) only to an inner ECT(0).
  if (outer == kNotEct || outer == kEct0 || inner == kCongestionExperienced) return Decapsulated::Plain;
  if (inner == kNotEct) return outer == kEct1 ? Decapsulated::Plain : Decapsulated::Dropped;
  if (outer != inner) {
    setEcn(packet, ip.version, outer);
    ip.trafficClass = static_cast<uint8_t>((ip.trafficClass & ~kEcnMask) | outer);
  }
  return outer == kCongestionExperienced ? Decapsulated::Marked : Decapsulated::Plain;
}

}  // namespace hawser
