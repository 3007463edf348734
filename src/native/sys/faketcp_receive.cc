#include <linux/if_arp.h>

#include <algorithm>
#include <cstring>

#include "checksum.h"
#include "faketcp_answers.h"
#include "packet.h"

namespace hawser {
namespace {

// Of a virtio header, a link-layer header, and IPv4's and TCP's with all options.
constexpr uint32_t kMostHeadBytes = sizeof(VnetHeader) + 14 + 60 + 60;
constexpr uint8_t kUnusual = layout::tcpFlag_syn | layout::tcpFlag_rst | layout::tcpFlag_fin;

// Milliseconds: one segment may be overtaken by others for so long, and clocks are read at the beginning of a turn.
constexpr int32_t kMostLateEchoMs = 4000;
constexpr int32_t kMostEarlyEchoMs = 1000;

int32_t distance(uint32_t to, uint32_t from) { return static_cast<int32_t>(to - from); }

}  // namespace

// One segment, or several that were joined, as its headers say it.
struct FakeTcpReceiver::Segment {
  alignas(8) uint8_t tuple[layout::tuple_bytes];
  uint8_t header[60];
  uint32_t headerBytes;
  // In front of the payload, the virtio header included.
  uint32_t skip;
  uint32_t payloadBytes;
  uint32_t segmentBytes;
  // Of the parts of the checksum that are no payload; -1 = somebody below us has checked it, or will.
  int64_t checksum;
  uint8_t trafficClass;

