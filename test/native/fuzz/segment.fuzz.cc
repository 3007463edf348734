// What comes from the TUN device: a virtio_net_hdr and a packet are inspected, cut in two goes, and marked.
#include <algorithm>

#include "../support/memory.h"
#include "sys/ecn.h"
#include "sys/inspect.h"
#include "sys/segment.h"

using namespace hawser;
using namespace hawser::test;

// 10 bytes of header, one that says how many segments go first, then the packet.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static EverybodyMemory* everybody = new EverybodyMemory;
  if (size < 11 || size > 65546) return 0;
  const uint32_t length = static_cast<uint32_t>(size) - 11;
  // Memory of exact size: the record, and the 16 bytes behind it that are the sealer's.
  Block record(layout::train_packetAt + length + 16);
  std::memcpy(record.get() + layout::train_vnetAt, data, 10);
  std::memcpy(record.get() + layout::train_packetAt, data + 11, length);
  cell<uint32_t>(record.get(), layout::train_lengthAt) = length;
  VnetHeader header;
  std::memcpy(&header, data, sizeof header);
  CachedLookup allowedIps{AllowedIps(everybody->get())};
  const TrainFacts facts = inspectTrain(record.get(), allowedIps);
  uint32_t from = 0;
  for (const uint32_t many : {uint32_t{data[10]}, 65536u}) {
    Segmenter segmenter;
    if (!segmenter.begin(header, record.get() + layout::train_packetAt, length)) break;
    // TypeScript takes a train for done by the facts' count: it may be too high, never too low.
    if (facts.peer >= 0 && static_cast<uint32_t>(facts.segments) < segmenter.count()) __builtin_trap();
    const uint32_t end = std::min(segmenter.count(), from + many);
    for (; from < end; from++) {
      uint8_t* segment = segmenter.build(from);
      const uint32_t bytes = segmenter.lengthOf(from);
      if (bytes > length || segment < record.get() + layout::train_packetAt) __builtin_trap();
      // The sealer pads with up to 15 zeros and takes them back.
      volatile uint8_t last = segment[bytes + 15];
      (void)last;
    }
    segmenter.restore();
  }
  markCongestionExperienced(record.get() + layout::train_packetAt, length);
  return 0;
}
