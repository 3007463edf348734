#include "coalesce.h"

#include <cstring>

#include "checksum.h"
#include "layout.h"

namespace hawser {
namespace {
constexpr uint8_t kTcpAck = 0x10;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint32_t kRecordBytes = layout::train_maxRecordBytes;
}  // namespace

void Coalescer::begin(RingProducer* out, bool joinUdp, double nowUs) {
  out_ = out;
  joinUdp_ = joinUdp;
  nowUs_ = nowUs;
  record_ = nullptr;
  packets_ = 0;
}

uint8_t* Coalescer::place(uint32_t bytes) {
  // A packet that cannot fit behind the others cannot join them either. It must not even be decrypted there: that writes its
  // bytes before it is known to be authentic, and behind the record the ring may end.
  const bool fits = packets_ == 0 || length_ - headerBytes_ + bytes <= kMaxPacketBytes;
  if (packets_ != 0 && (closed_ || kind_ == Kind::Single || !fits)) finish();
  if (packets_ == 0) {
    if (record_ == nullptr) record_ = out_->claim(kRecordBytes);
    if (record_ == nullptr) return nullptr;
    return target_ = record_ + layout::train_packetAt;
  }
  // The next may turn out to be of another flow and need a record of its own, behind this one or at the ring's start.
  if (!out_->hasRoom(3 * kRecordBytes)) return nullptr;
  target_ = packet_ + length_ - headerBytes_;
  std::memcpy(saved_, target_, headerBytes_);
  return target_;
}

void Coalescer::discard() {
  if (packets_ != 0) std::memcpy(target_, saved_, headerBytes_);
}

void Coalescer::take(const IpView& ip) {
  if (packets_ == 0) {
    openRecord(ip, classify(ip, target_));
    return;
  }
  if (joins(ip, target_)) {
    join(ip, target_);
    return;
  }
  // Rare (a change of flow inside a run): by way of a scratch, since committing writes where the packet now lies.
  std::memcpy(scratch_, target_, ip.length);
  std::memcpy(target_, saved_, headerBytes_);
  finish();
  record_ = out_->claim(kRecordBytes);
  if (record_ == nullptr) return;  // place() made sure of the room; a smaller ring than three records loses the packet
  target_ = record_ + layout::train_packetAt;
  std::memcpy(target_, scratch_, ip.length);
  const IpView moved = viewIp(target_, ip.length);
  openRecord(moved, classify(moved, target_));
}

void Coalescer::end() {
  if (packets_ != 0) finish();
  record_ = nullptr;
  out_->publish();
}

// Whether a packet may begin a super-packet. Only plain data segments: no options in the IP header, ACK or ACK+PSH.
Coalescer::Kind Coalescer::classify(const IpView& ip, const uint8_t* packet) const {
  if (ip.headerBytes != (ip.version == 4 ? 20 : 40)) return Kind::Single;
  const uint8_t* transport = packet + ip.headerBytes;
  const uint32_t rest = ip.length - ip.headerBytes;
  if (ip.protocol == kProtocolTcp && rest > 20) {
    const uint32_t tcpHeader = (transport[12] >> 4) * 4u;
    const bool plain = (transport[13] & ~kTcpPush) == kTcpAck;
    return plain && tcpHeader >= 20 && tcpHeader < rest ? Kind::Tcp : Kind::Single;
  }
  if (joinUdp_ && ip.protocol == kProtocolUdp && rest > 8 && readBe16(transport + 4) == rest) return Kind::Udp;
  return Kind::Single;
}

void Coalescer::openRecord(const IpView& ip, Kind kind) {
  packet_ = target_;
  length_ = ip.length;
  packets_ = 1;
  kind_ = kind;
  closed_ = false;
  if (kind == Kind::Single) return;
  transportAt_ = ip.headerBytes;
  const uint8_t* transport = packet_ + transportAt_;
  headerBytes_ = transportAt_ + (kind == Kind::Tcp ? (transport[12] >> 4) * 4u : 8u);
  segmentBytes_ = length_ - headerBytes_;
  closed_ = kind == Kind::Tcp && (transport[13] & kTcpPush) != 0;
}

bool Coalescer::joins(const IpView& ip, const uint8_t* next) const {
  if (packet_[0] != next[0] || ip.headerBytes != transportAt_) return false;
  const uint32_t payload = ip.length - headerBytes_;
  if (ip.length <= headerBytes_ || payload > segmentBytes_ || length_ + payload > kMaxPacketBytes) return false;
  if (packets_ >= 64) return false;  // UDP_MAX_SEGMENTS of older kernels; trains are shorter anyway
  if (ip.version == 4) {
    // TOS, flags and fragment offset, TTL, protocol, addresses; ids must count up unless DF makes them meaningless (RFC 6864).
    if (packet_[1] != next[1] || packet_[6] != next[6] || packet_[7] != next[7] || packet_[8] != next[8] || packet_[9] != next[9]) return false;
    if (std::memcmp(packet_ + 12, next + 12, 8) != 0) return false;
    const bool dontFragment = (packet_[6] & 0x40) != 0;
    if (!dontFragment && readBe16(next + 4) != static_cast<uint16_t>(readBe16(packet_ + 4) + packets_)) return false;
  } else if (std::memcmp(packet_, next, 4) != 0 || std::memcmp(packet_ + 6, next + 6, 34) != 0) {
    return false;
  }
  if (std::memcmp(packet_ + transportAt_, next + transportAt_, 4) != 0) return false;  // ports
  if (kind_ == Kind::Tcp) return joinsTcp(next);
  return readBe16(next + transportAt_ + 4) == ip.length - transportAt_;
}

bool Coalescer::joinsTcp(const uint8_t* next) const {
  const uint8_t* ours = packet_ + transportAt_;
  const uint8_t* theirs = next + transportAt_;
  const uint32_t expected = readBe32(ours + 4) + (length_ - headerBytes_);
  return readBe32(theirs + 4) == expected && std::memcmp(ours + 8, theirs + 8, 5) == 0 /* acknowledgement, data offset */ &&
         (theirs[13] & ~kTcpPush) == kTcpAck && std::memcmp(ours + 14, theirs + 14, 2) == 0 /* window */ &&
         std::memcmp(ours + 18, theirs + 18, headerBytes_ - transportAt_ - 18) == 0 /* urgent pointer, options */;
}

void Coalescer::join(const IpView& ip, const uint8_t* next) {
  const uint32_t payload = ip.length - headerBytes_;
  const bool push = kind_ == Kind::Tcp && (next[transportAt_ + 13] & kTcpPush) != 0;
  std::memcpy(target_, saved_, headerBytes_);
  if (push) packet_[transportAt_ + 13] |= kTcpPush;
  length_ += payload;
  packets_ += 1;
  closed_ = push || payload < segmentBytes_;
}

void Coalescer::finish() {
  VnetHeader header{};
  if (packets_ > 1) finishGso(header);
  std::memcpy(record_ + layout::train_vnetAt, &header, sizeof header);
  cell<uint32_t>(record_, layout::train_progressAt) = packets_;
  cell<uint32_t>(record_, layout::train_lengthAt) = length_;
  cell<double>(record_, layout::train_timeAt) = nowUs_;
  out_->commit(layout::train_packetAt + length_, layout::recordType_train);
  packets_ = 0;
  record_ = nullptr;
}

// The checksum stays partial: the kernel, or a card, completes it when it is ever needed (the AEAD has proven the bytes).
void Coalescer::finishGso(VnetHeader& header) {
  const bool v4 = packet_[0] >> 4 == 4;
  const bool tcp = kind_ == Kind::Tcp;
  const uint32_t transportBytes = length_ - transportAt_;
  if (v4) {
    writeBe16(packet_ + 2, static_cast<uint16_t>(length_));
    writeIpv4Checksum(packet_);
  } else {
    writeBe16(packet_ + 4, static_cast<uint16_t>(transportBytes));
  }
  if (!tcp) writeBe16(packet_ + transportAt_ + 4, static_cast<uint16_t>(transportBytes));
  header.flags = kVnetNeedsChecksum;
  header.gsoType = tcp ? (v4 ? kGsoTcp4 : kGsoTcp6) : kGsoUdp;
  header.headerBytes = static_cast<uint16_t>(headerBytes_);
  header.gsoBytes = static_cast<uint16_t>(segmentBytes_);
  header.checksumStart = static_cast<uint16_t>(transportAt_);
  header.checksumOffset = tcp ? 16 : 6;
  const uint16_t partial = foldSum(sumPseudoHeader(packet_, tcp ? kProtocolTcp : kProtocolUdp, transportBytes));
  std::memcpy(packet_ + transportAt_ + header.checksumOffset, &partial, 2);
}

}  // namespace hawser
