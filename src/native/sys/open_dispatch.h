// The second step of opening: what a genuine datagram bears, and whom it concerns. Here it is booked on its peer and its path, and here is
// decided whether an inner packet may enter: what a peer may send at all, how much and how fast, belongs between these two.
#pragma once
#include <cstdint>
#include <utility>

#include "allowed_ips.h"
#include "by_row.h"
#include "inner_limit.h"
#include "open_path.h"
#include "open_run.h"
#include "packet.h"
#include "policer.h"
#include "report.h"
#include "ring.h"
#include "tables.h"

namespace hawser {

class Dispatcher {
 public:
  // `Nothing`: a keepalive, a frame that was passed on, a packet that may not enter. The others are for who asked.
  enum class Kind : uint8_t { Nothing, Packet, Piece, Parity, Skip };

  struct Parts {
    RowTable peers;
    AllowedIps allowedIps;
    // What SYNs of a peer may offer.
    InnerLimits limits;
    // Frames about sessions and addresses, and new endpoints, for the session-manager; frames about paths for the sealer.
    RingProducer events;
    RingProducer heard;
  };

  Dispatcher(const Parts& parts, PathLedger& ledger, Reporter& reporter)
      : peers_(parts.peers), policer_(parts.peers), allowedIps_(parts.allowedIps), limits_(parts.limits), events_(parts.events), heard_(parts.heard), ledger_(ledger),
        reporter_(reporter) {}

  // What a run has brought so far; all of it is authentic.
  struct Brought {
    uint32_t datagrams = 0;
    uint32_t bytes = 0;
    uint32_t packets = 0;
    // Of the packets that entered.
    uint32_t innerBytes = 0;
    // Packets with an ECN field outside, and those of them that were marked on the way.
    uint32_t ecnPackets = 0;
    uint32_t marked = 0;
    uint64_t lowest = UINT64_MAX;
    uint64_t largest = 0;
    // Of the datagram booked last.
    uint64_t counter = 0;
    int32_t pathRow = -1;
    bool hasData = false;
    // A probe of the peer's.
    bool isAsked = false;
    // The datagram booked last was a control frame.
    bool isControl = false;
  };

  // A call begins: at this CLOCK_REALTIME.
  void beginCall(double realtimeUs) { calledUs_ = realtimeUs; }
  void beginRun(const Arrival& arrival);
  // One more datagram is genuine. The first of a run says that the peer is there, and its path is worth looking for.
  void book(uint64_t counter, uint32_t length, const Arrival& arrival);
  // It is the original of one that was rebuilt before it came, and bears nothing new.
  void bookLate() { brought_.hasData = true; }
  // What was booked since `before` was rebuilt as `counter`: it came neither by the path nor in the run.
  void bookRebuilt(Brought before, uint64_t counter);
  // On the peer, on its path, for the next report.
  void endRun(const Arrival& arrival);
  void endCall(OpenResult& result) {
    result.unmarkable += std::exchange(unmarkable_, 0);
    events_.publish();
    heard_.publish();
  }
  const Brought& brought() const { return brought_; }

  // What follows was rebuilt, and had no outer header; or came as it is again.
  void setRebuilding(bool isRebuilding) { isRebuilding_ = isRebuilding; }

  // What was opened at `plain`, and for `Packet` then `ip`.
  Kind dispatch(uint8_t* plain, uint32_t length, const Arrival& arrival, IpView& ip);
  // The same for a packet of a peer that was put together of pieces.
  bool admitWhole(uint8_t* packet, uint32_t length, int32_t peer, bool isMarked, double nowUs);
  // Whether that has not come under the counter that it had before; then it will not be taken under it any more.
  bool isNews(int32_t peer, int32_t slot, int32_t generation, uint64_t counterBefore);

  // Counts a datagram that is not genuine, or a packet that may not enter.
  void reject(const Arrival& arrival);

 private:
  Kind takeControl(const uint8_t* plain, uint32_t length, const Arrival& arrival);
  void reportByWhatAsks(const Arrival& arrival);
  void forward(RingProducer& to, const uint8_t* plain, uint32_t length, const Arrival& arrival, double atUs);
  bool takeEcn(uint8_t* plain, IpView& ip, const Arrival& arrival);
  bool mayEnter(uint8_t* plain, uint32_t length, int32_t peer, IpView& ip);
  void notePiece(uint8_t* plain, const Arrival& arrival);
  void noteData(const Arrival& arrival);
  void tellKeysUsed(const Arrival& arrival);
  void tellRoamed(const Arrival& arrival);

  RowTable peers_;
  Policer policer_;
  CachedLookup allowedIps_;
  InnerLimits limits_;
  RingProducer events_;
  RingProducer heard_;
  PathLedger& ledger_;
  Reporter& reporter_;
  // When a peer was last said to have roamed, by peer row.
  ByRow<double> roamedUs_;
  Brought brought_;
  // ECN field of the outer headers of the run.
  uint8_t outerEcn_ = 0;
  bool isRebuilding_ = false;
  // Packets made whole that were dropped because they were marked in vain, since a call ended.
  int32_t unmarkable_ = 0;
  // A thread may lose the CPU in the middle of a call.
  double calledUs_ = 0;
};

}  // namespace hawser
