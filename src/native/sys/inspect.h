// Facts about a train, for TypeScript to decide by: where it goes and what it is. No decision is taken here.
#pragma once
#include <algorithm>
#include <cstdint>

#include "allowed_ips.h"
#include "mss.h"
#include "packet.h"
#include "ring.h"
#include "segment.h"
#include "vnet.h"

namespace hawser {

using TrainFacts = layout::FactsRow;

// RFC 9293: no data, ACK alone of the flags, and of the options only padding and timestamps; so a later one says all that it says.
inline bool isPureAck(const uint8_t* tcp, uint32_t headerBytes, uint32_t payloadBytes) {
  constexpr uint8_t kAck = 0x10, kEnd = 0, kNoOperation = 1, kTimestamps = 8, kTimestampsBytes = 10;
  if (payloadBytes != 0 || tcp[13] != kAck || (tcp[12] & 15) != 0) return false;
  for (uint32_t at = 20; at < headerBytes && tcp[at] != kEnd;) {
    if (tcp[at] == kNoOperation) {
      at += 1;
    } else if (tcp[at] == kTimestamps) {
      at += kTimestampsBytes;
    } else {
      return false;
    }
  }
  return true;
}

inline uint32_t mixHash(uint32_t hash, const uint8_t* bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i += 4) hash = (hash ^ readLe32(bytes + i)) * 0x9e3779b1u, hash ^= hash >> 15;
  return hash;
}

inline TrainFacts inspectTrain(uint8_t* record, CachedLookup& allowedIps) {
  TrainFacts facts{};
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
  const uint8_t* packet = record + layout::train_packetAt;
  facts.bytes = static_cast<int32_t>(length);
  facts.segments = 1;
  facts.progress = cell<int32_t>(record, layout::train_progressAt);
  facts.peer = -2;
  const IpView ip = viewIp(packet, length);
  if (ip.version == 0) return facts;
  facts.peer = allowedIps.find(ip.destination, ip.addressBytes);
  facts.protocol = ip.protocol;
  facts.trafficClass = ip.trafficClass;
  uint32_t hash = mixHash(0x811c9dc5u ^ ip.protocol, ip.source, ip.addressBytes * 2u);
  uint32_t headerBytes = ip.headerBytes;
  const uint8_t* transport = packet + ip.headerBytes;
  const bool tcp = ip.protocol == kProtocolTcp && length >= ip.headerBytes + 20u;
  if (tcp || (ip.protocol == kProtocolUdp && length >= ip.headerBytes + 8u)) {
    facts.sourcePort = readBe16(transport);
    facts.destinationPort = readBe16(transport + 2);
    hash = mixHash(hash, transport, 4);
    headerBytes += tcp ? (transport[12] >> 4) * 4u : 8u;
  }
  facts.flow = static_cast<int32_t>(hash & 0x7fffffff);
  facts.payloadBytes = static_cast<int32_t>(length - std::min(length, headerBytes));
  if (tcp) facts.syn = (transport[13] & kTcpSynFlag) != 0 ? 1 : 0;
  if (tcp && headerBytes >= ip.headerBytes + 20u && headerBytes <= length) {
    facts.ack = static_cast<int32_t>(readBe32(transport + 8));
    facts.pureAck = isPureAck(transport, headerBytes - ip.headerBytes, static_cast<uint32_t>(facts.payloadBytes)) ? 1 : 0;
  }
  if ((vnet.gsoType & ~kGsoEcn) != kGsoNone) {
    // The segmenter's own count: TypeScript takes a train for done by it.
    Segmenter segmenter;
    if (segmenter.begin(vnet, record + layout::train_packetAt, length)) facts.segments = static_cast<int32_t>(segmenter.count());
  }
  return facts;
}

// Whether two trains have the same addresses and ports; both are TCP.
inline bool isSameConnection(const uint8_t* a, uint32_t aLength, const uint8_t* b, uint32_t bLength) {
  const IpView one = viewIp(a, aLength);
  const IpView other = viewIp(b, bLength);
  if (one.version == 0 || one.version != other.version || one.protocol != kProtocolTcp || other.protocol != kProtocolTcp) return false;
  if (aLength < one.headerBytes + 4u || bLength < other.headerBytes + 4u) return false;
  return std::memcmp(one.source, other.source, one.addressBytes * 2u) == 0 && std::memcmp(a + one.headerBytes, b + other.headerBytes, 4) == 0;
}

}  // namespace hawser
