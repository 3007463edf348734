// Inner packets written the plain way, field by field, with checksums summed byte by byte: the oracle for sys/segment and
// sys/coalesce, which do the same by other means.
#pragma once
#include <cstdint>
#include <vector>

#include "check.h"
#include "sys/packet.h"
#include "sys/vnet.h"

namespace hawser::test {

using Bytes = std::vector<uint8_t>;

struct Shape {
  int version = 4;
  bool tcp = true;
  uint32_t ipOptionBytes = 0;   // IPv4 options, or IPv6 extension headers; a multiple of 4, of 8 in IPv6
  uint32_t tcpOptionBytes = 12;
  uint32_t payloadBytes = 100;
  uint16_t id = 1;
  uint32_t sequence = 1000;
  uint32_t acknowledgement = 77;
  uint16_t window = 500;
  uint8_t flags = 0x10;
  uint8_t trafficClass = 0;
  uint8_t ttl = 64;
  bool dontFragment = true;
  uint16_t sourcePort = 4000;
  uint16_t destinationPort = 4001;
  uint8_t host = 2;
  uint32_t seed = 1;  // of the payload: byte n depends on seed + n, so that a continued stream has continued bytes

  uint32_t ipBytes() const { return (version == 4 ? 20 : 40) + ipOptionBytes; }
  uint32_t headerBytes() const { return ipBytes() + (tcp ? 20 + tcpOptionBytes : 8); }
};

inline uint32_t oneComplement(const uint8_t* bytes, size_t length, uint32_t sum = 0) {
  for (size_t i = 0; i < length; i++) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

inline void put16(Bytes& bytes, size_t at, uint32_t value) { writeBe16(bytes.data() + at, static_cast<uint16_t>(value)); }

inline uint32_t pseudoSum(const Bytes& packet, uint32_t ipBytes, bool tcp) {
  const bool v4 = packet[0] >> 4 == 4;
  const uint32_t sum = oneComplement(packet.data() + (v4 ? 12 : 8), v4 ? 8 : 32);
  return oneComplement(nullptr, 0, sum + (tcp ? 6 : 17) + static_cast<uint32_t>(packet.size() - ipBytes));
}

inline void writeChecksums(Bytes& packet, uint32_t ipBytes, bool tcp) {
  if (packet[0] >> 4 == 4) {
    put16(packet, 10, 0);
    put16(packet, 10, 0xffff ^ oneComplement(packet.data(), ipBytes));
  }
  const uint32_t at = ipBytes + (tcp ? 16 : 6);
  put16(packet, at, 0);
  uint32_t sum = 0xffff ^ oneComplement(packet.data() + ipBytes, packet.size() - ipBytes, pseudoSum(packet, ipBytes, tcp));
  if (sum == 0 && !tcp) sum = 0xffff;
  put16(packet, at, sum);
}

inline uint8_t payloadByte(uint32_t seed, uint32_t index) {
  const uint32_t value = (seed + index) * 2654435761u;
  return static_cast<uint8_t>(value >> 13 ^ value >> 24);
}

inline Bytes makePacket(const Shape& shape) {
  Bytes packet(shape.headerBytes() + shape.payloadBytes);
  const uint32_t ipBytes = shape.ipBytes();
  if (shape.version == 4) {
    packet[0] = static_cast<uint8_t>(0x40 | ipBytes / 4);
    packet[1] = shape.trafficClass;
    put16(packet, 2, static_cast<uint32_t>(packet.size()));
    put16(packet, 4, shape.id);
    packet[6] = shape.dontFragment ? 0x40 : 0;
    packet[8] = shape.ttl;
    packet[9] = shape.tcp ? 6 : 17;
    packet[12] = 10, packet[15] = 1, packet[16] = 10, packet[19] = shape.host;
    for (uint32_t i = 20; i < ipBytes; i++) packet[i] = 1;  // no-operation
  } else {
    packet[0] = static_cast<uint8_t>(0x60 | shape.trafficClass >> 4);
    packet[1] = static_cast<uint8_t>(shape.trafficClass << 4);
    put16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
    packet[6] = shape.ipOptionBytes != 0 ? 60 : (shape.tcp ? 6 : 17);
    packet[7] = shape.ttl;
    packet[8] = 0xfd, packet[23] = 1, packet[24] = 0xfd, packet[39] = shape.host;
    if (shape.ipOptionBytes != 0) {
      packet[40] = shape.tcp ? 6 : 17;
      packet[41] = static_cast<uint8_t>(shape.ipOptionBytes / 8 - 1);
      packet[42] = 1, packet[43] = static_cast<uint8_t>(shape.ipOptionBytes - 4);  // PadN
    }
  }
  put16(packet, ipBytes, shape.sourcePort);
  put16(packet, ipBytes + 2, shape.destinationPort);
  if (shape.tcp) {
    writeBe32(packet.data() + ipBytes + 4, shape.sequence);
    writeBe32(packet.data() + ipBytes + 8, shape.acknowledgement);
    packet[ipBytes + 12] = static_cast<uint8_t>((20 + shape.tcpOptionBytes) / 4 << 4);
    packet[ipBytes + 13] = shape.flags;
    put16(packet, ipBytes + 14, shape.window);
    for (uint32_t i = 0; i < shape.tcpOptionBytes; i++) packet[ipBytes + 20 + i] = 1;
  } else {
    put16(packet, ipBytes + 4, static_cast<uint32_t>(packet.size() - ipBytes));
  }
  for (uint32_t i = 0; i < shape.payloadBytes; i++) packet[shape.headerBytes() + i] = payloadByte(shape.seed, i);
  writeChecksums(packet, ipBytes, shape.tcp);
  return packet;
}

// The header with which the kernel would hand over a super-packet of this shape.
inline VnetHeader gsoHeader(const Shape& shape, uint16_t gsoBytes) {
  VnetHeader header{};
  header.flags = kVnetNeedsChecksum;
  header.gsoType = !shape.tcp ? kGsoUdp : shape.version == 4 ? kGsoTcp4 : kGsoTcp6;
  header.headerBytes = static_cast<uint16_t>(shape.headerBytes());
  header.gsoBytes = gsoBytes;
  header.checksumStart = static_cast<uint16_t>(shape.ipBytes());
  header.checksumOffset = shape.tcp ? 16 : 6;
  return header;
}

// What the wire would show of a super-packet: the packets its sender would have made without offload.
inline std::vector<Bytes> cutPlainly(const Shape& shape, uint32_t gsoBytes) {
  std::vector<Bytes> packets;
  const uint32_t count = (shape.payloadBytes + gsoBytes - 1) / gsoBytes;
  for (uint32_t index = 0; index < count; index++) {
    Shape one = shape;
    one.payloadBytes = std::min(gsoBytes, shape.payloadBytes - index * gsoBytes);
    one.seed = shape.seed + index * gsoBytes;
    one.id = static_cast<uint16_t>(shape.id + index);
    one.sequence = shape.sequence + index * gsoBytes;
    if (index + 1 != count) one.flags &= static_cast<uint8_t>(~0x09);  // PSH and FIN belong to the last byte
    if (index != 0) one.flags &= static_cast<uint8_t>(~0x80);          // CWR to the first segment
    packets.push_back(makePacket(one));
  }
  return packets;
}

}  // namespace hawser::test
