#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "link_io.h"
#include "packet.h"
#include "seal.h"
#include "shards.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace hawser {
namespace {

constexpr uint32_t kHeader = layout::received_payloadAt;

bool isData(const uint8_t* datagram, uint32_t length) { return length >= 4 && readLe32(datagram) == kTypeData; }
// The three handshake types of WireGuard, of their exact lengths; everything else is nobody's.
bool isHandshake(const uint8_t* datagram, uint32_t length) {
  if (length < 4) return false;
  const uint32_t type = readLe32(datagram);
  return (type == 1 && length == 148) || (type == 2 && length == 92) || (type == 3 && length == 64);
}

}  // namespace

void LinkReceiver::Message::readControl(msghdr& header) {
  std::memset(local, 0, sizeof local);
  interfaceIndex = 0;
  timeUs = 0;
  trafficClass = 0;
  segmentBytes = length;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
      int size;
      std::memcpy(&size, CMSG_DATA(at), sizeof size);
      if (size > 0) segmentBytes = static_cast<uint32_t>(size);
    } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time;
      std::memcpy(&time, CMSG_DATA(at), sizeof time);
      timeUs = static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
    } else if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) || (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS)) {
      // A byte in IPv4, an int in IPv6 (net/ipv4/ip_sockglue.c, net/ipv6/datagram.c).
      int value = 0;
      std::memcpy(&value, CMSG_DATA(at), std::min(sizeof value, at->cmsg_len - CMSG_LEN(0)));
      trafficClass = static_cast<uint8_t>(value);
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      std::memcpy(local, &info.ipi_addr, 4);
      interfaceIndex = info.ipi_ifindex;
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      std::memcpy(local, &info.ipi6_addr, 16);
      interfaceIndex = static_cast<int32_t>(info.ipi6_ifindex);
    }
  }
}

LinkReceiver::LinkReceiver(int32_t carrier, RingProducer data, RingProducer handshakes, uint8_t* row)
    : carrier_(carrier), data_(data), handshakes_(handshakes), row_(row), messages_(new Message[kSmallBatch]), headers_(kSmallBatch),
      overflow_(static_cast<size_t>(kSmallBatch) * kLargeBytes) {}

LinkReceiver::~LinkReceiver() = default;

int LinkReceiver::receive(int fd, uint32_t maxMessages) {
  int total = 0;
  while (static_cast<uint32_t>(total) < maxMessages) {
    const uint32_t batch = std::min(large_ ? kLargeBatch : kSmallBatch, maxMessages - static_cast<uint32_t>(total));
    const int got = receiveBatch(fd, batch);
    if (got < 0) return total != 0 ? total : got;
    total += got;
    if (static_cast<uint32_t>(got) < batch) break;
  }
  return total;
}

void LinkReceiver::prepare(int, uint32_t, Message&, msghdr&) {}

void LinkReceiver::finish(int, uint32_t, Message& message, msghdr& header, uint32_t bytes) {
  message.length = bytes;
  message.readControl(header);
}

// Every message has a slot in the opener's ring; a small slot has an overflow behind it, so that a GRO train that comes when
// none was expected is not cut off.
int LinkReceiver::receiveBatch(int fd, uint32_t batch) {
  const uint32_t stride = (slotBytes() + kSlotOverhead) & ~7u;
  uint8_t* first = data_.claim(batch * stride - 8);
  if (first == nullptr) first = claimElsewhere(batch * stride - 8);
  if (first == nullptr) return -ENOSPC;
  for (uint32_t i = 0; i < batch; i++) {
    Message& message = messages_[i];
    message.parts[0] = {};
    message.parts[1] = {first + i * stride + kHeader, slotBytes()};
    message.parts[2] = {overflow_.data() + static_cast<size_t>(i) * kLargeBytes, kLargeBytes};
    msghdr& header = headers_[i].msg_hdr;
    header = {&message.address, sizeof message.address, message.parts + 1, large_ ? 1u : 2u, message.control, sizeof message.control, 0};
    prepare(fd, i, message, header);
  }
  const int got = ::recvmmsg(fd, headers_.data(), batch, MSG_DONTWAIT, nullptr);
  if (got <= 0) return got == 0 ? -EAGAIN : -errno;
  const uint32_t count = static_cast<uint32_t>(got);
  uint32_t longest = 0;
  uint32_t spillFrom = count;
  for (uint32_t i = 0; i < count; i++) {
    Message& message = messages_[i];
    finish(fd, i, message, headers_[i].msg_hdr, headers_[i].msg_len);
    longest = std::max(longest, message.length);
    if (message.length > slotBytes() && spillFrom == count) spillFrom = i;
  }
  if (spillFrom < count) save(spillFrom, count);
  uint32_t unused = 0;
  for (uint32_t i = 0; i < spillFrom; i++) unused = place(messages_[i], first + i * stride, stride, unused);
  if (spillFrom < count) spill(spillFrom, count);
  large_ = longest > kSmallBytes;
  data_.publish();
  handshakes_.publish();
  if (touched_ != 0) publishOthers();
  return got;
}

