// An Opener with its rings and tables around it, one peer with one session, and a sender that seals for it.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "memory.h"
#include "packets.h"
#include "sys/open.h"
#include "sys/seal.h"

namespace hawser::test {

inline constexpr uint32_t kIndex = 0x77665544;
inline constexpr int32_t kPaths = layout::capability_paths;
inline constexpr int32_t kEcn = layout::capability_ecn;
inline constexpr uint32_t kHeader = layout::received_payloadAt;

class OpenBench {
 public:
  explicit OpenBench(uint32_t outBytes = 1 << 20) : out_(outBytes) {
    sessions_.install(0, kIndex, 9);
    uint8_t key[aeadKeyBytes];
    std::memset(key, 9, sizeof key);
    sealing_.initialise(Cipher::ChaCha20Poly1305, key, true);
    input_ = received_.consumer();
    producer_ = received_.producer();
    plain_ = out_.consumer();
    events = events_.consumer();
    reports = reports_.consumer();
    heard = heard_.consumer();
    start();
  }

  Bytes sealed(const Bytes& inner, uint64_t counter) {
    Bytes datagram(kDataHeaderBytes + inner.size() + kTagBytes);
    datagram[0] = kTypeData;
    std::memcpy(datagram.data() + 4, &kIndex, 4);
    std::memcpy(datagram.data() + 8, &counter, 8);
    sealing_.seal(datagram.data() + kDataHeaderBytes, inner.data(), inner.size(), counter);
    return datagram;
  }

  // An endpoint of 10.0.0.`host`, as the kernel writes it.
  static void endpoint(uint8_t* at, uint8_t host) {
    const uint8_t address[8] = {2, 0, 0x12, 0x34, 10, 0, 0, host};
    std::memcpy(at, address, sizeof address);
  }

  // A path of peer 0, in row `row`: 10.0.0.`host` by link `link` and a transport.
  void addPath(int32_t row, int32_t link, uint8_t host, int32_t transport = 0) {
    uint8_t* path = paths_.table().row(row);
    endpoint(path + layout::path_endpointAt, host);
    cell<int32_t>(path, layout::path_carrierAt) = link * static_cast<int32_t>(layout::carrier_rowsPerLink) + transport;
    cell<int32_t>(path, layout::path_stateAt) = layout::pathState_up;
    uint8_t* end = peers_.table().row(0) + layout::peer_firstPathAt;
    while (cell<int32_t>(end, 0) != 0) end = paths_.table().row(cell<int32_t>(end, 0) - 1) + layout::path_nextAt;
    cell<int32_t>(end, 0) = row + 1;
  }

  // What is received from now on comes from there.
  void from(int32_t link, uint8_t host, double kernelUs = 0) {
    link_ = link;
    host_ = host;
    kernelUs_ = kernelUs;
  }

  // By that transport.
  void by(int32_t transport) { transport_ = transport; }

  // From an endpoint of that kind.
  void ofKind(uint16_t kind) { kind_ = kind; }

  // With that DSCP and ECN byte outside.
  void marked(uint8_t trafficClass) { trafficClass_ = trafficClass; }

  // And goes to that address of ours.
  void to(uint8_t local) { local_ = local; }

  // One received message: datagrams of equal length but the last.
  bool receive(const std::vector<Bytes>& datagrams, uint32_t segmentBytes = 0) {
    Bytes all;
    for (const Bytes& one : datagrams) all.insert(all.end(), one.begin(), one.end());
    uint8_t* record = producer_.claim(static_cast<uint32_t>(kHeader + all.size()));
    if (record == nullptr) return false;
    std::memset(record, 0, kHeader);
    endpoint(record + layout::received_endpointAt, host_);
    cell<uint16_t>(record, layout::received_endpointAt) = kind_;
    cell<int32_t>(record, layout::received_carrierAt) = link_ * static_cast<int32_t>(layout::carrier_rowsPerLink) + transport_;
    record[layout::received_localAt] = local_;
    cell<double>(record, layout::received_timeAt) = kernelUs_;
    cell<int32_t>(record, layout::received_trafficClassAt) = trafficClass_;
    cell<uint32_t>(record, layout::received_segmentBytesAt) = segmentBytes != 0 ? segmentBytes : static_cast<uint32_t>(datagrams[0].size());
    cell<uint32_t>(record, layout::received_lengthAt) = static_cast<uint32_t>(all.size());
    std::memcpy(record + kHeader, all.data(), all.size());
    producer_.commit(static_cast<uint32_t>(kHeader + all.size()), layout::recordType_received);
    producer_.publish();
    return true;
  }

  // One turn of the actor; false when there was nothing to do.
  bool turn() {
    const uint32_t count = opener_->look(input_, runs_, 16);
    if (count == 0) return false;
    for (uint32_t i = 0; i < count; i++) runs_[i].slot = runs_[i].receiverIndex == kIndex ? 0 : -1;
    result = OpenResult{};
    opener_->open(input_, runs_, count, nowUs, result);
    total.packets += result.packets;
    total.replayed += result.replayed;
    total.rejected += result.rejected;
    total.unknown += result.unknown;
    total.keepalives += result.keepalives;
    total.control += result.control;
    total.parity += result.parity;
    total.unmarkable += result.unmarkable;
    total.unjoined += result.unjoined;
    return true;
  }

