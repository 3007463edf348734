// ECN through the tunnel (RFC 6040): what the outer header is given, what it gives the inner one, and what the sender hears of it.
#include <array>

#include "support/open_bench.h"
#include "sys/ecn.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint8_t kDropped = 0xff;
// RFC 6040, figure 4: by inner field, then by outer field; both as Not-ECT, ECT(1), ECT(0), CE.
constexpr uint8_t kFigure4[4][4] = {
    {kNotEct, kNotEct, kNotEct, kDropped},
    {kEct1, kEct1, kEct1, kCongestionExperienced},
    {kEct0, kEct1, kEct0, kCongestionExperienced},
    {kCongestionExperienced, kCongestionExperienced, kCongestionExperienced, kCongestionExperienced},
};

bool isChecksumRight(const uint8_t* packet) { return packet[0] >> 4 != 4 || oneComplement(packet, (packet[0] & 15u) * 4) == 0xffff; }

TEST("decapsulateEcn() does what figure 4 of RFC 6040 says, keeps DSCP and a right checksum, and heals no wrong one") {
  for (const int version : {4, 6}) {
    for (uint8_t inner = 0; inner < 4; inner++) {
      for (uint8_t outer = 0; outer < 4; outer++) {
        Shape shape;
        shape.version = version;
        shape.trafficClass = static_cast<uint8_t>(0xb8 | inner);
        Bytes packet = makePacket(shape);
        IpView ip = viewIp(packet.data(), packet.size());
        const Decapsulated outcome = decapsulateEcn(packet.data(), ip, outer);
        const uint8_t wanted = kFigure4[inner][outer];
        CHECK_EQUAL(outcome == Decapsulated::Dropped, wanted == kDropped);
        CHECK_EQUAL(outcome == Decapsulated::Marked, wanted == kCongestionExperienced && inner != kCongestionExperienced);
        if (wanted == kDropped) continue;
        CHECK_EQUAL(ip.trafficClass, 0xb8 | wanted);
        CHECK_EQUAL(viewIp(packet.data(), packet.size()).trafficClass, 0xb8 | wanted);
        CHECK(isChecksumRight(packet.data()));
        shape.trafficClass = static_cast<uint8_t>(0xb8 | wanted);
        CHECK(packet == makePacket(shape));
      }
    }
  }
  Shape shape;
  shape.trafficClass = kEct0;
  Bytes packet = makePacket(shape);
  packet[10] ^= 0x55;
  markCongestionExperienced(packet.data(), static_cast<uint32_t>(packet.size()));
  CHECK(!isChecksumRight(packet.data()));
}

// A sealer for one slot, and the descriptors that it leaves.
class SealBench {
 public:
  SealBench() { sessions_.install(0, 5, 3); }

  // Seals packets with these ECN fields, and a control frame, in one run; returns (ECN field, packets) of each descriptor.
  std::vector<std::array<int32_t, 2>> seal(const std::vector<uint8_t>& fields, int version) {
    Sealer sealer({log_.log(), sessions_.table(), RowTable(), feedback_.data(), nullptr, 1412, {}, -1, nullptr});
    CHECK_EQUAL(sealer.open({0, 0, 2, 1420, 1.0, 0, true, Flight::kWatched | Flight::kResendable}, &producer_), 0);
    for (const uint8_t field : fields) {
      Shape shape;
      shape.version = version;
      shape.trafficClass = static_cast<uint8_t>(0xb8 | field);
      shape.payloadBytes = 3000;
      Bytes record(static_cast<size_t>(layout::train_packetAt) + shape.headerBytes() + shape.payloadBytes + 16);
      const Bytes packet = makePacket(shape);
      const VnetHeader header = gsoHeader(shape, 1000);
      std::memcpy(record.data() + layout::train_vnetAt, &header, sizeof header);
      std::memcpy(record.data() + layout::train_packetAt, packet.data(), packet.size());
      cell<uint32_t>(record.data(), layout::train_lengthAt) = static_cast<uint32_t>(packet.size());
      CHECK_EQUAL(sealer.train(record.data(), 64), 3);
    }
    Bytes frame(64);
    CHECK_EQUAL(sealer.packet(frame.data(), 12), 1);
    sealer.close();
    std::vector<std::array<int32_t, 2>> found = take();
    // All of it is lost, and goes out again as it was.
    sealer.flight(0).expire(0, 1e6);
    while (sealer.flight(0).queuedPackets() > 0 && sealer.resend(0, producer_, 0, 1 << 20, UINT32_MAX, 2.0) > 0) {
    }
    CHECK(take() == found);
    return found;
  }

  void say(int32_t capabilities) { cell<int32_t>(sessions_.table().slot(0), layout::session_capabilitiesAt) = capabilities; }

 private:
  std::vector<std::array<int32_t, 2>> take() {
    std::vector<std::array<int32_t, 2>> found;
    for (uint8_t* record = consumer_.peek(); record != nullptr; record = consumer_.peek()) {
      found.push_back({cell<int32_t>(record, layout::descriptor_ecnAt), cell<int32_t>(record, layout::descriptor_countAt)});
      consumer_.advance();
    }
    consumer_.release();
    return found;
  }

  RingMemory link_{1 << 16};
  LogMemory log_{1 << 22};
  SessionMemory sessions_{1, 128};
  std::array<PathFeedback, Flight::kPaths> feedback_{};
  RingProducer producer_ = link_.producer();
  RingConsumer consumer_ = link_.consumer();
};