// Commits a message where it lies, behind `unused` bytes of slots before it; returns the unused bytes after it. They become
// padding only when a record follows: padding alone would never be released, and a flood of nobody's datagrams fill the ring.
uint32_t LinkReceiver::place(Message& message, uint8_t* record, uint32_t stride, uint32_t unused) {
  if (!(isPlain_ ? accept(message, record + kHeader) : sift(message, record + kHeader))) return unused + stride;
  if (unused != 0) data_.pad(unused);
  writeHeader(record, message);
  data_.commit(kHeader + message.length, layout::recordType_received);
  return stride - ((8 + kHeader + message.length + 7) & ~7u);
}

// Copies messages out of their slots, before shorter records in front of them are committed over those.
void LinkReceiver::save(uint32_t from, uint32_t count) {
  spilled_.resize(static_cast<size_t>(count) * kLargeBytes * 2);
  for (uint32_t i = from; i < count; i++) {
    const Message& message = messages_[i];
    uint8_t* target = spilled_.data() + static_cast<size_t>(i) * kLargeBytes * 2;
    const uint32_t inSlot = std::min(message.length, kSmallBytes);
    std::memcpy(target, message.parts[1].iov_base, inSlot);
    std::memcpy(target + inSlot, message.parts[2].iov_base, message.length - inSlot);
  }
}

void LinkReceiver::spill(uint32_t from, uint32_t count) {
  for (uint32_t i = from; i < count; i++) {
    Message& message = messages_[i];
    uint8_t* bytes = spilled_.data() + static_cast<size_t>(i) * kLargeBytes * 2;
    copyIn(message, bytes);
  }
}

void LinkReceiver::copyIn(Message& message, uint8_t* datagrams) {
  if (isPlain_ ? accept(message, datagrams) : sift(message, datagrams)) put(data_, message, datagrams);
}

void LinkReceiver::put(RingProducer& ring, const Message& message, const uint8_t* datagrams) {
  uint8_t* record = ring.claim(kHeader + message.length);
  if (record == nullptr) {
    add(row_, layout::carrier_droppedAt, 1);
    return;
  }
  writeHeader(record, message);
  std::memcpy(record + kHeader, datagrams, message.length);
  ring.commit(kHeader + message.length, layout::recordType_received);
}

void LinkReceiver::hand(Message& message, uint8_t* datagrams) {
  copyIn(message, datagrams);
  data_.publish();
  handshakes_.publish();
  if (touched_ != 0) publishOthers();
}

// Hands handshakes on to the session-manager; returns whether anything in the message is the opener's.
bool LinkReceiver::accept(const Message& message, const uint8_t* payload) {
  add(row_, layout::carrier_receivedBytesAt, message.length);
  bool data = false;
  const uint32_t step = std::max<uint32_t>(1, message.segmentBytes);
  for (uint32_t at = 0; at < message.length; at += step) {
    const uint32_t length = std::min(step, message.length - at);
    add(row_, layout::carrier_receivedPacketsAt, 1);
    if (isData(payload + at, length)) {
      data = true;
    } else if (isHandshake(payload + at, length)) {
      forwardHandshake(message, payload + at, length, 0);
    }
  }
  return data;
}

// The same where something may be worn, or where there are several shards.
bool LinkReceiver::sift(Message& message, uint8_t* payload) {
  if (!(obfuscations_.empty() ? accept(message, payload) : undress(message, payload))) return false;
  return rings_.empty() || sort(message, payload);
}

// Copies a message into the rings of the other shards that it has packets for; whether it has any for the current one. The kernel joins by
// address alone, so one message may have packets for several: each opener knows its own, and counts the others as unknown.
bool LinkReceiver::sort(const Message& message, const uint8_t* payload) {
  const auto shards = static_cast<uint32_t>(rings_.size());
  const uint32_t step = std::max<uint32_t>(1, message.segmentBytes);
  uint32_t found = 0;
  for (uint32_t at = 0; at < message.length; at += step) {
    if (std::min(step, message.length - at) < kDataHeaderBytes || readLe32(payload + at) != kTypeData) continue;
    last_ = shardOf(readLe32(payload + at + 4), shards);
    found |= 1u << last_;
  }
  // Nothing of it is sound: one opener shall see it.
  if (found == 0) return true;
  for (uint32_t shard = 0; shard < shards; shard++)
    if (shard != current_ && (found >> shard & 1) != 0) put(rings_[shard], message, payload);
  touched_ |= found & ~(1u << current_);
  return (found >> current_ & 1) != 0;
}

