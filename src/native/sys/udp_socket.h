// A UDP socket of one link: marked, bound to its interface, with GRO, GSO, packet info, kernel timestamps and large buffers.
#pragma once
#include <cstdint>
#include <string>

#include "fd.h"

namespace hawser {

struct UdpOptions {
  int family = 0;         // AF_INET or AF_INET6
  uint16_t port = 0;      // 0 = any free
  uint32_t mark = 0;      // SO_MARK; 0 = none
  std::string interface;  // SO_BINDTODEVICE; empty = none
  int bufferBytes = 7 << 20;
};

struct UdpSocket {
  int fd = -1;
  uint16_t port = 0;
  bool gso = false;
  bool gro = false;
  int receiveBufferBytes = 0;  // what the kernel granted
  int sendBufferBytes = 0;
};

SystemError openUdp(const UdpOptions& options, UdpSocket& socket);

}  // namespace hawser
