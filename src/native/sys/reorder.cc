#include "reorder.h"

#include <algorithm>
#include <cstring>

namespace hawser {

int32_t HoldPool::take() {
  if (free_.empty()) {
    const int32_t first = static_cast<int32_t>(packets_.size());
    if (first == kPackets) return -1;
    chunks_.push_back(std::make_unique<uint8_t[]>(static_cast<size_t>(kChunk) * kPacketBytes));
    packets_.resize(packets_.size() + kChunk);
    for (int32_t i = kChunk; i > 0; i--) free_.push_back(first + i - 1);
  }
  const int32_t index = free_.back();
  free_.pop_back();
  return index;
}

uint64_t Lane::firstCome(uint32_t& looks) const {
  constexpr uint64_t kBlock = 4 * sizeof(uint64_t) / sizeof(int16_t);
  constexpr uint64_t kAllMissing = ~uint64_t{0};
  static_assert(kMissing == -1 && kWindow % kBlock == 0);
  uint64_t at = head;
  while (at < end) {
    looks += 1;
    if (at % kBlock == 0 && end - at >= kBlock) {
      uint64_t words[4];
      std::memcpy(words, &marks[at % kWindow], sizeof words);
      if ((words[0] & words[1] & words[2] & words[3]) == kAllMissing) {
        at += kBlock;
        continue;
      }
    }
    if (marks[at % kWindow] != kMissing) break;
    at += 1;
  }
  return at;
}

Reorder::Reorder(SessionTable sessions, RowTable peers, double* gaps, double* lateness)
    : sessions_(sessions), peers_(peers), gaps_(gaps), lateness_(lateness) {
  gaps_[0] = 0;
  lateness_[0] = 0;
  // A predecessor's.
  for (int32_t row = 0; row < std::min(peers_.used(), peers_.rows()); row++) {
    int32_t& held = cell<int32_t>(peers_.row(row), layout::peer_heldPacketsAt);
    if (held != 0) held = 0;
  }
}

// Order begins with what comes next: nothing older is waited for.
Lane* Reorder::lane(int32_t slot, bool isWanted) {
  if (!isWanted && (lanes_.find(slot) == nullptr || *lanes_.find(slot) == nullptr)) return nullptr;
  Lane& lane = at(slot);
  uint8_t* keys = sessions_.slot(slot);
  const int32_t generation = cell<int32_t>(keys, layout::session_generationAt);
  if (lane.generation != generation) {
    drop(lane);
    lane.slot = slot;
    lane.generation = generation;
    lane.peer = cell<int32_t>(keys, layout::session_peerAt);
    lane.isOn = false;
  }
  if (!lane.isOn) {
    if (!isWanted) return nullptr;
    lane.isOn = true;
    lane.head = lane.end = cell<uint64_t>(keys, layout::session_receiveNextAt);
    lane.givenUpCount = 0;
    std::fill(std::begin(lane.givenUp), std::end(lane.givenUp), Lane::GivenUp{});
  } else if (!isWanted && !lane.isGapped()) {
    lane.isOn = false;
    return nullptr;
  }
  return &lane;
}

void Reorder::pass(Lane& lane, uint64_t counter, double nowUs, bool isNews) {
  if (counter < lane.head) {
    if (isNews) handleLate(lane, counter, nowUs);
    return;
  }
  if (counter == lane.head && !lane.isGapped()) {
    lane.head = lane.end = counter + 1;
    return;
  }
  if (counter > lane.head) {
    if (!lane.isGapped()) open(lane, nowUs);
    lane.mark(counter) = Lane::kPassed;
    lane.end = std::max(lane.end, counter + 1);
    return;
  }
  if (isNews) tellLateness(lane, nowUs - lane.sinceUs, false);
  lane.head += 1;
  advance(lane, nowUs);
}

void Reorder::skip(Lane& lane, uint64_t first, uint32_t count, double nowUs) {
  const uint32_t taken = lane.skips.take(count, nowUs);
  for (uint64_t counter = first; counter - first < taken; counter++) {
    if (counter < lane.head || counter - lane.head >= Lane::kWindow) continue;
    const bool hasCome = counter < lane.end && lane.mark(counter) != Lane::kMissing;
    if (!hasCome) pass(lane, counter, nowUs, false);
  }
}

void Reorder::hold(Lane& lane, uint64_t counter, int32_t index, uint32_t length, double nowUs) {
  if (!lane.isGapped()) open(lane, nowUs);
  HeldPacket& packet = pool_.packet(index);
  packet = HeldPacket{nowUs, length, lane.newest, -1};
  if (lane.newest >= 0) pool_.packet(lane.newest).after = index;
  else lane.oldest = index;
  lane.newest = index;
  lane.mark(counter) = static_cast<int16_t>(index);
  lane.end = std::max(lane.end, counter + 1);
  countHeld(lane, 1);
  lane.held += 1;
}

int32_t Reorder::ready(const Lane& lane) const {
  if (!lane.isGapped()) return -1;
  const int16_t mark = lane.marks[lane.head % Lane::kWindow];
  return mark >= 0 ? mark : -1;
}

void Reorder::release(Lane& lane, double nowUs) {
  int16_t& mark = lane.mark(lane.head);
  const int32_t index = mark;
  mark = Lane::kMissing;
  unlink(lane, index);
  pool_.give(index);
  lane.head += 1;
  advance(lane, nowUs);
}

void Reorder::giveUp(Lane& lane, double nowUs) {
  const uint64_t from = lane.head;
  uint32_t looks = 0;
  lane.head = lane.firstCome(looks);
  if (lane.head == from) return;
  add(peers_.row(lane.peer), layout::peer_givenUpPacketsAt, static_cast<double>(lane.head - from));
  lane.givenUp[lane.givenUpCount++ % Lane::kRemembered] = Lane::GivenUp{from, lane.head, lane.sinceUs};
  advance(lane, nowUs);
}

void Reorder::skipTo(Lane& lane, uint64_t counter) {
  if (lane.isGapped()) return;
  lane.head = lane.end = counter;
}

Lane* Reorder::longestWaiting() {
  Lane* longest = nullptr;
  for (const int32_t slot : gapped_) {
    Lane& lane = at(slot);
    if (lane.held != 0 && (longest == nullptr || pool_.packet(lane.oldest).arrivedUs < pool_.packet(longest->oldest).arrivedUs)) longest = &lane;
  }
  return longest;
}

uint32_t Reorder::describe() {
  const uint32_t count = std::min(kMaxGaps, static_cast<uint32_t>(gapped_.size()));
  auto* rows = reinterpret_cast<GapFacts*>(gaps_ + 1);
  firstRow_ = count < gapped_.size() ? firstRow_ + count : 0;
  for (uint32_t i = 0; i < count; i++) {
    const Lane& lane = at(gapped_[(firstRow_ + i) % gapped_.size()]);
    rows[i] = GapFacts{static_cast<double>(lane.slot), static_cast<double>(lane.peer), static_cast<double>(lane.head), lane.sinceUs,
                       static_cast<double>(lane.held), ready(lane) >= 0 ? 1.0 : 0.0};
  }
  return count;
}

void Reorder::open(Lane& lane, double nowUs) {
  if (spareMarks_.empty()) {
    lane.marks = std::make_unique<int16_t[]>(Lane::kWindow);
    std::fill_n(lane.marks.get(), Lane::kWindow, Lane::kMissing);
  } else {
    lane.marks = std::move(spareMarks_.back());
    spareMarks_.pop_back();
  }
  lane.sinceUs = nowUs;
  gapped_.push_back(lane.slot);
  gaps_[0] = static_cast<double>(gapped_.size());
}

void Reorder::close(Lane& lane) {
  spareMarks_.push_back(std::move(lane.marks));
  const auto found = std::find(gapped_.begin(), gapped_.end(), lane.slot);
  *found = gapped_.back();
  gapped_.pop_back();
  gaps_[0] = static_cast<double>(gapped_.size());
}

// The head has moved: over those that passed, to what is held, or to the next gap, or to the end of all gaps.
void Reorder::advance(Lane& lane, double nowUs) {
  while (lane.isGapped() && lane.mark(lane.head) == Lane::kPassed) {
    lane.mark(lane.head) = Lane::kMissing;
    lane.head += 1;
  }
  if (!lane.isGapped()) close(lane);
  else lane.sinceUs = lane.oldest >= 0 ? pool_.packet(lane.oldest).arrivedUs : nowUs;
}

void Reorder::unlink(Lane& lane, int32_t index) {
  const HeldPacket& packet = pool_.packet(index);
  if (packet.before >= 0) pool_.packet(packet.before).after = packet.after;
  else lane.oldest = packet.after;
  if (packet.after >= 0) pool_.packet(packet.after).before = packet.before;
  else lane.newest = packet.before;
  countHeld(lane, -1);
  lane.held -= 1;
}

// Another life of the slot: what the one before left is nobody's.
void Reorder::drop(Lane& lane) {
  while (lane.isGapped()) {
    int16_t& mark = lane.mark(lane.head);
    if (mark >= 0) {
      unlink(lane, mark);
      pool_.give(mark);
    }
    mark = Lane::kMissing;
    lane.head += 1;
    if (!lane.isGapped()) close(lane);
  }
}

void Reorder::tellLateness(const Lane& lane, double lateUs, bool wasGivenUp) {
  const auto count = static_cast<uint32_t>(lateness_[0]);
  if (count == kMaxLateness) return;
  reinterpret_cast<Lateness*>(lateness_ + 1)[count] = Lateness{static_cast<double>(lane.peer), lateUs, wasGivenUp ? 1.0 : 0.0};
  lateness_[0] = count + 1;
}

// The first of those that were given up too early says how much longer it would have taken.
void Reorder::handleLate(Lane& lane, uint64_t counter, double nowUs) {
  for (Lane::GivenUp& one : lane.givenUp) {
    if (counter < one.from || counter >= one.to || one.sinceUs < 0) continue;
    tellLateness(lane, nowUs - one.sinceUs, true);
    one.sinceUs = -1;
    return;
  }
}

void Reorder::countHeld(const Lane& lane, int32_t change) { cell<int32_t>(peers_.row(lane.peer), layout::peer_heldPacketsAt) += change; }

}  // namespace hawser
