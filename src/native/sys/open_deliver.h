// The third step of opening: what may enter leaves for the TUN, in order where that is wanted, pieces put together, segments of a flow
// joined.
#pragma once
#include <cstdint>
#include <deque>
#include <utility>

#include "coalesce.h"
#include "fragments.h"
#include "open_dispatch.h"
#include "reorder.h"

namespace hawser {

class Delivery {
 public:
  struct Parts {
    SessionTable sessions;
    RowTable peers;
    RingProducer out;
    bool joinUdp = false;
    // See Reorder.
    double* gaps = nullptr;
    double* lateness = nullptr;
  };

  // `dispatcher` decides of packets that are whole again.
  Delivery(const Parts& parts, Dispatcher& dispatcher)
      : out_(parts.out), joinUdp_(parts.joinUdp), dispatcher_(dispatcher), reorder_(parts.sessions, parts.peers, parts.gaps, parts.lateness) {}

  // A call begins. False when the output is still full.
  bool beginCall(double nowUs);
  void endCall(OpenResult& result);
  // What follows is sealed under `slot`; `isOrdered`: it is wanted in the order of counters.
  void beginRun(int32_t slot, bool isOrdered) { lane_ = reorder_.lane(slot, isOrdered); }

  // Where the next packet is to be opened, straight into the output; null when that is full. Then comes `take` or `discard`.
  uint8_t* place(uint32_t bytes) { return coalescer_.place(bytes); }
  void take(const IpView& ip) { coalescer_.take(ip); }
  void discard() { coalescer_.discard(); }
  // That packet had `counter`; `isNews`: it says how late packets are. Then what waited for it.
  void settle(uint64_t counter, double nowUs, bool isNews);

  // Whether others are missing before it, so that it may have to wait.
  bool isAhead(uint64_t counter, uint32_t bytes) const { return lane_ != nullptr && counter > lane_->head && bytes <= HoldPool::kPacketBytes; }
  // Makes room to open one that is ahead; false when the output is full. It may bring the head to the very counter.
  bool makeRoom(double nowUs) {
    if (spare_ < 0) spare_ = takeRoom(nowUs);
    return spare_ >= 0;
  }
  // That room.
  uint8_t* room() const { return reorder_.bytes(spare_); }
  // Ends the wait for the first ones if `counter` is too far ahead of them. False when the output is full.
  bool makeWindow(uint64_t counter, double nowUs);
  // What was opened there waits; or leaves its place to the next, and has gone another way.
  void hold(uint64_t counter, uint32_t bytes, double nowUs);
  void pass(uint64_t counter, double nowUs, bool isNews);

  // A piece of an inner packet; the last one makes it whole, and it enters like any other.
  void takePiece(const uint8_t* plain, uint32_t length, const FragmentJoiner::Piece& piece);
  // The peer says that these counters bear nothing that anybody waits for.
  void skip(uint64_t first, uint32_t count, double nowUs) {
    if (lane_ != nullptr) reorder_.skip(*lane_, first, count, nowUs);
  }

  // Fills the rows of `gaps`; returns how many.
  uint32_t describeGaps() { return reorder_.describe(); }
  // See Opener.
  bool giveUp(int32_t slot, double nowUs);
  void sweep(int32_t slot) {
    lane_ = nullptr;
    reorder_.sweep(slot);
  }

 private:
  int32_t takeRoom(double nowUs);
  bool deliverJoined();
  bool deliverReady(Lane& lane, double nowUs);
  bool deliverBacklog(double nowUs);

  RingProducer out_;
  bool joinUdp_;
  Dispatcher& dispatcher_;
  Reorder reorder_;
  FragmentJoiner joiner_;
  // Joined packets that are to be delivered next.
  std::deque<PacketBytes> joined_;
  // Taken since the call began, or since the call before it ended.
  int32_t pieces_ = 0;
  Coalescer coalescer_;
  // Of the run's slot; null when its packets need no order.
  Lane* lane_ = nullptr;
  // Where the next packet that is ahead will be opened: room is made only for authentic ones.
  int32_t spare_ = -1;
};

}  // namespace hawser
