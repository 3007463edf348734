// What a link's socket says of packets that were sent before: the error queue of ip(7), IP_RECVERR. Kept off the packet path: whoever
// sees a call on the socket fail empties it.
#pragma once
#include <netinet/in.h>

#include <cstdint>

#include "tables.h"

namespace hawser {

class SocketErrors {
 public:
  SocketErrors(RowTable paths, int32_t carrier) : paths_(paths), carrier_(carrier) {}

  // Empties the queue of `fd`, a bounded number of entries; true when a host or router on the way had said something (ICMP). Then the call
  // that failed did so for that, which anybody can forge, and says nothing of the packet it was made for: it is worth a second try.
  // The last "fragmentation needed" or "packet too big" about what left for an address of a path becomes a hint in the path's row.
  bool empty(int fd);

 private:
  static constexpr int kMostEntries = 32;

  void hint(const sockaddr_in6& to, uint32_t mtu);

  RowTable paths_;
  int32_t carrier_;
};

}  // namespace hawser
