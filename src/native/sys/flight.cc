#include "flight.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "packet.h"

namespace hawser {
namespace {
uint64_t readLe64At(const uint8_t* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// The bits of `count` counters from `first` on that a report's bitmap says have arrived, the first counter lowest.
uint64_t arrived(const uint64_t* bitmap, uint32_t words, uint64_t next, uint64_t first, uint32_t count) {
  uint64_t mask = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t counter = first + i;
    if (counter >= next) break;
    const uint64_t back = next - 1 - counter;
    if (back / 64 >= words) continue;
    if (bitmap[back / 64] >> (back % 64) & 1) mask |= uint64_t{1} << i;
  }
  return mask;
}
}  // namespace

uint32_t Flight::bytesOf(const Run& run, uint64_t mask) {
  const uint32_t bytes = static_cast<uint32_t>(std::popcount(mask)) * run.segmentBytes;
  const bool hasLast = (mask >> (run.count - 1) & 1) != 0;
  return hasLast ? bytes - run.segmentBytes + run.lastBytes : bytes;
}

void Flight::clear() {
  for (uint32_t path = 0; path < kPaths; path++) {
    out_[path] = PathFeedback{};
    out_[path].rttUs = -1;
  }
}

void Flight::grow() {
  std::vector<Run> larger(std::max<size_t>(256, runs_.size() * 2));
  for (uint64_t i = head_; i < tail_; i++) larger[i & (larger.size() - 1)] = at(i);
  runs_.swap(larger);
}

void Flight::record(const Run& run) {
  if (tail_ - head_ == runs_.size()) {
    if (runs_.size() < kMaxRuns) {
      grow();
    } else {
      settle(at(head_));
      head_ += 1;
    }
  }
  at(tail_) = run;
  tail_ += 1;
  if (run.flags & kWatched) inFlight_[run.path] += bytesOf(run, full(run));
}

void Flight::recordCopy(uint32_t back, uint32_t path, double nowUs) {
  if (tail_ - head_ <= back) return;
  const uint64_t sequence = tail_ - 1 - back;
  Run& run = at(sequence);
  // Nobody knows which of the two will come first.
  run.resent = full(run);
  if (!(run.flags & kWatched)) return;
  copies_.push_back(Copy{sequence, full(run), nowUs, static_cast<uint8_t>(path)});
  inFlight_[path] += bytesOf(run, full(run));
}

// Writes out the bitmap of a report: a bit a word says whether it was spelt out or is all ones. Returns its end; null when the frame is
// too short.
const uint8_t* Flight::readBitmap(const uint8_t* at, const uint8_t* end, uint32_t words) {
  const uint8_t* spelt = at;
  at += (words + 7) / 8;
  if (at > end) return nullptr;
  for (uint32_t i = 0; i < words; i++) {
    bitmap_[i] = ~uint64_t{0};
    if ((spelt[i / 8] >> (i % 8) & 1) == 0) continue;
    if (end - at < 8) return nullptr;
    bitmap_[i] = readLe64At(at);
    at += 8;
  }
  return at;
}

// Fills `rebuilt_` from the list that may follow the bitmap; false when there is none.
bool Flight::readRebuilt(const uint8_t* at, const uint8_t* end, uint32_t words) {
  if (at >= end || end - at - 1 < at[0] * 2) return false;
  rebuilt_.fill(0);
  for (uint32_t i = 0; i < at[0]; i++) {
    const uint32_t back = at[1 + 2 * i] | static_cast<uint32_t>(at[2 + 2 * i]) << 8;
    if (back / 64 < words) rebuilt_[back / 64] |= uint64_t{1} << (back % 64);
  }
  return true;
}

bool Flight::acknowledge(int32_t slot, const uint8_t* frame, uint32_t length, double nowUs) {
  if (length < layout::report_headerBytes) return false;
  const uint32_t sections = frame[layout::report_sectionsAt];
  const uint32_t words = frame[layout::report_wordsAt] | frame[layout::report_wordsAt + 1] << 8;
  const uint32_t bitmapAt = static_cast<uint32_t>(layout::report_headerBytes) + sections * static_cast<uint32_t>(layout::report_sectionBytes);
  if (sections > layout::report_maxSections || words > layout::report_maxWords || length < bitmapAt) return false;
  const uint8_t* after = readBitmap(frame + bitmapAt, frame + length, words);
  if (after == nullptr) return false;
  const uint64_t next = readLe64At(frame + layout::report_nextAt);
  const uint32_t time = readLe32(frame + layout::report_timeAt);
  const bool tellsRebuilt = (frame[layout::report_flagsAt] & layout::report_flagRebuilt) != 0 && readRebuilt(after, frame + length, words);
  for (uint32_t i = 0; i < sections; i++) {
    section(slot, next, time, frame + layout::report_headerBytes + i * layout::report_sectionBytes, nowUs);
  }
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    if (run.slot != slot || run.acked == full(run)) continue;
    const uint64_t fresh = arrived(bitmap_.data(), words, next, run.counter, run.count) & ~run.acked;
    if (fresh != 0) acknowledgeRun(i, run, fresh);
    if (!tellsRebuilt) continue;
    const uint64_t rebuilt = arrived(rebuilt_.data(), words, next, run.counter, run.count) & ~run.acked;
    if (rebuilt != 0) takeRebuilt(i, run, rebuilt);
  }
  return true;
}

