#include "open.h"

#include <algorithm>
#include <cstring>

#include "packet.h"
#include "reorder_class.h"
#include "seal.h"

namespace hawser {
namespace {
constexpr uint32_t kMaxDatagramsPerRecord = 128;
uint32_t segmentBytes(const uint8_t* record) {
  return std::max<uint32_t>(1, readLe32(record + layout::received_segmentBytesAt));
}
uint32_t totalBytes(const uint8_t* record) { return readLe32(record + layout::received_lengthAt); }
// Of what a datagram bears.
uint32_t plainBytes(uint32_t sealedBytes) { return sealedBytes - kDataHeaderBytes - kTagBytes; }
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
  dispatcher_.beginCall(realtimeUs());
  if (!delivery_.beginCall(nowUs)) result.stalled = 1;
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
  delivery_.endCall(result);
  dispatcher_.endCall(result);
  input.end();
  input.release();
}

Opener::Outcome Opener::openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result) {
  const Sender* from = authenticator_.begin(run, nowUs);
  if (from == nullptr) {
    result.unknown += run.count;
    return Outcome::Done;
  }
  const Arrival arrival{record, &run, from, nowUs, &result};
  dispatcher_.beginRun(arrival);
  delivery_.beginRun(from->slot, isOrdered(*from));
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
  dispatcher_.endRun(arrival);
  return outcome;
}

// Whether packets of the sender are put in order: it has several paths, or sends again what its only one has lost.
bool Opener::isOrdered(const Sender& from) {
  if (orderFromPaths_ <= 0 || !from.can(layout::capability_paths)) return false;
  return (awaitsRepairs_ && from.can(layout::capability_repairs)) || ledger_.count(from.peer) >= orderFromPaths_;
}

Opener::Outcome Opener::openDatagram(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  const uint32_t before = dispatcher_.brought().datagrams;
  rebuiltByFrame_ = 0;
  const Outcome outcome = openOne(datagram, length, arrival);
  FecDecoder* decoder = dispatcher_.brought().datagrams == before ? nullptr : fec_.of(arrival.from->slot);
  if (decoder == nullptr) return outcome;
  const int32_t pathRow = dispatcher_.brought().pathRow;
  const uint32_t rebuilt = rebuiltByFrame_ > 0 ? rebuiltByFrame_ : decoder->remember(Authenticator::counterOf(datagram), datagram, length, pathRow);
  if (rebuilt > 0) openRebuilt(*decoder, rebuilt, arrival);
  return outcome;
}

Opener::Outcome Opener::openOne(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  switch (authenticator_.judge(datagram, length)) {
    case Authenticator::Verdict::Malformed:
      arrival.result->rejected += 1;
      return Outcome::Done;
    case Authenticator::Verdict::Seen:
      if (reporter_.wasRebuilt(arrival.from->slot, Authenticator::counterOf(datagram))) return openLate(datagram, length, arrival);
      arrival.result->replayed += 1;
      add(arrival.from->row, layout::peer_replayedPacketsAt, 1);
      return Outcome::Done;
    case Authenticator::Verdict::Fresh:
      break;
  }
  const uint64_t counter = Authenticator::counterOf(datagram);
  if (!delivery_.isAhead(counter, plainBytes(length))) return openAtOnce(datagram, length, arrival);
  if (!delivery_.makeRoom(arrival.nowUs)) return Outcome::Full;
  return delivery_.isAhead(counter, plainBytes(length)) ? openAhead(datagram, length, arrival) : openAtOnce(datagram, length, arrival);
}

// Straight into the output: in order, or no order is kept, or later than anybody waited.
Opener::Outcome Opener::openAtOnce(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  uint8_t* plain = delivery_.place(plainBytes(length));
  if (plain == nullptr) return Outcome::Full;
  if (!authenticator_.open(plain, datagram, length)) {
    delivery_.discard();
    dispatcher_.reject(arrival);
    return Outcome::Done;
  }
  const uint64_t counter = Authenticator::counterOf(datagram);
  accept(counter, length, arrival);
  IpView ip;
  const Dispatcher::Kind kind = dispatcher_.dispatch(plain, plainBytes(length), arrival, ip);
  if (kind == Dispatcher::Kind::Packet) {
    delivery_.take(ip);
  } else {
    handle(kind, plain, plainBytes(length), arrival);
    delivery_.discard();
  }
  delivery_.settle(counter, arrival.nowUs, !dispatcher_.brought().isControl);
  return Outcome::Done;
}

