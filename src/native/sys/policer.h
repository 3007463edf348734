// Keeps a peer to the rate at which it may send (`policeBpsAt`, and `shareBpsAt` while all together send too much), and all of them to the
// server's, the devices of a client together to its rate (`leadAt`); and to how much it may send at all (`stopRxBytesAt`). The bucket of a peer is in its row, so that a new thread goes on where another one ended. What is refused is gone; nothing
// waits here.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tables.h"

namespace hawser {

class Policer {
 public:
  // Calls, games, questions of DNS, acknowledgements: they may overdraw a bucket that bulk has emptied.
  static constexpr uint32_t kSmallBytes = 300;
  static constexpr double kReserveBytes = 8 * 1024;
  // Of the server's rate.
  static constexpr double kTotalBurstUs = 100'000;
  static constexpr double kLeastTotalBurstBytes = 64 * 1024;

  Policer() = default;
  explicit Policer(RowTable peers) : peers_(peers) {}

  // Whether a packet of the peer in `row` may enter, of which `pending` bytes came in this run before. One that may not is counted.
  bool admits(uint8_t* row, uint32_t bytes, double pending, double nowUs) {
    const double stop = cell<double>(row, layout::peer_stopRxBytesAt);
    if (stop != 0 && cell<double>(row, layout::peer_innerRxBytesAt) + pending >= stop) return refuse(row, bytes, nowUs);
    const double own = cell<double>(row, layout::peer_policeBpsAt);
    const double share = cell<double>(row, layout::peer_shareBpsAt);
    const double total = peers_.head<double>(layout::peer_totalTakeBpsAt);
    if (own == 0 && total == 0) return true;
    const double reserve = bytes <= kSmallBytes ? kReserveBytes : 0;
    const int32_t lead = own == 0 ? 0 : cell<int32_t>(row, layout::peer_leadAt);
    const double bps = own == 0 || ((total != 0 || lead != 0) && share != 0 && share < own) ? share : own;
    const Bucket mine{cell<double>(row, layout::peer_policeDebtAt), cell<double>(row, layout::peer_policeUsAt)};
    const double most = std::max(cell<double>(row, layout::peer_policeBurstBytesAt), kLeastBurstBytes) + reserve;
    const Bucket all{totalDebt_, totalUs_};
    const double mostOfAll = std::max(kLeastTotalBurstBytes, total / 8e6 * kTotalBurstUs) + reserve;
    if ((bps != 0 && !mine.takes(bytes, bps, most, nowUs)) || (total != 0 && !all.takes(bytes, total, mostOfAll, nowUs))) {
      return refuse(row, bytes, nowUs);
    }
    if (lead != 0 && !chargeTogether(lead - 1, bytes, own, most, nowUs)) return refuse(row, bytes, nowUs);
    if (bps != 0) mine.debt += bytes;
    if (total != 0) all.debt += bytes;
    return true;
  }

 private:
  // What the devices of a client send in sum, in the row of the first of them.
  bool chargeTogether(int32_t lead, uint32_t bytes, double bps, double most, double nowUs) {
    if (!peers_.has(lead)) return true;
    uint8_t* first = peers_.row(lead);
    const Bucket sum{cell<double>(first, layout::peer_sumDebtAt), cell<double>(first, layout::peer_sumUsAt)};
    if (!sum.takes(bytes, bps, most, nowUs)) return false;
    sum.debt += bytes;
    return true;
  }

  static bool refuse(uint8_t* row, uint32_t bytes, double nowUs) {
    add(row, layout::peer_policedPacketsAt, 1);
    add(row, layout::peer_policedBytesAt, bytes);
    cell<double>(row, layout::peer_policedUsAt) = nowUs;
    return false;
  }

  static constexpr double kLeastBurstBytes = 3'000;

  struct Bucket {
    double& debt;
    double& asOfUs;

    // A packet that is longer than any burst would never be taken: it is when nothing is owed.
    bool takes(uint32_t bytes, double bps, double most, double nowUs) const {
      debt = std::max(0.0, debt - std::max(0.0, nowUs - asOfUs) * bps / 8e6);
      asOfUs = nowUs;
      return debt <= 0 || debt + bytes <= most;
    }
  };

  RowTable peers_;
  double totalDebt_ = 0;
  double totalUs_ = 0;
};

}  // namespace hawser