  // Calls `see` with each train of the output: its record, packets and bytes.
  template <typename See>
  void drainTrains(See see) {
    for (uint8_t* record = plain_.peek(); record != nullptr; record = plain_.peek()) {
      see(record + layout::train_packetAt, cell<uint32_t>(record, layout::train_progressAt), cell<uint32_t>(record, layout::train_lengthAt));
      plain_.advance();
    }
    plain_.release();
  }

  uint32_t drain() {
    uint32_t packets = 0;
    for (uint8_t* record = plain_.peek(); record != nullptr; record = plain_.peek()) {
      packets += cell<uint32_t>(record, layout::train_progressAt);
      plain_.advance();
    }
    plain_.release();
    return packets;
  }

  // Records of what was delivered, whole.
  std::vector<Bytes> drainRecords() {
    std::vector<Bytes> records;
    for (uint8_t* record = plain_.peek(); record != nullptr; record = plain_.peek()) {
      records.emplace_back(record, record + plain_.length());
      plain_.advance();
    }
    plain_.release();
    return records;
  }

  // Source ports of what was delivered, less kFirstPort, in order; packets of different ports are never joined.
  static constexpr uint16_t kFirstPort = 10'000;
  std::vector<uint32_t> drainPorts() {
    std::vector<uint32_t> ports;
    for (uint8_t* record = plain_.peek(); record != nullptr; record = plain_.peek()) {
      CHECK_EQUAL(cell<uint32_t>(record, layout::train_progressAt), 1);
      ports.push_back(readBe16(record + layout::train_packetAt + 20) - kFirstPort);
      plain_.advance();
    }
    plain_.release();
    return ports;
  }

  void restart() {
    start();
    input_ = received_.consumer();
  }

  void start() {
    OpenerParts parts;
    parts.sessions = sessions_.table();
    parts.peers = peers_.table();
    parts.paths = paths_.table();
    parts.allowedIps = AllowedIps(everybody_.get());
    parts.out = out_.producer();
    parts.events = events_.producer();
    parts.reports = reports_.producer();
    parts.heard = heard_.producer();
    parts.joinUdp = true;
    parts.unreported = unreported;
    parts.orderFromPaths = 2;
    parts.gaps = gaps;
    parts.lateness = lateness;
    parts.maxFecBytes = 1412;
    parts.limits = InnerLimits(parts.peers, parts.sessions, 1420, OuterFragments::Auto);
    opener_ = std::make_unique<Opener>(parts);
  }

  uint32_t waiting() { return producer_.usedBytes(); }

  bool giveUp(int32_t slot) { return opener_->giveUp(slot, nowUs); }
  GapFacts gap() { return opener_->gaps() == 0 ? GapFacts{-1, -1, -1, -1, -1, -1} : *reinterpret_cast<GapFacts*>(gaps + 1); }
  int32_t report(int32_t slot) { return opener_->report(slot, nowUs); }
  uint8_t* slot() { return sessions_.table().slot(0); }
  uint8_t* peer() { return peers_.table().row(0); }
  uint8_t* path(int32_t row) { return paths_.table().row(row); }
  // Says that paths came or went.
  void bumpPaths() { cell<int32_t>(paths_.get(), layout::path_versionAt) += 1; }
  // The slot's keys are gone and it has others (the same, for the sender's sake).
  void renewSlot() {
    cell<int32_t>(slot(), layout::session_generationAt) += 1;
    cell<uint64_t>(slot(), layout::session_receiveNextAt) = 0;
    std::memset(sessions_.table().window(0), 0, sessions_.table().windowBits() / 8);
  }
  // The peer said that it reads reports, and maybe more.
  void allowPaths(int32_t more = 0) { cell<int32_t>(slot(), layout::session_capabilitiesAt) = kPaths | more; }

  OpenResult result{};
  OpenResult total{};
  double nowUs = 1;
  int32_t unreported[3] = {};
  double gaps[1 + Reorder::kMaxGaps * 6] = {};
  double lateness[1 + Reorder::kMaxLateness * 3] = {};
  RingConsumer events;
  RingConsumer reports;
  RingConsumer heard;

 private:
  RingMemory received_{1 << 20};
  RingMemory out_;
  RingMemory events_{1 << 14};
  RingMemory reports_{1 << 14};
  RingMemory heard_{1 << 14};
  SessionMemory sessions_{2, 65'600};
  PeerMemory peers_{1};
  PathMemory paths_{64};
  EverybodyMemory everybody_;
  RingConsumer input_;
  int32_t link_ = 0;
  int32_t transport_ = 0;
  uint16_t kind_ = layout::endpoint_ip4;
  uint8_t host_ = 1;
  uint8_t local_ = 0;
  uint8_t trafficClass_ = 0;
  double kernelUs_ = 0;
  RingProducer producer_;
  RingConsumer plain_;
  AeadContext sealing_;
  std::unique_ptr<Opener> opener_;
  OpenRun runs_[Opener::kMaxRuns];
};

}  // namespace hawser::test
