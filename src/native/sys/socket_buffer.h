// Large buffers for sockets of links.
#pragma once
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <initializer_list>

namespace hawser {

// Asks for `bytes`; returns what the kernel granted. The forced form needs CAP_NET_ADMIN and passes net.core.[rw]mem_max; the other is
// clamped, which the start-up log reports.
inline int growBuffer(int fd, int forced, int plain, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) < 0) ::setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
  int granted = 0;
  socklen_t length = sizeof granted;
  ::getsockopt(fd, SOL_SOCKET, plain, &granted, &length);
  return granted;
}

// What waits in the queues of these sockets' devices; -1 = no socket of that family.
inline int queuedBytes(std::initializer_list<int> fds) {
  int total = 0;
  for (const int fd : fds) {
    int waiting = 0;
    if (fd >= 0 && ::ioctl(fd, SIOCOUTQ, &waiting) == 0) total += waiting;
  }
  return total;
}

}  // namespace hawser
