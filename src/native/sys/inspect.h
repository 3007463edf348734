// Facts about a train, for TypeScript to decide by: where it goes and what it is. No decision is taken here.
#pragma once
#include <algorithm>
#include <cstdint>

#include "allowed_ips.h"
#include "checksum.h"
#include "packet.h"
#include "ring.h"
#include "segment.h"
#include "vnet.h"

namespace hawser {

// As TypeScript sees it in an Int32Array (data-api.ts names the columns).
struct TrainFacts {
  int32_t bytes;
  int32_t segments;
  int32_t progress;
  int32_t peer;          // row of the peer table, -1 = no allowed IP matches, -2 = not an IP packet
  int32_t flow;          // hash of addresses, protocol and ports
  int32_t protocol;      // of the IP payload; 0 for fragments and extension headers
  int32_t sourcePort;
  int32_t destinationPort;
  int32_t trafficClass;  // DSCP and ECN byte
  int32_t payloadBytes;  // behind the transport header, of the whole train
};

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
  if ((vnet.gsoType & ~kGsoEcn) != kGsoNone) {
    // The segmenter's own count: TypeScript takes a train for done by it.
    Segmenter segmenter;
    if (segmenter.begin(vnet, record + layout::train_packetAt, length)) facts.segments = static_cast<int32_t>(segmenter.count());
  }
  return facts;
}

// ECN (RFC 3168): 0 = the sender does not take part, 3 = congestion experienced. Returns 1 when the packet bears the mark now.
inline int markCongestionExperienced(uint8_t* packet, uint32_t length) {
  const IpView ip = viewIp(packet, length);
  if (ip.version == 0 || (ip.trafficClass & 3) == 0) return 0;
  if (ip.version == 6) {
    packet[1] |= 0x30;
    return 1;
  }
  packet[1] |= 3;
  writeIpv4Checksum(packet);
  return 1;
}

}  // namespace hawser
