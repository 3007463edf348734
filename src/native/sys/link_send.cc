#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "link_io.h"
#include "path_place.h"
#include "socket_buffer.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace hawser {
namespace {

// Of what waits below a socket: less is a packet or two that the card has not said to be out.
constexpr int kNoQueueBytes = 4096;

socklen_t addressBytes(sa_family_t family) { return family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

template <typename T>
uint8_t* appendControl(uint8_t* at, int level, int type, const T& value) {
  auto* header = reinterpret_cast<cmsghdr*>(at);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  return at + CMSG_SPACE(sizeof value);
}

}  // namespace

size_t writeSendControl(uint8_t* control, sa_family_t family, const uint8_t local[16], int32_t interfaceIndex, uint16_t segmentBytes,
                        uint8_t trafficClass) {
  uint8_t* at = control;
  if (!isUnspecified(local)) {
    // Answer from the address the peer knows, also on a socket bound to none.
    if (family == AF_INET) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local, 4);
      at = appendControl(at, IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, local, 16);
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = static_cast<unsigned>(interfaceIndex);
      at = appendControl(at, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
  if (trafficClass != 0) {
    const int value = trafficClass;
    at = family == AF_INET ? appendControl(at, IPPROTO_IP, IP_TOS, value) : appendControl(at, IPPROTO_IPV6, IPV6_TCLASS, value);
  }
  if (segmentBytes != 0) at = appendControl(at, IPPROTO_UDP, UDP_SEGMENT, segmentBytes);
  return static_cast<size_t>(at - control);
}

int LinkSender::sendDescriptors(uint32_t max) {
  errors_.listen();
  if (descriptors_.isEmpty()) return 0;
  SendTurn turn(carrier_);
  if (!turn.isOurs()) return 0;
  descriptors_.follow();
  uint32_t finished = 0;
  Outcome outcome = Outcome::Sent;
  while (finished < max && outcome != Outcome::Blocked) {
    const uint32_t done = sendBatch(max - finished, outcome);
    if (done == 0) break;
    finished += done;
  }
  return static_cast<int>(finished);
}

// One call for neighbours of one socket; whatever it leaves is looked at one by one. Returns how many descriptors are finished.
uint32_t LinkSender::sendBatch(uint32_t max, Outcome& outcome) {
  const uint32_t count = collect(std::min(kBatch, max));
  if (count == 0) return 0;
  uint32_t same = 1;
  while (same < count && goesAlike(messages_[same], messages_[0]) && goesWhole(messages_[same])) same++;
  uint32_t done = 0;
  prepareSocket(messages_[0]);
  if (goesWhole(messages_[0])) {
    const int sent = ::sendmmsg(fdOf(messages_[0]), headers_, same, MSG_NOSIGNAL);
    done = sent > 0 ? static_cast<uint32_t>(sent) : 0;
  }
  for (uint32_t i = 0; i < done; i++) account(messages_[i], true);
  if (done < same) {
    // The kernel keeps the errno of a message that is not the first to itself.
    errors_.empty(fdOf(messages_[0]));
    outcome = sendSlowly(done);
    if (outcome != Outcome::Blocked) account(messages_[done++], outcome == Outcome::Sent);
  }
  // Only what is finished leaves the ring.
  descriptors_.rewind();
  for (uint32_t passed = 0; passed < done;) {
    uint8_t* record = descriptors_.peek();
    if (record == messages_[passed].descriptor) passed++;
    descriptors_.advance();
  }
  descriptors_.release();
  return done;
}

bool LinkSender::sendBeside(const RingProducer& from) {
  // What waits below the socket is the carrier's to watch.
  if (!from.holdsOne(layout::descriptor_bytes) || !from.isConsumerAsleep() || cell<int32_t>(carrier_, layout::carrier_outqBytesAt) != 0) return false;
  SendTurn turn(carrier_);
  const bool isDone = turn.isOurs() && sendOnly();
  return !turn.end() && isDone;
}

// In our turn. Nothing is changed but by a packet that the kernel has taken.
bool LinkSender::sendOnly() {
  descriptors_.follow();
  uint8_t* descriptor = descriptors_.peek();
  // The carrier was quicker.
  if (descriptor == nullptr) return true;
  fd4_ = cell<int32_t>(carrier_, layout::carrier_beside4At) - 1;
  fd6_ = cell<int32_t>(carrier_, layout::carrier_beside6At) - 1;
  Message& message = messages_[0];
  if (cell<uint32_t>(descriptor, layout::descriptor_countAt) != 1 || prepare(descriptor, 0) != Fate::Ready || message.wears != nullptr) return false;
  const bool v4 = message.address.sin6_family == AF_INET;
  if (message.mayFragment != (cell<int32_t>(carrier_, v4 ? layout::carrier_fragmenting4At : layout::carrier_fragmenting6At) != 0)) return false;
  if (::sendmsg(fdOf(message), &headers_[0].msg_hdr, MSG_NOSIGNAL) < 0) return false;
  account(message, true);
  descriptors_.advance();
  descriptors_.release();
  // A card keeps what it sends until it says that it is out, microseconds to milliseconds later: a packet or two of that is no queue.
  const int total = queuedBytes({fd4_, fd6_});
  const bool isQueue = total >= kNoQueueBytes;
  word(carrier_, layout::carrier_outqBytesAt).store(isQueue ? total : 0, std::memory_order_relaxed);
  return !isQueue;
}

// Prepares up to `max` messages. Descriptors that came too late, or whose path is gone, are counted and given up at the head of
// the ring only: behind a message that waits they would be looked at, and counted, again.
uint32_t LinkSender::collect(uint32_t max) {
  uint32_t count = 0;
  while (count < max) {
    uint8_t* descriptor = descriptors_.peek();
    if (descriptor == nullptr) break;
    const Fate fate = prepare(descriptor, count);
    if (fate != Fate::Ready && count != 0) break;
    descriptors_.advance();
    if (fate == Fate::Ready) {
      count++;
    } else {
      giveUp(descriptor, fate);
      descriptors_.release();
    }
  }
  return count;
}

void LinkSender::giveUp(uint8_t* descriptor, Fate fate) {
  singly_ = 0;
  if (fate == Fate::Unaddressed) failed(EADDRNOTAVAIL);
  const int32_t pathIndex = cell<int32_t>(descriptor, layout::descriptor_pathAt);
  if (!paths_.has(pathIndex)) return;
  add(paths_.row(pathIndex), fate == Fate::Late ? layout::path_lateBytesAt : layout::path_refusedBytesAt,
      cell<uint32_t>(descriptor, layout::descriptor_lengthAt));
}

LinkSender::Fate LinkSender::prepare(uint8_t* descriptor, uint32_t index) {
  const int32_t pathIndex = cell<int32_t>(descriptor, layout::descriptor_pathAt);
  if (!paths_.has(pathIndex)) return Fate::Homeless;
  uint8_t* row = paths_.row(pathIndex);
  const uint32_t length = cell<uint32_t>(descriptor, layout::descriptor_lengthAt);
  const uint32_t position = cell<uint32_t>(descriptor, layout::descriptor_positionAt);
  Message& message = messages_[index];
  uint8_t local[16];
  int32_t interfaceIndex = 0;
  if (!log_.holds(position)) return Fate::Late;
  if (!readPath(row, message.address, local, interfaceIndex) || fdOf(message) < 0) return Fate::Homeless;
  if (!chooseLinkSource(link_, message.address, local)) return Fate::Unaddressed;
  const bool several = cell<uint32_t>(descriptor, layout::descriptor_countAt) > 1;
  const auto segmentBytes = static_cast<uint16_t>(several ? cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt) : 0);
  message.descriptor = descriptor;
  const int32_t wears = cell<int32_t>(row, layout::path_obfuscationAt);
  message.wears = wears == 0 ? nullptr : obfuscations_.find(wears);
  if (wears != 0 && message.wears == nullptr) return Fate::Homeless;
  message.mayFragment = cell<int32_t>(row, layout::path_mayFragmentAt) != 0;
  const uint32_t skip = cell<uint32_t>(descriptor, layout::descriptor_skipAt) * cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
  message.bytes = {log_.at(position) + skip, length};
  msghdr& header = headers_[index].msg_hdr;
  header = {};
  header.msg_name = &message.address;
  header.msg_namelen = addressBytes(message.address.sin6_family);
  header.msg_iov = &message.bytes;
  header.msg_iovlen = 1;
  header.msg_control = message.control;
  header.msg_controllen = writeSendControl(message.control, message.address.sin6_family, local, interfaceIndex, segmentBytes,
                                           static_cast<uint8_t>(cell<int32_t>(descriptor, layout::descriptor_ecnAt)));
  return Fate::Ready;
}

// With the bit clear the kernel, or a router, fragments what is too long (net/ipv4/ip_output.c, ip_dont_fragment; in IPv6 the kernel
// alone); with it set nobody does, and no path MTU that the kernel has learnt is believed. Peers of both kinds share a socket, and take
// turns rarely. What the socket is set to stands in the carrier's row: it is another socket when the supervisor says that the bit is set.
void LinkSender::prepareSocket(const Message& message) {
  const bool v4 = message.address.sin6_family == AF_INET;
  int32_t& now = cell<int32_t>(carrier_, v4 ? layout::carrier_fragmenting4At : layout::carrier_fragmenting6At);
  const int32_t wanted = message.mayFragment ? 1 : 0;
  if (now == wanted) return;
  now = wanted;
  const int value = v4 ? (message.mayFragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE) : (message.mayFragment ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
  ::setsockopt(fdOf(message), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &value, sizeof value);
}

// Whether the kernel may take it as it lies in the log, and cut it. A run of which some packets went out one by one goes on like that.
bool LinkSender::goesWhole(const Message& message) const {
  if (message.wears != nullptr) return false;
  const bool single = cell<uint32_t>(message.descriptor, layout::descriptor_countAt) == 1;
  return single || (singly_ == 0 && cell<int32_t>(carrier_, layout::carrier_gsoAt) != 0);
}

// sendmsg(2) of one message; 0 or an errno. What was said of earlier packets does not count against this one; what is said all the time
// is a flood, and not listened to any more.
int LinkSender::sendOne(int fd, const msghdr& header) {
  constexpr int kMostTries = 4;
  for (int i = 0; i < kMostTries; i++) {
    if (::sendmsg(fd, &header, MSG_NOSIGNAL) >= 0) return 0;
    const int error = errno;
    if (error == EAGAIN || error == EINTR || !errors_.empty(fd)) return error;
    if (i + 2 == kMostTries) errors_.shut(fd);
  }
  return ENOBUFS;
}

void LinkSender::readErrors() {
  for (const int fd : {fd4_, fd6_}) {
    if (fd >= 0) errors_.empty(fd);
  }
}

// The message that stopped a batch: the error decides whether it is tried again, cut by hand, or given up.
LinkSender::Outcome LinkSender::sendSlowly(uint32_t index) {
  const uint32_t count = cell<uint32_t>(messages_[index].descriptor, layout::descriptor_countAt);
  if (messages_[index].wears != nullptr) return sendDressed(index);
  if (!goesWhole(messages_[index])) return sendSingly(index);
  const int error = sendOne(fdOf(messages_[index]), headers_[index].msg_hdr);
  if (error == 0) return Outcome::Sent;
  // EIO: the device cannot checksum what it cuts (net/ipv4/udp.c, udp_send_skb). EINVAL, EMSGSIZE: longer than the path takes.
  if (error == EIO) cell<int32_t>(carrier_, layout::carrier_gsoAt) = 0;
  if (count > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) return sendSingly(index);
  return failed(error, &messages_[index], messages_[index].bytes.iov_len);
}

LinkSender::Outcome LinkSender::sendSingly(uint32_t index) {
  Message& message = messages_[index];
  const uint32_t count = cell<uint32_t>(message.descriptor, layout::descriptor_countAt);
  const uint32_t step = cell<uint32_t>(message.descriptor, layout::descriptor_segmentBytesAt);
  const uint32_t last = cell<uint32_t>(message.descriptor, layout::descriptor_lastBytesAt);
  msghdr header = headers_[index].msg_hdr;
  iovec bytes{};
  header.msg_iov = &bytes;
  // UDP_SEGMENT is the last control message: leave it out.
  header.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
  if (header.msg_controllen == 0) header.msg_control = nullptr;
  bool any = false;
  for (; singly_ < count; singly_++) {
    bytes = {static_cast<uint8_t*>(message.bytes.iov_base) + static_cast<size_t>(singly_) * step, singly_ + 1 == count ? last : step};
    const int error = sendOne(fdOf(message), header);
    if (error == 0) {
      any = true;
    } else if (failed(error, &message, bytes.iov_len) == Outcome::Blocked) {
      return Outcome::Blocked;
    }
  }
  singly_ = 0;
  return any ? Outcome::Sent : Outcome::Refused;
}

// `message`: the one that was refused, and `bytes` of the datagram.
LinkSender::Outcome LinkSender::failed(int error, const Message* message, size_t bytes) {
  if (error == EAGAIN || error == EINTR) return Outcome::Blocked;
  if (error == EMSGSIZE && message != nullptr) {
    uint8_t* row = paths_.row(cell<int32_t>(message->descriptor, layout::descriptor_pathAt));
    cell<int32_t>(row, layout::path_tooLongBytesAt) = static_cast<int32_t>(bytes);
    add(row, layout::path_tooLongPacketsAt, 1);
  }
  // ENOBUFS is a full queue below the socket; the rest (ENETUNREACH, EPERM, …) says the path is not usable now.
  add(carrier_, layout::carrier_errorsAt, 1);
  cell<int32_t>(carrier_, layout::carrier_lastErrorAt) = error;
  return Outcome::Refused;
}

void LinkSender::account(const Message& message, bool sent) {
  uint8_t* row = paths_.row(cell<int32_t>(message.descriptor, layout::descriptor_pathAt));
  const auto length = static_cast<double>(message.bytes.iov_len);
  if (!sent) {
    add(row, layout::path_refusedBytesAt, length);
    return;
  }
  const double count = cell<uint32_t>(message.descriptor, layout::descriptor_countAt);
  add(row, layout::path_sentBytesAt, length);
  add(row, layout::path_sentPacketsAt, count);
  add(carrier_, layout::carrier_sentBytesAt, length);
  add(carrier_, layout::carrier_sentPacketsAt, count);
}

int LinkSender::sendDatagrams(uint32_t max) {
  uint32_t count = 0;
  for (; count < max; count++) {
    uint8_t* record = datagrams_.peek();
    if (record == nullptr) break;
    sockaddr_in6 address;
    std::memcpy(&address, record + layout::outgoing_endpointAt, sizeof address);
    const int fd = address.sin6_family == AF_INET ? fd4_ : fd6_;
    uint8_t local[16];
    std::memcpy(local, record + layout::outgoing_localAt, sizeof local);
    const bool addressed = chooseLinkSource(link_, address, local);
    iovec bytes{record + layout::outgoing_payloadAt, cell<uint32_t>(record, layout::outgoing_lengthAt)};
    alignas(cmsghdr) uint8_t control[sizeof(Message::control)];
    msghdr header{};
    header.msg_name = &address;
    header.msg_namelen = addressBytes(address.sin6_family);
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = writeSendControl(control, address.sin6_family, local,
                                             cell<int32_t>(record, layout::outgoing_interfaceAt), 0,
                                             static_cast<uint8_t>(cell<int32_t>(record, layout::outgoing_trafficClassAt)));
    if (header.msg_controllen == 0) header.msg_control = nullptr;
    const int32_t name = cell<int32_t>(record, layout::outgoing_obfuscationAt);
    const Obfuscation* wears = name == 0 ? nullptr : obfuscations_.find(name);
    int error = fd < 0 ? EAFNOSUPPORT : !addressed ? EADDRNOTAVAIL : 0;
    // What nobody knows how to dress must not leave undressed.
    if (error == 0 && name != 0) error = wears == nullptr ? EINVAL : sendHandshake(fd, header, *wears);
    else if (error == 0) error = sendOne(fd, header);
    if (error != 0) failed(error);
    datagrams_.advance();
    datagrams_.release();
  }
  return static_cast<int>(count);
}

// In our turn: what another has stored since we asked the kernel is newer.
int LinkSender::measureQueue() {
  SendTurn turn(carrier_);
  if (!turn.isOurs()) return word(carrier_, layout::carrier_outqBytesAt).load(std::memory_order_relaxed);
  const int total = queuedBytes({fd4_, fd6_});
  word(carrier_, layout::carrier_outqBytesAt).store(total, std::memory_order_relaxed);
  return total;
}

}  // namespace hawser
