// struct virtio_net_hdr as a TUN device with IFF_VNET_HDR uses it (include/uapi/linux/virtio_net.h), host byte order.
#pragma once
#include <cstdint>

namespace hawser {

struct VnetHeader {
  uint8_t flags;
  uint8_t gsoType;
  uint16_t headerBytes;
  uint16_t gsoBytes;
  uint16_t checksumStart;
  uint16_t checksumOffset;
};
static_assert(sizeof(VnetHeader) == 10);

inline constexpr uint8_t kVnetNeedsChecksum = 1;
inline constexpr uint8_t kVnetDataValid = 2;
inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdp = 5;
inline constexpr uint8_t kGsoEcn = 0x80;

}  // namespace hawser
