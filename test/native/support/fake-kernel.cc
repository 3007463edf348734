#include "fake-kernel.h"

// The kernel's header does not bring what it needs.
#include <time.h>

#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

using hawser::test::Bytes;
using hawser::test::Datagrams;
using hawser::test::FakeKernel;
using hawser::test::fakeKernel;

namespace {

constexpr int kUdpSegment = 103;
constexpr int kUdpGro = 104;

uint32_t segmentBytesOf(const msghdr& header) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(const_cast<msghdr*>(&header), at)) {
    if (at->cmsg_level != IPPROTO_UDP || at->cmsg_type != kUdpSegment) continue;
    uint16_t size;
    std::memcpy(&size, CMSG_DATA(at), sizeof size);
    return size;
  }
  return 0;
}

// DSCP and ECN byte asked for; 0 = none was.
uint8_t trafficClassOf(const msghdr& header) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(const_cast<msghdr*>(&header), at)) {
    const bool isClass = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) || (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS);
    if (!isClass) continue;
    int value;
    std::memcpy(&value, CMSG_DATA(at), sizeof value);
    return static_cast<uint8_t>(value);
  }
  return 0;
}

ssize_t sendOne(const msghdr& header) {
  FakeKernel& kernel = *fakeKernel();
  Bytes bytes;
  for (size_t i = 0; i < header.msg_iovlen; i++) {
    const auto* from = static_cast<const uint8_t*>(header.msg_iov[i].iov_base);
    bytes.insert(bytes.end(), from, from + header.msg_iov[i].iov_len);
  }
  const uint32_t segment = segmentBytesOf(header);
  const int error = kernel.verdict(bytes.size(), segment);
  if (error != 0) {
    errno = error;
    return -1;
  }
  const size_t step = segment == 0 ? std::max<size_t>(1, bytes.size()) : segment;
  for (size_t at = 0; at < bytes.size(); at += step) {
    kernel.classes.push_back(trafficClassOf(header));
    kernel.sent.emplace_back(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(std::min(bytes.size(), at + step)));
  }
  return static_cast<ssize_t>(bytes.size());
}

void receiveOne(const Datagrams& from, mmsghdr& message) {
  size_t done = 0;
  for (size_t i = 0; i < message.msg_hdr.msg_iovlen && done < from.bytes.size(); i++) {
    const iovec& part = message.msg_hdr.msg_iov[i];
    const size_t take = std::min(part.iov_len, from.bytes.size() - done);
    std::memcpy(part.iov_base, from.bytes.data() + done, take);
    done += take;
  }
  message.msg_len = static_cast<unsigned>(done);
  if (const uint16_t type = fakeKernel()->hardwareType; type != 0) {
    sockaddr_ll sender{};
    sender.sll_family = AF_PACKET;
    sender.sll_hatype = type;
    sender.sll_ifindex = 7;
    std::memcpy(message.msg_hdr.msg_name, &sender, sizeof sender);
  } else {
    sockaddr_in sender{};
    sender.sin_family = AF_INET;
    sender.sin_port = htons(7777);
    std::memcpy(message.msg_hdr.msg_name, &sender, sizeof sender);
  }
  auto* at = static_cast<uint8_t*>(message.msg_hdr.msg_control);
  const auto append = [&at](int level, int type, const void* value, size_t bytes) {
    auto* control = reinterpret_cast<cmsghdr*>(at);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(control), value, bytes);
    at += CMSG_SPACE(bytes);
  };
  // A byte in IPv4, an int in IPv6, as the kernel does it.
  const int trafficClass = from.trafficClass;
  if (from.trafficClass != 0 && from.isV6) append(IPPROTO_IPV6, IPV6_TCLASS, &trafficClass, sizeof trafficClass);
  if (from.trafficClass != 0 && !from.isV6) append(IPPROTO_IP, IP_TOS, &from.trafficClass, 1);
  const int size = static_cast<int>(from.segmentBytes);
  if (size != 0) append(IPPROTO_UDP, kUdpGro, &size, sizeof size);
  message.msg_hdr.msg_controllen = static_cast<size_t>(at - static_cast<uint8_t*>(message.msg_hdr.msg_control));
}

}  // namespace

extern "C" {

ssize_t sendmsg(int, const msghdr* header, int) {
  fakeKernel()->calls += 1;
  return sendOne(*header);
}

// Like the kernel: the error of a message that is not the first is told to the next call.
int sendmmsg(int, mmsghdr* messages, unsigned count, int) {
  fakeKernel()->calls += 1;
  for (unsigned i = 0; i < count; i++) {
    if (sendOne(messages[i].msg_hdr) < 0) return i == 0 ? -1 : static_cast<int>(i);
  }
  return static_cast<int>(count);
}

// Of the error queue alone.
int setsockopt(int, int level, int name, const void* value, socklen_t) noexcept {
  if (fakeKernel() == nullptr || level != IPPROTO_IP || name != IP_RECVERR) return 0;
  fakeKernel()->keepsErrors = *static_cast<const int*>(value) != 0;
  if (!fakeKernel()->keepsErrors) fakeKernel()->errors.clear();
  return 0;
}

// Of the error queue alone.
ssize_t recvmsg(int, msghdr* header, int flags) {
  std::deque<hawser::test::SocketError>& errors = fakeKernel()->errors;
  if (errors.empty() || (flags & MSG_ERRQUEUE) == 0) {
    errno = EAGAIN;
    return -1;
  }
  const hawser::test::SocketError error = errors.front();
  errors.pop_front();
  std::memcpy(header->msg_name, &error.destination, sizeof error.destination);
  sock_extended_err said{};
  said.ee_errno = static_cast<uint32_t>(error.number);
  said.ee_origin = error.origin;
  said.ee_info = error.info;
  auto* control = static_cast<cmsghdr*>(header->msg_control);
  control->cmsg_level = IPPROTO_IP;
  control->cmsg_type = IP_RECVERR;
  control->cmsg_len = CMSG_LEN(sizeof said);
  std::memcpy(CMSG_DATA(control), &said, sizeof said);
  header->msg_controllen = CMSG_SPACE(sizeof said);
  return 0;
}

int recvmmsg(int, mmsghdr* messages, unsigned count, int, timespec*) {
  std::deque<Datagrams>& waiting = fakeKernel()->waiting;
  if (waiting.empty()) {
    errno = EAGAIN;
    return -1;
  }
  unsigned got = 0;
  for (; got < count && !waiting.empty(); got++) {
    receiveOne(waiting.front(), messages[got]);
    waiting.pop_front();
  }
  return static_cast<int>(got);
}
}
