// Inner packets as bytes: where the headers of an IPv4 or IPv6 packet end, and big-endian fields.
#pragma once
#include <arpa/inet.h>

#include <cstdint>
#include <cstring>

namespace hawser {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpV6 = 58;

inline uint16_t readBe16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t readBe32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, 4);
  return ntohl(value);
}
inline void writeBe16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
inline void writeBe32(uint8_t* at, uint32_t value) {
  value = htonl(value);
  std::memcpy(at, &value, 4);
}
inline uint32_t readLe32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, 4);
  return value;
}
inline uint64_t readLe64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  return value;
}

// What the data path needs of an inner packet. `length` is what the IP header claims, checked against what there is.
struct IpView {
  uint8_t version = 0;      // 4 or 6; 0 = not a sound IP packet
  uint8_t protocol = 0;     // of the payload when it follows the fixed header at once; 0 for fragments and extension headers
  uint8_t trafficClass = 0; // DSCP and ECN
  uint16_t headerBytes = 0;
  uint32_t length = 0;
  const uint8_t* source = nullptr;
  const uint8_t* destination = nullptr;
  uint8_t addressBytes = 0;
};

inline IpView viewIp(const uint8_t* packet, size_t available) {
  IpView view;
  if (available < 20) return view;
  const uint8_t version = packet[0] >> 4;
  if (version == 4) {
    const uint16_t header = static_cast<uint16_t>((packet[0] & 15) * 4);
    const uint32_t length = readBe16(packet + 2);
    if (header < 20 || length < header || length > available) return view;
    const bool fragment = (readBe16(packet + 6) & 0x3fff) != 0;
    return IpView{4, fragment ? uint8_t{0} : packet[9], packet[1], header, length, packet + 12, packet + 16, 4};
  }
  if (version == 6 && available >= 40) {
    const uint32_t length = 40u + readBe16(packet + 4);
    if (length > available) return view;
    const uint8_t trafficClass = static_cast<uint8_t>(packet[0] << 4 | packet[1] >> 4);
    return IpView{6, packet[6], trafficClass, 40, length, packet + 8, packet + 24, 16};
  }
  return view;
}

}  // namespace hawser
