#include "open.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ecn.h"
#include "mss.h"
#include "packet.h"
#include "reorder_class.h"
#include "replay.h"
#include "seal.h"

namespace hawser {
namespace {
constexpr uint32_t kMaxDatagramsPerRecord = 128;
uint32_t segmentBytes(const uint8_t* record) {
  return std::max<uint32_t>(1, readLe32(record + layout::received_segmentBytesAt));
}
uint32_t totalBytes(const uint8_t* record) { return readLe32(record + layout::received_lengthAt); }
}  // namespace

uint32_t Opener::look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords) {
  uint32_t count = 0;
  int32_t number = 0;
  for (uint32_t i = 0; i < maxRecords && count + kMaxDatagramsPerRecord <= kMaxRuns; i++) {
    const uint8_t* record = input.peek();
    if (record == nullptr) break;
    if (number == 0) input.begin();
    count += splitRecord(record, number++, runs + count);
    input.advance();
  }
  // Padding that no record follows yet is space the producer may need.
  if (number == 0) input.release();
  input.rewind();
  return count;
}

// GRO joins datagrams by 4-tuple and length alone, so one message can hold packets of several sessions and handshakes too
// (those the link has handed on already). Every record yields at least one run, so that `open` can step over it.
uint32_t Opener::splitRecord(const uint8_t* record, int32_t number, OpenRun* runs) const {
  const uint32_t step = segmentBytes(record);
  const uint32_t total = totalBytes(record);
  const uint8_t* payload = record + layout::received_payloadAt;
  const int32_t progress = cell<int32_t>(const_cast<uint8_t*>(record), layout::received_progressAt);
  uint32_t count = 0;
  for (uint32_t index = static_cast<uint32_t>(progress), at = index * step; at < total && count < kMaxDatagramsPerRecord; index++, at += step) {
    const uint32_t length = std::min(step, total - at);
    const bool data = length >= kDataHeaderBytes + kTagBytes && readLe32(payload + at) == kTypeData;
    const auto receiver = static_cast<int32_t>(data ? readLe32(payload + at + 4) : 0);
    OpenRun* last = count == 0 ? nullptr : &runs[count - 1];
    if (last != nullptr && last->receiverIndex == receiver) {
      last->count += 1;
    } else {
      runs[count++] = OpenRun{number, static_cast<int32_t>(index), 1, receiver, -1, 0};
    }
  }
  if (count == 0) runs[count++] = OpenRun{number, progress, 0, 0, -1, 0};
  return count;
}

void Opener::open(RingConsumer& input, const OpenRun* runs, uint32_t count, double nowUs, OpenResult& result) {
  openedUs_ = realtimeUs();
  coalescer_.begin(&out_, joinUdp_, nowUs);
  joiner_.expire(nowUs);
  if (!deliverBacklog(nowUs)) result.stalled = 1;
  int32_t number = -1;
  uint8_t* record = nullptr;
  for (uint32_t i = 0; i < count && result.stalled == 0; i++) {
    const OpenRun& run = runs[i];
    if (run.record != number) {
      if (record != nullptr) input.advance();
      record = input.peek();
      number = run.record;
      if (record == nullptr) break;
      input.begin();
    }
    if (openRun(record, run, nowUs, result) == Outcome::Full) {
      result.stalled = 1;
      record = nullptr;
    }
  }
  if (record != nullptr) input.advance();
  coalescer_.end();
  result.fragments += std::exchange(pieces_, 0);
  result.unmarkable += std::exchange(unmarkablePieces_, 0);
  result.unjoined += static_cast<int32_t>(joiner_.takeDropped());
  events_.publish();
  reporter_.out().publish();
  input.end();
  input.release();
}

