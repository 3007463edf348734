// Which packets wait for those before them: what is left running does, what people wait for does not (bonding/queue/classify.ts has the
// same idea of the two).
#pragma once
#include <cstdint>

#include "packet.h"

namespace hawser {

inline constexpr uint16_t kDnsPort = 53;
// A datagram of at most this is a game's, a call's, a clock's.
inline constexpr uint32_t kSmallUdpBytes = 300;
inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04;

// RFC 3246 EF, RFC 5865 VOICE-ADMIT, RFC 2474 CS5 to CS7.
inline bool isUrgentDscp(uint8_t trafficClass) {
  const uint8_t dscp = trafficClass >> 2;
  return dscp == 46 || dscp == 44 || dscp == 40 || dscp == 48 || dscp == 56;
}

// Whether a packet as it was opened, padding and all, is worth more in order than early. Only TCP and large UDP are: an
// acknowledgement alone says nothing that a later one does not say again, unless it opens or closes.
inline bool keepsOrder(const uint8_t* plain, uint32_t length) {
  const IpView ip = viewIp(plain, length);
  if (ip.version == 0 || isUrgentDscp(ip.trafficClass)) return false;
  const uint8_t* transport = plain + ip.headerBytes;
  const uint32_t rest = ip.length - ip.headerBytes;
  if (ip.protocol == kProtocolTcp && rest >= 20) {
    const uint32_t headerBytes = (transport[12] >> 4) * 4u;
    return rest > headerBytes || (transport[13] & (kTcpFin | kTcpSyn | kTcpRst)) != 0;
  }
  if (ip.protocol != kProtocolUdp || rest < 8) return false;
  return ip.length > kSmallUdpBytes && readBe16(transport) != kDnsPort && readBe16(transport + 2) != kDnsPort;
}

}  // namespace hawser
