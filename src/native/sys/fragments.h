// Joins the pieces that FRAG frames brought (docs/wire-format.md) to inner packets again. Where a piece lies follows from its number, so
// pieces cannot overlap; those that contradict one another take their packet with them.
//
// What is held lies on the heap: it is lost when the thread dies, at most what came within the patience.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "by_row.h"

namespace hawser {

using PacketBytes = std::vector<uint8_t>;

class FragmentJoiner {
 public:
  // Of one peer: packets that wait for pieces, and their bytes. Of all peers: bytes.
  static constexpr uint32_t kMaxPackets = 64;
  static constexpr uint32_t kMaxPeerBytes = 1 << 18;
  static constexpr uint32_t kMaxBytes = 1 << 22;
  static constexpr double kPatienceUs = 1e6;

  // Where and when a piece came: `life` tells two sessions of one slot apart.
  struct Piece {
    int32_t peer, slot, life;
    uint64_t counter;
    double nowUs;
  };

  // Whether an opened packet is a FRAG frame.
  static bool isPiece(const uint8_t* plain, uint32_t length);
  // Whether the packet it is a piece of is of those that are put in order.
  static bool isOrdered(const uint8_t* plain);
  // Notes in an opened frame that congestion was experienced on the way, or that it was not: a frame may be held before it is added.
  static void setMarked(uint8_t* plain, bool isMarked);

  // Takes a FRAG frame, padding and all. True when it completes a packet, which is `whole()` until the next call.
  bool add(const Piece& piece, const uint8_t* frame, uint32_t length);
  const PacketBytes& whole() const { return whole_; }
  // One of its pieces was marked (RFC 6040 section 4.5 leaves reassembly to RFC 3168 section 5.3: the whole bears the mark).
  bool isMarked() const { return isMarked_; }
  // Whether it left before under another counter of its session, and which: so long as that is not known to have come, it is news.
  bool isAgain() const { return isAgain_; }
  uint64_t counterBefore() const { return counterBefore_; }
  // Gives up what has waited too long. To be called now and then.
  void expire(double nowUs);
  // Packets and pieces that were given up, malformed ones too, since it was asked last.
  uint32_t takeDropped();

 private:
  struct Waiting {
    int32_t slot, life;
    uint64_t first;
    double sinceUs;
    uint64_t have;
    uint32_t total, pieceBytes, pieces;
    bool isMarked, isAgain;
    PacketBytes bytes;
  };
  struct Peer {
    std::vector<Waiting> waiting;  // in the order in which they began
    uint32_t bytes = 0;
  };
  struct Header;

  Waiting* find(Peer& peer, const Piece& piece, uint64_t first);
  Waiting* begin(Peer& peer, const Piece& piece, const Header& header);
  void drop(Peer& peer, size_t index);
  void finish(Peer& peer, size_t index);
  bool readBefore();
  void expire(Peer& peer, double nowUs);

  ByRow<Peer> peers_;
  PacketBytes whole_;
  bool isMarked_ = false;
  bool isAgain_ = false;
  uint64_t counterBefore_ = 0;
  uint32_t bytes_ = 0;
  uint32_t dropped_ = 0;
  double expiredUs_ = 0;
};

}  // namespace hawser
