#include "open_deliver.h"

#include <cstring>

#include "packet.h"

namespace hawser {

bool Delivery::beginCall(double nowUs) {
  coalescer_.begin(&out_, joinUdp_, nowUs);
  joiner_.expire(nowUs);
  return deliverBacklog(nowUs);
}

void Delivery::endCall(OpenResult& result) {
  coalescer_.end();
  result.fragments += std::exchange(pieces_, 0);
  result.unjoined += static_cast<int32_t>(joiner_.takeDropped());
}

void Delivery::settle(uint64_t counter, double nowUs, bool isNews) {
  deliverJoined();
  if (lane_ == nullptr) return;
  // With the output full an oversized packet far ahead goes unmarked, and will be waited for in vain.
  if (makeWindow(counter, nowUs)) reorder_.pass(*lane_, counter, nowUs, isNews);
  deliverReady(*lane_, nowUs);
}

void Delivery::hold(uint64_t counter, uint32_t bytes, double nowUs) {
  reorder_.hold(*lane_, counter, spare_, bytes, nowUs);
  spare_ = takeRoom(nowUs);
  // It may be next by now, when those before it were too far behind to be waited for.
  deliverReady(*lane_, nowUs);
}

void Delivery::pass(uint64_t counter, double nowUs, bool isNews) {
  deliverJoined();
  reorder_.pass(*lane_, counter, nowUs, isNews);
  deliverReady(*lane_, nowUs);
}

void Delivery::takePiece(const uint8_t* plain, uint32_t length, const FragmentJoiner::Piece& piece) {
  pieces_ += 1;
  if (!joiner_.add(piece, plain, length)) return;
  if (joiner_.isAgain() && !dispatcher_.isNews(piece.peer, piece.slot, piece.life, joiner_.counterBefore())) return;
  PacketBytes& whole = joined_.emplace_back(joiner_.whole());
  if (!dispatcher_.admitWhole(whole.data(), static_cast<uint32_t>(whole.size()), piece.peer, joiner_.isMarked(), piece.nowUs)) joined_.pop_back();
}

// False when the output is full: the rest stays.
bool Delivery::deliverJoined() {
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

bool Delivery::giveUp(int32_t slot, double nowUs) {
  Lane& lane = reorder_.at(slot);
  coalescer_.begin(&out_, joinUdp_, nowUs);
  if (reorder_.ready(lane) < 0) reorder_.giveUp(lane, nowUs);
  const bool isDone = deliverReady(lane, nowUs);
  coalescer_.end();
  return isDone;
}

// Delivers what waits at the head of a lane; false when the output is full: the rest stays.
bool Delivery::deliverReady(Lane& lane, double nowUs) {
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
bool Delivery::deliverBacklog(double nowUs) {
  if (!deliverJoined()) return false;
  const std::vector<int32_t>& gapped = reorder_.gapped();
  for (size_t i = gapped.size(); i > 0; i--) {
    if (!deliverReady(reorder_.at(gapped[i - 1]), nowUs)) return false;
  }
  return true;
}

// A place to hold a packet; gaps that were waited for longest are given up for it. -1: the output is full.
int32_t Delivery::takeRoom(double nowUs) {
  for (;;) {
    const int32_t index = reorder_.take();
    if (index >= 0) return index;
    Lane* lane = reorder_.longestWaiting();
    if (lane == nullptr) return -1;
    if (reorder_.ready(*lane) < 0) reorder_.giveUp(*lane, nowUs);
    if (!deliverReady(*lane, nowUs)) return -1;
  }
}

bool Delivery::makeWindow(uint64_t counter, double nowUs) {
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
