#include "packet_filter.h"

#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fd.h"
#include "layout.h"
#include "tables.h"

namespace hawser {
namespace {

constexpr uint32_t kNet = static_cast<uint32_t>(SKF_NET_OFF);
constexpr uint32_t kWhole = 0x40000;
// Of a family; a host with more is given copies for all of them.
constexpr size_t kMostAddresses = 64;
constexpr uint8_t kSyn = 2;

class Program {
 public:
  void load(uint16_t size, uint32_t at) { say(BPF_LD | size | BPF_ABS, at); }
  void say(int code, uint32_t value) { code_.push_back(BPF_STMT(static_cast<uint16_t>(code), value)); }
  void pass() { say(BPF_RET | BPF_K, kWhole); }
  void drop() { say(BPF_RET | BPF_K, 0); }
  // Goes on where the accumulator is as said; else over so many instructions.
  void skipUnless(int how, uint32_t value, size_t over) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | how | BPF_K), value, 0, static_cast<uint8_t>(over)));
  }
  void skipIf(int how, uint32_t value, size_t over) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | how | BPF_K), value, static_cast<uint8_t>(over), 0));
  }
  // Drops unless.
  void need(int how, uint32_t value) {
    skipIf(how, value, 1);
    drop();
  }
  int attach(int fd) {
    const sock_fprog filter{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ? -errno : 0;
  }

 private:
  std::vector<sock_filter> code_;
};

uint32_t wordOf(const OwnAddress& address, size_t at) {
  return static_cast<uint32_t>(address[at] << 24 | address[at + 1] << 16 | address[at + 2] << 8 | address[at + 3]);
}

OwnAddress addressOf(const uint8_t* tuple) {
  OwnAddress address;
  std::memcpy(address.data(), tuple + layout::tuple_localAt, address.size());
  return address;
}

bool isIp4(const uint8_t* tuple) { return cell<uint16_t>(const_cast<uint8_t*>(tuple), layout::tuple_endpointAt) == AF_INET; }

bool has(const std::vector<OwnAddress>& all, const OwnAddress& one) { return std::find(all.begin(), all.end(), one) != all.end(); }

std::vector<OwnAddress> readAddresses(bool v4) {
  std::vector<OwnAddress> found;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) < 0) return found;
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != (v4 ? AF_INET : AF_INET6)) continue;
    OwnAddress address{};
    if (v4) std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, 4);
    else std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr, 16);
    if (!has(found, address)) found.push_back(address);
  }
  ::freeifaddrs(first);
  return found;
}

}  // namespace

int filterPackets(int fd, const PacketPorts& ports, const std::vector<OwnAddress>& own, int exceptInterface) {
  Program code;
  code.load(BPF_W, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE));
  code.need(BPF_JEQ, PACKET_HOST);
  if (exceptInterface != 0) {
    code.load(BPF_W, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX));
    code.skipUnless(BPF_JEQ, static_cast<uint32_t>(exceptInterface), 1);
    code.drop();
  }
  // Whole segments: no fragments, no extension headers.
  code.load(BPF_B, kNet + (ports.v4 ? 9 : 6));
  code.need(BPF_JEQ, IPPROTO_TCP);
  if (ports.v4) {
    code.load(BPF_H, kNet + 6);
    code.say(BPF_ALU | BPF_AND | BPF_K, 0x3fff);
    code.need(BPF_JEQ, 0);
    code.say(BPF_LDX | BPF_MSH | BPF_B, kNet);
  } else {
    code.say(BPF_LDX | BPF_W | BPF_IMM, 40);
  }
  code.say(BPF_LD | BPF_H | BPF_IND, kNet + 2);
  // A port of ours, or the end: the last test of a kind drops.
  if (ports.calls == 0) {
    code.need(BPF_JEQ, ports.listen);
  } else {
    if (ports.listen != 0) code.skipIf(BPF_JEQ, ports.listen, 4);
    code.need(BPF_JGE, ports.firstCall);
    code.skipUnless(BPF_JGT, ports.firstCall + ports.calls - 1u, 1);
    code.drop();
  }
  if (own.empty()) {
    code.pass();
    return code.attach(fd);
  }
  code.say(BPF_LD | BPF_B | BPF_IND, kNet + 13);
  code.skipUnless(BPF_JSET, kSyn, 1);
  code.pass();
  const size_t words = ports.v4 ? 1 : 4;
  const uint32_t at = kNet + (ports.v4 ? 16 : 24);
  for (const OwnAddress& address : own) {
    for (size_t word = 0; word < words; word++) {
      code.load(BPF_W, at + static_cast<uint32_t>(4 * word));
      code.skipUnless(BPF_JEQ, wordOf(address, 4 * word), 2 * (words - word) - 1);
    }
    code.pass();
  }
  code.drop();
  return code.attach(fd);
}

