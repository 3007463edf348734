#include "socket_errors.h"

// The kernel's header does not bring what it needs.
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace hawser {
namespace {

bool isSame(const sockaddr_in6& a, const sockaddr_in6& b) {
  if (a.sin6_family != b.sin6_family) return false;
  if (a.sin6_family == AF_INET6) return a.sin6_port == b.sin6_port && std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
  sockaddr_in one, other;
  std::memcpy(&one, &a, sizeof one);
  std::memcpy(&other, &b, sizeof other);
  return one.sin_port == other.sin_port && one.sin_addr.s_addr == other.sin_addr.s_addr;
}

}  // namespace

bool SocketErrors::empty(int fd) {
  bool fromOutside = false;
  sockaddr_in6 hinted{};
  uint32_t mtu = 0;
  for (int i = 0; i < kMostEntries; i++) {
    sockaddr_in6 destination{};
    alignas(cmsghdr) uint8_t control[512];
    // The beginning of the packet that was returned; nothing of it is needed.
    uint8_t returned[8];
    iovec bytes{returned, sizeof returned};
    msghdr header{&destination, sizeof destination, &bytes, 1, control, sizeof control, 0};
    if (::recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
      const bool v4 = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR;
      const bool v6 = at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(at), sizeof error);
      if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) continue;
      fromOutside = true;
      if (error.ee_errno != EMSGSIZE) continue;
      hinted = destination;
      mtu = error.ee_info;
    }
  }
  if (mtu != 0) hint(hinted, mtu);
  return fromOutside;
}

// The kernel found the socket by the ports and addresses of the packet that the message quotes; where that had left for is `to`.
void SocketErrors::hint(const sockaddr_in6& to, uint32_t mtu) {
  if (mtu > UINT16_MAX) return;
  const int32_t used = std::min(paths_.used(), paths_.rows());
  for (int32_t index = 0; index < used; index++) {
    uint8_t* row = paths_.row(index);
    if (cell<int32_t>(row, layout::path_stateAt) == layout::pathState_free || cell<int32_t>(row, layout::path_carrierAt) != carrier_) continue;
    sockaddr_in6 address;
    std::memcpy(&address, row + layout::path_endpointAt, sizeof address);
    if (!isSame(address, to)) continue;
    cell<int32_t>(row, layout::path_hintBytesAt) = static_cast<int32_t>(mtu);
    add(row, layout::path_hintsAt, 1);
  }
}

}  // namespace hawser
