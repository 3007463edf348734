// The groups of parity that a sealer has open, one for each path of each peer, and the closed ones whose frames wait to be sealed. What
// goes into a group, when it ends early, and by which path its parity leaves is said from outside.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "fec_encode.h"

namespace hawser {

class FecGroups {
 public:
  // Of the packets that follow: where they go, and how they are grouped. `data` 0 = no parity.
  struct Order {
    int32_t peer = 0;
    int32_t slot = 0;
    uint32_t path = 0;  // within the peer's rows
    uint32_t data = 0;
    uint32_t parity = 0;
    double nowUs = 0;
  };

  // Of the longest sealed packet that may be in a group; longer ones stay without parity and are counted.
  explicit FecGroups(uint32_t maxSealedBytes) : maxSealedBytes_(maxSealedBytes) {}

  void add(const Order& order, const uint8_t* sealed, uint32_t length);
  // Ends the groups of a peer that began before `beforeUs`, with their share of parity: one frame at least, and what is lost or won
  // by whole frames is made good by the next short group of the path.
  void closeOlder(int32_t peer, double beforeUs);
  // When the oldest open group of a peer began; 0 = none is open.
  double oldestUs(int32_t peer) const;

  // A closed group: its frames are sealed under `slot`, addressed to `receiverIndex`.
  struct Closed {
    std::unique_ptr<FecEncoder> group;
    int32_t slot;
    uint32_t path;
    uint32_t parities;
    uint32_t sent;
  };
  // The one that has waited longest; null = none.
  Closed* front(int32_t peer);
  void pop(int32_t peer);

  // What is open or waits for a peer is dropped.
  void forget(int32_t peer);

  uint64_t tooLong() const { return tooLong_; }
  uint64_t dropped() const { return dropped_; }

 private:
  // Closed groups of one peer whose parity found no way out yet.
  static constexpr size_t kMaxClosed = 64;

  struct Open {
    std::unique_ptr<FecEncoder> group;
    int32_t slot = -1;
    double beganUs = 0;
    double owed = 0;  // parities
  };
  struct Peer {
    Open open[layout::path_mostPerPeer];
    // A bit for each that has packets.
    uint64_t begun = 0;
    std::deque<Closed> closed;
  };

  Peer& peerAt(int32_t peer);
  void begin(Peer& peer, const Order& order);
  void close(Peer& peer, uint32_t path, uint32_t parities);
  static uint32_t shareOf(Open& open);

  uint32_t maxSealedBytes_;
  FecCodes codes_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<FecEncoder>> spare_;
  uint64_t tooLong_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace hawser
