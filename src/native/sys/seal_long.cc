// The rest of Sealer: what becomes of inner packets that are longer than their peer may be sent (docs/adr/0008-inner-mtu.md).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "ecn.h"
#include "mss.h"
#include "packet.h"
#include "reorder_class.h"
#include "seal.h"

namespace hawser {
namespace {
constexpr uint8_t kTcpUrgent = 0x20;
constexpr uint16_t kTcpChecksumAt = 16;
constexpr uint16_t kMoreFragments = 0x2000;
constexpr uint16_t kOffsetMask = 0x1fff;
constexpr uint32_t kMaxIpv4HeaderBytes = 60;
constexpr uint32_t kMaxFragments = 64;

bool hasPartialChecksum(const uint8_t* record) {
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  return (vnet.flags & kVnetNeedsChecksum) != 0;
}

bool isTrain(const uint8_t* record) {
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  return (vnet.gsoType & ~kGsoEcn) != kGsoNone;
}

bool dontFragment(const uint8_t* packet) { return (packet[6] & 0x40) != 0; }

// Whether a whole TCP packet may be sent as several. What opens, resets or points at urgent bytes says it of one place; and what is
// corrupt shall not get a new checksum.
bool mayBeTrain(const uint8_t* packet, const IpView& ip, uint32_t length, bool isPartial) {
  if (ip.protocol != kProtocolTcp || ip.length != length || ip.length < ip.headerBytes + 20u) return false;
  const uint8_t* tcp = packet + ip.headerBytes;
  const uint32_t tcpBytes = (tcp[12] >> 4) * 4u;
  if (tcpBytes < 20 || ip.headerBytes + tcpBytes >= ip.length || (tcp[13] & (kTcpSyn | kTcpRst | kTcpUrgent)) != 0) return false;
  const uint32_t rest = ip.length - ip.headerBytes;
  return isPartial || foldSum(sumPseudoHeader(packet, kProtocolTcp, rest) + sumWords(tcp, rest)) == 0xffff;
}

// RFC 791: options without the copied flag belong to the first fragment alone.
void blankOptions(uint8_t* header, uint32_t headerBytes) {
  constexpr uint8_t kEnd = 0, kNoOperation = 1, kCopied = 0x80;
  for (uint32_t at = 20; at < headerBytes && header[at] != kEnd;) {
    const uint32_t bytes = header[at] == kNoOperation || at + 1 >= headerBytes ? 1 : header[at + 1];
    if (bytes == 0 || at + bytes > headerBytes) return;
    if ((header[at] & kCopied) == 0) std::memset(header + at, kNoOperation, bytes);
    at += bytes;
  }
}
uint8_t orderFlag(const uint8_t* plain, uint32_t length) { return keepsOrder(plain, length) ? layout::fragment_flagOrdered : 0; }
}  // namespace

// A SYN is told what fits, and TCP is cut to it: its bytes are a stream, so that its segments need not be as long as their sender thought.
void Sealer::fit(uint8_t* record, TrainFacts& facts) {
  if (facts.peer < 0 || facts.progress != 0) return;
  uint8_t* packet = record + layout::train_packetAt;
  const auto length = static_cast<uint32_t>(facts.bytes);
  if (facts.syn != 0) {
    const IpView ip = viewIp(packet, length);
    clampMss(packet, ip, limits_.offered(facts.peer, ip.version), !hasPartialChecksum(record));
  }
  const uint32_t limit = limits_.of(facts.peer);
  if (length <= limit) return;
  const bool wasTrain = isTrain(record);
  if (!recut(record, limit)) return;
  facts.segments = static_cast<int32_t>(segmentsLeft(record));
  // Whoever sends packet by packet does better with shorter ones; of a train this end has made as long as it could.
  if (!wasTrain && (packet[0] >> 4 == 6 || dontFragment(packet))) tell(facts.peer, packet, length, limit, cell<double>(record, layout::train_timeAt));
}

// Cuts TCP that nothing is sealed of to `limit`; whether the train is another now.
bool Sealer::recut(uint8_t* record, uint32_t limit) {
  uint8_t* packet = record + layout::train_packetAt;
  const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  Segmenter segmenter;
  if (!segmenter.begin(vnet, packet, length) || segmenter.lengthOf(0) <= limit) return false;
  uint32_t headerBytes = length - segmenter.payloadBytes();
  if (!isTrain(record)) {
    const IpView ip = viewIp(packet, length);
    if (!mayBeTrain(packet, ip, length, hasPartialChecksum(record))) return false;
    headerBytes = ip.headerBytes + (packet[ip.headerBytes + 12] >> 4) * 4u;
    vnet = VnetHeader{kVnetNeedsChecksum, ip.version == 4 ? kGsoTcp4 : kGsoTcp6, static_cast<uint16_t>(headerBytes), 0, ip.headerBytes, kTcpChecksumAt};
  } else if ((vnet.gsoType & ~kGsoEcn) == kGsoUdp) {
    return false;  // a datagram ends where its sender says
  }
  if (headerBytes >= limit) return false;
  vnet.gsoBytes = static_cast<uint16_t>(limit - headerBytes);
  std::memcpy(record + layout::train_vnetAt, &vnet, sizeof vnet);
  return true;
}

// For what waited while its peer's limit fell.
void Sealer::refit(uint8_t* record) {
  const bool isBegun = cell<uint32_t>(record, layout::train_progressAt) != 0;
  if (!isBegun && cell<uint32_t>(record, layout::train_lengthAt) > limit_) recut(record, limit_);
}

// One segment at a time: some of them, or all, take several packets. The rare way, for what TCP's cut cannot help.
int Sealer::trainTooLong(Segmenter& segmenter, uint32_t& progress, uint32_t count) {
  uint32_t done = 0;
  uint32_t innerBytes = 0;
  auto refused = tally_->refused;
  int failure = 0;
  for (; done < count; done++) {
    const uint32_t length = segmenter.lengthOf(progress);
    uint8_t* segment = segmenter.build(progress);
    const int sealed = length > limit_ ? tooLong(segment, length) : packet(segment, length, ecnOf(segment, length) & ecnMask_);
    if (sealed < 0) {
      failure = sealed;
      break;
    }
    progress += 1;
    if (tally_->refused == refused) innerBytes += length;
    refused = tally_->refused;
  }
  bookInner(innerBytes);
  segmenter.restore();
  return done == 0 ? failure : static_cast<int>(done);
}

// Its sender is told, and it is carried all the same where that is possible: in FRAG frames to a peer that reads them; to another in
// fragments of its own when it allows that, else of what carries it. 0, or a negative errno.
int Sealer::tooLong(uint8_t* plain, uint32_t length) {
  const IpView ip = viewIp(plain, length);
  const bool mayBeCut = ip.version == 4 && !dontFragment(plain);
  const bool isPromised = ip.version == 6 && length <= InnerLimits::kLeastV6;
  const bool readsFrames = limits_.readsFragments(order_.slot);
  // Who pings asks whether packets as long as the tunnel's MTU arrive: in frames they do, and an answer would say no.
  const bool isPing = ip.protocol == kProtocolIcmp || ip.protocol == kProtocolIcmpV6;
  if (!mayBeCut && !isPromised && !(readsFrames && isPing)) tell(order_.peer, plain, length, limit_, order_.nowUs);
  const uint8_t ecn = ecnOf(plain, length) & ecnMask_;
  if (readsFrames) return cutFrames(plain, length, ecn, orderFlag(plain, length));
  if (mayBeCut) return cutIpv4(plain, ip, ecn);
  if (limits_.outer() == OuterFragments::Never) {
    tally_->refused += 1;
    return 0;
  }
  const int sealed = packet(plain, length, ecn);
  if (sealed > 0) tally_->outer += 1;
  return std::min(sealed, 0);
}

void Sealer::tell(int32_t peer, const uint8_t* packet, uint32_t length, uint32_t limit, double nowUs) {
  if (limits_.isPassing(peer)) return;
  const uint32_t mtu = packet[0] >> 4 == 6 ? std::max(limit, InnerLimits::kLeastV6) : limit;
  if (teller_.tell(peer, packet, length, mtu, nowUs)) tally_->told += 1;
}

// Whether the link's ring takes `packets` of which each may need a descriptor: what began must not stop half-way.
bool Sealer::makeRoom(uint32_t packets) {
  finishDescriptor();
  // The record at the ring's end that does not fit there costs one more.
  return link_->hasRoom((packets + 1) * static_cast<uint32_t>(layout::descriptor_bytes + layout::ring_recordHeaderBytes));
}

// Equal pieces, each with its header written over the end of the piece before it, which is sealed by then; before the first there are
// 8 bytes of the record's header, or of the segment before.
int Sealer::cutFrames(uint8_t* plain, uint32_t length, uint8_t ecn, uint8_t flags) {
  constexpr uint32_t kHeader = layout::fragment_headerBytes;
  const uint32_t pieces = std::max(2u, (length + limit_ - kHeader - 1) / (limit_ - kHeader));
  if (pieces > layout::fragment_maxPieces || length > UINT16_MAX) {
    tally_->refused += 1;
    return 0;
  }
  if (!makeRoom(pieces)) return -ENOSPC;
  if (!takeCounters(pieces)) return -EKEYEXPIRED;
  const uint32_t pieceBytes = (length + pieces - 1) / pieces;
  const auto total = static_cast<uint16_t>(length);
  const auto each = static_cast<uint16_t>(pieceBytes);
  uint8_t before[kHeader];
  std::memcpy(before, plain - kHeader, kHeader);
  for (uint32_t i = 0; i < pieces; i++) {
    uint8_t* frame = plain + i * pieceBytes - kHeader;
    const uint32_t bytes = kHeader + std::min(pieceBytes, length - i * pieceBytes);
    frame[0] = 0;
    frame[layout::fragment_kindAt] = layout::controlKind_fragment;
    frame[layout::fragment_indexAt] = static_cast<uint8_t>(i);
    frame[layout::fragment_flagsAt] = flags;
    std::memcpy(frame + layout::fragment_totalAt, &total, 2);
    std::memcpy(frame + layout::fragment_pieceBytesAt, &each, 2);
    if (room(padded(bytes) + kDataHeaderBytes + kTagBytes, ecn)) sealOne(frame, bytes);
  }
  std::memcpy(plain - kHeader, before, kHeader);
  tally_->cut += 1;
  return 0;
}

// The inner packet of one that lies sealed in the log, with room before and behind it, and its length without padding; null when its key
// is gone, or when it is no IP packet: a frame is not cut.
uint8_t* Sealer::reopen(const Flight::Taken& taken, uint32_t& length) {
  constexpr uint32_t kBefore = 64, kBehind = 64;
  const uint8_t* sealed = log_.at(taken.position) + taken.offset;
  if (!sessions_.has(taken.slot) || taken.bytes < kDataHeaderBytes + kTagBytes + 20) return nullptr;
  uint32_t index;
  std::memcpy(&index, sealed + 4, sizeof index);
  const bool isAes = index == cell<uint32_t>(sessions_.slot(taken.slot), layout::session_remoteIndexAesAt);
  AeadContext* context = reopeners_.get(taken.slot, isAes ? Cipher::Aes256Gcm : Cipher::ChaCha20Poly1305);
  if (context == nullptr) return nullptr;
  reopened_.resize(kBefore + kMaxDescriptorBytes + kBehind);
  uint8_t* plain = reopened_.data() + kBefore;
  const uint32_t bytes = taken.bytes - kDataHeaderBytes;
  if (!context->open(plain, sealed + kDataHeaderBytes, bytes, taken.counter)) return nullptr;
  const uint32_t most = bytes - kTagBytes;
  if (plain[0] >> 4 != 4 && plain[0] >> 4 != 6) return nullptr;
  length = viewIp(plain, most).length;
  return length >= 20 && length <= most ? plain : nullptr;
}

// What has left before, and may arrive after all: the packet says under which counter, so that the peer takes one of the two.
void Sealer::cutAgain(uint8_t* plain, uint32_t length, const Flight::Taken& taken) {
  constexpr uint32_t kAgain = layout::fragment_againBytes;
  const uint8_t flags = orderFlag(plain, length);
  const bool isRead = (cell<int32_t>(slot_, layout::session_capabilitiesAt) & layout::capability_again) != 0;
  // Counters of another session mean nothing in this one.
  if (isRead && taken.slot == order_.slot) {
    std::memcpy(plain - kAgain, &taken.counter, kAgain);
    cutFrames(plain - kAgain, length + kAgain, taken.ecn, flags | layout::fragment_flagAgain);
  } else if (length > limit_) {
    cutFrames(plain, length, taken.ecn, flags);
  } else {
    packet(plain, length, taken.ecn);
  }
}

uint32_t Sealer::resendCut(const Order& order, RingProducer* link, uint32_t maxBytes, uint32_t longest) {
  constexpr uint32_t kLeastPiece = 256;
  if (longest < kLeastPiece || open(order, link) != 0) return 0;
  limit_ = longest - kDataHeaderBytes - kTagBytes;
  order_.maxPaddedBytes = limit_;
  Flight& record = flight(order.peer);
  Flight::Taken taken{};
  uint32_t packets = 0;
  while (sealedBytes_ < maxBytes) {
    // As much as any packet needs: what is taken and finds no room is lost for good.
    if (!makeRoom(layout::fragment_maxPieces) || !record.takeLonger(log_, longest, taken)) break;
    uint32_t length = 0;
    uint8_t* plain = reopen(taken, length);
    if (plain == nullptr) continue;
    order_.trafficClass = taken.trafficClass;
    const auto sealedBefore = sealedBytes_;
    cutAgain(plain, length, taken);
    finishDescriptor();
    if (sealedBytes_ != sealedBefore) packets += 1;
  }
  record.noteTaken(static_cast<uint32_t>(order.path) % Flight::kPaths, packets);
  return close();
}

// RFC 791 section 3.2. A packet that is a fragment itself is cut the same way.
int Sealer::cutIpv4(uint8_t* plain, const IpView& ip, uint8_t ecn) {
  const uint32_t headerBytes = ip.headerBytes;
  const uint32_t payloadBytes = ip.length - headerBytes;
  const uint32_t step = (limit_ - headerBytes) & ~7u;
  const uint32_t pieces = (payloadBytes + step - 1) / step;
  if (pieces > kMaxFragments) {
    tally_->refused += 1;
    return 0;
  }
  if (!makeRoom(pieces)) return -ENOSPC;
  if (!takeCounters(pieces)) return -EKEYEXPIRED;
  uint8_t header[kMaxIpv4HeaderBytes];
  std::memcpy(header, plain, headerBytes);
  const uint16_t place = readBe16(header + 6);
  for (uint32_t i = 0; i < pieces; i++) {
    const uint32_t bytes = std::min(step, payloadBytes - i * step);
    const bool isLast = i + 1 == pieces;
    uint8_t* fragment = plain + i * step;
    if (i == 1) blankOptions(header, headerBytes);
    std::memcpy(fragment, header, headerBytes);
    writeBe16(fragment + 2, static_cast<uint16_t>(headerBytes + bytes));
    const auto offset = static_cast<uint16_t>((place & kOffsetMask) + i * step / 8);
    writeBe16(fragment + 6, static_cast<uint16_t>(offset | (isLast ? place & kMoreFragments : kMoreFragments)));
    writeIpv4Checksum(fragment);
    if (room(padded(headerBytes + bytes) + kDataHeaderBytes + kTagBytes, ecn)) sealOne(fragment, headerBytes + bytes);
  }
  tally_->fragmented += 1;
  return 0;
}

}  // namespace hawser
