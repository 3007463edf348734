#include "open_dispatch.h"

#include <algorithm>
#include <cstring>

#include "ecn.h"
#include "fragments.h"
#include "mss.h"

namespace hawser {
namespace {
// One event says it; a new path brings many packets before anybody could act on the first.
constexpr double kRoamedSpacingUs = 1000;
// A record that lay longer in the ring says more of this machine than of the path.
constexpr double kLongestStayUs = 100'000;
// Of a PROBE the rest is zeros, whose number alone mattered.
constexpr uint32_t kProbeBytes = 64;
// A peer that has sent data so lately waits for news of it.
constexpr double kStreamUs = 200'000;

// CLOCK_REALTIME microseconds when the kernel had a received record.
double kernelUs(const uint8_t* record) {
  const double stamp = cell<double>(const_cast<uint8_t*>(record), layout::received_timeAt);
  return stamp > 0 ? stamp : realtimeUs();
}
}  // namespace

void Dispatcher::beginRun(const Arrival& arrival) {
  brought_ = Brought{};
  outerEcn_ = cell<int32_t>(const_cast<uint8_t*>(arrival.record), layout::received_trafficClassAt) & kEcnMask;
}

void Dispatcher::book(uint64_t counter, uint32_t length, const Arrival& arrival) {
  if (brought_.datagrams == 0) {
    uint8_t* keys = arrival.from->keys;
    brought_.pathRow = ledger_.find(arrival.record, arrival.from->peer);
    cell<double>(arrival.from->row, layout::peer_lastReceivedAt) = arrival.nowUs;
    cell<double>(keys, layout::session_lastReceivedAt) = arrival.nowUs;
    if (cell<double>(keys, layout::session_firstReceivedAt) == 0) tellKeysUsed(arrival);
  }
  brought_.datagrams += 1;
  brought_.bytes += length;
  brought_.counter = counter;
  brought_.lowest = std::min(brought_.lowest, counter);
  brought_.largest = std::max(brought_.largest, counter);
}

void Dispatcher::bookRebuilt(Brought before, uint64_t counter) {
  before.packets = brought_.packets;
  before.innerBytes = brought_.innerBytes;
  before.lowest = std::min(before.lowest, counter);
  before.hasData = before.hasData || brought_.hasData;
  brought_ = before;
}

// A peer that cannot be on many paths at once is where it was heard last.
void Dispatcher::endRun(const Arrival& arrival) {
  if (brought_.datagrams == 0) return;
  uint8_t* peer = arrival.from->row;
  add(peer, layout::peer_receivedPacketsAt, brought_.packets);
  add(peer, layout::peer_receivedBytesAt, brought_.bytes);
  add(peer, layout::peer_innerRxBytesAt, brought_.innerBytes);
  const int32_t slot = arrival.from->slot;
  const int32_t row = brought_.pathRow;
  const bool hasManyPaths = arrival.from->can(layout::capability_paths);
  if (row >= 0)
    ledger_.credit(row, {slot, brought_.datagrams, brought_.bytes, brought_.largest, arrival.nowUs, kernelUs(arrival.record), brought_.hasData,
                         brought_.ecnPackets, brought_.marked, brought_.innerBytes});
  if (row < 0 || (!hasManyPaths && row != cell<int32_t>(peer, layout::peer_pathAt))) tellRoamed(arrival);
  if (!hasManyPaths) return;
  reporter_.note(slot, brought_.lowest, row, brought_.hasData);
  if (brought_.isAsked) reportByWhatAsks(arrival);
}

Dispatcher::Kind Dispatcher::dispatch(uint8_t* plain, uint32_t length, const Arrival& arrival, IpView& ip) {
  brought_.isControl = false;
  if (length == 0) {
    arrival.result->keepalives += 1;
    return Kind::Nothing;
  }
  if (FragmentJoiner::isPiece(plain, length)) {
    notePiece(plain, arrival);
    return Kind::Piece;
  }
  // An inner packet whose first nibble is 0 is a control frame (docs/wire-format.md); 4 and 6 are IP.
  if (plain[0] >> 4 == 0) {
    brought_.isControl = true;
    return takeControl(plain, length, arrival);
  }
  noteData(arrival);
  if (!mayEnter(plain, length, arrival.from->peer, ip)) {
    reject(arrival);
    return Kind::Nothing;
  }
  // What parity has rebuilt had no outer header.
  if (outerEcn_ != kNotEct && !isRebuilding_ && !takeEcn(plain, ip, arrival)) return Kind::Nothing;
  if (!policer_.admits(arrival.from->row, ip.length, brought_.innerBytes, arrival.nowUs)) return Kind::Nothing;
  brought_.packets += 1;
  brought_.innerBytes += ip.length;
  arrival.result->packets += 1;
  arrival.result->bytes += static_cast<int32_t>(ip.length);
  return Kind::Packet;
}

bool Dispatcher::admitWhole(uint8_t* packet, uint32_t length, int32_t peer, bool isMarked, double nowUs) {
  IpView ip;
  uint8_t* row = peers_.row(peer);
  if (!mayEnter(packet, length, peer, ip)) {
    add(row, layout::peer_rejectedPacketsAt, 1);
    return false;
  }
  if (isMarked && decapsulateEcn(packet, ip, kCongestionExperienced) == Decapsulated::Dropped) {
    unmarkable_ += 1;
    return false;
  }
  if (!policer_.admits(row, ip.length, 0, nowUs)) return false;
  add(row, layout::peer_receivedPacketsAt, 1);
  add(row, layout::peer_receivedBytesAt, ip.length);
  add(row, layout::peer_innerRxBytesAt, ip.length);
  return true;
}

bool Dispatcher::isNews(int32_t peer, int32_t slot, int32_t generation, uint64_t counterBefore) {
  if (reporter_.takeBefore(slot, generation, counterBefore)) return true;
  add(peers_.row(peer), layout::peer_replayedPacketsAt, 1);
  return false;
}

void Dispatcher::reject(const Arrival& arrival) {
  arrival.result->rejected += 1;
  add(arrival.from->row, layout::peer_rejectedPacketsAt, 1);
}

// To whom a control frame is news: about sessions and addresses to the session-manager, about paths to the sealer, about what is being
// opened to who opens it.
Dispatcher::Kind Dispatcher::takeControl(const uint8_t* plain, uint32_t length, const Arrival& arrival) {
  arrival.result->control += 1;
  switch (length < 2 ? 0 : plain[1]) {
    case layout::controlKind_hello:
    case layout::controlKind_challenge:
    case layout::controlKind_response:
    case layout::controlKind_names:
    case layout::controlKind_limits:
    case layout::controlKind_enrol:
      forward(events_, plain, length, arrival, arrival.nowUs);
      return Kind::Nothing;
    case layout::controlKind_report:
    case layout::controlKind_probe:
    case layout::controlKind_probeReply: {
      // When the kernel had it: what it waited for us is no property of the path.
      const double stayUs = std::clamp(calledUs_ - kernelUs(arrival.record), -kLongestStayUs, kLongestStayUs);
      const uint32_t told = plain[1] == layout::controlKind_probe ? std::min(length, kProbeBytes) : length;
      forward(heard_, plain, told, arrival, arrival.nowUs - stayUs);
      if (plain[1] == layout::controlKind_probe) brought_.isAsked = true;
      return Kind::Nothing;
    }
    case layout::controlKind_parity:
      arrival.result->parity += 1;
      return Kind::Parity;
    case layout::controlKind_skip:
      return length >= layout::skip_bytes ? Kind::Skip : Kind::Nothing;
    default:
      return Kind::Nothing;
  }
}

// Who asks what stands by while it sends may have had no news by the path that carries, because that is blocked towards it: if what it
// sends arrives, it hears so together with the answer, which would speak against that path if it came alone.
void Dispatcher::reportByWhatAsks(const Arrival& arrival) {
  const int32_t row = brought_.pathRow;
  if (row < 0 || !ledger_.standsBy(row)) return;
  if (arrival.nowUs - cell<double>(arrival.from->row, layout::peer_lastDataReceivedAt) > kStreamUs) return;
  reporter_.write(arrival.from->slot, arrival.nowUs, row);
}

// A full ring loses it: every frame is said again by whoever needs an answer.
void Dispatcher::forward(RingProducer& to, const uint8_t* plain, uint32_t length, const Arrival& arrival, double atUs) {
  uint8_t* record = to.claim(static_cast<uint32_t>(layout::frame_payloadAt) + length);
  if (record == nullptr) return;
  cell<int32_t>(record, layout::frame_peerAt) = arrival.from->peer;
  cell<int32_t>(record, layout::frame_slotAt) = arrival.from->slot;
  cell<uint32_t>(record, layout::frame_lengthAt) = length;
  cell<int32_t>(record, layout::frame_classAt) = layout::trafficClass_control;
  cell<double>(record, layout::frame_timeAt) = atUs;
  cell<int32_t>(record, layout::frame_pathAt) = brought_.pathRow;
  std::memcpy(record + layout::frame_payloadAt, plain, length);
  to.commit(static_cast<uint32_t>(layout::frame_payloadAt) + length, layout::recordType_frameIn);
}

// Gives a packet the mark that its outer header has; false when it must be dropped instead.
bool Dispatcher::takeEcn(uint8_t* plain, IpView& ip, const Arrival& arrival) {
  const Decapsulated outcome = decapsulateEcn(plain, ip, outerEcn_);
  brought_.ecnPackets += 1;
  if (outcome != Decapsulated::Plain) brought_.marked += 1;
  if (outcome == Decapsulated::Dropped) arrival.result->unmarkable += 1;
  return outcome != Decapsulated::Dropped;
}

// Whether it is an IP packet from an address of the peer's, and then `ip`. What a SYN offers is lowered to what the tunnel takes.
bool Dispatcher::mayEnter(uint8_t* plain, uint32_t length, int32_t peer, IpView& ip) {
  ip = viewIp(plain, length);
  if (ip.version == 0 || allowedIps_.find(ip.source, ip.addressBytes) != peer) return false;
  if (isSyn(plain, ip)) clampMss(plain, ip, limits_.offered(peer, ip.version), true);
  return true;
}

// Data too; the mark of its outer header waits in it for the packet it belongs to.
void Dispatcher::notePiece(uint8_t* plain, const Arrival& arrival) {
  noteData(arrival);
  const uint8_t outer = isRebuilding_ ? kNotEct : outerEcn_;
  const bool isMarked = outer == kCongestionExperienced;
  FragmentJoiner::setMarked(plain, isMarked);
  if (outer != kNotEct) brought_.ecnPackets += 1;
  if (isMarked) brought_.marked += 1;
}

void Dispatcher::noteData(const Arrival& arrival) {
  brought_.hasData = true;
  cell<double>(arrival.from->row, layout::peer_lastDataReceivedAt) = arrival.nowUs;
}

// Who answered a handshake may use its keys from now on.
void Dispatcher::tellKeysUsed(const Arrival& arrival) {
  cell<double>(arrival.from->keys, layout::session_firstReceivedAt) = arrival.nowUs;
  uint8_t* event = events_.claim(sizeof(int32_t));
  if (event == nullptr) return;
  cell<int32_t>(event, 0) = arrival.from->slot;
  events_.commit(sizeof(int32_t), layout::recordType_keysUsed);
}

// Tells the session-manager that packets came from elsewhere than any path says: what to do about it is its choice.
void Dispatcher::tellRoamed(const Arrival& arrival) {
  double& lastUs = roamedUs_[arrival.from->peer];
  if (lastUs != 0 && arrival.nowUs - lastUs < kRoamedSpacingUs) return;
  uint8_t* event = events_.claim(layout::received_payloadAt);
  if (event == nullptr) return;
  lastUs = arrival.nowUs;
  std::memcpy(event, arrival.record, layout::received_payloadAt);
  cell<int32_t>(event, layout::received_slotAt) = arrival.from->slot;
  events_.commit(layout::received_payloadAt, layout::recordType_roamed);
}

}  // namespace hawser
