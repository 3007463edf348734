// Where packets of a path go to and what they carry as their source, as the tables of links and paths say it.
#pragma once
#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "tables.h"

namespace hawser {

inline constexpr uint8_t kUnspecifiedAddress[16] = {};

inline bool isUnspecified(const uint8_t address[16]) { return std::memcmp(address, kUnspecifiedAddress, 16) == 0; }

// Copies a path row's addresses; false while its writer is at it or when it has none (seqlock of contract/peer-tables.ts).
inline bool readPath(uint8_t* row, sockaddr_in6& address, uint8_t local[16], int32_t& interfaceIndex) {
  for (int attempt = 0; attempt < 100; attempt++) {
    const int32_t before = word(row, layout::path_sequenceAt).load(std::memory_order_acquire);
    if ((before & 1) != 0) continue;
    std::memcpy(&address, row + layout::path_endpointAt, sizeof address);
    std::memcpy(local, row + layout::path_localAt, 16);
    interfaceIndex = cell<int32_t>(row, layout::path_interfaceAt);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (word(row, layout::path_sequenceAt).load(std::memory_order_relaxed) == before) return address.sin6_family != 0;
  }
  return false;
}

// Gives a packet that names no address of ours one of the link's; false = the link has none of the family. Left to itself the kernel takes
// any address of the host then, the tunnel's among them (inet_select_addr of net/ipv4/devinet.c), and looks for the route before, so that
// rules by source do not hold. `local` stays unspecified on a link where the kernel may choose.
inline bool chooseLinkSource(uint8_t* link, const sockaddr_in6& to, uint8_t local[16]) {
  if (cell<int32_t>(link, layout::link_needsSourceAt) == 0 || !isUnspecified(local)) return true;
  const bool v4 = to.sin6_family == AF_INET;
  // A link-local destination has a source on its own interface.
  if (!v4 && IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr)) return true;
  std::memcpy(local, link + (v4 ? layout::link_source4At : layout::link_source6At), v4 ? 4 : 16);
  return !isUnspecified(local);
}

}  // namespace hawser