// Something before it is missing: opened into a place of its own, where it stays unless it is of those that do not wait.
Opener::Outcome Opener::openAhead(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  uint8_t* plain = delivery_.room();
  const uint32_t bytes = plainBytes(length);
  const uint64_t counter = Authenticator::counterOf(datagram);
  if (!authenticator_.open(plain, datagram, length)) {
    dispatcher_.reject(arrival);
    return Outcome::Done;
  }
  if (!delivery_.makeWindow(counter, arrival.nowUs)) return Outcome::Full;
  const bool waits = FragmentJoiner::isPiece(plain, bytes) ? FragmentJoiner::isOrdered(plain) : keepsOrder(plain, bytes);
  uint8_t* target = waits ? nullptr : delivery_.place(bytes);
  if (!waits && target == nullptr) return Outcome::Full;
  accept(counter, length, arrival);
  IpView ip;
  const Dispatcher::Kind kind = dispatcher_.dispatch(plain, bytes, arrival, ip);
  const bool isPacket = kind == Dispatcher::Kind::Packet;
  if (waits && (isPacket || kind == Dispatcher::Kind::Piece)) {
    delivery_.hold(counter, isPacket ? ip.length : bytes, arrival.nowUs);
    return Outcome::Done;
  }
  if (isPacket) {
    std::memcpy(target, plain, ip.length);
    delivery_.take(viewIp(target, ip.length));
  } else {
    handle(kind, plain, bytes, arrival);
    if (!waits) delivery_.discard();
  }
  delivery_.pass(counter, arrival.nowUs, !dispatcher_.brought().isControl);
  return Outcome::Done;
}

// The original of a packet that was rebuilt before it came: its path has not lost it.
Opener::Outcome Opener::openLate(const uint8_t* datagram, uint32_t length, const Arrival& arrival) {
  uint8_t* plain = delivery_.place(plainBytes(length));
  if (plain == nullptr) return Outcome::Full;
  const bool isGenuine = authenticator_.open(plain, datagram, length);
  delivery_.discard();
  if (!isGenuine) {
    dispatcher_.reject(arrival);
    return Outcome::Done;
  }
  const uint64_t counter = Authenticator::counterOf(datagram);
  reporter_.forgetRebuilt(arrival.from->slot, counter);
  accept(counter, length, arrival);
  dispatcher_.bookLate();
  return Outcome::Done;
}

// Opens packets as if they had come, but books them neither on the path nor as arrived. With the output full they are lost.
void Opener::openRebuilt(FecDecoder& decoder, uint32_t count, const Arrival& arrival) {
  isRebuilding_ = true;
  dispatcher_.setRebuilding(true);
  for (uint32_t i = 0; i < count; i++) {
    const FecDecoder::Rebuilt& one = decoder.rebuilt(i);
    const Dispatcher::Brought before = dispatcher_.brought();
    openOne(one.sealed, one.length, arrival);
    if (dispatcher_.brought().datagrams == before.datagrams) continue;
    dispatcher_.bookRebuilt(before, one.counter);
    reporter_.noteRebuilt(arrival.from->slot, one.counter);
    arrival.result->rebuilt += 1;
    add(arrival.from->row, layout::peer_rebuiltPacketsAt, 1);
  }
  isRebuilding_ = false;
  dispatcher_.setRebuilding(false);
}

void Opener::accept(uint64_t counter, uint32_t length, const Arrival& arrival) {
  authenticator_.accept(counter);
  dispatcher_.book(counter, length, arrival);
}

// What a datagram bore that is for the opener itself.
void Opener::handle(Dispatcher::Kind kind, const uint8_t* plain, uint32_t length, const Arrival& arrival) {
  const Sender& from = *arrival.from;
  if (kind == Dispatcher::Kind::Piece) {
    delivery_.takePiece(plain, length, {from.peer, from.slot, from.generation(), dispatcher_.brought().counter, arrival.nowUs});
  } else if (kind == Dispatcher::Kind::Parity) {
    takeParity(plain, length, arrival);
  } else if (kind == Dispatcher::Kind::Skip) {
    delivery_.skip(readLe64(plain + layout::skip_firstAt), readLe32(plain + layout::skip_countAt), arrival.nowUs);
  }
}

// What it rebuilds is opened when the datagram that brought it has been dealt with.
void Opener::takeParity(const uint8_t* plain, uint32_t length, const Arrival& arrival) {
  // Nobody protects parity by parity: such a frame would change what is being read.
  FecDecoder* decoder = isRebuilding_ ? nullptr : fec_.make(arrival.from->slot);
  if (decoder != nullptr) rebuiltByFrame_ = decoder->parity(plain, length, arrival.run->receiverIndex);
}

}  // namespace hawser
