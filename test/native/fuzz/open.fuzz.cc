// What comes from the network, as the wan-link leaves it: a received record is split into runs and opened. Any datagram whose
// byte 15 is odd is sealed properly first, so that the inner packet behind the AEAD is fuzzed too.
#include <algorithm>

#include "../support/memory.h"
#include "sys/open.h"
#include "sys/seal.h"

using namespace hawser;
using namespace hawser::test;

namespace {

constexpr uint32_t kIndex = 0x04030201;
constexpr uint32_t kHeader = layout::received_payloadAt;

struct World {
  RingMemory received{1 << 18};
  RingMemory out{1 << 19};
  RingMemory events{1 << 12};
  RingMemory reports{1 << 12};
  RingMemory heard{1 << 12};
  SessionMemory sessions{2, 128};
  PeerMemory peers{1};
  PathMemory paths{1};
  EverybodyMemory everybody;
  RingConsumer input = received.consumer();
  RingProducer producer = received.producer();
  RingConsumer plain = out.consumer();
  RingConsumer told = events.consumer();
  AeadContext sealing;
  RingConsumer reported = reports.consumer();
  RingConsumer read = heard.consumer();
  int32_t unreported[3] = {};
  double gaps[1 + Reorder::kMaxGaps * 6] = {};
  double lateness[1 + Reorder::kMaxLateness * 3] = {};
  Opener opener{parts()};
  OpenRun runs[Opener::kMaxRuns];
  uint64_t counter = 0;

  World() {
    sessions.install(0, kIndex, 7);
    cell<int32_t>(sessions.table().slot(0), layout::session_capabilitiesAt) = layout::capability_paths | layout::capability_ecn | layout::capability_pathSizes | layout::capability_repairs;
    const uint8_t key[aeadKeyBytes] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
    sealing.initialise(Cipher::ChaCha20Poly1305, key, true);
  }

  OpenerParts parts() {
    OpenerParts parts;
    parts.sessions = sessions.table();
    parts.peers = peers.table();
    parts.paths = paths.table();
    parts.allowedIps = AllowedIps(everybody.get());
    parts.out = out.producer();
    parts.events = events.producer();
    parts.reports = reports.producer();
    parts.heard = heard.producer();
    parts.joinUdp = true;
    parts.unreported = unreported;
    parts.orderFromPaths = 1;
    parts.awaitsRepairs = true;
    parts.gaps = gaps;
    parts.lateness = lateness;
    parts.maxFecBytes = 300;
    parts.limits = InnerLimits(parts.peers, parts.sessions, 1420, OuterFragments::Auto);
    return parts;
  }

  // Makes an authentic data message of what lies at `at`.
  void sealInPlace(uint8_t* at, uint32_t length) {
    const uint32_t type = kTypeData;
    std::memcpy(at, &type, 4);
    std::memcpy(at + 4, &kIndex, 4);
    const uint64_t number = counter++;
    std::memcpy(at + 8, &number, 8);
    sealing.seal(at + kDataHeaderBytes, at + kDataHeaderBytes, length - kDataHeaderBytes - kTagBytes, number);
  }

  void receive(const uint8_t* data, uint32_t length, uint32_t segmentBytes) {
    uint8_t* record = producer.claim(kHeader + length);
    if (record == nullptr) return;
    std::memset(record, 0, kHeader);
    cell<uint32_t>(record, layout::received_segmentBytesAt) = segmentBytes;
    cell<uint32_t>(record, layout::received_lengthAt) = length;
    std::memcpy(record + kHeader, data, length);
    const uint32_t step = std::max<uint32_t>(1, segmentBytes);
    for (uint32_t at = 0; at < length; at += step) {
      const uint32_t bytes = std::min(step, length - at);
      if (bytes >= kDataHeaderBytes + kTagBytes && (record[kHeader + at + 15] & 1) != 0) sealInPlace(record + kHeader + at, bytes);
    }
    producer.commit(kHeader + length, layout::recordType_received);
  }

  void open() {
    for (int turn = 0; turn < 5000; turn++) {
      const uint32_t count = opener.look(input, runs, 16);
      if (count == 0) return;
      for (uint32_t i = 0; i < count; i++) runs[i].slot = runs[i].receiverIndex == kIndex ? 0 : -1;
      OpenResult result{};
      opener.open(input, runs, count, 1.0, result);
      drain(plain);
      drain(told);
      for (int32_t at = unreported[0]; at > 0; at--) opener.report(unreported[at], 1.0);
      drain(reported);
      drain(read);
    }
    // Whatever came, the input has been dealt with.
    __builtin_trap();
  }

  static void drain(RingConsumer& ring) {
    volatile uint8_t seen = 0;
    for (uint8_t* record = ring.peek(); record != nullptr; record = ring.peek()) {
      for (uint32_t at = 0; at < ring.length(); at++) seen = seen ^ record[at];
      ring.advance();
    }
    ring.release();
  }
};

}  // namespace

// Messages in the input: length (2 bytes), segment bytes (2), then as many bytes of datagrams.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World* world = new World;
  while (size >= 4) {
    const uint32_t length = std::min<uint32_t>(data[0] | data[1] << 8, static_cast<uint32_t>(size) - 4);
    world->receive(data + 4, length, data[2] | static_cast<uint32_t>(data[3]) << 8);
    data += 4 + length;
    size -= 4 + length;
  }
  world->producer.publish();
  world->open();
  return 0;
}