  uint32_t sequence() const { return readBe32(header + 4); }
  uint32_t acknowledgement() const { return readBe32(header + 8); }
  uint8_t flags() const { return header[13]; }
  uint16_t window() const { return readBe16(header + 14); }
  // Its timestamps stand in Linux's place (RFC 7323 appendix A); nothing else is read.
  bool hasStamps() const { return headerBytes >= 32 && readBe32(header + 20) == 0x0101080a; }
  uint32_t stamp() const { return readBe32(header + 24); }
  uint32_t echo() const { return readBe32(header + 28); }
};

FakeTcpReceiver::FakeTcpReceiver(int fd4, int32_t carrier, RingProducer data, RingProducer handshakes, uint8_t* row, FlowIndex& flows,
                                 uint8_t* segments, int32_t* touched)
    : LinkReceiver(carrier, data, handshakes, row), fd4_(fd4), flows_(flows), segments_(segments), touched_(touched), from_(kSmallBatch),
      heads_(static_cast<size_t>(kSmallBatch) * kMostHeadBytes) {}

void FakeTcpReceiver::begin(double nowUs) {
  nowUs_ = nowUs;
  segmentCount_ = 0;
  touchedCount_ = 0;
}

int FakeTcpReceiver::receive(int fd, uint32_t maxMessages) {
  const int got = LinkReceiver::receive(fd, maxMessages);
  if (answers_ != nullptr) answers_->send(fd);
  return got;
}

void FakeTcpReceiver::prepare(int fd, uint32_t index, Message& message, msghdr& header) {
  message.parts[0] = {heads_.data() + static_cast<size_t>(index) * kMostHeadBytes, headBytesOf(fd)};
  header.msg_iov = message.parts;
  header.msg_iovlen++;
  header.msg_name = &from_[index];
  header.msg_namelen = sizeof from_[index];
}

void FakeTcpReceiver::finish(int fd, uint32_t index, Message& message, msghdr& header, uint32_t bytes) {
  message.readControl(header);
  message.length = 0;
  Segment segment;
  if (!parse(index, message, bytes, segment)) {
    add(row(), layout::carrier_droppedAt, 1);
    return;
  }
  const bool isElsewhere = segment.payloadBytes != 0 && segment.skip != message.parts[0].iov_len;
  if (isElsewhere) align(message, segment.skip, segment.payloadBytes);
  const auto* payload = static_cast<const uint8_t*>(message.parts[1].iov_base);
  if (segment.checksum >= 0) {
    const uint32_t inSlot = std::min<uint32_t>(segment.payloadBytes, static_cast<uint32_t>(message.parts[1].iov_len));
    const uint64_t rest = sumWords(static_cast<const uint8_t*>(message.parts[2].iov_base), segment.payloadBytes - inSlot);
    if (foldSum(static_cast<uint64_t>(segment.checksum) + sumWords(payload, inSlot) + rest) != 0xffff) {
      add(row(), layout::carrier_droppedAt, 1);
      return;
    }
  }
  std::memset(&message.address, 0, sizeof message.address);
  std::memcpy(&message.address, segment.tuple + layout::tuple_endpointAt, sizeof message.address);
  std::memcpy(message.local, segment.tuple + layout::tuple_localAt, 16);
  message.interfaceIndex = cell<int32_t>(segment.tuple, layout::tuple_interfaceAt);
  message.trafficClass = segment.trafficClass;
  message.segmentBytes = segment.segmentBytes;
  const int32_t flow = flows_.find(segment.tuple);
  const bool isOpen = flow >= 0 && cell<int32_t>(flows_.row(flow), layout::flow_stateAt) == layout::flowState_open;
  if (!isOpen || !take(flows_.row(flow), segment)) {
    if (flow < 0 && isAnswered(fd, segment)) return;
    tell(segment, message, flow);
    return;
  }
  message.length = segment.payloadBytes;
  // Peers alone decide where the next payload is expected.
  if (isElsewhere) headBytesOf(fd) = segment.skip;
  uint8_t* row = flows_.row(flow);
  if (cell<int32_t>(row, layout::flow_owedSegmentsAt) == 0 || cell<int32_t>(row, layout::flow_touchedAt) != 0 || touchedCount_ == layout::segment_rows) return;
  cell<int32_t>(row, layout::flow_touchedAt) = 1;
  touched_[touchedCount_++] = flow;
}

// Reads the headers of a message; false = it is no TCP segment that makes sense.
bool FakeTcpReceiver::parse(uint32_t index, const Message& message, uint32_t bytes, Segment& segment) const {
  uint8_t head[kMostHeadBytes] = {};
  const uint32_t inHead = std::min<uint32_t>(bytes, static_cast<uint32_t>(message.parts[0].iov_len));
  std::memcpy(head, message.parts[0].iov_base, inHead);
  std::memcpy(head + inHead, message.parts[1].iov_base, std::min<uint32_t>(bytes - inHead, kMostHeadBytes - inHead));
  const sockaddr_ll& from = from_[index];
  const uint32_t linkBytes = from.sll_hatype == ARPHRD_ETHER || from.sll_hatype == ARPHRD_LOOPBACK ? 14 : 0;
  VnetHeader vnet;
  std::memcpy(&vnet, head, sizeof vnet);
  const uint32_t ipAt = sizeof vnet + linkBytes;
  if (bytes < ipAt + 40) return false;
  const IpView ip = viewIp(head + ipAt, bytes - ipAt);
  if (ip.version == 0 || ip.protocol != kProtocolTcp || ip.headerBytes + 20u > ip.length) return false;
  const uint8_t* tcp = head + ipAt + ip.headerBytes;
  segment.headerBytes = (tcp[12] >> 4) * 4u;
  if (segment.headerBytes < 20 || ip.headerBytes + segment.headerBytes > ip.length) return false;
  segment.skip = ipAt + ip.headerBytes + segment.headerBytes;
  segment.payloadBytes = ip.length - ip.headerBytes - segment.headerBytes;
  segment.segmentBytes = vnet.gsoType != kGsoNone && vnet.gsoBytes != 0 ? vnet.gsoBytes : segment.payloadBytes;
  segment.trafficClass = ip.trafficClass;
  std::memcpy(segment.header, tcp, segment.headerBytes);
  const bool isChecked = (vnet.flags & (kVnetNeedsChecksum | kVnetDataValid)) != 0;
  segment.checksum = isChecked ? -1 : static_cast<int64_t>(sumPseudoHeader(head + ipAt, kProtocolTcp, ip.length - ip.headerBytes) + sumWords(tcp, segment.headerBytes));
  uint8_t* tuple = segment.tuple;
  std::memset(tuple, 0, sizeof segment.tuple);
  uint8_t* endpoint = tuple + layout::tuple_endpointAt;
  cell<uint16_t>(endpoint, 0) = ip.version == 4 ? AF_INET : AF_INET6;
  std::memcpy(endpoint + 2, tcp, 2);
  std::memcpy(endpoint + (ip.version == 4 ? 4 : 8), ip.source, ip.addressBytes);
  if (ip.version == 6 && ip.source[0] == 0xfe && (ip.source[1] & 0xc0) == 0x80) cell<uint32_t>(endpoint, 24) = static_cast<uint32_t>(from.sll_ifindex);
  std::memcpy(tuple + layout::tuple_localAt, ip.destination, ip.addressBytes);
  cell<uint16_t>(tuple, layout::tuple_localPortAt) = readBe16(tcp + 2);
  cell<uint16_t>(tuple, layout::tuple_linkHeaderBytesAt) = static_cast<uint16_t>(linkBytes);
  cell<int32_t>(tuple, layout::tuple_interfaceAt) = from.sll_ifindex;
  if (linkBytes != 0) {
    std::memcpy(tuple + layout::tuple_ownLinkAddressAt, head + sizeof vnet, 6);
    std::memcpy(tuple + layout::tuple_nextHopAt, head + sizeof vnet + 6, 6);
  }
  return true;
}

// Headers were longer or shorter than room was made for: moves the payload to where the slot begins.
void FakeTcpReceiver::align(Message& message, uint32_t skip, uint32_t length) {
  joined_.resize(kMostHeadBytes + 2 * kLargeBytes);
  size_t filled = 0;
  for (const iovec& part : message.parts) {
    const size_t some = std::min<size_t>(part.iov_len, skip + length - filled);
    std::memcpy(joined_.data() + filled, part.iov_base, some);
    filled += some;
  }
  const size_t inSlot = std::min<size_t>(length, message.parts[1].iov_len);
  std::memcpy(message.parts[1].iov_base, joined_.data() + skip, inSlot);
  std::memcpy(message.parts[2].iov_base, joined_.data() + skip + inSlot, length - inSlot);
}

// Plain data, or an acknowledgement, of an open connection. Payload is delivered as it comes: nothing is waited for, so what is acknowledged
// is the highest number. False = it is for TypeScript to judge.
bool FakeTcpReceiver::take(uint8_t* flow, const Segment& segment) {
  const uint8_t flags = segment.flags();
  if ((flags & kUnusual) != 0 || (flags & layout::tcpFlag_ack) == 0) return false;
  const uint32_t next = cell<uint32_t>(flow, layout::flow_receiveNextAt);
  const uint32_t end = segment.sequence() + segment.payloadBytes;
  const auto window = static_cast<int32_t>(cell<uint32_t>(flow, layout::flow_receiveWindowAt));
  if (distance(end, next) > window || distance(segment.sequence(), next) < -window) return false;
  // RFC 5961 section 5.2: nothing that was never sent, and nothing older than the largest window.
  uint32_t& oldest = cell<uint32_t>(flow, layout::flow_sendUnacknowledgedAt);
  const int32_t acknowledged = distance(segment.acknowledgement(), oldest);
  if (distance(segment.acknowledgement(), cell<uint32_t>(flow, layout::flow_sendMostAt)) > 0 || acknowledged < -window) return false;
  // Numbers can be guessed within the windows, the timestamp that is echoed cannot: it is one that we sent since the last that came, or just before.
  const bool hasStamps = cell<int32_t>(flow, layout::flow_timestampsAt) != 0;
  uint32_t& recentEcho = cell<uint32_t>(flow, layout::flow_recentEchoAt);
  if (hasStamps) {
    if (!segment.hasStamps()) return false;
    const int32_t newer = distance(segment.echo(), recentEcho);
    const uint32_t now = static_cast<uint32_t>(static_cast<uint64_t>(nowUs_ / 1000)) + cell<uint32_t>(flow, layout::flow_stampOffsetAt);
    if (newer < -kMostLateEchoMs || distance(segment.echo(), now) > kMostEarlyEchoMs) return false;
    if (newer > 0) recentEcho = segment.echo();
  }
  if (acknowledged >= 0) {
    oldest = segment.acknowledgement();
    // What we took for lost and numbered anew has arrived.
    uint32_t& sendNext = cell<uint32_t>(flow, layout::flow_sendNextAt);
    if (distance(oldest, sendNext) > 0) sendNext = oldest;
    cell<uint32_t>(flow, layout::flow_sendWindowAt) = static_cast<uint32_t>(segment.window()) << cell<int32_t>(flow, layout::flow_sendShiftAt);
    // What comes late by one that was replaced makes nobody send by it again.
    if (cell<double>(flow, layout::flow_replacedUsAt) == 0) cell<int32_t>(flow, layout::flow_settledAt) = 1;
  }
  if (distance(end, next) >= 0) {
    cell<uint32_t>(flow, layout::flow_receiveNextAt) = end;
    if (hasStamps) cell<uint32_t>(flow, layout::flow_recentStampAt) = segment.stamp();
  }
  if (distance(end, cell<uint32_t>(flow, layout::flow_recentNextAt)) > 0) cell<uint32_t>(flow, layout::flow_recentNextAt) = end;
  cell<double>(flow, layout::flow_receivedUsAt) = nowUs_;
  // Where it came from is where we send to: routers change.
  std::memcpy(flow + layout::tuple_linkHeaderBytesAt, segment.tuple + layout::tuple_linkHeaderBytesAt, layout::tuple_bytes - layout::tuple_linkHeaderBytesAt);
  int32_t& owed = cell<int32_t>(flow, layout::flow_owedSegmentsAt);
  if (segment.payloadBytes != 0) {
    owed += static_cast<int32_t>((segment.payloadBytes + segment.segmentBytes - 1) / segment.segmentBytes);
    cell<double>(flow, layout::flow_owedBytesAt) += segment.payloadBytes;
  } else if (distance(segment.sequence(), next) == -1) {
    // A keepalive asks for an answer at once (RFC 9293 section 3.8.4).
    owed += 2;
  }
  return true;
}

bool FakeTcpReceiver::isAnswered(int fd, const Segment& segment) {
  return answers_ != nullptr && answers_->take(fd, segment.tuple, segment.header, segment.headerBytes, nowUs_);
}

void FakeTcpReceiver::tell(const Segment& segment, const Message& message, int32_t flow) {
  if (segmentCount_ == layout::segment_rows) {
    add(row(), layout::carrier_droppedAt, 1);
    return;
  }
  uint8_t* to = segments_ + segmentCount_++ * layout::segment_rowBytes;
  const uint32_t kept = segment.payloadBytes <= layout::segment_mostPayloadBytes ? segment.payloadBytes : 0;
  std::memcpy(to, segment.tuple, layout::tuple_bytes);
  cell<int32_t>(to, layout::segment_flowAt) = flow;
  cell<uint32_t>(to, layout::segment_headerBytesAt) = segment.headerBytes;
  cell<uint32_t>(to, layout::segment_payloadBytesAt) = segment.payloadBytes;
  cell<uint32_t>(to, layout::segment_keptBytesAt) = kept;
  cell<double>(to, layout::segment_timeAt) = message.timeUs;
  cell<int32_t>(to, layout::segment_trafficClassAt) = segment.trafficClass;
  cell<uint32_t>(to, layout::segment_segmentBytesAt) = segment.segmentBytes;
  std::memcpy(to + layout::segment_headerAt, segment.header, segment.headerBytes);
  std::memcpy(to + layout::segment_payloadAt, message.parts[1].iov_base, kept);
}

void FakeTcpReceiver::deliver(uint32_t index) {
  uint8_t* from = segments_ + index * layout::segment_rowBytes;
  Message message{};
  message.length = std::min<uint32_t>(cell<uint32_t>(from, layout::segment_keptBytesAt), layout::segment_mostPayloadBytes);
  if (message.length == 0) return;
  message.segmentBytes = cell<uint32_t>(from, layout::segment_segmentBytesAt);
  std::memcpy(&message.address, from + layout::tuple_endpointAt, sizeof message.address);
  std::memcpy(message.local, from + layout::tuple_localAt, 16);
  message.interfaceIndex = cell<int32_t>(from, layout::tuple_interfaceAt);
  message.timeUs = cell<double>(from, layout::segment_timeAt);
  message.trafficClass = static_cast<uint8_t>(cell<int32_t>(from, layout::segment_trafficClassAt));
  hand(message, from + layout::segment_payloadAt);
}

}  // namespace hawser
