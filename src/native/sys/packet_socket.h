// The socket of FakeTCP on one link: it gets a copy of every TCP segment for a few ports of ours before the kernel's own TCP sees it, with
// virtio headers, so that joined segments come, and segments to be cut leave, as one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fd.h"

namespace hawser {

struct PacketOptions {
  int family = 0;           // AF_INET or AF_INET6
  uint16_t listenPort = 0;  // 0 = nobody calls here
  uint16_t callPorts = 0;   // so many consecutive ports to call from, if there are
  uint32_t mark = 0;        // SO_MARK; 0 = none
  std::string interface;    // empty = all
  int bufferBytes = 7 << 20;
};

struct PacketSocket {
  int fd = -1;
  // Sockets that keep the ports ours, and the kernel silent about what comes for them; to be closed with `fd`.
  std::vector<int> keepers;
  uint16_t firstCallPort = 0;
  uint16_t callPorts = 0;
  int receiveBufferBytes = 0;  // what the kernel granted
  int sendBufferBytes = 0;
};

SystemError openPackets(const PacketOptions& options, PacketSocket& socket);

}  // namespace hawser
