#include "fec_groups.h"

#include <algorithm>
#include <bit>

namespace hawser {

void FecGroups::add(const Order& order, const uint8_t* sealed, uint32_t length) {
  if (order.data == 0 || order.parity == 0) return;
  Peer& peer = peerAt(order.peer);
  Open& open = peer.open[order.path];
  if (open.group == nullptr || open.group->count() == 0) begin(peer, order);
  FecEncoder::Added added = open.slot == order.slot ? open.group->add(sealed, length) : FecEncoder::Added::Full;
  if (added == FecEncoder::Added::Full) {
    close(peer, order.path, shareOf(open));
    begin(peer, order);
    added = open.group->add(sealed, length);
  }
  if (added == FecEncoder::Added::TooLong) tooLong_ += 1;
  if (open.group->full()) close(peer, order.path, open.group->parity());
}

void FecGroups::closeOlder(int32_t index, double beforeUs) {
  Peer& peer = peerAt(index);
  for (uint64_t begun = peer.begun; begun != 0; begun &= begun - 1) {
    const auto path = static_cast<uint32_t>(std::countr_zero(begun));
    Open& open = peer.open[path];
    if (open.group->count() > 0 && open.beganUs < beforeUs) close(peer, path, shareOf(open));
  }
}

double FecGroups::oldestUs(int32_t index) const {
  if (static_cast<size_t>(index) >= peers_.size() || peers_[static_cast<size_t>(index)] == nullptr) return 0;
  double oldest = 0;
  const Peer& peer = *peers_[static_cast<size_t>(index)];
  for (uint64_t begun = peer.begun; begun != 0; begun &= begun - 1) {
    const Open& open = peer.open[std::countr_zero(begun)];
    if (open.group->count() > 0 && (oldest == 0 || open.beganUs < oldest)) oldest = open.beganUs;
  }
  return oldest;
}

FecGroups::Closed* FecGroups::front(int32_t index) {
  if (static_cast<size_t>(index) >= peers_.size() || peers_[static_cast<size_t>(index)] == nullptr) return nullptr;
  std::deque<Closed>& closed = peers_[static_cast<size_t>(index)]->closed;
  return closed.empty() ? nullptr : &closed.front();
}

void FecGroups::pop(int32_t index) {
  std::deque<Closed>& closed = peerAt(index).closed;
  spare_.push_back(std::move(closed.front().group));
  closed.pop_front();
}

FecGroups::Peer& FecGroups::peerAt(int32_t peer) {
  const auto index = static_cast<size_t>(std::max(peer, 0));
  if (index >= peers_.size()) peers_.resize(index + 1);
  if (peers_[index] == nullptr) peers_[index] = std::make_unique<Peer>();
  return *peers_[index];
}

void FecGroups::begin(Peer& peer, const Order& order) {
  Open& open = peer.open[order.path];
  peer.begun |= uint64_t{1} << order.path;
  if (open.group == nullptr && !spare_.empty()) {
    open.group = std::move(spare_.back());
    spare_.pop_back();
  }
  if (open.group == nullptr) open.group = std::make_unique<FecEncoder>(codes_, maxSealedBytes_);
  open.group->begin(order.data, order.parity);
  open.slot = order.slot;
  open.beganUs = order.nowUs;
}

void FecGroups::forget(int32_t index) {
  if (index >= 0 && static_cast<size_t>(index) < peers_.size()) peers_[static_cast<size_t>(index)].reset();
}

uint32_t FecGroups::shareOf(Open& open) {
  open.owed += open.group->share();
  const auto parities = static_cast<uint32_t>(std::clamp(open.owed + 1e-9, 1.0, static_cast<double>(open.group->parity())));
  open.owed = std::clamp(open.owed - parities, -1.0, 1.0);
  return parities;
}

void FecGroups::close(Peer& peer, uint32_t path, uint32_t parities) {
  Open& open = peer.open[path];
  if (peer.closed.size() == kMaxClosed) {
    spare_.push_back(std::move(peer.closed.front().group));
    peer.closed.pop_front();
    dropped_ += 1;
  }
  peer.begun &= ~(uint64_t{1} << path);
  peer.closed.push_back({std::move(open.group), open.slot, path, parities, 0});
}

}  // namespace hawser
