// Holds packets that overtook others, by key slot and counter, until those have come or TypeScript gives them up. A slot's lane knows
// the next counter in order (`head`) and what has come beyond it; while nothing is missing it is two numbers and costs a comparison.
//
// What is held lies on the heap: it is lost when the thread dies, at most what came within one deadline.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "by_row.h"
#include "tables.h"

namespace hawser {

// A packet in a HoldPool, whole and checked.
struct HeldPacket {
  double arrivedUs;
  uint32_t length;
  // Neighbours in the order of arrival; -1 = none.
  int32_t before, after;
};

// Room for held packets, shared by all peers, and taken from the heap only as it is needed.
class HoldPool {
 public:
  static constexpr uint32_t kPacketBytes = 2048;
  static constexpr int32_t kPackets = 8192;

  // -1: all is in use.
  int32_t take();
  void give(int32_t index) { free_.push_back(index); }
  uint8_t* bytes(int32_t index) const { return chunks_[static_cast<size_t>(index / kChunk)].get() + static_cast<size_t>(index % kChunk) * kPacketBytes; }
  HeldPacket& packet(int32_t index) { return packets_[static_cast<size_t>(index)]; }

 private:
  static constexpr int32_t kChunk = 256;

  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  std::vector<HeldPacket> packets_;
  std::vector<int32_t> free_;
};

// How many counters a peer may have skipped: an honest one skips a few for each control frame. A number in a frame costs its sender
// nothing and us a step each, so that without a limit one short frame would cost as much as a hundred packets.
class SkipBudget {
 public:
  static constexpr uint32_t kMostAFrame = 256;
  static constexpr double kBurst = 4096;
  static constexpr double kPerSecond = 65536;

  // How many of `wanted` may be skipped now.
  uint32_t take(uint32_t wanted, double nowUs) {
    left_ = std::min(kBurst, left_ + (nowUs - lastUs_) * (kPerSecond / 1e6));
    lastUs_ = nowUs;
    const uint32_t taken = std::min({wanted, kMostAFrame, static_cast<uint32_t>(left_)});
    left_ -= taken;
    return taken;
  }

 private:
  double left_ = kBurst;
  double lastUs_ = 0;
};

// One gap that somebody waits for.
using GapFacts = layout::GapsRow;
// How late a packet was, for TypeScript to learn from: after the first of a higher counter.
using Lateness = layout::LatenessRow;

// Order of one key slot.
struct Lane {
  static constexpr uint64_t kWindow = 16384;
  static constexpr int16_t kMissing = -1;
  static constexpr int16_t kPassed = -2;
  static constexpr uint32_t kRemembered = 16;

  // Counters [from, to) that were given up; `sinceUs` < 0: somebody came late already, or nothing was.
  struct GivenUp {
    uint64_t from = 0, to = 0;
    double sinceUs = -1;
  };

  bool isGapped() const { return head != end; }
  // The first counter from `head` on that has come, or `end`. A peer may leave the whole window empty with each packet, so that its
  // marks are looked at in blocks: 16,383 of them take 1 us, where one by one they took 7. `looks`: grows by one for each block or mark.
  uint64_t firstCome(uint32_t& looks) const;
  int16_t& mark(uint64_t counter) { return marks[counter % kWindow]; }

  int32_t slot = -1;
  int32_t generation = -1;
  int32_t peer = -1;
  bool isOn = false;
  // Next counter in order, and the largest seen plus one.
  uint64_t head = 0, end = 0;
  // When the first packet came that waits for `head`.
  double sinceUs = 0;
  int32_t oldest = -1, newest = -1;
  int32_t held = 0;
  // Of counters `head` to `end`: kMissing, kPassed, or where it is held. Only while there is a gap.
  std::unique_ptr<int16_t[]> marks;
  GivenUp givenUp[kRemembered];
  uint32_t givenUpCount = 0;
  SkipBudget skips;
};

class Reorder {
 public:
  static constexpr uint32_t kMaxGaps = 64;
  static constexpr uint32_t kMaxLateness = 128;
  static constexpr size_t kGapsCells = 1 + kMaxGaps * sizeof(GapFacts) / sizeof(double);
  static constexpr size_t kLatenessCells = 1 + kMaxLateness * sizeof(Lateness) / sizeof(double);

