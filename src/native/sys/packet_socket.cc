#include "packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cstring>

#include "packet_filter.h"
#include "socket_buffer.h"

namespace hawser {
namespace {

int enable(int fd, int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value); }

// A TCP socket that listens and takes nothing: its filter throws away every segment before TCP looks at it (net/ipv4/tcp_ipv4.c,
// tcp_v4_rcv: tcp_filter), so that the kernel neither answers nor sends an RST for a port that nobody seems to have.
SystemError keepPort(const PacketOptions& options, uint16_t port, std::vector<int>& keepers) {
  const bool v4 = options.family == AF_INET;
  Fd fd(::socket(options.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.ok()) return SystemError::now("socket");
  if (dropEverything(fd.get()) != 0) return SystemError::now("SO_ATTACH_FILTER");
  if (!options.interface.empty() &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(), static_cast<socklen_t>(options.interface.size())) < 0)
    return SystemError::now("SO_BINDTODEVICE");
  if (!v4) enable(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(options.family);
  // The port lies at the same place in both families.
  reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)) < 0) return SystemError::now("bind");
  if (::listen(fd.get(), 1) < 0) return SystemError::now("listen");
  keepers.push_back(fd.release());
  return {};
}

void closeAll(std::vector<int>& fds) {
  for (const int fd : fds) ::close(fd);
  fds.clear();
}

// So many consecutive ports that nobody has, from a random place among those that Linux gives to callers by default.
SystemError keepRow(const PacketOptions& options, uint16_t count, PacketSocket& out) {
  constexpr uint32_t kFirst = 32768;
  constexpr uint32_t kLast = 60999;
  constexpr int kTries = 64;
  SystemError failed;
  for (int i = 0; i < kTries; i++) {
    uint32_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) return SystemError::now("getrandom");
    const uint32_t first = kFirst + random % (kLast - kFirst - count);
    std::vector<int> keepers;
    failed = {};
    for (uint32_t port = first; port < first + count && failed.call == nullptr; port++)
      failed = keepPort(options, static_cast<uint16_t>(port), keepers);
    if (failed.call == nullptr) {
      out.firstCallPort = static_cast<uint16_t>(first);
      out.callPorts = count;
      out.keepers.insert(out.keepers.end(), keepers.begin(), keepers.end());
      return {};
    }
    closeAll(keepers);
    if (failed.number != EADDRINUSE) return failed;
  }
  return failed;
}

// As many as are wanted, or fewer where the host's connections leave no such gap.
SystemError keepCallPorts(const PacketOptions& options, PacketSocket& out) {
  SystemError failed;
  for (uint16_t count = options.callPorts; count > 0; count = static_cast<uint16_t>(count / 4)) {
    failed = keepRow(options, count, out);
    if (failed.call == nullptr || failed.number != EADDRINUSE) return failed;
  }
  // Not the port that others call.
  failed.call = "bind to a port to call from";
  return failed;
}

SystemError open(const PacketOptions& options, PacketSocket& out) {
  const bool v4 = options.family == AF_INET;
  if (options.listenPort != 0) {
    const SystemError failed = keepPort(options, options.listenPort, out.keepers);
    if (failed.call != nullptr) return failed;
  }
  if (options.callPorts != 0) {
    const SystemError failed = keepCallPorts(options, out);
    if (failed.call != nullptr) return failed;
  }
  // Of no protocol until it has its filter, so that nothing else ever waits in it.
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.ok()) return SystemError::now("socket");
  if (options.mark != 0 && enable(fd.get(), SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)) < 0) return SystemError::now("SO_MARK");
  if (enable(fd.get(), SOL_PACKET, PACKET_VNET_HDR, 1) < 0) return SystemError::now("PACKET_VNET_HDR");
  enable(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1);
  out.receiveBufferBytes = growBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, options.bufferBytes);
  out.sendBufferBytes = growBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, options.bufferBytes);
  if (filterPackets(fd.get(), {v4, options.listenPort, out.firstCallPort, out.callPorts}, {}, 0) != 0) return SystemError::now("SO_ATTACH_FILTER");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  // Of its own protocol and not ETH_P_ALL: what a bridge, bond or VLAN takes apart comes once, from the interface above, and nothing of
  // what leaves (net/core/dev.c, __netif_receive_skb_core).
  address.sll_protocol = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
  if (!options.interface.empty()) {
    address.sll_ifindex = static_cast<int>(::if_nametoindex(options.interface.c_str()));
    if (address.sll_ifindex == 0) return SystemError{"if_nametoindex", ENODEV};
  }
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return SystemError::now("bind");
  out.fd = fd.release();
  return {};
}

}  // namespace

SystemError openPackets(const PacketOptions& options, PacketSocket& out) {
  const SystemError failed = open(options, out);
  if (failed.call != nullptr) closeAll(out.keepers);
  return failed;
}

}  // namespace hawser
