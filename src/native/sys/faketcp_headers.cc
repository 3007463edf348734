#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "faketcp.h"
#include "fd.h"
#include "packet.h"

namespace hawser {
namespace {

constexpr uint32_t kChecksumAt = 16;
constexpr uint8_t kHopLimit = 64;

bool isIp4(const uint8_t* tuple) { return cell<uint16_t>(const_cast<uint8_t*>(tuple), layout::tuple_endpointAt) == AF_INET; }

// The IP header, of a packet that nobody may fragment; returns its length.
uint32_t writeIp(uint8_t* at, const uint8_t* tuple, uint32_t tcpBytes, uint8_t trafficClass, uint16_t identification, uint32_t flowLabel) {
  const uint8_t* endpoint = tuple + layout::tuple_endpointAt;
  const uint8_t* local = tuple + layout::tuple_localAt;
  if (isIp4(tuple)) {
    at[0] = 0x45;
    at[1] = trafficClass;
    writeBe16(at + 2, static_cast<uint16_t>(20 + tcpBytes));
    writeBe16(at + 4, identification);
    writeBe16(at + 6, 0x4000);
    at[8] = kHopLimit;
    at[9] = kProtocolTcp;
    std::memcpy(at + 12, local, 4);
    std::memcpy(at + 16, endpoint + 4, 4);
    writeIpv4Checksum(at);
    return 20;
  }
  writeBe32(at, 0x60000000u | static_cast<uint32_t>(trafficClass) << 20 | (flowLabel & 0xfffffu));
  writeBe16(at + 4, static_cast<uint16_t>(tcpBytes));
  at[6] = kProtocolTcp;
  at[7] = kHopLimit;
  std::memcpy(at + 8, local, 16);
  std::memcpy(at + 24, endpoint + 8, 16);
  return 40;
}

// A socket that sends as the daemon's others do; -1 and errno.
int openMarked(int family, int type, int protocol, uint32_t mark, const std::string& interface) {
  Fd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!fd.ok()) return -1;
  if (mark != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0) return -1;
  if (!interface.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(), static_cast<socklen_t>(interface.size())) < 0)
    return -1;
  return fd.release();
}

sockaddr_in6 addressOf(const uint8_t* tuple) {
  sockaddr_in6 address{};
  std::memcpy(&address, tuple + layout::tuple_endpointAt, sizeof address);
  return address;
}

socklen_t lengthOf(const sockaddr_in6& address) { return address.sin6_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

}  // namespace

void FakeTcpHeaders::build(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, uint32_t payloadBytes, uint32_t segmentBytes,
                           uint8_t trafficClass, uint16_t identification, uint32_t flowLabel) {
  uint8_t* from = const_cast<uint8_t*>(tuple);
  const bool v4 = isIp4(tuple);
  const uint32_t linkBytes = std::min<uint32_t>(cell<uint16_t>(from, layout::tuple_linkHeaderBytesAt), kMostLinkBytes);
  const uint16_t protocol = v4 ? ETH_P_IP : ETH_P_IPV6;
  uint8_t* link = bytes + sizeof(VnetHeader);
  if (linkBytes == kMostLinkBytes) {
    std::memcpy(link, tuple + layout::tuple_nextHopAt, 6);
    std::memcpy(link + 6, tuple + layout::tuple_ownLinkAddressAt, 6);
    writeBe16(link + 12, protocol);
  }
  uint8_t* ip = link + linkBytes;
  const uint32_t ipBytes = writeIp(ip, tuple, tcpBytes + payloadBytes, trafficClass, identification, flowLabel);
  uint8_t* header = ip + ipBytes;
  std::memcpy(header, tcp, tcpBytes);
  const uint16_t partial = foldSum(sumPseudoHeader(ip, kProtocolTcp, tcpBytes + payloadBytes));
  std::memcpy(header + kChecksumAt, &partial, 2);
  const bool isCut = segmentBytes != 0 && payloadBytes > segmentBytes;
  VnetHeader vnet{};
  vnet.flags = kVnetNeedsChecksum;
  vnet.gsoType = isCut ? (v4 ? kGsoTcp4 : kGsoTcp6) : kGsoNone;
  vnet.headerBytes = static_cast<uint16_t>(linkBytes + ipBytes + tcpBytes);
  vnet.gsoBytes = static_cast<uint16_t>(isCut ? segmentBytes : 0);
  // From the beginning of the link-layer header (net/packet/af_packet.c, packet_snd).
  vnet.checksumStart = static_cast<uint16_t>(linkBytes + ipBytes);
  vnet.checksumOffset = kChecksumAt;
  std::memcpy(bytes, &vnet, sizeof vnet);
  length = static_cast<uint32_t>(sizeof vnet) + linkBytes + ipBytes + tcpBytes;
  to = {};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(protocol);
  to.sll_ifindex = cell<int32_t>(from, layout::tuple_interfaceAt);
  to.sll_halen = 6;
  std::memcpy(to.sll_addr, tuple + layout::tuple_nextHopAt, 6);
}

int sendRouted(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, uint32_t mark, const std::string& interface) {
  sockaddr_in6 address = addressOf(tuple);
  const Fd fd(openMarked(address.sin6_family, SOCK_RAW, IPPROTO_RAW, mark, interface));
  if (!fd.ok()) return -errno;
  uint8_t packet[40 + 60];
  // The kernel sets an identification where there is none.
  const uint32_t ipBytes = writeIp(packet, tuple, tcpBytes, 0, 0, 0);
  uint8_t* header = packet + ipBytes;
  std::memcpy(header, tcp, tcpBytes);
  header[kChecksumAt] = header[kChecksumAt + 1] = 0;
  const auto checksum = static_cast<uint16_t>(~foldSum(sumPseudoHeader(packet, kProtocolTcp, tcpBytes) + sumWords(header, tcpBytes)));
  std::memcpy(header + kChecksumAt, &checksum, 2);
  // A raw socket of IPv6 takes the port for a protocol (net/ipv6/raw.c).
  address.sin6_port = 0;
  iovec bytes{packet, ipBytes + tcpBytes};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = lengthOf(address);
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = writeSendControl(control, address.sin6_family, tuple + layout::tuple_localAt, 0, 0, 0);
  return ::sendmsg(fd.get(), &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int askSource(uint8_t* tuple, uint32_t mark, const std::string& interface) {
  sockaddr_in6 address = addressOf(tuple);
  const Fd fd(openMarked(address.sin6_family, SOCK_DGRAM, IPPROTO_UDP, mark, interface));
  if (!fd.ok()) return -errno;
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), lengthOf(address)) < 0) return -errno;
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0) return -errno;
  uint8_t* local = tuple + layout::tuple_localAt;
  std::memset(local, 0, 16);
  if (address.sin6_family == AF_INET) std::memcpy(local, reinterpret_cast<const uint8_t*>(&address) + 4, 4);
  else std::memcpy(local, &address.sin6_addr, 16);
  return 0;
}

}  // namespace hawser