  // `gaps`: number of open gaps, then kMaxGaps rows; `lateness`: number of rows, then kMaxLateness. Both f64, shared with TypeScript.
  Reorder(SessionTable sessions, RowTable peers, double* gaps, double* lateness);

  // The lane of a slot; null when its packets need no order: they are not wanted in order, and none waits.
  Lane* lane(int32_t slot, bool isWanted);

  // Nothing that waits for order will come as one of the `count` counters from `first` on: the peer says so. A hint: what is beyond the
  // peer's budget is waited for all the same.
  void skip(Lane& lane, uint64_t first, uint32_t count, double nowUs);

  // Room for a packet that is ahead of the head; -1 when there is none.
  int32_t take() { return pool_.take(); }
  void giveBack(int32_t index) { pool_.give(index); }
  uint8_t* bytes(int32_t index) const { return pool_.bytes(index); }

  // `counter` has come and waits for nobody, in order or not. `isNews`: it says how late packets are; a control frame does not.
  void pass(Lane& lane, uint64_t counter, double nowUs, bool isNews);
  // `counter`, ahead of the head and within the window, is held at `index`.
  void hold(Lane& lane, uint64_t counter, int32_t index, uint32_t length, double nowUs);
  // Where the packet at the head is held; -1 when the head is missing or nothing waits.
  int32_t ready(const Lane& lane) const;
  uint32_t length(int32_t index) { return pool_.packet(index).length; }
  // The packet at the head, which was ready, has been delivered.
  void release(Lane& lane, double nowUs);
  // Waits no longer for what is missing at the head.
  void giveUp(Lane& lane, double nowUs);
  // Begins anew at `counter`; only when nothing waits.
  void skipTo(Lane& lane, uint64_t counter);

  // The lane that has held a packet for longest; null when none does.
  Lane* longestWaiting();
  // Lanes with a gap, in no order.
  const std::vector<int32_t>& gapped() const { return gapped_; }
  // Made now if the slot has none.
  Lane& at(int32_t slot) {
    std::unique_ptr<Lane>& lane = lanes_[slot];
    if (lane == nullptr) lane = std::make_unique<Lane>();
    return *lane;
  }
  // Frees that of a slot that is not ready any more, unless packets wait in it: then the slot's next life drops them.
  void sweep(int32_t slot) {
    std::unique_ptr<Lane>* lane = lanes_.find(slot);
    if (lane != nullptr && *lane != nullptr && !(*lane)->isGapped() && !sessions_.isReady(slot)) lane->reset();
  }
  // Writes the rows of `gaps`; returns how many.
  uint32_t describe();

 private:
  void open(Lane& lane, double nowUs);
  void close(Lane& lane);
  void advance(Lane& lane, double nowUs);
  void unlink(Lane& lane, int32_t index);
  void drop(Lane& lane);
  void tellLateness(const Lane& lane, double lateUs, bool wasGivenUp);
  void handleLate(Lane& lane, uint64_t counter, double nowUs);
  void countHeld(const Lane& lane, int32_t change);

  SessionTable sessions_;
  RowTable peers_;
  double* gaps_;
  double* lateness_;
  HoldPool pool_;
  // By slot, of those that have put something in order: half a KiB each, and most slots are never used.
  ByRow<std::unique_ptr<Lane>> lanes_;
  std::vector<int32_t> gapped_;
  // With more gaps than rows they take turns.
  uint32_t firstRow_ = 0;
  // All kMissing, as a gap that closes leaves them.
  std::vector<std::unique_ptr<int16_t[]>> spareMarks_;
};

}  // namespace hawser
