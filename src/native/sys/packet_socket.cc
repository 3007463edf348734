#include "packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cstring>

#include "socket_buffer.h"

namespace hawser {
namespace {

int enable(int fd, int level, int option, int value) { return ::setsockopt(fd, level, option, &value, sizeof value); }

int attach(int fd, std::vector<sock_filter>& program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

// A TCP socket that listens and takes nothing: its filter throws away every segment before TCP looks at it (net/ipv4/tcp_ipv4.c,
// tcp_v4_rcv: tcp_filter), so that the kernel neither answers nor sends an RST for a port that nobody seems to have.
SystemError keepPort(const PacketOptions& options, uint16_t port, std::vector<int>& keepers) {
  const bool v4 = options.family == AF_INET;
  Fd fd(::socket(options.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.ok()) return SystemError::now("socket");
  std::vector<sock_filter> nothing{BPF_STMT(BPF_RET | BPF_K, 0)};
  if (attach(fd.get(), nothing) < 0) return SystemError::now("SO_ATTACH_FILTER");
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

// Consecutive ports that nobody has, from a random place among those that Linux gives to callers by default.
SystemError keepCallPorts(const PacketOptions& options, PacketSocket& out) {
  constexpr uint32_t kFirst = 32768;
  constexpr uint32_t kLast = 60999;
  constexpr int kTries = 64;
  SystemError failed;
  for (int i = 0; i < kTries; i++) {
    uint32_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) return SystemError::now("getrandom");
    const uint32_t first = kFirst + random % (kLast - kFirst - options.callPorts);
    std::vector<int> keepers;
    failed = {};
    for (uint32_t port = first; port < first + options.callPorts && failed.call == nullptr; port++)
      failed = keepPort(options, static_cast<uint16_t>(port), keepers);
    if (failed.call == nullptr) {
      out.firstCallPort = static_cast<uint16_t>(first);
      out.keepers.insert(out.keepers.end(), keepers.begin(), keepers.end());
      return {};
    }
    closeAll(keepers);
    if (failed.number != EADDRINUSE) return failed;
  }
  return failed;
}

// Whole TCP segments (no fragments, no extension headers) for this host and for the ports that are ours.
std::vector<sock_filter> portFilter(bool v4, uint16_t listenPort, uint16_t first, uint16_t count) {
  constexpr uint32_t kNet = static_cast<uint32_t>(SKF_NET_OFF);
  std::vector<sock_filter> code;
  const auto load = [&](uint16_t size, uint32_t at) { code.push_back(BPF_STMT(static_cast<uint16_t>(BPF_LD | size | BPF_ABS), at)); };
  // Goes on where the accumulator is as wanted, else drops.
  const auto need = [&](uint16_t how, uint32_t value) {
    code.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | how | BPF_K), value, 1, 0));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  };
  load(BPF_W, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE));
  need(BPF_JEQ, PACKET_HOST);
  load(BPF_B, kNet + (v4 ? 9 : 6));
  need(BPF_JEQ, IPPROTO_TCP);
  if (v4) {
    load(BPF_H, kNet + 6);
    code.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3fff));
    need(BPF_JEQ, 0);
    code.push_back(BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, kNet));
    code.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_IND, kNet + 2));
  } else {
    load(BPF_H, kNet + 40 + 2);
  }
  if (listenPort != 0) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, listenPort, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, 0x40000));
  }
  if (count == 0) {
    code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
    return code;
  }
  need(BPF_JGE, first);
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, first + count - 1u, 1, 0));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0x40000));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  return code;
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
  std::vector<sock_filter> filter = portFilter(v4, options.listenPort, out.firstCallPort, options.callPorts);
  if (attach(fd.get(), filter) < 0) return SystemError::now("SO_ATTACH_FILTER");
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