TEST("Sealer sends runs of one ECN field each, control frames without, and again as they were") {
  using Runs = std::vector<std::array<int32_t, 2>>;
  for (const int version : {4, 6}) {
    SealBench bench;
    CHECK(bench.seal({2, 2, 3, 0, 1, 1}, version) == Runs({{2, 6}, {3, 3}, {0, 3}, {1, 6}, {0, 1}}));
    bench.say(kPaths | kEcn);
    CHECK(bench.seal({2, 3}, version) == Runs({{2, 3}, {3, 3}, {0, 1}}));
    // A Hawser that does not look at the outer field would lose every mark.
    bench.say(kPaths);
    CHECK(bench.seal({2, 3}, version) == Runs({{0, 7}}));
  }
}

TEST("Opener marks what was marked, drops what cannot be, joins nothing of another mark, and tells the sender") {
  OpenBench bench;
  bench.allowPaths(kEcn);
  bench.addPath(3, 0, 1);
  Shape shape;
  shape.trafficClass = kEct0;
  uint64_t counter = 0;
  const auto next = [&] {
    const Bytes datagram = bench.sealed(makePacket(shape), counter++);
    shape.sequence += shape.payloadBytes;
    shape.seed += shape.payloadBytes;
    return datagram;
  };
  for (const uint8_t outer : {2, 3, 2}) {
    bench.marked(static_cast<uint8_t>(0x88 | outer));
    bench.receive({next(), next()});
  }
  bench.turn();
  std::vector<uint32_t> trains;
  bench.drainTrains([&](const uint8_t* packet, uint32_t packets, uint32_t) {
    trains.push_back(packets * 16u + packet[1]);
    CHECK(isChecksumRight(packet));
  });
  CHECK(trains == std::vector<uint32_t>({0x22, 0x23, 0x22}));
  shape.trafficClass = kNotEct;
  bench.marked(kCongestionExperienced);
  bench.receive({next(), next()});
  shape.trafficClass = kCongestionExperienced;
  bench.receive({next(), bench.sealed({0x00, 1}, counter++)});
  bench.marked(kNotEct);
  bench.receive({next()});
  while (bench.turn()) {
  }
  CHECK_EQUAL(bench.total.unmarkable, 2);
  CHECK_EQUAL(bench.total.packets, 8);
  CHECK_EQUAL(bench.drain(), 2);
  // Marked on the way: two that were joined, and two that had to be dropped. One was marked before it was sealed.
  CHECK_EQUAL(cell<double>(bench.path(3), layout::path_receivedEcnAt), 9);
  CHECK_EQUAL(cell<double>(bench.path(3), layout::path_receivedMarkedAt), 4);

  std::array<PathFeedback, Flight::kPaths> feedback{};
  FeedbackRows rows(feedback.data());
  Flight flight(rows);
  Flight::Run run{};
  run.count = 11;
  run.segmentBytes = run.lastBytes = 100;
  run.path = 7;
  run.flags = Flight::kWatched;
  flight.record(run);
  CHECK(bench.report(0) > 0);
  const uint8_t* record = bench.reports.peek();
  CHECK(record != nullptr);
  if (record == nullptr) return;
  const auto* frame = record + layout::frame_payloadAt;
  const uint32_t length = readLe32(record + layout::frame_lengthAt);
  CHECK(flight.acknowledge(0, frame, length, 2.0));
  CHECK_EQUAL(feedback[7].ackedPackets, 11);
  CHECK_EQUAL(feedback[7].hasMarks, 1);
  CHECK_EQUAL(feedback[7].ecnPackets, 9);
  CHECK_EQUAL(feedback[7].markedPackets, 4);
  // Cut off: what comes before it counts.
  flight.clear();
  CHECK(flight.acknowledge(0, frame, length - 1, 2.0));
  CHECK_EQUAL(feedback[7].hasSection, 1);
  CHECK_EQUAL(feedback[7].hasMarks, 0);
}

TEST("a report says nothing of ECN to who does not ask, and before there is anything to say") {
  for (const bool asks : {false, true}) {
    OpenBench bench;
    bench.allowPaths(asks ? kEcn : 0);
    bench.addPath(0, 0, 1);
    const auto flags = [&](uint64_t counter) {
      Shape shape;
      shape.trafficClass = kEct0;
      bench.receive({bench.sealed(makePacket(shape), counter)});
      bench.turn();
      CHECK(bench.report(0) > 0);
      const uint8_t value = bench.reports.peek()[layout::frame_payloadAt + layout::report_flagsAt];
      bench.reports.advance();
      return value;
    };
    CHECK_EQUAL(flags(0), 0);
    bench.marked(kEct0);
    CHECK_EQUAL(flags(1), asks ? layout::report_flagMarks : 0);
  }
}

TEST("Opener gives the mark to a packet that is held for those before it") {
  OpenBench bench;
  bench.allowPaths(kEcn);
  bench.addPath(0, 0, 1);
  bench.addPath(1, 1, 2);
  bench.bumpPaths();
  Shape shape;
  shape.trafficClass = kEct0;
  bench.from(0, 1);
  bench.receive({bench.sealed(makePacket(shape), 0)});
  bench.turn();
  bench.marked(kCongestionExperienced);
  shape.sequence += 200;
  bench.receive({bench.sealed(makePacket(shape), 2)});
  bench.turn();
  bench.drain();
  bench.marked(kEct0);
  shape.sequence -= 100;
  bench.receive({bench.sealed(makePacket(shape), 1)});
  bench.turn();
  std::vector<int> classes;
  bench.drainTrains([&](const uint8_t* packet, uint32_t, uint32_t) { classes.push_back(packet[1]); });
  CHECK(classes == std::vector<int>({kEct0, kCongestionExperienced}));
}

}  // namespace
}  // namespace hawser