Opener::Outcome Opener::openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result) {
  context_ = ciphers_.get(run.slot, static_cast<Cipher>(run.cipher));
  if (context_ == nullptr) {
    result.unknown += run.count;
    return Outcome::Done;
  }
  slot_ = sessions_.slot(run.slot);
  if (nowUs >= cell<double>(slot_, layout::session_expiryAt)) {
    result.unknown += run.count;
    return Outcome::Done;
  }
  peerIndex_ = cell<int32_t>(slot_, layout::session_peerAt);
  peer_ = peers_.row(peerIndex_);
  brought_ = Brought{};
  const int32_t said = cell<int32_t>(slot_, layout::session_capabilitiesAt);
  brought_.hasManyPaths = (said & layout::capability_paths) != 0;
  const bool isLate = (awaitsRepairs_ && (said & layout::capability_repairs) != 0) || ledger_.count(peerIndex_) >= orderFromPaths_;
  const bool needsOrder = orderFromPaths_ > 0 && brought_.hasManyPaths && isLate;
  lane_ = reorder_.lane(run.slot, needsOrder);
  outerEcn_ = cell<int32_t>(record, layout::received_trafficClassAt) & kEcnMask;
  const Arrival arrival{record, &run, nowUs, &result};
  const uint32_t step = segmentBytes(record);
  const uint32_t total = totalBytes(record);
  Outcome outcome = Outcome::Done;
  int32_t index = run.from;
  for (; index < run.from + run.count; index++) {
    const uint32_t at = static_cast<uint32_t>(index) * step;
    outcome = openDatagram(record + layout::received_payloadAt + at, std::min(step, total - at), arrival);
    if (outcome == Outcome::Full) break;
  }
  cell<int32_t>(record, layout::received_progressAt) = index;
  if (brought_.datagrams != 0) closeRun(arrival);
  return outcome;
}

Opener::Outcome Opener::openDatagram(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  const uint32_t before = brought_.datagrams;
  rebuiltByFrame_ = 0;
  const Outcome outcome = openOne(datagram, length, arrival);
  FecDecoder* decoder = brought_.datagrams == before ? nullptr : fec_.of(arrival.run->slot);
  if (decoder == nullptr) return outcome;
  const uint32_t rebuilt = rebuiltByFrame_ > 0 ? rebuiltByFrame_ : decoder->remember(readLe64(datagram + 8), datagram, length, brought_.pathRow);
  if (rebuilt > 0) openRebuilt(*decoder, rebuilt, arrival);
  return outcome;
}

Opener::Outcome Opener::openOne(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  if (length < kDataHeaderBytes + kTagBytes) {
    arrival.result->rejected += 1;
    return Outcome::Done;
  }
  const int32_t slot = arrival.run->slot;
  const ReplayWindow window(sessions_.window(slot), sessions_.windowBits(), cell<uint64_t>(slot_, layout::session_receiveNextAt));
  const uint64_t counter = readLe64(datagram + 8);
  if (counter >= kRejectAfterMessages || !window.fresh(counter)) {
    if (reporter_.wasRebuilt(slot, counter)) return openLate(datagram, length, counter, arrival);
    arrival.result->replayed += 1;
    add(peer_, layout::peer_replayedPacketsAt, 1);
    return Outcome::Done;
  }
  if (lane_ == nullptr || counter <= lane_->head || length - kDataHeaderBytes - kTagBytes > HoldPool::kPacketBytes)
    return openAtOnce(datagram, length, counter, arrival);
  // Only after a full output there is none; making room may bring the head to this very counter.
  if (spare_ < 0) spare_ = takeRoom(arrival.nowUs);
  if (spare_ < 0) return Outcome::Full;
  return counter > lane_->head ? openAhead(datagram, length, counter, arrival) : openAtOnce(datagram, length, counter, arrival);
}

