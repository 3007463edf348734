// Coalescer: what joins and what does not, and that cutting what was joined gives the packets back.
#include <algorithm>

#include "support/check.h"
#include "support/memory.h"
#include "support/packets.h"
#include "sys/coalesce.h"
#include "sys/segment.h"

namespace hawser {
namespace {
using namespace test;

struct Joined {
  VnetHeader vnet;
  Bytes packet;
  uint32_t packets;
};

// Puts packets through a coalescer as the opener does, and takes the records out of the ring.
class Bench {
 public:
  explicit Bench(uint32_t capacity = 1 << 20, uint32_t startAt = 0, bool joinUdp = true)
      : memory_(capacity, startAt), producer_(memory_.producer()), consumer_(memory_.consumer()), joinUdp_(joinUdp) {}

  void begin() { coalescer_->begin(&producer_, joinUdp_, 1.0); }
  void end() { coalescer_->end(); }

  // False when the ring is full. `padding` zeros follow, as in a sealed packet; `forged` packets are discarded after the fact.
  bool give(const Bytes& packet, uint32_t padding = 0, bool forged = false) {
    uint8_t* target = coalescer_->place(static_cast<uint32_t>(packet.size()) + padding);
    if (target == nullptr) return false;
    std::memcpy(target, packet.data(), packet.size());
    std::memset(target + packet.size(), 0, padding);
    if (forged) {
      coalescer_->discard();
    } else {
      coalescer_->take(viewIp(target, packet.size() + padding));
    }
    return true;
  }

  std::vector<Joined> take() {
    std::vector<Joined> all;
    for (uint8_t* record = consumer_.peek(); record != nullptr; record = consumer_.peek()) {
      Joined one;
      std::memcpy(&one.vnet, record + layout::train_vnetAt, sizeof one.vnet);
      const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
      CHECK_EQUAL(consumer_.length(), layout::train_packetAt + length);
      one.packet.assign(record + layout::train_packetAt, record + layout::train_packetAt + length);
      one.packets = cell<uint32_t>(record, layout::train_progressAt);
      all.push_back(one);
      consumer_.advance();
      consumer_.release();
    }
    return all;
  }

 private:
  RingMemory memory_;
  RingProducer producer_;
  RingConsumer consumer_;
  std::unique_ptr<Coalescer> coalescer_ = std::make_unique<Coalescer>();
  bool joinUdp_;
};

// The packets that the kernel would make of a record.
std::vector<Bytes> cut(Joined joined) {
  const uint32_t length = static_cast<uint32_t>(joined.packet.size());
  joined.packet.resize(length + 16);
  Segmenter segmenter;
  CHECK(segmenter.begin(joined.vnet, joined.packet.data(), length));
  std::vector<Bytes> packets;
  for (uint32_t i = 0; i < segmenter.count(); i++) {
    const uint32_t bytes = segmenter.lengthOf(i);
    const uint8_t* segment = segmenter.build(i);
    packets.emplace_back(segment, segment + bytes);
  }
  return packets;
}

Shape following(const Shape& shape) {
  Shape next = shape;
  next.id = static_cast<uint16_t>(shape.id + 1);
  next.sequence = shape.sequence + shape.payloadBytes;
  next.seed = shape.seed + shape.payloadBytes;
  return next;
}

size_t recordsOf(const Bytes& first, const Bytes& second) {
  Bench bench;
  bench.begin();
  bench.give(first);
  bench.give(second);
  bench.end();
  return bench.take().size();
}

size_t recordsAfter(const Shape& first, void (*change)(Shape&)) {
  Shape second = following(first);
  change(second);
  return recordsOf(makePacket(first), makePacket(second));
}

TEST("Coalescer joins neighbours of one TCP flow, in both families") {
  for (const int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    CHECK_EQUAL(recordsAfter(shape, [](Shape&) {}), 1);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.flags = 0x18; }), 1);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.payloadBytes -= 1; }), 1);
  }
}