void Flight::section(int32_t slot, uint64_t next, uint32_t time, const uint8_t* bytes, double nowUs) {
  const uint32_t first = readLe32(bytes + layout::report_backAt);
  const uint8_t number = static_cast<uint8_t>(first >> 24);
  const uint32_t arrival = readLe32(bytes + layout::report_arrivalAt);
  double sentUs = 0;
  int32_t path = pathOf(slot, next - 1 - (first & 0xffffff), sentUs);
  const bool isKnown = path >= 0;
  if (isKnown) pathOfNumber_[number] = static_cast<int8_t>(path);
  else path = pathOfNumber_[number];
  if (path < 0) return;
  PathFeedback& out = out_[path];
  out.hasSection = 1;
  out.packets = readLe32(bytes + layout::report_packetsAt);
  out.bytes = readLe32(bytes + layout::report_bytesAt);
  out.arrivalUs = arrival;
  if (sentUs == 0) return;
  // Negative when the reporter read its clock before the packet came; absurd when that clock was set meanwhile.
  const double heldUs = std::clamp(static_cast<int32_t>(time - arrival), 0, 1'000'000);
  out.rttUs = std::max(1.0, nowUs - sentUs - heldUs);
  out.delayUs = arrival - static_cast<uint32_t>(static_cast<uint64_t>(sentUs));
}

// The path of a counter that left by one path only; -1 = not known, or not unambiguous.
int32_t Flight::pathOf(int32_t slot, uint64_t counter, double& sentUs) {
  for (uint64_t i = tail_; i-- > head_;) {
    const Run& run = at(i);
    if (run.slot != slot || counter < run.counter || counter >= run.counter + run.count) continue;
    if (run.resent >> (counter - run.counter) & 1) return -1;
    // A path that carries frames only is measured by its probes, there and back.
    sentUs = (run.flags & kWatched) ? run.sentUs : 0;
    return run.path;
  }
  return -1;
}

void Flight::acknowledgeRun(uint64_t sequence, Run& run, uint64_t fresh) {
  PathFeedback& out = out_[run.path];
  const uint64_t flying = fresh & ~run.lost;
  run.acked |= fresh;
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued & fresh));
  run.queued &= ~fresh;
  if (run.flags & kWatched) {
    inFlight_[run.path] -= bytesOf(run, flying);
    out.ackedPackets += std::popcount(flying);
    out.ackedBytes += bytesOf(run, flying);
    out.spuriousPackets += std::popcount(fresh & run.lost & ~run.resent);
  }
  if ((fresh & ~run.resent) != 0) newestAcked_[run.path] = std::max(newestAcked_[run.path], run.sentUs);
  if ((fresh & run.resent) != 0) settleCopies(sequence, run, fresh, true);
}