// What comes next is most likely for the shard that the last packet was for.
void LinkReceiver::publishOthers() {
  for (uint32_t shard = 0; shard < rings_.size(); shard++)
    if ((touched_ >> shard & 1) != 0) rings_[shard].publish();
  touched_ = 0;
  if (last_ != current_) receiveFor(last_);
}

void LinkReceiver::receiveFor(uint32_t shard) {
  rings_[current_] = data_;
  data_ = rings_[shard];
  current_ = shard;
}

// One opener that does not keep up must not keep the others' packets in the socket: its own are dropped, and counted, until it does.
uint8_t* LinkReceiver::claimElsewhere(uint32_t bytes) {
  for (uint32_t turned = 1; turned < rings_.size(); turned++) {
    receiveFor((current_ + 1) % static_cast<uint32_t>(rings_.size()));
    uint8_t* first = data_.claim(bytes);
    if (first != nullptr) return first;
  }
  return nullptr;
}

// The same of datagrams that wear something: what is data moves together, without what stood in front, and says so in its type field;
// `message` is the length of that afterwards. A handshake keeps its type field, which its mac covers.
bool LinkReceiver::undress(Message& message, uint8_t* payload) {
  add(row_, layout::carrier_receivedBytesAt, message.length);
  const uint32_t step = std::max<uint32_t>(1, message.segmentBytes);
  uint32_t kept = 0;
  uint32_t keptStep = 0;
  uint32_t padding = 0;
  for (uint32_t at = 0; at < message.length; at += step) {
    const uint32_t length = std::min(step, message.length - at);
    add(row_, layout::carrier_receivedPacketsAt, 1);
    const Obfuscations::Look look = obfuscations_.look(payload + at, length);
    if (look.handshake != Kind::None) forwardHandshake(message, payload + at + look.handshakePadding, length - look.handshakePadding, look.wear);
    // Datagrams that were joined are of one length, and stay so: what wears something else than the first is another sender's.
    if (!look.isData || (kept != 0 && look.dataPadding != padding)) continue;
    padding = look.dataPadding;
    const uint32_t bytes = length - padding;
    if (kept == 0) keptStep = bytes;
    std::memmove(payload + kept, payload + at + padding, bytes);
    const uint32_t type = kTypeData;
    std::memcpy(payload + kept, &type, sizeof type);
    kept += bytes;
  }
  message.segmentBytes = keptStep;
  message.length = kept;
  return kept != 0;
}

void LinkReceiver::forwardHandshake(const Message& message, const uint8_t* datagram, uint32_t length, int32_t wear) {
  uint8_t* record = handshakes_.claim(kHeader + length);
  if (record == nullptr) {
    add(row_, layout::carrier_droppedAt, 1);
    return;
  }
  writeHeader(record, message);
  cell<uint32_t>(record, layout::received_segmentBytesAt) = length;
  cell<uint32_t>(record, layout::received_lengthAt) = length;
  cell<int32_t>(record, layout::received_obfuscationAt) = wear;
  std::memcpy(record + kHeader, datagram, length);
  handshakes_.commit(kHeader + length, layout::recordType_handshakeIn);
}

void LinkReceiver::writeHeader(uint8_t* record, const Message& message) const {
  // Behind an IPv4 address the kernel has left what was there before.
  const size_t used = message.address.sin6_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memset(record + layout::received_endpointAt, 0, layout::endpoint_bytes);
  std::memcpy(record + layout::received_endpointAt, &message.address, used);
  cell<int32_t>(record, layout::received_carrierAt) = carrier_;
  std::memcpy(record + layout::received_localAt, message.local, 16);
  cell<int32_t>(record, layout::received_interfaceAt) = message.interfaceIndex;
  cell<uint32_t>(record, layout::received_segmentBytesAt) = message.segmentBytes;
  cell<uint32_t>(record, layout::received_lengthAt) = message.length;
  cell<int32_t>(record, layout::received_slotAt) = -1;
  cell<double>(record, layout::received_timeAt) = message.timeUs;
  cell<int32_t>(record, layout::received_progressAt) = 0;
  cell<int32_t>(record, layout::received_trafficClassAt) = message.trafficClass;
}

}  // namespace hawser
