// Reads a peer's REPORT into the record: which counters have arrived, and what it measured of each path.
#include <algorithm>
#include <cstring>

#include "flight.h"
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

// Fills `rebuilt_` from the list that may follow the bitmap. Returns its end; null when it is cut short.
const uint8_t* Flight::readRebuilt(const uint8_t* at, const uint8_t* end, uint32_t words) {
  if (at >= end || end - at - 1 < at[0] * 2) return nullptr;
  rebuilt_.fill(0);
  for (uint32_t i = 0; i < at[0]; i++) {
    const uint32_t back = at[1 + 2 * i] | static_cast<uint32_t>(at[2 + 2 * i]) << 8;
    if (back / 64 < words) rebuilt_[back / 64] |= uint64_t{1} << (back % 64);
  }
  return at + 1 + at[0] * 2;
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
  const uint8_t flags = frame[layout::report_flagsAt];
  const bool tellsRebuilt = (flags & layout::report_flagRebuilt) != 0;
  if (tellsRebuilt) after = readRebuilt(after, frame + length, words);
  if (after == nullptr) return false;
  const bool tellsMarks = (flags & layout::report_flagMarks) != 0 && frame + length - after >= sections * layout::report_marksBytes;
  for (uint32_t i = 0; i < sections; i++) {
    const uint8_t* const marks = tellsMarks ? after + i * layout::report_marksBytes : nullptr;
    section(slot, next, time, frame + layout::report_headerBytes + i * layout::report_sectionBytes, marks, nowUs);
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

void Flight::section(int32_t slot, uint64_t next, uint32_t time, const uint8_t* bytes, const uint8_t* marks, double nowUs) {
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
  if (marks != nullptr) {
    out.hasMarks = 1;
    out.ecnPackets = readLe32(marks);
    out.markedPackets = readLe32(marks + 4);
  }
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

}  // namespace hawser
