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

// Precise to a few milliseconds, and without a system call.
int64_t coarseMs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// A socket of the other family refuses one of the two.
void keepErrors(int fd, int value) {
  ::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, sizeof value);
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &value, sizeof value);
}

}  // namespace

bool SocketErrors::empty(int fd) {
  bool fromOutside = false;
  int entries = 0;
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
    entries += 1;
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
  if (!fromOutside) return false;
  Ear& ear = earOf(fd);
  const int64_t nowMs = coarseMs();
  if (nowMs - ear.sinceMs >= kSecondMs) {
    ear.sinceMs = nowMs;
    ear.entries = 0;
  }
  ear.entries += entries;
  if (ear.entries >= kFloodEntries) shut(ear, nowMs);
  return true;
}

SocketErrors::Ear& SocketErrors::earOf(int fd) {
  Ear& ear = ears_[0].fd == fd || ears_[0].fd < 0 ? ears_[0] : ears_[1];
  ear.fd = fd;
  return ear;
}

void SocketErrors::shut(int fd) { shut(earOf(fd), coarseMs()); }

// Switching it off throws away what is queued (net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c), and SO_ERROR what the last of it left.
void SocketErrors::shut(Ear& ear, int64_t nowMs) {
  keepErrors(ear.fd, 0);
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(ear.fd, SOL_SOCKET, SO_ERROR, &error, &length);
  ear.sinceMs = nowMs;
  ear.entries = 0;
  ear.isShut = true;
  isAnyShut_ = true;
}

void SocketErrors::reopen() {
  const int64_t nowMs = coarseMs();
  isAnyShut_ = false;
  for (Ear& ear : ears_) {
    if (!ear.isShut) continue;
    ear.isShut = nowMs - ear.sinceMs < kSecondMs;
    if (ear.isShut) isAnyShut_ = true;
    else keepErrors(ear.fd, 1);
  }
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
