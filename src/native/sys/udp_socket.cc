#include "udp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>

#include "socket_buffer.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace hawser {
namespace {

int enable(int fd, int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value); }

SystemError configure(int fd, const UdpOptions& options, UdpSocket& out) {
  const bool v4 = options.family == AF_INET;
  if (options.mark != 0 && enable(fd, SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)) < 0) return SystemError::now("SO_MARK");
  if (!options.interface.empty() &&
      ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(), static_cast<socklen_t>(options.interface.size())) < 0)
    return SystemError::now("SO_BINDTODEVICE");
  if (!v4) enable(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  enable(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
  enable(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
  // Never fragment, never trust a cached path MTU: the probes of the path decide (RFC 8899).
  if (v4) enable(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  else enable(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  // What routers say of packets that are too long hastens them; sys/socket_errors.h reads it.
  if (v4) enable(fd, IPPROTO_IP, IP_RECVERR, 1);
  else enable(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  enable(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  out.gro = enable(fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
  out.gso = enable(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
  out.receiveBufferBytes = growBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.bufferBytes);
  out.sendBufferBytes = growBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.bufferBytes);
  return {};
}

}  // namespace

SystemError openUdp(const UdpOptions& options, UdpSocket& out) {
  Fd fd(::socket(options.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd.ok()) return SystemError::now("socket");
  const SystemError failed = configure(fd.get(), options, out);
  if (failed.call != nullptr) return failed;
  sockaddr_storage address{};
  socklen_t length = options.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  address.ss_family = static_cast<sa_family_t>(options.family);
  // The port lies at the same place in both families.
  reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(options.port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) < 0) return SystemError::now("bind");
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0) return SystemError::now("getsockname");
  out.port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  out.fd = fd.release();
  return {};
}

}  // namespace hawser
