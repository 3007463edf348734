// Opener on what a network may send: malformed records, forged and replayed packets, and a full output.
#include "support/open_bench.h"

namespace hawser {
namespace {
using namespace test;

TEST("Opener splits a message by index, and delivers what is its own") {
  OpenBench bench;
  Shape shape;
  const Bytes inner = makePacket(shape);
  std::vector<Bytes> datagrams;
  for (uint64_t counter = 0; counter < 9; counter++) datagrams.push_back(bench.sealed(inner, counter));
  datagrams[3][4] ^= 1;   // somebody else's index
  datagrams[5][0] = 2;    // not a data message
  datagrams[7][40] ^= 1;  // forged
  datagrams[8] = datagrams[0];
  bench.receive(datagrams);
  while (bench.turn()) {
  }
  CHECK_EQUAL(bench.total.packets, 5);
  CHECK_EQUAL(bench.total.unknown, 2);
  CHECK_EQUAL(bench.total.rejected, 1);
  CHECK_EQUAL(bench.total.replayed, 1);
  CHECK_EQUAL(bench.drain(), 5);
  CHECK_EQUAL(bench.waiting(), 0);
}

TEST("Opener takes keepalives, control frames and short datagrams for what they are") {
  OpenBench bench;
  bench.receive({bench.sealed({}, 0)});
  bench.receive({bench.sealed({0x01, 1, 3}, 1)});
  bench.receive({bench.sealed({0x91, 2, 3}, 2)});
  for (uint32_t length = 1; length < 32; length++) {
    Bytes cut = bench.sealed({}, 3);
    cut.resize(length);
    bench.receive({cut});
  }
  while (bench.turn()) {
  }
  CHECK_EQUAL(bench.total.keepalives, 1);
  CHECK_EQUAL(bench.total.control, 1);
  CHECK_EQUAL(bench.total.rejected, 1);
  CHECK_EQUAL(bench.total.unknown, 31);
  CHECK_EQUAL(bench.drain(), 0);
}

TEST("Opener delivers each packet once through an output that is full again and again, and through a restart") {
  Random random(21);
  OpenBench bench(1 << 18);
  uint64_t counter = 0;
  uint32_t sent = 0, delivered = 0;
  bool stalled = false;
  for (int round = 0; round < 200; round++) {
    std::vector<Bytes> datagrams;
    Shape shape;
    shape.payloadBytes = random.between(500, 1300);
    const uint32_t count = random.between(1, 40);
    for (uint32_t i = 0; i < count; i++) {
      shape.sourcePort = static_cast<uint16_t>(random.below(4) + 1);
      datagrams.push_back(bench.sealed(makePacket(shape), counter++));
    }
    if (bench.receive(datagrams)) sent += count;
    bench.turn();
    stalled = stalled || bench.result.stalled != 0;
    if (random.chance(3)) delivered += bench.drain();
    if (random.chance(20)) bench.restart();
  }
  for (int i = 0; i < 10000 && bench.turn(); i++) delivered += bench.drain();
  delivered += bench.drain();
  CHECK(stalled);
  CHECK_EQUAL(delivered, sent);
  CHECK_EQUAL(bench.total.replayed, 0);
  CHECK_EQUAL(bench.waiting(), 0);
}

TEST("Opener survives records of any content, sealed and not, and always comes to their end") {
  Random random(22);
  OpenBench bench;
  uint64_t counter = 0;
  for (int round = 0; round < 3000; round++) {
    std::vector<Bytes> datagrams;
    const uint32_t count = random.between(1, 5);
    for (uint32_t i = 0; i < count; i++) {
      Bytes inner(random.below(random.chance(10) ? 20000 : 200));
      for (uint8_t& byte : inner) byte = static_cast<uint8_t>(random.next());
      // Often nearly a packet: the right nibble, a plausible length.
      if (inner.size() > 4 && random.chance(2)) inner[0] = random.chance(2) ? 0x45 : 0x60, inner[2] = 0, inner[3] = static_cast<uint8_t>(inner.size());
      Bytes datagram = bench.sealed(inner, counter++);
      if (random.chance(4)) datagram[random.below(static_cast<uint32_t>(datagram.size()))] ^= 1;
      if (random.chance(8)) datagram.resize(random.between(1, static_cast<uint32_t>(datagram.size())));
      datagrams.push_back(datagram);
    }
    bench.receive(datagrams, random.chance(3) ? random.between(1, 65535) : 0);
    for (int turn = 0; turn < 50 && bench.turn(); turn++) bench.drain();
  }
  CHECK_EQUAL(bench.waiting(), 0);
}

}  // namespace
}  // namespace hawser