// Straight into the output: in order, or no order is kept, or later than anybody waited.
Opener::Outcome Opener::openAtOnce(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival) {
  const uint32_t plainBytes = length - kDataHeaderBytes - kTagBytes;
  uint8_t* plain = coalescer_.place(plainBytes);
  if (plain == nullptr) return Outcome::Full;
  if (!context_->open(plain, datagram + kDataHeaderBytes, length - kDataHeaderBytes, counter)) {
    coalescer_.discard();
    reject(arrival);
    return Outcome::Done;
  }
  accept(counter, length, arrival);
  IpView ip;
  if (isForTun(plain, plainBytes, arrival, ip)) coalescer_.take(ip);
  else coalescer_.discard();
  deliverJoined();
  if (lane_ == nullptr) return Outcome::Done;
  // With the output full an oversized packet far ahead goes unmarked, and will be waited for in vain.
  if (makeWindow(counter, arrival.nowUs)) reorder_.pass(*lane_, counter, arrival.nowUs, !brought_.isControl);
  deliverReady(*lane_, arrival.nowUs);
  return Outcome::Done;
}

// Something before it is missing: opened into a place of its own, where it stays unless it is of those that do not wait.
Opener::Outcome Opener::openAhead(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival) {
  uint8_t* plain = reorder_.bytes(spare_);
  const uint32_t plainBytes = length - kDataHeaderBytes - kTagBytes;
  if (!context_->open(plain, datagram + kDataHeaderBytes, length - kDataHeaderBytes, counter)) {
    reject(arrival);
    return Outcome::Done;
  }
  if (!makeWindow(counter, arrival.nowUs)) return Outcome::Full;
  const bool isPiece = FragmentJoiner::isPiece(plain, plainBytes);
  const bool waits = isPiece ? FragmentJoiner::isOrdered(plain) : keepsOrder(plain, plainBytes);
  uint8_t* target = waits ? nullptr : coalescer_.place(plainBytes);
  if (!waits && target == nullptr) return Outcome::Full;
  accept(counter, length, arrival);
  IpView ip;
  const bool isHeldPiece = isPiece && waits;
  if (isHeldPiece) notePiece(plain, arrival);
  const bool isPacket = !isHeldPiece && isForTun(plain, plainBytes, arrival, ip);
  if (isHeldPiece || (isPacket && waits)) {
    reorder_.hold(*lane_, counter, spare_, isHeldPiece ? plainBytes : ip.length, arrival.nowUs);
    spare_ = takeRoom(arrival.nowUs);
  } else {
    if (isPacket) {
      std::memcpy(target, plain, ip.length);
      coalescer_.take(viewIp(target, ip.length));
    } else if (!waits) {
      coalescer_.discard();
    }
    deliverJoined();
    reorder_.pass(*lane_, counter, arrival.nowUs, !brought_.isControl);
  }
  // It may be next by now, when those before it were too far behind to be waited for.
  deliverReady(*lane_, arrival.nowUs);
  return Outcome::Done;
}

void Opener::reject(const Arrival& arrival) {
  arrival.result->rejected += 1;
  add(peer_, layout::peer_rejectedPacketsAt, 1);
}

// Marks an authentic datagram. The first of a run says that the peer is there, and its path is worth looking for.
void Opener::accept(uint64_t counter, uint32_t length, const Arrival& arrival) {
  const int32_t slot = arrival.run->slot;
  ReplayWindow(sessions_.window(slot), sessions_.windowBits(), cell<uint64_t>(slot_, layout::session_receiveNextAt)).accept(counter);
  if (brought_.datagrams == 0) {
    brought_.pathRow = ledger_.find(arrival.record, peerIndex_);
    cell<double>(peer_, layout::peer_lastReceivedAt) = arrival.nowUs;
    cell<double>(slot_, layout::session_lastReceivedAt) = arrival.nowUs;
    if (cell<double>(slot_, layout::session_firstReceivedAt) == 0) cell<double>(slot_, layout::session_firstReceivedAt) = arrival.nowUs;
  }
  brought_.datagrams += 1;
  brought_.bytes += length;
  brought_.counter = counter;
  brought_.lowest = std::min(brought_.lowest, counter);
  brought_.largest = std::max(brought_.largest, counter);
}

