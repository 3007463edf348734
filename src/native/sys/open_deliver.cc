// The rest of Opener: who is told of control frames and of new endpoints, and how what was held comes out.
#include <algorithm>
#include <cstring>

#include "ecn.h"
#include "open.h"
#include "packet.h"
#include "seal.h"

namespace hawser {
namespace {
// One event says it; a new path brings many packets before anybody could act on the first.
constexpr double kRoamedSpacingUs = 1000;
// A record that lay longer in the ring says more of this machine than of the path.
constexpr double kLongestStayUs = 100'000;

// Of a PROBE the rest is zeros, whose number alone mattered.
constexpr uint32_t kProbeBytes = 64;
}  // namespace

double kernelUs(const uint8_t* record) {
  const double stamp = cell<double>(const_cast<uint8_t*>(record), layout::received_timeAt);
  return stamp > 0 ? stamp : realtimeUs();
}

// To whom a control frame is news: about sessions and addresses to the session-manager, about paths to the sealer.
void Opener::takeControl(const uint8_t* plain, uint32_t length, const Arrival& arrival) {
  arrival.result->control += 1;
  switch (length < 2 ? 0 : plain[1]) {
    case layout::controlKind_hello:
    case layout::controlKind_challenge:
    case layout::controlKind_response:
    case layout::controlKind_names:
      forwardFrame(events_, plain, length, arrival, arrival.nowUs);
      break;
    case layout::controlKind_report:
    case layout::controlKind_probe:
    case layout::controlKind_probeReply: {
      // When the kernel had it: what it waited for us is no property of the path.
      const double stayUs = std::clamp(openedUs_ - kernelUs(arrival.record), -kLongestStayUs, kLongestStayUs);
      const uint32_t told = plain[1] == layout::controlKind_probe ? std::min(length, kProbeBytes) : length;
      forwardFrame(reporter_.out(), plain, told, arrival, arrival.nowUs - stayUs);
      break;
    }
    case layout::controlKind_parity:
      arrival.result->parity += 1;
      takeParity(plain, length, arrival);
      break;
    case layout::controlKind_skip:
      if (length >= layout::skip_bytes) skip(readLe64(plain + layout::skip_firstAt), readLe32(plain + layout::skip_countAt), arrival.nowUs);
      break;
    default:
      break;
  }
}

// What it rebuilds is opened when the datagram that brought it has been dealt with.
void Opener::takeParity(const uint8_t* plain, uint32_t length, const Arrival& arrival) {
  // Nobody protects parity by parity: such a frame would change what is being read.
  FecDecoder* decoder = isRebuilding_ ? nullptr : fec_.make(arrival.run->slot);
  if (decoder != nullptr) rebuiltByFrame_ = decoder->parity(plain, length, arrival.run->receiverIndex);
}

// Opens packets as if they had come, but books them neither on the path nor as arrived. With the output full they are lost.
void Opener::openRebuilt(FecDecoder& decoder, uint32_t count, const Arrival& arrival) {
  isRebuilding_ = true;
  for (uint32_t i = 0; i < count; i++) {
    const FecDecoder::Rebuilt& one = decoder.rebuilt(i);
    Brought before = brought_;
    openOne(one.sealed, one.length, arrival);
    if (brought_.datagrams == before.datagrams) continue;
    before.packets = brought_.packets;
    before.lowest = std::min(before.lowest, one.counter);
    before.hasData = before.hasData || brought_.hasData;
    brought_ = before;
    reporter_.noteRebuilt(arrival.run->slot, one.counter);
    arrival.result->rebuilt += 1;
    add(peer_, layout::peer_rebuiltPacketsAt, 1);
  }
  isRebuilding_ = false;
}

// The original of a packet that was rebuilt before it came: its path has not lost it.
Opener::Outcome Opener::openLate(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival) {
  uint8_t* plain = coalescer_.place(length - kDataHeaderBytes - kTagBytes);
  if (plain == nullptr) return Outcome::Full;
  const bool isGenuine = context_->open(plain, datagram + kDataHeaderBytes, length - kDataHeaderBytes, counter);
  coalescer_.discard();
  if (!isGenuine) {
    reject(arrival);
    return Outcome::Done;
  }
  reporter_.forgetRebuilt(arrival.run->slot, counter);
  accept(counter, length, arrival);
  brought_.hasData = true;
  return Outcome::Done;
}

// A piece of an inner packet; the last one makes it whole, and it enters like any other.
void Opener::takePiece(const uint8_t* plain, uint32_t length, const FragmentJoiner::Piece& piece) {
  pieces_ += 1;
  if (!joiner_.add(piece, plain, length)) return;
  uint8_t* peer = peers_.row(piece.peer);
  PacketBytes& whole = joined_.emplace_back(joiner_.whole());
  IpView ip;
  if (!mayEnter(whole.data(), static_cast<uint32_t>(whole.size()), piece.peer, ip)) {
    add(peer, layout::peer_rejectedPacketsAt, 1);
    joined_.pop_back();
    return;
  }
  if (joiner_.isMarked() && decapsulateEcn(whole.data(), ip, kCongestionExperienced) == Decapsulated::Dropped) {
    unmarkablePieces_ += 1;
    joined_.pop_back();
    return;
  }
  add(peer, layout::peer_receivedPacketsAt, 1);
  add(peer, layout::peer_receivedBytesAt, ip.length);
}

// False when the output is full: the rest stays.
bool Opener::deliverJoined() {
  while (!joined_.empty()) {
    const auto length = static_cast<uint32_t>(joined_.front().size());
    uint8_t* target = coalescer_.place(length);
    if (target == nullptr) return false;
    std::memcpy(target, joined_.front().data(), length);
    coalescer_.take(viewIp(target, length));
    joined_.pop_front();
  }
  return true;
}

// A full ring loses it: every frame is said again by whoever needs an answer.
void Opener::forwardFrame(RingProducer& to, const uint8_t* plain, uint32_t length, const Arrival& arrival, double atUs) {
  uint8_t* record = to.claim(static_cast<uint32_t>(layout::frame_payloadAt) + length);
  if (record == nullptr) return;
  cell<int32_t>(record, layout::frame_peerAt) = peerIndex_;
  cell<int32_t>(record, layout::frame_slotAt) = arrival.run->slot;
  cell<uint32_t>(record, layout::frame_lengthAt) = length;
  cell<int32_t>(record, layout::frame_classAt) = layout::trafficClass_control;
  cell<double>(record, layout::frame_timeAt) = atUs;
  cell<int32_t>(record, layout::frame_pathAt) = brought_.pathRow;
  std::memcpy(record + layout::frame_payloadAt, plain, length);
  to.commit(static_cast<uint32_t>(layout::frame_payloadAt) + length, layout::recordType_frameIn);
}

// Tells the session-manager that packets came from elsewhere than any path says: what to do about it is its choice.
void Opener::tellRoamed(const Arrival& arrival) {
  double& lastUs = roamedUs_[static_cast<size_t>(peerIndex_)];
  if (lastUs != 0 && arrival.nowUs - lastUs < kRoamedSpacingUs) return;
  uint8_t* event = events_.claim(layout::received_payloadAt);
  if (event == nullptr) return;
  lastUs = arrival.nowUs;
  std::memcpy(event, arrival.record, layout::received_payloadAt);
  cell<int32_t>(event, layout::received_slotAt) = arrival.run->slot;
  events_.commit(layout::received_payloadAt, layout::recordType_roamed);
}

// The peer says that these counters bear nothing that anybody waits for.
void Opener::skip(uint64_t first, uint32_t count, double nowUs) {
  if (lane_ != nullptr) reorder_.skip(*lane_, first, count, nowUs);
}

bool Opener::giveUp(int32_t slot, double nowUs) {
  if (!sessions_.has(slot)) return true;
  Lane& lane = reorder_.at(slot);
  coalescer_.begin(&out_, joinUdp_, nowUs);
  if (reorder_.ready(lane) < 0) reorder_.giveUp(lane, nowUs);
  const bool isDone = deliverReady(lane, nowUs);
  coalescer_.end();
  return isDone;
}

// Delivers what waits at the head of a lane; false when the output is full: the rest stays.
bool Opener::deliverReady(Lane& lane, double nowUs) {
  for (int32_t index = reorder_.ready(lane); index >= 0; index = reorder_.ready(lane)) {
    if (!deliverJoined()) return false;
    const uint32_t length = reorder_.length(index);
    const uint8_t* held = reorder_.bytes(index);
    if (FragmentJoiner::isPiece(held, length)) {
      takePiece(held, length, {lane.peer, lane.slot, lane.generation, lane.head, nowUs});
    } else {
      uint8_t* target = coalescer_.place(length);
      if (target == nullptr) return false;
      std::memcpy(target, held, length);
      coalescer_.take(viewIp(target, length));
    }
    reorder_.release(lane, nowUs);
  }
  return deliverJoined();
}

// What could not be delivered when it was ready, because the output was full.
bool Opener::deliverBacklog(double nowUs) {
  if (!deliverJoined()) return false;
  const std::vector<int32_t>& gapped = reorder_.gapped();
  for (size_t i = gapped.size(); i > 0; i--) {
    if (!deliverReady(reorder_.at(gapped[i - 1]), nowUs)) return false;
  }
  return true;
}

// A place to hold a packet; gaps that were waited for longest are given up for it. -1: the output is full.
int32_t Opener::takeRoom(double nowUs) {
  for (;;) {
    const int32_t index = reorder_.take();
    if (index >= 0) return index;
    Lane* lane = reorder_.longestWaiting();
    if (lane == nullptr) return -1;
    if (reorder_.ready(*lane) < 0) reorder_.giveUp(*lane, nowUs);
    if (!deliverReady(*lane, nowUs)) return -1;
  }
}

// A counter this far ahead of its lane's head ends the wait for the first ones. False: the output is full.
bool Opener::makeWindow(uint64_t counter, double nowUs) {
  if (lane_ == nullptr) return true;
  while (counter > lane_->head && counter - lane_->head >= Lane::kWindow) {
    if (!lane_->isGapped()) {
      reorder_.skipTo(*lane_, counter);
      return true;
    }
    if (reorder_.ready(*lane_) < 0) reorder_.giveUp(*lane_, nowUs);
    if (!deliverReady(*lane_, nowUs)) return false;
  }
  return true;
}

}  // namespace hawser