int dropEverything(int fd) {
  Program code;
  code.drop();
  return code.attach(fd);
}

bool isOwnAddress(const uint8_t* tuple) {
  const bool v4 = isIp4(tuple);
  const uint16_t bytes = v4 ? 4 : 16;
  struct {
    nlmsghdr header;
    rtmsg route;
    rtattr attribute;
    uint8_t address[16];
    rtattr device;
    uint32_t index;
  } request{};
  request.route.rtm_family = v4 ? AF_INET : AF_INET6;
  request.route.rtm_dst_len = static_cast<uint8_t>(bytes * 8);
  request.attribute = {static_cast<uint16_t>(RTA_LENGTH(bytes)), RTA_DST};
  std::memcpy(request.address, tuple + layout::tuple_localAt, bytes);
  size_t length = offsetof(decltype(request), address) + bytes;
  if (!v4 && request.address[0] == 0xfe && (request.address[1] & 0xc0) == 0x80) {
    request.device = {RTA_LENGTH(4), RTA_OIF};
    request.index = static_cast<uint32_t>(cell<int32_t>(const_cast<uint8_t*>(tuple), layout::tuple_interfaceAt));
    length = offsetof(decltype(request), index) + 4;
  }
  request.header.nlmsg_len = static_cast<uint32_t>(length);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  alignas(nlmsghdr) uint8_t answer[1024];
  if (!fd.ok() || ::send(fd.get(), &request, length, 0) < 0) return false;
  if (::recv(fd.get(), answer, sizeof answer, 0) < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(rtmsg)))) return false;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  return header->nlmsg_type == RTM_NEWROUTE && static_cast<const rtmsg*>(NLMSG_DATA(header))->rtm_type == RTN_LOCAL;
}

PacketFilters::PacketFilters(int fd4, int fd6, PacketPorts ports4, PacketPorts ports6, std::string tunnel)
    : families_{{fd4, ports4, {}, {}}, {fd6, ports6, {}, {}}}, tunnel_(std::move(tunnel)) {
  for (Family& family : families_) refresh(family, nullptr);
}

void PacketFilters::admit(const uint8_t* tuple) {
  Family& family = families_[isIp4(tuple) ? 0 : 1];
  const OwnAddress address = addressOf(tuple);
  if (!has(family.own, address)) refresh(family, &address);
}

bool PacketFilters::ask(const uint8_t* tuple) {
  const auto interface = static_cast<unsigned>(cell<int32_t>(const_cast<uint8_t*>(tuple), layout::tuple_interfaceAt));
  if (!tunnel_.empty() && interface != 0 && ::if_nametoindex(tunnel_.c_str()) == interface) {
    refresh(families_[isIp4(tuple) ? 0 : 1], nullptr);
    return false;
  }
  if (!isOwnAddress(tuple)) return false;
  admit(tuple);
  return true;
}

// What cannot be said in a filter passes: too many addresses, or a socket that takes no other filter.
void PacketFilters::refresh(Family& family, const OwnAddress* other) {
  if (family.fd < 0) return;
  family.own = readAddresses(family.ports.v4);
  if (other != nullptr && !has(family.own, *other)) family.others.push_back(*other);
  if (family.others.size() > kMostAddresses) family.others.erase(family.others.begin());
  family.own.insert(family.own.end(), family.others.begin(), family.others.end());
  const bool isLong = family.own.size() > kMostAddresses;
  filterPackets(family.fd, family.ports, isLong ? std::vector<OwnAddress>{} : family.own,
                tunnel_.empty() ? 0 : static_cast<int>(::if_nametoindex(tunnel_.c_str())));
}

}  // namespace hawser
