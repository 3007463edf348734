// Which path of a peer a datagram came by, and what came by it (the opener's columns of the path table).
#pragma once
#include <cstdint>

#include "by_row.h"
#include "tables.h"

namespace hawser {

class PathLedger {
 public:
  PathLedger(SessionTable sessions, RowTable peers, RowTable paths)
      : sessions_(sessions), paths_(paths), chain_(peers, paths) {}

  // Row of the peer's path whose carrier and endpoint are those of a `received` record; -1 when it has none such.
  int32_t find(const uint8_t* record, int32_t peer);

  // How many paths a peer may send data by: what it has proven may be unproven here, what stands by carries none.
  int32_t count(int32_t peer);

  // Another path of its way carries data.
  bool standsBy(int32_t row) const { return word(paths_.row(row), layout::path_stateAt).load(std::memory_order_relaxed) == layout::pathState_standby; }

  // What one run authenticated.
  struct Arrived {
    int32_t slot;
    uint32_t packets;
    uint32_t bytes;
    uint64_t largest;
    double atUs;      // CLOCK_BOOTTIME
    double kernelUs;  // CLOCK_REALTIME, when the kernel received it
    bool hasData;     // not only control frames
    uint32_t ecnPackets;  // with an ECN field outside
    uint32_t marked;      // and congestion-experienced by what lies between
    uint32_t innerBytes;  // of packets that entered
  };
  void credit(int32_t row, const Arrived& arrived);

 private:
  // Paths of one peer found last, by carrier: several bring packets in turn.
  static constexpr size_t kRemembered = 4;
  struct Last {
    int32_t rows[kRemembered] = {-1, -1, -1, -1};
  };

  bool matches(int32_t row, const uint8_t* record, int32_t peer) const;
  void raiseLargest(uint8_t* path, const Arrived& arrived) const;

  SessionTable sessions_;
  RowTable paths_;
  PathChain chain_;
  // Both by peer.
  ByRow<Last> last_;
  // Of one version of the path table.
  struct Count {
    int32_t version = -1;
    int32_t paths = 0;
  };
  ByRow<Count> counts_;
};

}  // namespace hawser