// Whether what was opened is an inner packet of the peer's, and then `ip`; all else is dealt with here.
bool Opener::isForTun(uint8_t* plain, uint32_t length, const Arrival& arrival, IpView& ip) {
  brought_.isControl = false;
  if (length == 0) {
    arrival.result->keepalives += 1;
    return false;
  }
  if (FragmentJoiner::isPiece(plain, length)) {
    notePiece(plain, arrival);
    const int32_t life = cell<int32_t>(slot_, layout::session_generationAt);
    takePiece(plain, length, {peerIndex_, arrival.run->slot, life, brought_.counter, arrival.nowUs});
    return false;
  }
  // An inner packet whose first nibble is 0 is a control frame (docs/wire-format.md); 4 and 6 are IP.
  if (plain[0] >> 4 == 0) {
    brought_.isControl = true;
    takeControl(plain, length, arrival);
    return false;
  }
  noteData(arrival);
  if (!mayEnter(plain, length, peerIndex_, ip)) {
    reject(arrival);
    return false;
  }
  // What parity has rebuilt had no outer header.
  if (outerEcn_ != kNotEct && !isRebuilding_ && !takeEcn(plain, ip, arrival)) return false;
  brought_.packets += 1;
  arrival.result->packets += 1;
  arrival.result->bytes += static_cast<int32_t>(ip.length);
  return true;
}

// Gives a packet the mark that its outer header has; false when it must be dropped instead.
bool Opener::takeEcn(uint8_t* plain, IpView& ip, const Arrival& arrival) {
  const Decapsulated outcome = decapsulateEcn(plain, ip, outerEcn_);
  brought_.ecnPackets += 1;
  if (outcome != Decapsulated::Plain) brought_.marked += 1;
  if (outcome == Decapsulated::Dropped) arrival.result->unmarkable += 1;
  return outcome != Decapsulated::Dropped;
}

// Data too; the mark of its outer header waits in it for the packet it belongs to.
void Opener::notePiece(uint8_t* plain, const Arrival& arrival) {
  noteData(arrival);
  const uint8_t outer = isRebuilding_ ? kNotEct : outerEcn_;
  const bool isMarked = outer == kCongestionExperienced;
  FragmentJoiner::setMarked(plain, isMarked);
  if (outer != kNotEct) brought_.ecnPackets += 1;
  if (isMarked) brought_.marked += 1;
}

void Opener::noteData(const Arrival& arrival) {
  brought_.isControl = false;
  brought_.hasData = true;
  cell<double>(peer_, layout::peer_lastDataReceivedAt) = arrival.nowUs;
}

// Whether it is an IP packet from an address of the peer's, and then `ip`. What a SYN offers is lowered to what the tunnel takes.
bool Opener::mayEnter(uint8_t* plain, uint32_t length, int32_t peer, IpView& ip) {
  ip = viewIp(plain, length);
  if (ip.version == 0 || allowedIps_.find(ip.source, ip.addressBytes) != peer) return false;
  if (isSyn(plain, ip)) clampMss(plain, ip, limits_.offered(peer, ip.version), true);
  return true;
}

// Books what the run brought: on the peer, on its path, for the next report. A peer that cannot be on many paths at once is where it
// was heard last.
void Opener::closeRun(const Arrival& arrival) {
  add(peer_, layout::peer_receivedPacketsAt, brought_.packets);
  add(peer_, layout::peer_receivedBytesAt, brought_.bytes);
  const int32_t slot = arrival.run->slot;
  const int32_t row = brought_.pathRow;
  if (row >= 0)
    ledger_.credit(row, {slot, brought_.datagrams, brought_.bytes, brought_.largest, arrival.nowUs, kernelUs(arrival.record), brought_.hasData,
                          brought_.ecnPackets, brought_.marked});
  if (row < 0 || (!brought_.hasManyPaths && row != cell<int32_t>(peer_, layout::peer_pathAt))) tellRoamed(arrival);
  if (brought_.hasManyPaths) reporter_.note(slot, brought_.lowest, row, brought_.hasData);
}

}  // namespace hawser
