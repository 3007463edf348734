// Sockets of health probes: see probe.h.
#include "sys/probe.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "sys/fd.h"

namespace hawser {
namespace {

double clockUs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// SO_MARK before anything else can leave; SO_BINDTODEVICE; the kernel's time of arrival with each packet.
bool prepare(int fd, uint32_t fwmark, const char* interfaceName, OpenFailure& failure) {
  const int on = 1;
  const size_t nameBytes = strlen(interfaceName);
  if (fwmark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) != 0) {
    failure = {errno, "setsockopt(SO_MARK)"};
  } else if (nameBytes > 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interfaceName, nameBytes) != 0) {
    failure = {errno, "setsockopt(SO_BINDTODEVICE)"};
  } else if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    failure = {errno, "setsockopt(SO_TIMESTAMPNS)"};
  } else {
    return true;
  }
  return false;
}

// Lets echo replies through and nothing else (raw(7), RFC 3542 section 3.2). Without it the socket would only see more.
void takeEchoRepliesOnly(int fd, int family) {
  if (family == 6) {
    uint32_t blocked[8];
    memset(blocked, 0xff, sizeof blocked);
    blocked[ICMPV6_ECHO_REPLY >> 5] &= ~(1u << (ICMPV6_ECHO_REPLY & 31));
    setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, blocked, sizeof blocked);
  } else {
    const icmp_filter filter{~(1u << ICMP_ECHOREPLY)};
    setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
  }
}

}  // namespace

int openMarkedIcmpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure) {
  const int domain = family == 6 ? AF_INET6 : AF_INET;
  const int protocol = family == 6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  int number = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (number < 0 && (errno == EACCES || errno == EPERM)) {
    number = socket(domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (number >= 0) takeEchoRepliesOnly(number, family);
  }
  Fd fd(number);
  if (!fd.ok()) {
    failure = {errno, "socket"};
    return -1;
  }
  return prepare(fd.get(), fwmark, interfaceName, failure) ? fd.release() : -1;
}

int openMarkedTcpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure) {
  Fd fd(socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd.ok()) {
    failure = {errno, "socket"};
    return -1;
  }
  const linger reset{1, 0};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
    failure = {errno, "setsockopt(SO_LINGER)"};
    return -1;
  }
  return prepare(fd.get(), fwmark, interfaceName, failure) ? fd.release() : -1;
}

int tcpConnectState(int fd, double& roundTripUs) {
  pollfd waiting{fd, POLLOUT, 0};
  const int ready = poll(&waiting, 1, 0);
  if (ready <= 0) return ready < 0 ? -errno : 0;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  if (error != 0) return -error;
  tcp_info info{};
  length = sizeof info;
  roundTripUs = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? static_cast<double>(info.tcpi_rtt) : 0;
  return 1;
}

long receiveStamped(int fd, uint8_t* target, size_t length, double& arrivedUs) {
  iovec part{target, length};
  alignas(cmsghdr) uint8_t control[128];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
  if (received < 0) return -errno;
  arrivedUs = clockUs(CLOCK_BOOTTIME);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
    const double agoUs = clockUs(CLOCK_REALTIME) - (static_cast<double>(stamp.tv_sec) * 1e6 + static_cast<double>(stamp.tv_nsec) / 1e3);
    // A real-time clock that was set meanwhile: the moment of this call is the better time.
    if (agoUs > 0 && agoUs < 1e6) arrivedUs -= agoUs;
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) return -EMSGSIZE;
  return static_cast<long>(received);
}

}  // namespace hawser
