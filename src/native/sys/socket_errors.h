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
  // Whoever forges ICMP fails one call after the other, and would lose what the call was made for: the kernel keeps none of it for `fd`
  // from now on. What it says truly is only a hint (RFC 8899), and waits for a second.
  void shut(int fd);
  // Listens again when it is time. Called before each batch.
  void listen() {
    if (isAnyShut_) reopen();
  }

 private:
  static constexpr int kMostEntries = 32;
  // So many entries in a second are a flood: each hint costs a look at all paths.
  static constexpr int kFloodEntries = 64;
  static constexpr int64_t kSecondMs = 1000;

  // What is known of one socket.
  struct Ear {
    int fd = -1;
    // When the second began in which `entries` are counted, or when it was shut.
    int64_t sinceMs = 0;
    int entries = 0;
    bool isShut = false;
  };

  Ear& earOf(int fd);
  void shut(Ear& ear, int64_t nowMs);
  void reopen();
  void hint(const sockaddr_in6& to, uint32_t mtu);

  RowTable paths_;
  int32_t carrier_;
  // One of each family.
  Ear ears_[2];
  bool isAnyShut_ = false;
};

}  // namespace hawser