TEST("Coalescer keeps apart TCP packets that differ in anything but their place in the stream") {
  for (const int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.sequence += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.acknowledgement += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.window += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.sourcePort += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.destinationPort += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.host += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.trafficClass = 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.ttl -= 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.tcpOptionBytes += 4; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.payloadBytes += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.payloadBytes = 0; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.ipOptionBytes = next.version == 4 ? 4 : 8; }), 2);
    for (const uint8_t flags : {0x11, 0x12, 0x14, 0x30, 0x50, 0x90, 0x00, 0x08}) {
      Shape second = following(shape);
      second.flags = flags;
      CHECK_EQUAL(recordsOf(makePacket(shape), makePacket(second)), 2);
      // Nor may such a packet begin a super-packet.
      Shape first = shape;
      first.flags = flags;
      CHECK_EQUAL(recordsOf(makePacket(first), makePacket(following(shape))), 2);
    }
    Bytes options = makePacket(following(shape));
    options[shape.ipBytes() + 31] = 7;  // the same length of options, other options
    CHECK_EQUAL(recordsOf(makePacket(shape), options), 2);
    Bytes urgent = makePacket(following(shape));
    urgent[shape.ipBytes() + 19] = 1;
    CHECK_EQUAL(recordsOf(makePacket(shape), urgent), 2);
    Bytes udp = makePacket(shape);
    udp[version == 4 ? 9 : 6] = 17;
    CHECK_EQUAL(recordsOf(makePacket(shape), udp), 2);
  }
}

TEST("Coalescer minds IPv4 ids, fragments and DF") {
  Shape shape;
  CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.dontFragment = false; }), 2);
  CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.id += 5; }), 1);
  shape.dontFragment = false;
  CHECK_EQUAL(recordsAfter(shape, [](Shape&) {}), 1);
  CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.id += 1; }), 2);
  shape.id = 65535;
  CHECK_EQUAL(recordsAfter(shape, [](Shape&) {}), 1);
  for (const uint8_t offset : {1, 200}) {
    // The last fragment of a packet, whose payload looks like the next segment's header.
    Bytes fragment = makePacket(following(shape));
    fragment[7] = offset;
    CHECK_EQUAL(recordsOf(makePacket(shape), fragment), 2);
    CHECK_EQUAL(recordsOf(fragment, makePacket(following(following(shape)))), 2);
  }
  Bytes more = makePacket(following(shape));
  more[6] |= 0x20;
  CHECK_EQUAL(recordsOf(makePacket(shape), more), 2);
}

TEST("Coalescer ends a super-packet at PSH and at a short packet") {
  Shape shape;
  shape.flags = 0x18;
  CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.flags = 0x10; }), 2);
  shape.flags = 0x10;
  Shape small = following(shape);
  small.payloadBytes = 50;
  Bench bench;
  bench.begin();
  bench.give(makePacket(shape));
  bench.give(makePacket(small));
  bench.give(makePacket(following(small)));
  bench.end();
  const std::vector<Joined> got = bench.take();
  CHECK_EQUAL(got.size(), 2);
  CHECK_EQUAL(got[0].packets, 2);
}

TEST("Coalescer joins UDP of one flow and size when the kernel takes it") {
  for (const int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    shape.tcp = false;
    CHECK_EQUAL(recordsAfter(shape, [](Shape&) {}), 1);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.payloadBytes -= 7; }), 1);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.payloadBytes += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.sourcePort += 1; }), 2);
    CHECK_EQUAL(recordsAfter(shape, [](Shape& next) { next.tcp = true, next.tcpOptionBytes = 0; }), 2);
    Bytes lying = makePacket(following(shape));
    lying[shape.ipBytes() + 5] ^= 1;  // its own length field
    CHECK_EQUAL(recordsOf(makePacket(shape), lying), 2);
    Bench without(1 << 20, 0, false);
    without.begin();
    without.give(makePacket(shape));
    without.give(makePacket(following(shape)));
    without.end();
    CHECK_EQUAL(without.take().size(), 2);
  }
}

