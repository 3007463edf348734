// Sockets off the packet path: rtnetlink, marked UDP for the resolver, systemd's notification socket.
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace hawser {
namespace {

int closeAndFail(int fd, const char* call, OpenFailure& failure) {
  failure = {errno, call};
  close(fd);
  return -1;
}

bool setFlag(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

// Offsets in an event: struct nlmsghdr, then struct rtmsg, then attributes. All single bytes, so their order is no question.
constexpr uint32_t kTypeAt = 4;
constexpr uint32_t kRouteAt = sizeof(nlmsghdr);
constexpr uint32_t kFamilyAt = kRouteAt;
constexpr uint32_t kPrefixAt = kRouteAt + 1;
constexpr uint32_t kProtocolAt = kRouteAt + 5;
constexpr uint32_t kKindAt = kRouteAt + 7;
constexpr uint32_t kAttributesAt = kRouteAt + sizeof(rtmsg);
constexpr uint32_t kAccept = 0xffffffff;
constexpr size_t kMostAddresses = 700;  // 5 instructions each, of the 4096 there may be

// A section of the filter: accepts when the route's destination, in M[1], agrees with an address in the bits that X does not shift out.
void appendSection(std::vector<sock_filter>& program, uint8_t family, const uint8_t* addresses, size_t count) {
  program.push_back(BPF_STMT(BPF_LDX | BPF_MEM, 0));
  for (size_t i = 0; i < count; i++) {
    const uint8_t* entry = addresses + 5 * i;
    if (entry[0] != family) continue;
    uint32_t first;
    memcpy(&first, entry + 1, sizeof first);
    program.push_back(BPF_STMT(BPF_LD | BPF_MEM, 1));
    program.push_back(BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, ntohl(first)));
    program.push_back(BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, kAccept));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
}

// Holds the acknowledgements and events of a long batch; the kernel drops them (ENOBUFS) when the buffer is full.
constexpr int netlinkBufferBytes = 4 << 20;

}  // namespace

int openNetlinkSocket(int protocol, uint32_t groups, OpenFailure& failure) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) {
    failure = {errno, "socket"};
    return -1;
  }
  // Best effort, all three: kernels before 4.12 have no extended acknowledgements, before 4.20 no strict dump filters,
  // and FORCE needs CAP_NET_ADMIN (which a program that only listens may lack).
  setFlag(fd, SOL_NETLINK, NETLINK_EXT_ACK);
  setFlag(fd, SOL_NETLINK, NETLINK_CAP_ACK);
  setFlag(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &netlinkBufferBytes, sizeof netlinkBufferBytes) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &netlinkBufferBytes, sizeof netlinkBufferBytes);
  }
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) return closeAndFail(fd, "bind", failure);
  return fd;
}

int filterRouteEvents(int fd, uint8_t protocol, const uint8_t* addresses, size_t count) {
  if (count > kMostAddresses) return -E2BIG;
  std::vector<sock_filter> v4;
  appendSection(v4, 4, addresses, count);
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kTypeAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_NEWROUTE, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_DELROUTE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, kAccept),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kProtocolAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kAccept),
      // RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST and RTN_MULTICAST come with each address.
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kKindAt),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, RTN_BLACKHOLE, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, RTN_LOCAL, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kPrefixAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kAccept),
      // M[0] = how far to shift: 32 less the prefix length, 0 for longer ones.
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 32, 0, 1),
      BPF_STMT(BPF_LD | BPF_IMM, 32),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_IMM, 32),
      BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
      BPF_STMT(BPF_ST, 0),
      // Where the attribute RTA_DST begins, 0 = nowhere; M[1] = the first four bytes of its value.
      BPF_STMT(BPF_LDX | BPF_IMM, RTA_DST),
      BPF_STMT(BPF_LD | BPF_IMM, kAttributesAt),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_IND, sizeof(nlattr)),
      BPF_STMT(BPF_ST, 1),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFamilyAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
      BPF_STMT(BPF_JMP | BPF_JA, static_cast<uint32_t>(v4.size())),
  };
  program.insert(program.end(), v4.begin(), v4.end());
  appendSection(program, 6, addresses, count);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 ? 0 : -errno;
}

int bindSource(int fd, const uint8_t* address, size_t addressBytes, uint32_t scopeId) {
  if (addressBytes == 4) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    memcpy(&local.sin_addr, address, 4);
    return bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0 ? 0 : -errno;
  }
  if (addressBytes != 16) return -EINVAL;
  sockaddr_in6 local{};
  local.sin6_family = AF_INET6;
  local.sin6_scope_id = scopeId;
  memcpy(&local.sin6_addr, address, 16);
  return bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0 ? 0 : -errno;
}

int openMarkedUdpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure) {
  const int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (fd < 0) {
    failure = {errno, "socket"};
    return -1;
  }
  if (fwmark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) != 0) {
    return closeAndFail(fd, "setsockopt(SO_MARK)", failure);
  }
  const size_t nameBytes = strlen(interfaceName);
  if (nameBytes > 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interfaceName, nameBytes) != 0) {
    return closeAndFail(fd, "setsockopt(SO_BINDTODEVICE)", failure);
  }
  if (family == 6 && !setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY)) {
    return closeAndFail(fd, "setsockopt(IPV6_V6ONLY)", failure);
  }
  return fd;
}

int connectUdpSocket(int fd, const uint8_t* address, size_t addressBytes, uint16_t port, uint32_t scopeId) {
  int result;
  if (addressBytes == 4) {
    sockaddr_in remote{};
    remote.sin_family = AF_INET;
    remote.sin_port = htons(port);
    memcpy(&remote.sin_addr, address, 4);
    result = connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote);
  } else if (addressBytes == 16) {
    sockaddr_in6 remote{};
    remote.sin6_family = AF_INET6;
    remote.sin6_port = htons(port);
    remote.sin6_scope_id = scopeId;
    memcpy(&remote.sin6_addr, address, 16);
    result = connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote);
  } else {
    return -EINVAL;
  }
  return result == 0 ? 0 : -errno;
}

long sendOnSocket(int fd, const uint8_t* bytes, size_t length) {
  const ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
  return sent < 0 ? -errno : static_cast<long>(sent);
}

long receiveFromSocket(int fd, uint8_t* target, size_t length, int timeoutMs) {
  if (timeoutMs > 0) {
    pollfd waiting{fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, timeoutMs);
    if (ready < 0) return -errno;
    if (ready == 0) return -EAGAIN;
  }
  iovec part{target, length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
  if (received < 0) return -errno;
  if ((message.msg_flags & MSG_TRUNC) != 0) return -EMSGSIZE;
  return static_cast<long>(received);
}

int notifySystemd(const char* path, size_t pathBytes, const uint8_t* message, size_t messageBytes) {
  sockaddr_un remote{};
  remote.sun_family = AF_UNIX;
  if (pathBytes == 0) return -EINVAL;
  if (pathBytes >= sizeof remote.sun_path) return -ENAMETOOLONG;
  memcpy(remote.sun_path, path, pathBytes);
  // An abstract name starts with a zero byte and has exactly the given length (unix(7)).
  const bool abstract = path[0] == '@';
  if (abstract) remote.sun_path[0] = '\0';
  const socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + pathBytes + (abstract ? 0 : 1));
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const ssize_t sent = sendto(fd, message, messageBytes, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&remote), size);
  const int result = sent < 0 ? -errno : 0;
  close(fd);
  return result;
}

}  // namespace hawser
