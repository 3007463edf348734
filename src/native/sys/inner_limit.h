// How long an inner packet to a peer may be to leave uncut: the peer table says it, whoever searches path sizes writes it there.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tables.h"

namespace hawser {

// `tunnel.fragment`: whether packets to a peer that reads no FRAG may leave in fragments of the outer IP, and are not limited then.
enum class OuterFragments : uint8_t { Never = layout::outerFragments_never, Auto = layout::outerFragments_auto, Always = layout::outerFragments_always };

class InnerLimits {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  // RFC 791: every host takes so long a datagram. What says less is not believed.
  static constexpr uint32_t kLeast = 576;
  // RFC 8200 section 5: no IPv6 link is narrower.
  static constexpr uint32_t kLeastV6 = 1280;

  InnerLimits() = default;
  // `mtu`: the tunnel's.
  InnerLimits(RowTable peers, SessionTable sessions, uint32_t mtu, OuterFragments outer)
      : peers_(peers), sessions_(sessions), mtu_(mtu), outer_(outer) {}

  // Whether what is too long may be cut inside the tunnel.
  bool readsFragments(int32_t slot) const {
    return sessions_.has(slot) && (cell<int32_t>(sessions_.slot(slot), layout::session_capabilitiesAt) & layout::capability_pathSizes) != 0;
  }

  // Bytes of the longest inner packet that leaves uncut; kNone = any.
  uint32_t of(int32_t peer) const {
    if (!peers_.has(peer)) return kNone;
    const int32_t said = word(peers_.row(peer), layout::peer_innerMtuAt).load(std::memory_order_relaxed);
    if (said == 0) return kNone;
    if (outer_ == OuterFragments::Always && !readsFragments(cell<int32_t>(peers_.row(peer), layout::peer_sendSlotAt))) return kNone;
    return std::max(static_cast<uint32_t>(std::abs(said)), kLeast);
  }

  // A path is being asked again: the limit holds for what leaves now, but nobody who would remember it is told.
  bool isPassing(int32_t peer) const {
    return peers_.has(peer) && word(peers_.row(peer), layout::peer_innerMtuAt).load(std::memory_order_relaxed) < 0;
  }

  // What hosts on either side may count on for packets of an IP version. A stock peer pads what it seals to 16 bytes, up to its own
  // interface's MTU, and knows nothing of our limit: only a multiple of 16 comes back as long as it went.
  uint32_t offered(int32_t peer, uint8_t version) const {
    uint32_t most = isPassing(peer) ? mtu_ : std::min(of(peer), mtu_);
    if (most < mtu_ && !readsFragments(cell<int32_t>(peers_.row(peer), layout::peer_sendSlotAt))) most &= ~15u;
    return version == 6 ? std::max(most, kLeastV6) : most;
  }

  OuterFragments outer() const { return outer_; }

 private:
  RowTable peers_;
  SessionTable sessions_;
  uint32_t mtu_ = 0;
  OuterFragments outer_ = OuterFragments::Auto;
};

}  // namespace hawser
