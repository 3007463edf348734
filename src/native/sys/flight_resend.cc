// Puts lost packets on another path, straight from the sealed log.
#include <algorithm>
#include <bit>

#include "flight.h"

namespace hawser {

uint32_t Flight::queuedLongest() {
  for (uint64_t i = head_; i < tail_ && queuedPackets_ != 0; i++) {
    if (at(i).queued != 0) return longestOf(at(i), at(i).queued);
  }
  return 0;
}

void Flight::giveUpLonger(uint32_t longest) {
  for (uint64_t i = head_; i < tail_ && queuedPackets_ != 0; i++) {
    Run& run = at(i);
    if (run.queued == 0 || longestOf(run, run.queued) <= longest) continue;
    queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
    run.queued = 0;
  }
}

bool Flight::takeLonger(const SealedLog& log, uint32_t longest, Taken& taken) {
  for (uint64_t i = head_; i < tail_ && queuedPackets_ != 0; i++) {
    Run& run = at(i);
    if (run.queued == 0 || longestOf(run, run.queued) <= longest) continue;
    if (!log.holds(run.position)) {
      queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
      run.queued = 0;
      continue;
    }
    const auto place = static_cast<uint32_t>(std::countr_zero(run.queued));
    const uint64_t bit = uint64_t{1} << place;
    const uint32_t bytes = place + 1 == run.count ? run.lastBytes : run.segmentBytes;
    taken = Taken{run.counter + place, run.slot, run.position, place * run.segmentBytes, bytes, run.trafficClass, run.ecn};
    run.queued &= ~bit;
    // It leaves otherwise, too: that it has arrived says nothing of this path.
    run.resent |= bit;
    queuedPackets_ -= 1;
    noteHollow(run, bit);
    return true;
  }
  return false;
}

uint32_t Flight::resend(RingProducer& link, const SealedLog& log, uint32_t path, int32_t pathRow, uint32_t maxBytes, uint32_t longest, double nowUs) {
  uint32_t sent = 0;
  for (uint64_t i = head_; i < tail_ && queuedPackets_ != 0 && sent < maxBytes; i++) {
    Run& run = at(i);
    if (run.queued == 0 || longestOf(run, run.queued) > longest) continue;
    if (!log.holds(run.position)) {
      queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
      run.queued = 0;
      continue;
    }
    while (run.queued != 0 && sent < maxBytes) {
      const uint32_t bytes = resendRun(i, link, path, pathRow, maxBytes - sent, nowUs);
      if (bytes == 0) {
        link.publish();
        return sent;
      }
      sent += bytes;
    }
  }
  link.publish();
  return sent;
}

// The first stretch of neighbours among the queued packets of a run; returns its bytes, 0 when the link's ring is full.
uint32_t Flight::resendRun(uint64_t sequence, RingProducer& link, uint32_t path, int32_t pathRow, uint32_t maxBytes, double nowUs) {
  Run& run = at(sequence);
  const uint32_t from = static_cast<uint32_t>(std::countr_zero(run.queued));
  const uint32_t most = std::max<uint32_t>(1, maxBytes / std::max<uint32_t>(1, run.segmentBytes));
  const uint32_t count = std::min(static_cast<uint32_t>(std::countr_one(run.queued >> from)), most);
  const uint64_t bits = (count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << from;
  uint8_t* record = link.claim(layout::descriptor_bytes);
  if (record == nullptr) return 0;
  const uint32_t bytes = bytesOf(run, bits);
  const uint32_t last = from + count == run.count ? run.lastBytes : run.segmentBytes;
  cell<uint32_t>(record, layout::descriptor_positionAt) = run.position;
  cell<uint32_t>(record, layout::descriptor_countAt) = count;
  cell<uint32_t>(record, layout::descriptor_segmentBytesAt) = run.segmentBytes;
  cell<uint32_t>(record, layout::descriptor_lastBytesAt) = last;
  cell<int32_t>(record, layout::descriptor_pathAt) = pathRow;
  cell<int32_t>(record, layout::descriptor_classAt) = run.trafficClass;
  cell<uint64_t>(record, layout::descriptor_counterAt) = run.counter + from;
  cell<int32_t>(record, layout::descriptor_slotAt) = run.slot;
  cell<uint32_t>(record, layout::descriptor_lengthAt) = bytes;
  cell<uint32_t>(record, layout::descriptor_skipAt) = from;
  cell<int32_t>(record, layout::descriptor_ecnAt) = run.ecn;
  link.commit(layout::descriptor_bytes, layout::recordType_descriptor);
  run.queued &= ~bits;
  run.resent |= bits;
  run.resentPackets = static_cast<uint16_t>(run.resentPackets + count);
  queuedPackets_ -= count;
  copies_.push_back(Copy{sequence, bits, nowUs, static_cast<uint8_t>(path)});
  seen_ |= uint64_t{1} << path;
  inFlight_[path] += bytes;
  out_[path].resentPackets += count;
  return bytes;
}

}  // namespace hawser