// A stream of packets of several flows, some of them odd, as a receiver might see it.
std::vector<Bytes> randomPackets(Random& random, uint32_t count) {
  std::vector<Shape> flows(4);
  for (uint32_t i = 0; i < flows.size(); i++) {
    flows[i].version = random.chance(2) ? 4 : 6;
    flows[i].tcp = !random.chance(4);
    flows[i].tcpOptionBytes = random.below(4) * 4;
    flows[i].dontFragment = random.chance(2);
    flows[i].payloadBytes = random.between(1, 1400);
    flows[i].sourcePort = static_cast<uint16_t>(5000 + i);
  }
  std::vector<Bytes> packets;
  uint32_t flow = 0;
  while (packets.size() < count) {
    if (random.chance(20)) flow = random.below(static_cast<uint32_t>(flows.size()));
    Shape& shape = flows[flow];
    const uint32_t usual = shape.payloadBytes;
    if (random.chance(15)) shape.payloadBytes = random.between(shape.tcp ? 0 : 1, 1400);
    if (random.chance(25)) shape.flags = static_cast<uint8_t>(random.next());
    if (random.chance(40)) shape.window += 1;
    if (random.chance(60)) shape.ipOptionBytes = 8;
    packets.push_back(makePacket(shape));
    shape = following(shape);
    shape.payloadBytes = usual;
    shape.ipOptionBytes = 0;
    shape.flags = random.chance(12) ? 0x18 : 0x10;
  }
  return packets;
}

TEST("what Coalescer joins, Segmenter cuts into the very packets that went in") {
  Random random(7);
  for (int round = 0; round < 300; round++) {
    const uint32_t start = random.next() & ~7u;  // anywhere in the ring, also beyond 2^31 and near 2^32
    Bench bench(1 << 20, random.chance(4) ? 0xfffffff8u - random.below(200000) / 8 * 8 : start);
    const std::vector<Bytes> sent = randomPackets(random, random.between(1, 400));
    std::vector<Bytes> got;
    size_t records = 0;
    const auto drain = [&] {
      bench.end();
      for (const Joined& joined : bench.take()) {
        for (Bytes& packet : cut(joined)) got.push_back(std::move(packet));
        records += 1;
      }
      bench.begin();
    };
    bench.begin();
    for (const Bytes& packet : sent) {
      // Forged packets in between leave no trace, whatever their length.
      if (random.chance(10) && !bench.give(Bytes(random.between(1, 65000), 0x45), 0, true)) drain();
      if (!bench.give(packet, random.below(16))) {
        drain();
        CHECK(bench.give(packet));
      }
    }
    drain();
    CHECK_EQUAL(got.size(), sent.size());
    CHECK(records <= sent.size());
    for (size_t i = 0; i < std::min(got.size(), sent.size()); i++) CHECK(got[i] == sent[i]);
    if (hopeless()) return;
  }
}

TEST("Coalescer never lets a packet be decrypted beyond its record, at the very end of the ring") {
  constexpr uint32_t kCapacity = 1 << 20;
  const uint32_t record = static_cast<uint32_t>(layout::train_maxRecordBytes) + 8;
  for (const uint32_t back : {record, record + 8, record + 4096}) {
    // The record that is claimed first ends where the ring ends.
    Bench bench(kCapacity, kCapacity - back);
    bench.begin();
    Shape shape;
    shape.payloadBytes = 1400;
    for (int i = 0; i < 40; i++) {
      CHECK(bench.give(makePacket(shape)));
      shape = following(shape);
    }
    // 65,475 bytes are what fits one datagram; whether it is authentic is known only after it was written.
    CHECK(bench.give(Bytes(65475, 0x45), 0, true));
    CHECK(bench.give(makePacket(shape)));
    bench.end();
    uint32_t packets = 0;
    for (const Joined& joined : bench.take()) packets += joined.packets;
    CHECK_EQUAL(packets, 41);
  }
}

}  // namespace
}  // namespace hawser
