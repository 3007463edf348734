#include "segment.h"

#include <algorithm>
#include <cstring>

#include "checksum.h"
#include "packet.h"

namespace hawser {
namespace {
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint8_t kTcpCwr = 0x80;
}  // namespace

bool Segmenter::begin(const VnetHeader& header, uint8_t* packet, uint32_t length) {
  packet_ = packet;
  length_ = length;
  vnet_ = header;
  gsoType_ = header.gsoType & ~kGsoEcn;
  if (length < 20) return false;
  v4_ = packet[0] >> 4 == 4;
  if (gsoType_ == kGsoNone) {
    count_ = 1;
    headerBytes_ = 0;
    return true;
  }
  return readGso(header);
}

// The header length the kernel writes is a hint (drivers/net/tun.c takes it from skb_headlen); it is taken from the packet.
bool Segmenter::readGso(const VnetHeader& header) {
  transportAt_ = header.checksumStart;
  const bool tcp = gsoType_ == kGsoTcp4 || gsoType_ == kGsoTcp6;
  if (!tcp && gsoType_ != kGsoUdp) return false;
  const uint32_t version = packet_[0] >> 4;
  if (version != 4 && version != 6) return false;
  if ((gsoType_ == kGsoTcp4 && !v4_) || (gsoType_ == kGsoTcp6 && v4_)) return false;
  if (transportAt_ < (v4_ ? 20u : 40u) || transportAt_ + (tcp ? 20u : 8u) > length_) return false;
  if (v4_ && (packet_[0] & 15) * 4u != transportAt_) return false;
  const uint32_t transportBytes = tcp ? (packet_[transportAt_ + 12] >> 4) * 4u : 8u;
  if (tcp && transportBytes < 20) return false;
  headerBytes_ = transportAt_ + transportBytes;
  segmentBytes_ = header.gsoBytes;
  if (headerBytes_ > kMaxHeaderBytes || headerBytes_ >= length_ || segmentBytes_ == 0) return false;
  count_ = (length_ - headerBytes_ + segmentBytes_ - 1) / segmentBytes_;
  std::memcpy(template_, packet_, headerBytes_);
  return true;
}

uint32_t Segmenter::lengthOf(uint32_t index) const {
  if (gsoType_ == kGsoNone) return length_;
  return headerBytes_ + std::min(segmentBytes_, length_ - headerBytes_ - index * segmentBytes_);
}

uint8_t* Segmenter::build(uint32_t index) {
  if (gsoType_ == kGsoNone) {
    completeChecksum();
    return packet_;
  }
  const uint32_t payloadBytes = lengthOf(index) - headerBytes_;
  uint8_t* segment = packet_ + static_cast<size_t>(index) * segmentBytes_;
  std::memcpy(segment, template_, headerBytes_);
  if (v4_) {
    writeBe16(segment + 2, static_cast<uint16_t>(headerBytes_ + payloadBytes));
    writeBe16(segment + 4, static_cast<uint16_t>(readBe16(template_ + 4) + index));
    writeIpv4Checksum(segment);
  } else {
    writeBe16(segment + 4, static_cast<uint16_t>(headerBytes_ - 40 + payloadBytes));
  }
  buildTransport(segment, index, payloadBytes);
  return segment;
}

void Segmenter::buildTransport(uint8_t* segment, uint32_t index, uint32_t payloadBytes) {
  uint8_t* transport = segment + transportAt_;
  const uint32_t transportBytes = headerBytes_ - transportAt_ + payloadBytes;
  uint8_t protocol = kProtocolTcp;
  uint32_t checksumAt = 16;
  if (gsoType_ == kGsoUdp) {
    protocol = kProtocolUdp;
    checksumAt = 6;
    writeBe16(transport + 4, static_cast<uint16_t>(transportBytes));
  } else {
    writeBe32(transport + 4, readBe32(template_ + transportAt_ + 4) + index * segmentBytes_);
    // RFC 9293: FIN and PSH belong to the last byte; RFC 3168 6.1.2: CWR to the first segment.
    if (index + 1 != count_) transport[13] &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
    if (index != 0) transport[13] &= static_cast<uint8_t>(~kTcpCwr);
  }
  transport[checksumAt] = transport[checksumAt + 1] = 0;
  const uint64_t sum = sumPseudoHeader(segment, protocol, transportBytes) + sumWords(transport, transportBytes);
  uint16_t checksum = static_cast<uint16_t>(~foldSum(sum));
  if (checksum == 0 && gsoType_ == kGsoUdp) checksum = 0xffff;
  std::memcpy(transport + checksumAt, &checksum, 2);
}

// A plain packet with a partial checksum: the field holds the pseudo-header's sum, the rest is ours to add.
void Segmenter::completeChecksum() {
  if ((vnet_.flags & kVnetNeedsChecksum) == 0) return;
  const uint32_t at = vnet_.checksumStart + vnet_.checksumOffset;
  if (vnet_.checksumStart >= length_ || at + 2 > length_) return;
  uint16_t checksum = static_cast<uint16_t>(~foldSum(sumWords(packet_ + vnet_.checksumStart, length_ - vnet_.checksumStart)));
  if (checksum == 0) checksum = 0xffff;
  std::memcpy(packet_ + at, &checksum, 2);
}

void Segmenter::restore() {
  if (gsoType_ != kGsoNone) std::memcpy(packet_, template_, headerBytes_);
}

}  // namespace hawser
