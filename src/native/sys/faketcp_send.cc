#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "faketcp.h"
#include "packet.h"
#include "path_place.h"
#include "socket_buffer.h"

namespace hawser {
namespace {

constexpr uint32_t kTcpBytes = 20;
constexpr uint32_t kStampBytes = 12;
constexpr double kMtuLifeUs = 1e6;
// No connection negotiates ECN (RFC 3168 section 6.1.1): routers are told that they may only drop.
constexpr uint8_t kEcnBits = 3;
constexpr uint32_t kTypeCookieReply = 3;

bool isIp4(const uint8_t* tuple) { return cell<uint16_t>(const_cast<uint8_t*>(tuple), layout::tuple_endpointAt) == AF_INET; }

uint32_t tcpBytesOf(uint8_t* flow) { return kTcpBytes + (cell<int32_t>(flow, layout::flow_timestampsAt) != 0 ? kStampBytes : 0); }

}  // namespace

FakeTcpSender::FakeTcpSender(int fd4, int fd6, RingConsumer descriptors, SealedLog log, RowTable paths, RowTable links, RowTable carriers,
                             int32_t carrier, FlowIndex& flows, uint8_t* wanted)
    : fd4_(fd4), fd6_(fd6), descriptors_(descriptors), log_(log), paths_(paths),
      link_(links.row(carrier / static_cast<int32_t>(layout::carrier_rowsPerLink))), carrier_(carriers.row(carrier)), flows_(flows), wanted_(wanted) {
  cell<int32_t>(carrier_, layout::carrier_gsoAt) = 1;
}

int FakeTcpSender::fdOf(const uint8_t* tuple) const { return isIp4(tuple) ? fd4_ : fd6_; }

uint32_t FakeTcpSender::takeWanted() {
  const uint32_t rows = wantedRows_;
  wantedRows_ = 0;
  return rows;
}

namespace {

/** Whether the kernel refuses to cut for this device; a full queue or an interface that is down say nothing of that (`packet_snd`). */
bool cannotCut(int error) { return error == EINVAL || error == EIO || error == EOPNOTSUPP; }

}  // namespace

int FakeTcpSender::sendDescriptors(uint32_t max, double nowUs) {
  int finished = 0;
  while (static_cast<uint32_t>(finished) < max) {
    const uint32_t count = collect(max - static_cast<uint32_t>(finished), nowUs);
    if (count == 0) break;
    const int fd = fdOf(messages_[0].flow);
    const int sent = ::sendmmsg(fd, calls_, count, MSG_NOSIGNAL);
    uint32_t done = sent > 0 ? static_cast<uint32_t>(sent) : 0;
    for (uint32_t i = 0; i < done; i++) account(messages_[i]);
    bool blocked = false;
    if (done < count) {
      // The kernel keeps the errno of a message that is not the first to itself.
      if (::sendmsg(fd, &calls_[done].msg_hdr, MSG_NOSIGNAL) >= 0) {
        account(messages_[done++]);
      } else if (errno == EAGAIN || errno == EINTR) {
        blocked = true;
      } else if (messages_[done].packets > 1 && cannotCut(errno)) {
        // Each goes by itself from now on.
        cell<int32_t>(carrier_, layout::carrier_gsoAt) = 0;
      } else {
        refuse(messages_[done++], errno);
      }
      retract(done, count);
    }
    descriptors_.rewind();
    for (uint32_t i = 0; i < done; i++) {
      progress_ = messages_[i].isLast ? 0 : messages_[i].through;
      if (!messages_[i].isLast) continue;
      descriptors_.peek();
      descriptors_.advance();
      finished++;
    }
    descriptors_.release();
    if (blocked) break;
  }
  return finished;
}

// Prepares messages of one socket for up to `max` descriptors. What came too late or has no connection is given up at the head of the ring
// only: behind a message that waits it would be looked at, and counted, again.
uint32_t FakeTcpSender::collect(uint32_t max, double nowUs) {
  uint32_t count = 0;
  for (uint32_t looked = 0; looked < max && count < kBatch;) {
    uint8_t* descriptor = descriptors_.peek();
    if (descriptor == nullptr) break;
    int32_t index = -1;
    Fate fate = look(descriptor, index);
    uint8_t* flow = fate == Fate::Ready ? flows_.row(index) : nullptr;
    if (flow != nullptr && count != 0 && fdOf(flow) != fdOf(messages_[0].flow)) break;
    const uint32_t before = count;
    if (flow != nullptr && !add(descriptor, flow, count, nowUs)) fate = Fate::Refused;
    if (fate == Fate::Ready) {
      descriptors_.advance();
      looked++;
      // There was no room for all of it.
      if (!messages_[count - 1].isLast) break;
      continue;
    }
    if (before != 0) break;
    descriptors_.advance();
    giveUp(descriptor, fate);
    descriptors_.release();
  }
  return count;
}

FakeTcpSender::Fate FakeTcpSender::look(uint8_t* descriptor, int32_t& flow) {
  const int32_t pathIndex = cell<int32_t>(descriptor, layout::descriptor_pathAt);
  if (!paths_.has(pathIndex)) return Fate::Homeless;
  if (!log_.holds(cell<uint32_t>(descriptor, layout::descriptor_positionAt))) return Fate::Late;
  sockaddr_in6 address;
  uint8_t local[16];
  int32_t interfaceIndex = 0;
  if (!readPath(paths_.row(pathIndex), address, local, interfaceIndex)) return Fate::Homeless;
  if (!chooseLinkSource(link_, address, local)) return Fate::Refused;
  flow = flows_.findTo(reinterpret_cast<const uint8_t*>(&address), local);
  if (flow < 0 || cell<int32_t>(flows_.row(flow), layout::flow_stateAt) != layout::flowState_open) return Fate::Wanted;
  return Fate::Ready;
}

// Appends the messages of what is left of a descriptor; false = the other end, or the interface, does not take it.
bool FakeTcpSender::add(uint8_t* descriptor, uint8_t* flow, uint32_t& count, double nowUs) {
  const uint32_t packets = cell<uint32_t>(descriptor, layout::descriptor_countAt);
  const uint32_t step = cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
  const uint32_t last = cell<uint32_t>(descriptor, layout::descriptor_lastBytesAt);
  const uint32_t skip = cell<uint32_t>(descriptor, layout::descriptor_skipAt) * step;
  const uint32_t longest = packets > 1 ? step : last;
  const uint32_t from = count == 0 ? progress_ : 0;
  const uint32_t ipBytes = isIp4(flow) ? 20 : 40;
  const uint32_t headerBytes = ipBytes + tcpBytesOf(flow);
  int32_t& spared = cell<int32_t>(paths_.row(cell<int32_t>(descriptor, layout::descriptor_pathAt)), layout::path_sparedBytesAt);
  const auto sparedBytes = static_cast<int32_t>(kTcpBytes + kStampBytes - tcpBytesOf(flow));
  if (spared != sparedBytes) spared = sparedBytes;
  const bool isFitting = fits(flow, headerBytes + longest, nowUs);
  int32_t& outMtu = cell<int32_t>(paths_.row(cell<int32_t>(descriptor, layout::descriptor_pathAt)), layout::path_outMtuAt);
  if (outMtu != static_cast<int32_t>(mtu_)) outMtu = static_cast<int32_t>(mtu_);
  if (!isFitting) {
    // Behind a message that waits it is looked at again.
    if (count != 0) return false;
    uint8_t* path = paths_.row(cell<int32_t>(descriptor, layout::descriptor_pathAt));
    cell<int32_t>(path, layout::path_tooLongBytesAt) = static_cast<int32_t>(longest);
    hawser::add(path, layout::path_tooLongPacketsAt, packets - from);
    return false;
  }
  const uint32_t inFlight = cell<uint32_t>(flow, layout::flow_sendNextAt) - cell<uint32_t>(flow, layout::flow_sendUnacknowledgedAt);
  const uint32_t rest = (packets - 1 - from) * step + last;
  if (inFlight + rest > cell<uint32_t>(flow, layout::flow_sendWindowAt)) return false;
  // A device without link-layer addresses may still have headers of its own (PPP): then the kernel takes ours to begin within the packet
  // and loses it while it cuts (`packet_snd`, `skb_reserve`).
  const bool mayCut = cell<int32_t>(carrier_, layout::carrier_gsoAt) != 0 && cell<uint16_t>(flow, layout::tuple_linkHeaderBytesAt) > 0;
  const uint32_t whole = mayCut ? (kMostIpBytes - headerBytes) / std::max(1u, longest) : 1;
  uint8_t* bytes = log_.at(cell<uint32_t>(descriptor, layout::descriptor_positionAt)) + skip;
  for (uint32_t at = from; at < packets && count < kBatch;) {
    const uint32_t some = std::min(std::max(1u, whole), packets - at);
    const bool isLast = at + some == packets;
    Message& message = messages_[count];
    const uint32_t length = (some - 1) * step + (isLast ? last : step);
    message.parts[1] = {bytes + static_cast<size_t>(at) * step, length};
    message.path = paths_.row(cell<int32_t>(descriptor, layout::descriptor_pathAt));
    message.packets = some;
    message.through = at + some;
    message.isLast = isLast;
    compose(message, flow, length, some > 1 ? step : 0, 0, nowUs);
    msghdr& header = calls_[count].msg_hdr;
    header = {};
    header.msg_name = &message.headers.to;
    header.msg_namelen = sizeof message.headers.to;
    header.msg_iov = message.parts;
    header.msg_iovlen = 2;
    at += some;
    count++;
  }
  return true;
}

// Headers of the next payload of a connection, whose numbers go on.
void FakeTcpSender::compose(Message& message, uint8_t* flow, uint32_t payloadBytes, uint32_t segmentBytes, uint8_t trafficClass, double nowUs) {
  uint8_t tcp[kTcpBytes + kStampBytes] = {};
  const uint32_t tcpBytes = tcpBytesOf(flow);
  uint32_t& next = cell<uint32_t>(flow, layout::flow_sendNextAt);
  writeBe16(tcp, cell<uint16_t>(flow, layout::tuple_localPortAt));
  std::memcpy(tcp + 2, flow + layout::tuple_endpointAt + 2, 2);
  writeBe32(tcp + 4, next);
  const uint32_t acknowledged = cell<uint32_t>(flow, layout::flow_receiveNextAt);
  writeBe32(tcp + 8, acknowledged);
  tcp[12] = static_cast<uint8_t>(tcpBytes / 4 << 4);
  tcp[13] = layout::tcpFlag_ack | layout::tcpFlag_psh;
  writeBe16(tcp + 14, static_cast<uint16_t>(cell<uint32_t>(flow, layout::flow_windowFieldAt)));
  if (tcpBytes > kTcpBytes) {
    // NOP, NOP, timestamps: RFC 7323 appendix A.
    tcp[20] = tcp[21] = 1;
    tcp[22] = 8;
    tcp[23] = 10;
    writeBe32(tcp + 24, static_cast<uint32_t>(static_cast<uint64_t>(nowUs / 1000)) + cell<uint32_t>(flow, layout::flow_stampOffsetAt));
    writeBe32(tcp + 28, cell<uint32_t>(flow, layout::flow_recentStampAt));
  }
  uint32_t& identification = cell<uint32_t>(flow, layout::flow_identificationAt);
  message.flow = flow;
  message.bytes = payloadBytes;
  message.sequence = next;
  message.headers.build(flow, tcp, tcpBytes, payloadBytes, segmentBytes, trafficClass, static_cast<uint16_t>(identification),
                        cell<uint32_t>(flow, layout::flow_flowLabelAt));
  message.parts[0] = {message.headers.bytes, message.headers.length};
  identification += segmentBytes == 0 ? 1 : message.packets;
  next += payloadBytes;
  uint32_t& most = cell<uint32_t>(flow, layout::flow_sendMostAt);
  if (static_cast<int32_t>(next - most) > 0) most = next;
  cell<int32_t>(flow, layout::flow_owedSegmentsAt) = 0;
  cell<double>(flow, layout::flow_owedBytesAt) = 0;
  cell<double>(flow, layout::flow_sentUsAt) = nowUs;
  cell<double>(flow, layout::flow_sentDataUsAt) = nowUs;
}

// What was not sent after all: its numbers are used again.
void FakeTcpSender::retract(uint32_t from, uint32_t count) {
  for (uint32_t i = count; i > from; i--) cell<uint32_t>(messages_[i - 1].flow, layout::flow_sendNextAt) = messages_[i - 1].sequence;
}

// Whether the interface takes a packet of that length. The kernel does not ask for what it cuts.
bool FakeTcpSender::fits(uint8_t* flow, uint32_t ipBytes, double nowUs) {
  const int32_t interface = cell<int32_t>(flow, layout::tuple_interfaceAt);
  if (interface != mtuInterface_ || nowUs - mtuUs_ > kMtuLifeUs) {
    ifreq request{};
    const int fd = fd4_ >= 0 ? fd4_ : fd6_;
    const bool known = ::if_indextoname(static_cast<unsigned>(interface), request.ifr_name) != nullptr && ::ioctl(fd, SIOCGIFMTU, &request) == 0;
    mtu_ = known ? static_cast<uint32_t>(request.ifr_mtu) : 0;
    mtuInterface_ = interface;
    mtuUs_ = nowUs;
  }
  return mtu_ == 0 || ipBytes <= mtu_;
}

void FakeTcpSender::giveUp(uint8_t* descriptor, Fate fate) {
  const uint32_t sentAlready = progress_ * cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
  progress_ = 0;
  const int32_t pathIndex = cell<int32_t>(descriptor, layout::descriptor_pathAt);
  if (!paths_.has(pathIndex)) return;
  if (fate == Fate::Wanted) want(descriptor);
  hawser::add(paths_.row(pathIndex), fate == Fate::Late ? layout::path_lateBytesAt : layout::path_refusedBytesAt,
              cell<uint32_t>(descriptor, layout::descriptor_lengthAt) - sentAlready);
}

// Keeps a copy of the first packet for whoever makes a connection.
void FakeTcpSender::want(uint8_t* descriptor) {
  const bool several = cell<uint32_t>(descriptor, layout::descriptor_countAt) > 1;
  const uint32_t step = cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
  const uint32_t length = several ? step : cell<uint32_t>(descriptor, layout::descriptor_lastBytesAt);
  if (wantedRows_ == layout::wanted_rows || length > layout::wanted_mostPayloadBytes) return;
  uint8_t* row = wanted_ + wantedRows_ * layout::wanted_rowBytes;
  uint8_t* path = paths_.row(cell<int32_t>(descriptor, layout::descriptor_pathAt));
  // Who called us by a port that he called from takes no calls there.
  if (cell<int32_t>(path, layout::path_originAt) == layout::pathOrigin_learnt) return;
  sockaddr_in6 address;
  int32_t interfaceIndex = 0;
  uint8_t local[16];
  if (!readPath(path, address, local, interfaceIndex) || !chooseLinkSource(link_, address, local)) return;
  std::memcpy(row + layout::wanted_localAt, local, sizeof local);
  std::memset(row + layout::wanted_endpointAt, 0, layout::endpoint_bytes);
  std::memcpy(row + layout::wanted_endpointAt, &address, sizeof address);
  cell<uint32_t>(row, layout::wanted_payloadBytesAt) = length;
  const uint8_t* bytes = log_.at(cell<uint32_t>(descriptor, layout::descriptor_positionAt)) + cell<uint32_t>(descriptor, layout::descriptor_skipAt) * step;
  std::memcpy(row + layout::wanted_payloadAt, bytes, length);
  wantedRows_++;
}

void FakeTcpSender::refuse(const Message& message, int error) {
  fail(error);
  hawser::add(message.path, layout::path_refusedBytesAt, message.bytes);
  if (error != EMSGSIZE) return;
  cell<int32_t>(message.path, layout::path_tooLongBytesAt) = static_cast<int32_t>(message.bytes);
  hawser::add(message.path, layout::path_tooLongPacketsAt, 1);
}

void FakeTcpSender::account(const Message& message) {
  hawser::add(message.path, layout::path_sentBytesAt, message.bytes);
  hawser::add(message.path, layout::path_sentPacketsAt, message.packets);
  hawser::add(carrier_, layout::carrier_sentBytesAt, message.bytes);
  hawser::add(carrier_, layout::carrier_sentPacketsAt, message.packets);
}

int FakeTcpSender::sendDatagram(int32_t index, const uint8_t* bytes, uint32_t length, uint8_t trafficClass, double nowUs) {
  Message& message = messages_[0];
  message.packets = 1;
  message.parts[1] = {const_cast<uint8_t*>(bytes), length};
  const double sentDataUs = cell<double>(flows_.row(index), layout::flow_sentDataUsAt);
  compose(message, flows_.row(index), length, 0, trafficClass & ~kEcnBits, nowUs);
  // A cookie reply is said to anybody, and makes nobody known.
  if (length >= 4 && readLe32(bytes) == kTypeCookieReply) cell<double>(message.flow, layout::flow_sentDataUsAt) = sentDataUs;
  msghdr header{};
  header.msg_name = &message.headers.to;
  header.msg_namelen = sizeof message.headers.to;
  header.msg_iov = message.parts;
  header.msg_iovlen = 2;
  if (::sendmsg(fdOf(message.flow), &header, MSG_NOSIGNAL) < 0) {
    const int error = errno;
    retract(0, 1);
    fail(error);
    return -error;
  }
  hawser::add(carrier_, layout::carrier_sentBytesAt, length);
  hawser::add(carrier_, layout::carrier_sentPacketsAt, 1);
  return 0;
}

int FakeTcpSender::sendSegment(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, int32_t flow) {
  FakeTcpHeaders headers;
  uint8_t* row = flows_.has(flow) ? flows_.row(flow) : nullptr;
  const auto identification = static_cast<uint16_t>(row == nullptr ? 0 : cell<uint32_t>(row, layout::flow_identificationAt)++);
  headers.build(tuple, tcp, tcpBytes, 0, 0, 0, identification, row == nullptr ? 0 : cell<uint32_t>(row, layout::flow_flowLabelAt));
  const ssize_t sent = ::sendto(fdOf(tuple), headers.bytes, headers.length, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&headers.to), sizeof headers.to);
  return sent < 0 ? -errno : 0;
}

int FakeTcpSender::findSource(uint8_t* tuple, uint32_t mark, const std::string& interface) const {
  sockaddr_in6 address;
  std::memcpy(&address, tuple + layout::tuple_endpointAt, sizeof address);
  if (!chooseLinkSource(link_, address, tuple + layout::tuple_localAt)) return -EADDRNOTAVAIL;
  return isUnspecified(tuple + layout::tuple_localAt) ? askSource(tuple, mark, interface) : 0;
}

void FakeTcpSender::fail(int error) {
  hawser::add(carrier_, layout::carrier_errorsAt, 1);
  cell<int32_t>(carrier_, layout::carrier_lastErrorAt) = error;
}

int FakeTcpSender::measureQueue() {
  const int total = queuedBytes({fd4_, fd6_});
  word(carrier_, layout::carrier_outqBytesAt).store(total, std::memory_order_relaxed);
  return total;
}

}  // namespace hawser
