#include "open_path.h"

#include <cstring>

#include "packet.h"

namespace hawser {
namespace {
constexpr uint8_t kAnyLocal[16] = {};
}

int32_t PathLedger::find(const uint8_t* record, int32_t peer) {
  const uint32_t carrier = readLe32(record + layout::received_carrierAt);
  // Link and transport together: links × 8 alone would all fall on one place.
  const uint32_t place = (carrier / layout::carrier_rowsPerLink + carrier) % kRemembered;
  int32_t& last = last_[peer].rows[place];
  if (last >= 0 && matches(last, record, peer)) return last;
  for (int32_t row = chain_.first(peer); row >= 0; row = chain_.next(row, peer)) {
    if (matches(row, record, peer)) return last = row;
  }
  return -1;
}

int32_t PathLedger::count(int32_t peer) {
  Count& count = counts_[peer];
  const int32_t version = paths_.version();
  if (count.version == version) return count.paths;
  count = Count{version, 0};
  for (int32_t row = chain_.first(peer); row >= 0; row = chain_.next(row, peer)) {
    const int32_t state = word(paths_.row(row), layout::path_stateAt).load(std::memory_order_acquire);
    if (state == layout::pathState_up || state == layout::pathState_unproven) count.paths += 1;
  }
  return count.paths;
}

// A row that the session-manager is writing just now is passed over: its next packet will find it.
bool PathLedger::matches(int32_t row, const uint8_t* record, int32_t peer) const {
  uint8_t* path = paths_.row(row);
  if (word(path, layout::path_stateAt).load(std::memory_order_acquire) == layout::pathState_free) return false;
  if ((word(path, layout::path_sequenceAt).load(std::memory_order_relaxed) & 1) != 0) return false;
  if (cell<int32_t>(path, layout::path_peerAt) != peer) return false;
  if (readLe32(record + layout::received_carrierAt) != cell<uint32_t>(path, layout::path_carrierAt)) return false;
  // Two addresses of ours that a peer writes to are two paths; a row without one takes them all.
  const uint8_t* local = path + layout::path_localAt;
  if (std::memcmp(local, kAnyLocal, sizeof kAnyLocal) != 0 &&
      std::memcmp(local, record + layout::received_localAt, sizeof kAnyLocal) != 0)
    return false;
  const uint8_t* from = record + layout::received_endpointAt;
  const uint8_t* endpoint = path + layout::path_endpointAt;
  const auto kind = cell<uint16_t>(path, layout::path_endpointAt);
  if (kind == layout::endpoint_ip4) return std::memcmp(from, endpoint, 8) == 0;
  if (kind != layout::endpoint_ip6) return std::memcmp(from, endpoint, layout::endpoint_bytes) == 0;
  // Family and port, then the address: the flow label between them says nothing about where the sender is. The interface of a
  // link-local address does, unless the link's sockets are bound to it: then the row has none.
  const uint32_t scope = readLe32(endpoint + 24);
  return std::memcmp(from, endpoint, 4) == 0 && std::memcmp(from + 8, endpoint + 8, 16) == 0 &&
         (scope == 0 || readLe32(from + 24) == scope);
}

void PathLedger::credit(int32_t row, const Arrived& arrived) {
  uint8_t* path = paths_.row(row);
  add(path, layout::path_receivedPacketsAt, arrived.packets);
  add(path, layout::path_receivedBytesAt, arrived.bytes);
  add(path, layout::path_innerRxBytesAt, arrived.innerBytes);
  cell<double>(path, layout::path_lastReceivedAt) = arrived.atUs;
  if (arrived.ecnPackets != 0) {
    add(path, layout::path_receivedEcnAt, arrived.ecnPackets);
    add(path, layout::path_receivedMarkedAt, arrived.marked);
  }
  if (arrived.hasData) cell<double>(path, layout::path_lastDataReceivedAt) = arrived.atUs;
  raiseLargest(path, arrived);
}

// Counters of another slot, or of an earlier life of this one, do not compare: younger keys win, and no counter of this life is as
// large as the next one expected.
void PathLedger::raiseLargest(uint8_t* path, const Arrived& arrived) const {
  const int32_t slot = cell<int32_t>(path, layout::path_largestSlotAt);
  const uint64_t largest = cell<uint64_t>(path, layout::path_largestAt);
  if (slot != arrived.slot) {
    if (sessions_.has(slot) && cell<double>(sessions_.slot(slot), layout::session_birthAt) >
                                   cell<double>(sessions_.slot(arrived.slot), layout::session_birthAt))
      return;
  } else if (arrived.largest < largest && largest < cell<uint64_t>(sessions_.slot(slot), layout::session_receiveNextAt)) {
    return;
  }
  cell<int32_t>(path, layout::path_largestSlotAt) = arrived.slot;
  cell<uint64_t>(path, layout::path_largestAt) = arrived.largest;
  cell<double>(path, layout::path_largestTimeUsAt) = arrived.kernelUs;
  // What comes later with lower counters, as repairs do, took longer than until then.
  cell<double>(path, layout::path_largestBytesAt) = cell<double>(path, layout::path_receivedBytesAt);
}

}  // namespace hawser