// The peer has them, but the path has lost them.
void Flight::takeRebuilt(uint64_t sequence, Run& run, uint64_t fresh) {
  const uint64_t flying = fresh & ~run.lost;
  run.acked |= fresh;
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued & fresh));
  run.queued &= ~fresh;
  run.lost |= fresh;
  if ((run.flags & kWatched) != 0 && flying != 0) lose(run, flying, run.path);
  if ((fresh & run.resent) != 0) settleCopies(sequence, run, fresh, false);
}

void Flight::settleCopies(uint64_t sequence, const Run& run, uint64_t fresh, bool haveArrived) {
  for (Copy& copy : copies_) {
    if (copy.run != sequence || (copy.mask & fresh) == 0) continue;
    const uint64_t bits = copy.mask & fresh;
    inFlight_[copy.path] -= bytesOf(run, bits);
    copy.mask &= ~bits;
    if (!haveArrived) continue;
    out_[copy.path].ackedPackets += std::popcount(bits);
    out_[copy.path].ackedBytes += bytesOf(run, bits);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

// `bits` of `run`, which left by `path`, will not arrive by it.
void Flight::lose(Run& run, uint64_t bits, uint32_t path) {
  PathFeedback& out = out_[path];
  inFlight_[path] -= bytesOf(run, bits);
  out.lostPackets += std::popcount(bits);
  out.lostBytes += bytesOf(run, bits);
  out.lostRuns += std::popcount(bits & ~(bits << 1));
  if (!(run.flags & kResendable) || run.resentPackets >= kMaxResends * run.count) return;
  const uint64_t added = bits & ~run.acked & ~run.queued;
  run.queued |= added;
  queuedPackets_ += static_cast<uint32_t>(std::popcount(added));
}

void Flight::detectLoss(const double* lossDelayUs) {
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    if (!(run.flags & kWatched) || run.sentUs + lossDelayUs[run.path] >= newestAcked_[run.path]) continue;
    const uint64_t bits = full(run) & ~run.acked & ~run.lost;
    if (bits == 0) continue;
    run.lost |= bits;
    lose(run, bits, run.path);
  }
}

void Flight::expire(uint32_t path, double beforeUs) {
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    if (run.sentUs >= beforeUs) break;
    if (!(run.flags & kWatched) || run.path != path) continue;
    const uint64_t bits = full(run) & ~run.acked & ~run.lost;
    if (bits == 0) continue;
    run.lost |= bits;
    lose(run, bits, path);
  }
  for (Copy& copy : copies_) {
    if (copy.path != path || copy.sentUs >= beforeUs || !contains(copy.run)) continue;
    Run& run = at(copy.run);
    const uint64_t bits = copy.mask & ~run.acked;
    copy.mask = 0;
    if (bits != 0) lose(run, bits, path);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

void Flight::survey() {
  std::array<double, kPaths> oldest{};
  for (uint64_t i = head_; i < tail_; i++) {
    const Run& run = at(i);
    if (!(run.flags & kWatched) || (full(run) & ~run.acked & ~run.lost) == 0) continue;
    if (oldest[run.path] == 0) oldest[run.path] = run.sentUs;
  }
  for (const Copy& copy : copies_) {
    if (oldest[copy.path] == 0 || copy.sentUs < oldest[copy.path]) oldest[copy.path] = copy.sentUs;
  }
  for (uint32_t path = 0; path < kPaths; path++) {
    out_[path].inFlightBytes = std::max(0.0, inFlight_[path]);
    out_[path].oldestSentUs = oldest[path];
  }
}

uint32_t Flight::resend(RingProducer& link, const SealedLog& log, uint32_t path, int32_t pathRow, uint32_t maxBytes, double nowUs) {
  uint32_t sent = 0;
  for (uint64_t i = head_; i < tail_ && queuedPackets_ != 0 && sent < maxBytes; i++) {
    Run& run = at(i);
    if (run.queued == 0) continue;
    if (!log.holds(run.position)) {
      queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
      run.queued = 0;
      continue;
    }
    while (run.queued != 0 && sent < maxBytes) {
      const uint32_t bytes = resendRun(i, link, path, pathRow, maxBytes - sent, nowUs);
      if (bytes == 0) {
        link.publish();
        return sent;
      }
      sent += bytes;
    }
  }
  link.publish();
  return sent;
}

// The first stretch of neighbours among the queued packets of a run; returns its bytes, 0 when the link's ring is full.
uint32_t Flight::resendRun(uint64_t sequence, RingProducer& link, uint32_t path, int32_t pathRow, uint32_t maxBytes, double nowUs) {
  Run& run = at(sequence);
  const uint32_t from = static_cast<uint32_t>(std::countr_zero(run.queued));
  const uint32_t most = std::max<uint32_t>(1, maxBytes / std::max<uint32_t>(1, run.segmentBytes));
  const uint32_t count = std::min(static_cast<uint32_t>(std::countr_one(run.queued >> from)), most);
  const uint64_t bits = (count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << from;
  uint8_t* record = link.claim(layout::descriptor_bytes);
  if (record == nullptr) return 0;
  const uint32_t bytes = bytesOf(run, bits);
  const uint32_t last = from + count == run.count ? run.lastBytes : run.segmentBytes;
  cell<uint32_t>(record, layout::descriptor_positionAt) = run.position;
  cell<uint32_t>(record, layout::descriptor_countAt) = count;
  cell<uint32_t>(record, layout::descriptor_segmentBytesAt) = run.segmentBytes;
  cell<uint32_t>(record, layout::descriptor_lastBytesAt) = last;
  cell<int32_t>(record, layout::descriptor_pathAt) = pathRow;
  cell<int32_t>(record, layout::descriptor_classAt) = run.trafficClass;
  cell<uint64_t>(record, layout::descriptor_counterAt) = run.counter + from;
  cell<int32_t>(record, layout::descriptor_slotAt) = run.slot;
  cell<uint32_t>(record, layout::descriptor_lengthAt) = bytes;
  cell<uint32_t>(record, layout::descriptor_skipAt) = from;
  link.commit(layout::descriptor_bytes, layout::recordType_descriptor);
  run.queued &= ~bits;
  run.resent |= bits;
  run.resentPackets = static_cast<uint16_t>(run.resentPackets + count);
  queuedPackets_ -= count;
  copies_.push_back(Copy{sequence, bits, nowUs, static_cast<uint8_t>(path)});
  inFlight_[path] += bytes;
  out_[path].resentPackets += count;
  return bytes;
}

void Flight::settle(Run& run) {
  if (run.flags & kWatched) inFlight_[run.path] -= bytesOf(run, full(run) & ~run.acked & ~run.lost);
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
  run.queued = 0;
}

void Flight::trim(double nowUs) {
  while (head_ < tail_) {
    Run& run = at(head_);
    const uint64_t open = full(run) & ~run.acked;
    const bool isSettled = (run.flags & kWatched) == 0 || ((open & ~run.lost) == 0 && run.queued == 0);
    const double ageUs = nowUs - run.sentUs;
    if (!(open == 0 || (isSettled && ageUs > kSettledUs) || ageUs > kForgottenUs)) break;
    settle(run);
    head_ += 1;
  }
  std::erase_if(copies_, [this](const Copy& copy) {
    if (contains(copy.run)) return false;
    inFlight_[copy.path] = std::max(0.0, inFlight_[copy.path] - 1500.0 * std::popcount(copy.mask));
    return true;
  });
}

}  // namespace hawser
