#include "open.h"

#include <algorithm>
#include <cstring>

#include "packet.h"
#include "replay.h"
#include "seal.h"

namespace hawser {
namespace {
constexpr uint32_t kMaxDatagramsPerRecord = 128;
// One event says it; a new path brings many packets before anybody could act on the first.
constexpr double kRoamedSpacingUs = 1000;
// A record that lay longer in the ring says more of this machine than of the path.
constexpr double kLongestStayUs = 100'000;

// controlKind of wire/control-frame.ts
enum ControlKind : uint8_t { kHello = 1, kReport = 2, kChallenge = 3, kResponse = 4, kProbe = 5, kProbeReply = 6, kParity = 7 };

uint32_t segmentBytes(const uint8_t* record) {
  return std::max<uint32_t>(1, readLe32(record + layout::received_segmentBytesAt));
}
uint32_t totalBytes(const uint8_t* record) { return readLe32(record + layout::received_lengthAt); }
double kernelUs(const uint8_t* record) {
  const double stamp = cell<double>(const_cast<uint8_t*>(record), layout::received_timeAt);
  return stamp > 0 ? stamp : realtimeUs();
}
}  // namespace

uint32_t Opener::look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords) {
  uint32_t count = 0;
  int32_t number = 0;
  for (uint32_t i = 0; i < maxRecords && count + kMaxDatagramsPerRecord <= kMaxRuns; i++) {
    const uint8_t* record = input.peek();
    if (record == nullptr) break;
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
    const uint32_t receiver = data ? readLe32(payload + at + 4) : 0;
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
  coalescer_.begin(&out_, joinUdp_, nowUs);
  int32_t number = -1;
  uint8_t* record = nullptr;
  for (uint32_t i = 0; i < count && result.stalled == 0; i++) {
    const OpenRun& run = runs[i];
    if (run.record != number) {
      if (record != nullptr) input.advance();
      record = input.peek();
      number = run.record;
      if (record == nullptr) break;
    }
    if (openRun(record, run, nowUs, result) == Outcome::Full) {
      result.stalled = 1;
      record = nullptr;
    }
  }
  if (record != nullptr) input.advance();
  coalescer_.end();
  events_.publish();
  reporter_.out().publish();
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
  const uint32_t step = segmentBytes(record);
  const uint32_t total = totalBytes(record);
  Outcome outcome = Outcome::Done;
  int32_t index = run.from;
  for (; index < run.from + run.count; index++) {
    const uint32_t at = static_cast<uint32_t>(index) * step;
    outcome = openDatagram(record, at, std::min(step, total - at), run, nowUs, result);
    if (outcome == Outcome::Full) break;
  }
  cell<int32_t>(record, layout::received_progressAt) = index;
  if (brought_.datagrams != 0) closeRun(record, run, nowUs);
  return outcome;
}

Opener::Outcome Opener::openDatagram(const uint8_t* record, uint32_t at, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result) {
  if (length < kDataHeaderBytes + kTagBytes) {
    result.rejected += 1;
    return Outcome::Done;
  }
  const uint8_t* datagram = record + layout::received_payloadAt + at;
  ReplayWindow window(sessions_.window(run.slot), sessions_.windowBits(), cell<uint64_t>(slot_, layout::session_receiveNextAt));
  const uint64_t counter = readLe64(datagram + 8);
  if (counter >= kRejectAfterMessages || !window.fresh(counter)) {
    result.replayed += 1;
    add(peer_, layout::peer_replayedPacketsAt, 1);
    return Outcome::Done;
  }
  uint8_t* plain = coalescer_.place(length - kDataHeaderBytes - kTagBytes);
  if (plain == nullptr) return Outcome::Full;
  if (!context_->open(plain, datagram + kDataHeaderBytes, length - kDataHeaderBytes, counter)) {
    coalescer_.discard();
    result.rejected += 1;
    add(peer_, layout::peer_rejectedPacketsAt, 1);
    return Outcome::Done;
  }
  window.accept(counter);
  if (brought_.datagrams == 0) authenticate(record, nowUs);
  brought_.datagrams += 1;
  brought_.bytes += length;
  brought_.lowest = std::min(brought_.lowest, counter);
  brought_.largest = std::max(brought_.largest, counter);
  deliver(record, plain, length - kDataHeaderBytes - kTagBytes, run, nowUs, result);
  return Outcome::Done;
}

// The first authentic datagram of a run: the peer is there, and its path is worth looking for.
void Opener::authenticate(const uint8_t* record, double nowUs) {
  brought_.pathRow = ledger_.find(record, peerIndex_);
  cell<double>(peer_, layout::peer_lastReceivedAt) = nowUs;
  cell<double>(slot_, layout::session_lastReceivedAt) = nowUs;
  if (cell<double>(slot_, layout::session_firstReceivedAt) == 0) cell<double>(slot_, layout::session_firstReceivedAt) = nowUs;
}

// Books what the run brought: on the peer, on its path, for the next report. A peer that cannot be on many paths at once is where it
// was heard last.
void Opener::closeRun(const uint8_t* record, const OpenRun& run, double nowUs) {
  add(peer_, layout::peer_receivedPacketsAt, brought_.packets);
  add(peer_, layout::peer_receivedBytesAt, brought_.bytes);
  const int32_t row = brought_.pathRow;
  const bool hasManyPaths = (cell<int32_t>(slot_, layout::session_capabilitiesAt) & pathsCapability_) != 0;
  if (row >= 0) ledger_.credit(row, {run.slot, brought_.datagrams, brought_.bytes, brought_.largest, nowUs, kernelUs(record)});
  if (row < 0 || (!hasManyPaths && row != cell<int32_t>(peer_, layout::peer_pathAt))) tellRoamed(record, run, nowUs);
  if (hasManyPaths) reporter_.note(run.slot, brought_.lowest, row, brought_.hasData);
}

void Opener::deliver(const uint8_t* record, uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result) {
  if (length == 0) {
    coalescer_.discard();
    result.keepalives += 1;
    return;
  }
  // An inner packet whose first nibble is 0 is a control frame (docs/wire-format.md); 4 and 6 are IP.
  if (plain[0] >> 4 == 0) {
    takeControl(record, plain, length, run, nowUs, result);
    coalescer_.discard();
    return;
  }
  brought_.hasData = true;
  cell<double>(peer_, layout::peer_lastDataReceivedAt) = nowUs;
  const IpView ip = viewIp(plain, length);
  if (ip.version == 0 || allowedIps_.find(ip.source, ip.addressBytes) != peerIndex_) {
    coalescer_.discard();
    result.rejected += 1;
    add(peer_, layout::peer_rejectedPacketsAt, 1);
    return;
  }
  coalescer_.take(ip);
  brought_.packets += 1;
  result.packets += 1;
  result.bytes += static_cast<int32_t>(ip.length);
}

// To whom a control frame is news: about sessions and addresses to the session-manager, about paths to the sealer.
void Opener::takeControl(const uint8_t* record, const uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result) {
  switch (length < 2 ? 0 : plain[1]) {
    case kHello:
    case kChallenge:
    case kResponse:
      if (forwardFrame(events_, plain, length, run, nowUs)) result.control += 1;
      break;
    case kReport:
    case kProbe:
    case kProbeReply: {
      // When the kernel had it: what it waited for us is no property of the path.
      const double stayUs = std::clamp(realtimeUs() - kernelUs(record), 0.0, kLongestStayUs);
      if (forwardFrame(reporter_.out(), plain, length, run, nowUs - stayUs)) result.control += 1;
      break;
    }
    case kParity:
      result.parity += 1;
      break;
    default:
      result.control += 1;
  }
}

bool Opener::forwardFrame(RingProducer& to, const uint8_t* plain, uint32_t length, const OpenRun& run, double atUs) {
  uint8_t* record = to.claim(static_cast<uint32_t>(layout::frame_payloadAt) + length);
  if (record == nullptr) return false;
  cell<int32_t>(record, layout::frame_peerAt) = peerIndex_;
  cell<int32_t>(record, layout::frame_slotAt) = run.slot;
  cell<uint32_t>(record, layout::frame_lengthAt) = length;
  cell<int32_t>(record, layout::frame_classAt) = layout::trafficClass_control;
  cell<double>(record, layout::frame_timeAt) = atUs;
  cell<int32_t>(record, layout::frame_pathAt) = brought_.pathRow;
  std::memcpy(record + layout::frame_payloadAt, plain, length);
  to.commit(static_cast<uint32_t>(layout::frame_payloadAt) + length, layout::recordType_frameIn);
  return true;
}

// Tells the session-manager that packets came from elsewhere than any path says: what to do about it is its choice.
void Opener::tellRoamed(const uint8_t* record, const OpenRun& run, double nowUs) {
  double& lastUs = roamedUs_[static_cast<size_t>(peerIndex_)];
  if (lastUs != 0 && nowUs - lastUs < kRoamedSpacingUs) return;
  uint8_t* event = events_.claim(layout::received_payloadAt);
  if (event == nullptr) return;
  lastUs = nowUs;
  std::memcpy(event, record, layout::received_payloadAt);
  cell<int32_t>(event, layout::received_slotAt) = run.slot;
  events_.commit(layout::received_payloadAt, layout::recordType_roamed);
}

}  // namespace hawser
