#include "tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif

namespace hawser {
namespace {

// Connections that were made and not yet taken; the kernel takes no more than net.core.somaxconn.
constexpr int kBacklog = 1024;

int set(int fd, int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

SystemError openTcpListener(const TcpListenOptions& options, int& out) {
  out = -1;
  Fd fd(::socket(options.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.ok()) return SystemError::now("socket");
  if (options.mark != 0 && set(fd.get(), SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)) < 0) return SystemError::now("SO_MARK");
  if (!options.interface.empty() &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(), static_cast<socklen_t>(options.interface.size())) < 0)
    return SystemError::now("SO_BINDTODEVICE");
  if (options.family == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // The connections of a process that was killed rest in TIME_WAIT.
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(options.family);
  // The port lies at the same place in both families.
  reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(options.port);
  const socklen_t length = options.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) < 0) return SystemError::now("bind");
  if (::listen(fd.get(), kBacklog) < 0) return SystemError::now("listen");
  out = fd.release();
  return {};
}

int tuneTcp(int fd, uint32_t notSentBytes, uint32_t deadMs) {
  const linger orderly{0, 0};
  const bool done = set(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0 && set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(notSentBytes)) == 0 &&
                    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(deadMs)) == 0 &&
                    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &orderly, sizeof orderly) == 0;
  return done ? 0 : -errno;
}

}  // namespace hawser
