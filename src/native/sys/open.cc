#include "open.h"

#include <algorithm>
#include <cstring>

#include "packet.h"
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
  authenticated_ = false;
  const uint32_t step = segmentBytes(record);
  const uint32_t total = totalBytes(record);
  const int32_t before = result.packets;
  authenticatedPackets_ = 0;
  authenticatedBytes_ = 0;
  for (int32_t index = run.from; index < run.from + run.count; index++) {
    const uint32_t at = static_cast<uint32_t>(index) * step;
    const uint8_t* datagram = record + layout::received_payloadAt + at;
    if (openDatagram(datagram, std::min(step, total - at), run, nowUs, result) == Outcome::Full) {
      cell<int32_t>(record, layout::received_progressAt) = index;
      return Outcome::Full;
    }
  }
  cell<int32_t>(record, layout::received_progressAt) = run.from + run.count;
  add(peer_, layout::peer_receivedPacketsAt, result.packets - before);
  if (authenticated_) creditPath(record, run, nowUs);
  return Outcome::Done;
}

Opener::Outcome Opener::openDatagram(const uint8_t* datagram, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result) {
  if (length < kDataHeaderBytes + kTagBytes) {
    result.rejected += 1;
    return Outcome::Done;
  }
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
  if (!authenticated_) {
    authenticated_ = true;
    cell<double>(peer_, layout::peer_lastReceivedAt) = nowUs;
    cell<double>(slot_, layout::session_lastReceivedAt) = nowUs;
    if (cell<double>(slot_, layout::session_firstReceivedAt) == 0) cell<double>(slot_, layout::session_firstReceivedAt) = nowUs;
  }
  add(peer_, layout::peer_receivedBytesAt, length);
  authenticatedPackets_ += 1;
  authenticatedBytes_ += length;
  deliver(plain, length - kDataHeaderBytes - kTagBytes, run, nowUs, result);
  return Outcome::Done;
}

void Opener::deliver(uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result) {
  if (length == 0) {
    coalescer_.discard();
    result.keepalives += 1;
    return;
  }
  // An inner packet whose first nibble is 0 is a control frame (docs/wire-format.md); 4 and 6 are IP.
  if (plain[0] >> 4 == 0) {
    if (forwardControl(plain, length, run, nowUs)) result.control += 1;
    coalescer_.discard();
    return;
  }
  cell<double>(peer_, layout::peer_lastDataReceivedAt) = nowUs;
  const IpView ip = viewIp(plain, length);
  if (ip.version == 0 || allowedIps_.find(ip.source, ip.addressBytes) != peerIndex_) {
    coalescer_.discard();
    result.rejected += 1;
    add(peer_, layout::peer_rejectedPacketsAt, 1);
    return;
  }
  coalescer_.take(ip);
  result.packets += 1;
  result.bytes += static_cast<int32_t>(ip.length);
}

bool Opener::forwardControl(const uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs) {
  uint8_t* record = events_.claim(static_cast<uint32_t>(layout::frame_payloadAt) + length);
  if (record == nullptr) return false;
  cell<int32_t>(record, layout::frame_peerAt) = peerIndex_;
  cell<int32_t>(record, layout::frame_slotAt) = run.slot;
  cell<uint32_t>(record, layout::frame_lengthAt) = length;
  cell<int32_t>(record, layout::frame_classAt) = layout::trafficClass_control;
  cell<double>(record, layout::frame_timeAt) = nowUs;
  std::memcpy(record + layout::frame_payloadAt, plain, length);
  events_.commit(static_cast<uint32_t>(layout::frame_payloadAt) + length, layout::recordType_frameIn);
  return true;
}

// Books what was authenticated on the peer's path; tells the session-manager when it came from elsewhere than that path says: what
// to do about it is its choice.
void Opener::creditPath(const uint8_t* record, const OpenRun& run, double nowUs) {
  const int32_t pathIndex = cell<int32_t>(peer_, layout::peer_pathAt);
  if (paths_.has(pathIndex)) {
    uint8_t* path = paths_.row(pathIndex);
    const uint16_t family = cell<uint16_t>(path, layout::path_sockaddrAt);
    // Port and address; in IPv6 the flow label between them says nothing about where the sender is.
    const bool same = std::memcmp(record + layout::received_sockaddrAt, path + layout::path_sockaddrAt, family == 2 ? 8 : 4) == 0 &&
                      (family == 2 || std::memcmp(record + layout::received_sockaddrAt + 8, path + layout::path_sockaddrAt + 8, 16) == 0);
    if (same && readLe32(record + layout::received_linkAt) == cell<uint32_t>(path, layout::path_linkAt)) {
      add(path, layout::path_receivedPacketsAt, authenticatedPackets_);
      add(path, layout::path_receivedBytesAt, authenticatedBytes_);
      cell<double>(path, layout::path_lastReceivedAt) = nowUs;
      return;
    }
  }
  uint8_t* event = events_.claim(layout::received_payloadAt);
  if (event == nullptr) return;
  std::memcpy(event, record, layout::received_payloadAt);
  cell<int32_t>(event, layout::received_slotAt) = run.slot;
  events_.commit(layout::received_payloadAt, layout::recordType_roamed);
}

}  // namespace hawser
