// Sockets of the kernel's own TCP for links: one that listens, and what a connection needs to carry packets. No policy, no JavaScript.
#pragma once
#include <cstdint>
#include <string>

#include "fd.h"

namespace hawser {

struct TcpListenOptions {
  int family = 0;  // AF_INET or AF_INET6
  uint16_t port = 0;
  uint32_t mark = 0;
  std::string interface;  // empty = by any
};

// A socket that listens; what it accepts bears its mark. `fd` is -1 with the call that failed filled in.
SystemError openTcpListener(const TcpListenOptions& options, int& fd);

// Small packets leave at once, at most about `notSentBytes` wait in the kernel without having been sent, what is not acknowledged for
// `deadMs` ends the connection (RFC 5482), and a close says FIN. What a listening socket is told holds for what it accepts. 0 or a negative errno.
int tuneTcp(int fd, uint32_t notSentBytes, uint32_t deadMs);

}  // namespace hawser
